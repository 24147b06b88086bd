"""How a gateway stops: it says so first, then takes no more, and finishes what it has begun."""

import asyncio
import signal
import threading
from pathlib import Path

import httpx

from tests.fakes.node import Exchange, FarEnd, Files
from tests.gateway.service import (
    RawPost,
    eventually,
    made_keys,
    publication,
    sealed_post,
    service,
)
from tests.gateway.test_programs import gateway_file, running


def test_readiness_ends_first_and_open_streams_last(tmp_path: Path) -> None:
    go_on = threading.Event()

    async def script(exchange: Exchange) -> None:
        await exchange.start()
        await exchange.chunk(b"first")
        await asyncio.to_thread(go_on.wait, 60)
        await exchange.chunk(b"last")
        await exchange.end()

    files = Files()
    with FarEnd(files) as publisher, service(tmp_path, script) as found:
        ids = [one.id for one in found.node_keys]
        document = publication([one.url for one in found.nodes], ids)
        files.by_path["/publication"] = document.encode()
        files.by_path["/ohttp-keys"] = made_keys(tmp_path).with_name("ohttp-keys").read_bytes()
        config = gateway_file(tmp_path, publisher=publisher.url, poll=0.05, notice=600, drain=60)
        with running("gateway", config) as (process, said):
            listening, control = said["listening"], said["control"]
            eventually(lambda: httpx.get(f"{control}/readyz").status_code == 200)
            body, opener = found.encapsulate(sealed_post(found.seal(0).body), 1)
            with RawPost(listening, body) as post:
                post.head()
                opener.feed(post.chunk())
                process.send_signal(signal.SIGTERM)
                eventually(lambda: httpx.get(f"{control}/readyz").status_code == 503)
                assert httpx.get(f"{control}/healthz").status_code == 200
                assert httpx.get(f"{listening}/ohttp-keys").status_code == 200
                process.send_signal(signal.SIGTERM)  # whoever looks at it has seen enough
                eventually(lambda: refuses(listening))
                assert httpx.get(f"{control}/readyz").status_code == 503
                go_on.set()
                assert post.rest().endswith(b"0\r\n\r\n")
            assert process.wait(60) == 0


def refuses(url: str) -> bool:
    try:
        httpx.get(url)
    except httpx.ConnectError:
        return True
    except httpx.TransportError:
        return False  # accepted as it closed; the next one is refused
    return False
