"""Which OHTTP keys a gateway publishes, and when it is not ready because of them."""

from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path

import httpx
import pytest

from gateway import keys
from gateway.config import GatewayConfig
from gateway.main import GatewayProgram
from openpcc.protocol import chunked_ohttp
from openpcc.protocol.key_config import parse_configs
from tests.fakes.node import FarEnd, Files
from tests.fakes.serving import Served
from tests.gateway.service import OHTTP_HEADERS, SERVICE, eventually, publication


@dataclass
class Rotating:
    """A gateway that has two pairs, and a publisher that has one of them."""

    publisher: Files
    program: GatewayProgram
    url: str
    old: bytes
    new: bytes

    def published(self) -> bytes:
        return httpx.get(f"{self.url}/ohttp-keys").content


@pytest.fixture
def gateway(tmp_path: Path) -> Iterator[Rotating]:
    paths = []
    for name in ("old", "new"):
        (tmp_path / name).mkdir()
        keys.generate(tmp_path / name, now=0)
        paths.append(tmp_path / name / keys.PRIVATE_NAME)
        while name == "new" and _ids(paths[0]) & _ids(paths[1]):  # ids are drawn at random
            for file in (tmp_path / name).iterdir():
                file.unlink()
            keys.generate(tmp_path / name, now=0)
    old, new = (path.with_name(keys.PUBLIC_NAME).read_bytes() for path in paths)
    files = Files({"/publication": publication([], []).encode()})
    with ExitStack() as stack:
        url = stack.enter_context(FarEnd(files)).url
        config = GatewayConfig(
            service=SERVICE,
            ohttp_keys=tuple(paths),
            publisher=url,
            log=url,
            listen="127.0.0.1:0",
            poll=0.02,
        )
        program = GatewayProgram(config)
        served = stack.enter_context(Served(program, config))
        yield Rotating(publisher=files, program=program, url=served.url, old=old, new=new)


def _ids(path: Path) -> set[int]:
    return set(keys.load((path,)).accepted)


def test_is_not_ready_before_the_publisher_gave_its_keys(gateway: Rotating) -> None:
    eventually(lambda: gateway.program._replica._publication is not None)
    assert not gateway.program.ready()
    assert gateway.published() == gateway.old


def test_publishes_the_pair_that_the_publisher_has(gateway: Rotating) -> None:
    for named in (gateway.old, gateway.new):
        gateway.publisher.by_path["/ohttp-keys"] = named
        gateway.program._replica._agreed = False  # as a new publication would make it look
        eventually(gateway.program.ready)
        assert gateway.published() == named


def test_is_not_ready_while_the_publisher_has_a_pair_of_others(gateway: Rotating) -> None:
    gateway.publisher.by_path["/ohttp-keys"] = gateway.new
    eventually(gateway.program.ready)
    gateway.publisher.by_path["/ohttp-keys"] = b"another's"
    eventually(lambda: not gateway.program.ready())
    assert gateway.published() == gateway.new
    for file in (gateway.old, gateway.new):  # whoever has keys of ours is served all the same
        body, _ = chunked_ohttp.encapsulate(parse_configs(file)[1], b"message")
        assert httpx.post(gateway.url, content=body, headers=OHTTP_HEADERS).status_code == 200
    gateway.publisher.by_path["/ohttp-keys"] = gateway.old
    eventually(gateway.program.ready)
    assert gateway.published() == gateway.old


def test_takes_no_older_publication_while_its_own_is_valid(
    gateway: Rotating, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO", "openpcc.gateway")
    newest = publication([], [])
    gateway.publisher.by_path["/ohttp-keys"] = gateway.old
    eventually(gateway.program.ready)
    stale = replace(newest, sequence=newest.sequence - 1)
    gateway.publisher.by_path["/publication"] = stale.encode()
    eventually(lambda: "publisher-unreachable" in [record.msg for record in caplog.records])
    assert gateway.program._replica.publication == newest
    assert gateway.program.ready()
    gateway.publisher.by_path["/publication"] = replace(newest, sequence=9).encode()
    eventually(lambda: gateway.program._replica.publication.sequence == 9)
