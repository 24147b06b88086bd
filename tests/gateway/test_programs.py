"""The programs as processes: configuration, announcement, control address, TLS, signals."""

import asyncio
import datetime
import io
import ipaddress
import json
import signal
import socket
import ssl
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from pathlib import Path

import httpx
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from gateway.main import main as gateway_main
from gateway.publication import Publication
from gateway.relay import main as relay_main
from openpcc.protocol.hpke import KEM_X25519
from openpcc.protocol.key_config import parse_configs
from openpcc.protocol.messages import WINDOW
from openpcc.protocol.sealing import NodePrivateKey, model_id
from tests.fakes.node import FarEnd, Files, replies
from tests.gateway.service import (
    OHTTP_HEADERS,
    SERVICE,
    RawPost,
    Service,
    eventually,
    get,
    made_keys,
    publication,
    sealed_post,
    service,
)
from tests.gateway.surroundings import LogScript, NodeScript
from tests.transparency_log.memory_log import MemoryLog, status_entry
from transparency_log.entry import verify_service
from transparency_log.strict_json import b64encode
from transparency_log.tile import parse_bundle

COMMANDS = {
    "gateway": "from gateway.main import main; main()",
    "relay": "from gateway.relay import main; main()",
}


MAINS = {"gateway": gateway_main, "relay": relay_main}

Running = tuple[subprocess.Popen[str], dict[str, str]]


def command(program: str, *arguments: object) -> list[str]:
    return [sys.executable, "-c", COMMANDS[program], *map(str, arguments)]


def failure(program: str, *arguments: object) -> str:
    """Run a program that must refuse to start, in this process; give its one line."""
    out, errors = io.StringIO(), io.StringIO()
    with redirect_stdout(out), redirect_stderr(errors), pytest.raises(SystemExit) as ended:
        MAINS[program]([str(one) for one in arguments])
    assert (ended.value.code, out.getvalue()) == (2, "")
    assert errors.getvalue().count("\n") == 1, errors.getvalue()
    return errors.getvalue()


def succeed(program: str, *arguments: object) -> None:
    """Run a command that ends by itself, in this process; it must print nothing."""
    out, errors = io.StringIO(), io.StringIO()
    with redirect_stdout(out), redirect_stderr(errors):
        MAINS[program]([str(one) for one in arguments])
    assert (out.getvalue(), errors.getvalue()) == ("", "")


@contextmanager
def running(program: str, config: Path, *more: str) -> Iterator[Running]:
    with (config.parent / f"{program}.err").open("w") as errors:
        process = subprocess.Popen(
            command(program, "--config", config, *more),
            stdout=subprocess.PIPE, stderr=errors, text=True,
        )  # fmt: skip
    assert process.stdout is not None
    with process.stdout as output:
        try:
            yield process, json.loads(output.readline())
        finally:
            process.kill()
            process.wait(10)


def gateway_file(folder: Path, **changes: object) -> Path:
    made_keys(folder)
    settings = {
        "service": SERVICE,
        "ohttp_keys": ["ohttp-keys.json"],
        "publisher": "http://127.0.0.1:9",
        "log": "http://127.0.0.1:9",
        "listen": "127.0.0.1:0",
        "control": "127.0.0.1:0",
        **changes,
    }
    return write(folder / "gateway.toml", settings)


def write(path: Path, settings: dict[str, object]) -> Path:
    path.write_text("".join(f"{key} = {json.dumps(value)}\n" for key, value in settings.items()))
    return path


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"porst": 1}, ["porst", "no such setting"]),
        ({"service": 7}, ["service", "expected a text"]),
        ({"poll": 0}, ["poll", "above 0"]),
        ({"max_request": True}, ["max_request", "expected an integer"]),
        ({"listen": "8001"}, ["listen", "host:port"]),
        ({"listen": "127.0.0.1:99999"}, ["listen", "65535"]),
        ({"ohttp_keys": ["missing.json"]}, ["missing.json", "No such file"]),
        ({"publisher": "127.0.0.1:9"}, ["publisher", "URL"]),
        ({"log": "http://user:pw@log.example"}, ["log", "URL"]),
        ({"log": "http://log.example:0"}, ["log", "URL"]),
        ({"log": "http://log.example:x"}, ["log", "URL"]),
        ({"tls_key": "k.pem"}, ["tls_certificate", "both"]),
        ({"ca": "missing.pem"}, ["missing.pem", "PEM"]),
    ],
)
def test_refuses_a_setting_in_one_line_that_names_it(
    tmp_path: Path, changes: dict[str, object], words: list[str]
) -> None:
    line = failure("gateway", "--config", gateway_file(tmp_path, **changes), "--check-config")
    assert line.startswith("openpcc-gateway: ")
    assert all(word in line for word in words), line


def test_refuses_a_missing_setting_and_a_missing_file(tmp_path: Path) -> None:
    assert "gateway: expected a text, found nothing; add it" in failure(
        "relay", "--config", write(tmp_path / "r.toml", {})
    )
    assert "none.toml" in failure("relay", "--config", tmp_path / "none.toml")
    (tmp_path / "bad.toml").write_text("gateway = \n")
    assert "not TOML" in failure("relay", "--config", tmp_path / "bad.toml")


def test_a_refusal_is_exit_code_2_of_the_process(tmp_path: Path) -> None:
    ended = subprocess.run(
        command("relay", "--config", tmp_path / "none.toml"),
        capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert (ended.returncode, ended.stdout, ended.stderr.count("\n")) == (2, "", 1)


def test_a_good_file_passes_the_check(tmp_path: Path) -> None:
    for program, config in (
        ("gateway", gateway_file(tmp_path)),
        ("relay", write(tmp_path / "r.toml", {"gateway": "https://gateway.example"})),
    ):
        ended = subprocess.run(
            command(program, "--config", config, "--check-config"),
            capture_output=True, text=True, timeout=60, check=False,
        )  # fmt: skip
        assert (ended.returncode, ended.stdout, ended.stderr) == (0, "", "")


def test_names_a_port_in_use(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        listen = f"127.0.0.1:{taken.getsockname()[1]}"
        line = failure("gateway", "--config", gateway_file(tmp_path, listen=listen))
    assert listen in line
    assert "choose a free address" in line


def test_keys_are_made_by_command_only_once(tmp_path: Path) -> None:
    (tmp_path / "k").mkdir()
    succeed("gateway", "keys", "--out", tmp_path / "k")
    assert len(parse_configs((tmp_path / "k" / "ohttp-keys").read_bytes())) == 2
    assert "ohttp-keys.json" in failure("gateway", "keys", "--out", tmp_path / "k")


def test_control_address_alone_has_health_and_metrics(tmp_path: Path) -> None:
    files = Files()
    with FarEnd(files) as publisher:
        config = gateway_file(tmp_path, publisher=publisher.url, poll=0.05)
        with running("gateway", config) as (process, said):
            for path in ("/healthz", "/readyz", "/metrics"):
                assert httpx.get(said["listening"] + path).status_code == 404
            assert httpx.get(said["control"] + "/healthz").status_code == 200
            assert httpx.get(said["control"] + "/readyz").status_code == 503
            files.by_path["/publication"] = publication(
                ["http://127.0.0.1:9"], [bytes(32)]
            ).encode()
            files.by_path["/ohttp-keys"] = b"the keys of another gateway"
            eventually(lambda: "ohttp-keys-differ" in (tmp_path / "gateway.err").read_text())
            assert httpx.get(said["control"] + "/readyz").status_code == 503
            files.by_path["/ohttp-keys"] = (tmp_path / "ohttp-keys").read_bytes()
            eventually(lambda: httpx.get(said["control"] + "/readyz").status_code == 200)
            metrics = httpx.get(said["control"] + "/metrics").text
            assert "openpcc_nodes 1.0" in metrics
            process.send_signal(signal.SIGTERM)
            assert process.wait(10) == 0


def test_sigterm_lets_an_open_stream_finish(tmp_path: Path) -> None:
    go_on = threading.Event()

    async def script(exchange) -> None:
        await exchange.start()
        await exchange.chunk(b"first")
        await asyncio.to_thread(go_on.wait, 10)
        await exchange.chunk(b"last")
        await exchange.end()

    with service(tmp_path, script) as found:
        config = write(
            tmp_path / "relay.toml",
            {"gateway": found.gateway, "listen": "127.0.0.1:0", "drain": 8},
        )
        with running("relay", config) as (process, said):
            body, opener = found.encapsulate(sealed_post(found.seal(0).body), 1)
            with RawPost(said["listening"], body) as post:
                post.head()
                data = post.chunk()
                process.send_signal(signal.SIGTERM)

                def closed() -> bool:
                    try:
                        httpx.get(said["listening"])
                    except httpx.ConnectError:
                        return True
                    except httpx.TransportError:
                        return False  # accepted as it closed; the next one is refused
                    return False

                eventually(closed)
                go_on.set()
                opener.feed(data)
                assert post.rest().endswith(b"0\r\n\r\n")
            assert process.wait(10) == 0


def key_usage(*, ca: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not ca, key_cert_sign=ca, crl_sign=ca, content_commitment=False,
        key_encipherment=False, data_encipherment=False, key_agreement=False,
        encipher_only=False, decipher_only=False,
    )  # fmt: skip


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A throw-away CA and a certificate for 127.0.0.1, as strict readers want them (3.13)."""
    folder = tmp_path_factory.mktemp("tls")
    ca_key, key = (ec.generate_private_key(ec.SECP256R1()) for _ in range(2))
    ca_name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "test root")])
    now = datetime.datetime.now(datetime.UTC)

    authority = x509.AuthorityKeyIdentifier.from_issuer_public_key(ca_key.public_key())

    def certificate(name: x509.Name, public: ec.EllipticCurvePublicKey, *, ca: bool):
        return (
            x509.CertificateBuilder()
            .subject_name(name)
            .issuer_name(ca_name)
            .public_key(public)
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - datetime.timedelta(hours=1))
            .not_valid_after(now + datetime.timedelta(hours=1))
            .add_extension(x509.BasicConstraints(ca=ca, path_length=None), critical=True)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(public), critical=False)
            .add_extension(authority, critical=False)
            .add_extension(key_usage(ca=ca), critical=True)
            .add_extension(
                x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]),
                critical=not list(name),  # RFC 5280, 4.1.2.6: with no subject, this is the name
            )
            .sign(ca_key, hashes.SHA256())
            .public_bytes(serialization.Encoding.PEM)
        )

    (folder / "ca.pem").write_bytes(certificate(ca_name, ca_key.public_key(), ca=True))
    (folder / "server.pem").write_bytes(certificate(x509.Name([]), key.public_key(), ca=False))
    (folder / "server.key").touch(mode=0o600)
    (folder / "server.key").write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )
    return folder


def test_tls_on_both_hops(tmp_path: Path, certificates: Path) -> None:
    tls: dict[str, object] = {
        "tls_certificate": str(certificates / "server.pem"),
        "tls_key": str(certificates / "server.key"),
    }
    trusting = ssl.create_default_context(cafile=certificates / "ca.pem")
    with running("gateway", gateway_file(tmp_path, **tls)) as (_, gateway):
        assert gateway["listening"].startswith("https://")
        relay: dict[str, object] = {"gateway": gateway["listening"], "listen": "127.0.0.1:0", **tls}
        trusted = write(tmp_path / "relay.toml", {**relay, "ca": str(certificates / "ca.pem")})
        with running("relay", trusted) as (_, said):
            keys = httpx.get(said["listening"] + "/ohttp-keys", verify=trusting)
            assert keys.content == (tmp_path / "ohttp-keys").read_bytes()
            answer = httpx.post(
                said["listening"], content=b"", headers=OHTTP_HEADERS, verify=trusting
            )
            assert (answer.status_code, answer.json()["error"]["code"]) == (400, "truncated")
        with running("relay", write(tmp_path / "relay.toml", relay)) as (_, said):
            answer = httpx.get(said["listening"] + "/ohttp-keys", verify=trusting)
            assert answer.status_code == 502  # the system's roots do not know the gateway


def test_refuses_certificates_that_are_none(tmp_path: Path, certificates: Path) -> None:
    config = gateway_file(
        tmp_path,
        tls_certificate=str(certificates / "server.key"),
        tls_key=str(certificates / "server.key"),
    )
    assert "tls_certificate, tls_key: expected" in failure("gateway", "--config", config)


def test_no_log_line_or_metric_carries_anything_of_a_request(tmp_path: Path) -> None:
    canary = "canary-7f3a"

    async def breaks(exchange) -> None:
        await exchange.answer(500, canary.encode(), [(canary, canary)])

    files = Files()
    with FarEnd(files) as publisher, service(tmp_path, replies(canary.encode()), breaks) as found:
        found.node_keys.append(NodePrivateKey.generate(kem_id=KEM_X25519, key_id=1))
        document = publication(
            [*(node.url for node in found.nodes), "http://127.0.0.1:9"],
            [key.id for key in found.node_keys],
        )
        files.by_path["/publication"] = document.encode()
        files.by_path["/ohttp-keys"] = made_keys(tmp_path).with_name("ohttp-keys").read_bytes()
        config = gateway_file(tmp_path, publisher=publisher.url, poll=0.05)
        with running("gateway", config) as (gateway_process, gateway):
            eventually(lambda: httpx.get(gateway["control"] + "/readyz").status_code == 200)
            relay_file = write(
                tmp_path / "relay.toml", {"gateway": gateway["listening"], "listen": "127.0.0.1:0"}
            )
            with running("relay", relay_file) as (relay_process, relay):
                found.relay = relay["listening"]
                marked = {**OHTTP_HEADERS, "x-mark": canary, "cookie": canary}
                for which in (0, 1, 2):
                    sealed = found.seal(which, content=canary.encode())
                    body, _ = found.encapsulate(sealed_post(sealed.body), 1)
                    httpx.post(found.relay, content=body, headers=marked)
                for url in (relay["listening"], gateway["listening"]):
                    httpx.post(url, content=canary, headers=marked)
                    httpx.get(f"{url}/{canary}?{canary}", headers=marked)
                    raw(url, f"{canary} / HTTP/9.{canary}\r\n\r\n")
                    raw(url, f"POST / HTTP/1.1\r\n{canary}\r\ncontent-length: {canary}\r\n\r\n")
                metrics = "".join(
                    httpx.get(one["control"] + "/metrics").text for one in (relay, gateway)
                )
                for process in (relay_process, gateway_process):
                    process.send_signal(signal.SIGTERM)
                    assert process.wait(10) == 0
    logs = (tmp_path / "gateway.err").read_text() + (tmp_path / "relay.err").read_text()
    assert '"event": "started"' in logs
    assert '"event": "node-failed", "node": 2, "code": "no-connection"' in logs
    for line in logs.splitlines():
        assert isinstance(json.loads(line), dict)
    assert 'route="sealed"' in metrics
    for text in (logs, metrics):
        assert "canary" not in text
        assert "127.0.0.1" not in text


def raw(url: str, text: str) -> None:
    """Send bytes that are no request, and wait for the end of the connection."""
    host, port = url.removeprefix("http://").split(":")
    with socket.create_connection((host, int(port)), timeout=10) as connection:
        connection.sendall(text.encode())
        while connection.recv(4096):
            pass


def publisher_file(folder: Path, **changes: object) -> Path:
    made_keys(folder)
    memory = MemoryLog()
    for name, key in (("service.key", memory.service), ("token", None)):
        path = folder / name
        path.touch(mode=0o600)
        path.write_text(
            "0123456789abcdef" if key is None else b64encode(key.private_key.private_bytes_raw())
        )
    (folder / "archive").mkdir(exist_ok=True)
    nodes: list[str] = changes.pop("nodes", ["http://127.0.0.1:9"])  # type: ignore[assignment]
    settings = {
        "service": SERVICE,
        "log": "http://127.0.0.1:9",
        "log_token": "token",
        "service_key": "service.key",
        "status_keys": [b64encode(memory.status.public_key)],
        "ohttp_keys": "ohttp-keys",
        "state": "state.json",
        "archive": "archive",
        "listen": "127.0.0.1:0",
        "poll": 0.1,
        **changes,
    }
    path = write(folder / "publisher.toml", settings)
    with path.open("a") as file:
        file.writelines(f'[[nodes]]\nurl = "{url}"\n' for url in nodes)
    return path


def test_publisher_needs_a_chain_that_was_begun_on_purpose(tmp_path: Path) -> None:
    config = publisher_file(tmp_path)
    start = ("--config", config, "--role", "publisher")
    assert "publisher-init" in failure("gateway", *start)
    succeed("gateway", "publisher-init", "--config", config)
    assert "state.json" in failure("gateway", "publisher-init", "--config", config)
    succeed("gateway", *start, "--check-config")


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"nodes": []}, ["nodes"]),
        ({"nodes": ["http://n.example"] * 2}, ["nodes", "once"]),
        ({"candidates": 9}, ["candidates", "1 to 8"]),
        ({"status_keys": ["AAAA"]}, ["32 bytes"]),
        ({"status_keys": []}, ["threshold"]),
        ({"service_key": "missing"}, ["missing", "No such file"]),
        ({"archive": "missing"}, ["missing", "no such folder"]),
        ({"ohttp_keys": "ohttp-keys.json"}, ["ohttp-keys.json", "public file"]),
        ({"pace": ["fast"]}, ["pace"]),
    ],
)
def test_publisher_refuses_a_setting_in_one_line(
    tmp_path: Path, changes: dict[str, object], words: list[str]
) -> None:
    good = publisher_file(tmp_path)
    succeed("gateway", "publisher-init", "--config", good)
    config = publisher_file(tmp_path, **changes)
    line = failure("gateway", "--config", config, "--role", "publisher", "--check-config")
    assert all(word in line for word in words), line


def stay_in_window(seconds: float = 45) -> None:
    """Wait for the next window if this one ends before a test that counts entries."""
    left = WINDOW - time.time() % WINDOW
    if left < seconds:
        time.sleep(left + 1)


def test_gateway_serves_what_the_publisher_publishes(tmp_path: Path) -> None:
    stay_in_window()
    now = int(datetime.datetime.now(datetime.UTC).timestamp())
    node, log = NodeScript(b"machine", not_after=now + 3600), LogScript()
    log.memory.entries.append(status_entry(log.memory, 0))
    with FarEnd(node) as node_server, FarEnd(log) as log_server:
        config = publisher_file(tmp_path, log=log_server.url, nodes=[node_server.url])
        succeed("gateway", "publisher-init", "--config", config)
        with running("gateway", config, "--role", "publisher") as (process, publisher):
            eventually(lambda: httpx.get(publisher["control"] + "/readyz").status_code == 200)
            first = httpx.get(publisher["listening"] + "/publication")
            tag = {"if-none-match": first.headers["etag"]}
            assert (
                httpx.get(f"{publisher['listening']}/publication", headers=tag).status_code == 304
            )
            keys = httpx.get(publisher["listening"] + "/ohttp-keys").content
            assert keys == (tmp_path / "ohttp-keys").read_bytes()
            leaf = Publication.parse(first.content).nodes[0].leaf.hex()
            found = Service(publisher=Files(), log=Files(), node_keys=[node.key], nodes=[])
            settings = gateway_file(
                tmp_path, publisher=publisher["listening"], log=log_server.url, poll=0.05
            )
            with running("gateway", settings) as (_, gateway):
                eventually(lambda: httpx.get(gateway["control"] + "/readyz").status_code == 200)
                found.relay = gateway["listening"]
                hint = json.loads(found.exchange(get("/service"), 1).content)
                assert (hint["service"], hint["index"], hint["status"]) == (SERVICE, 1, 0)
                shard = found.exchange(get(f"/directory/{model_id('demo').hex()}/0"), 1)
                assert json.loads(shard.content)["sequence"] == 0
                assert (
                    found.exchange(get(f"/directory/{model_id('demo').hex()}/1"), 1).status == 404
                )
                assert found.exchange(get(f"/bundle/{leaf}"), 1).content == node.bundle()
                checkpoint = found.exchange(get("/log/checkpoint"), 1)
                assert checkpoint.content == log.memory.note()
                entries = found.exchange(get("/log/tile/entries/000.p/2"), 1)
                assert parse_bundle(entries.content, 2) == log.memory.entries
            process.send_signal(signal.SIGTERM)
            assert process.wait(10) == 0


def test_a_publisher_killed_between_signing_and_submission_forks_nothing(tmp_path: Path) -> None:
    stay_in_window()
    now = int(datetime.datetime.now(datetime.UTC).timestamp())
    node, log = NodeScript(b"machine", not_after=now + 3600), LogScript()
    log.memory.entries.append(status_entry(log.memory, 0))
    asked: list[bytes] = []

    async def silent_log(exchange) -> None:
        if exchange.got.method == "POST":
            asked.append(exchange.got.body)
            await exchange.gone()
        else:
            await log(exchange)

    with FarEnd(node) as node_server, FarEnd(silent_log) as log_server:
        config = publisher_file(tmp_path, log=log_server.url, nodes=[node_server.url])
        succeed("gateway", "publisher-init", "--config", config)
        with running("gateway", config, "--role", "publisher") as (process, _):
            eventually(lambda: len(asked) == 1)
            process.kill()
            process.wait(10)
        log_server.script = log
        with running("gateway", config, "--role", "publisher") as (_, said):
            eventually(lambda: httpx.get(said["control"] + "/readyz").status_code == 200)
        signers = log.memory.signers(log.memory.service)
        chain = [verify_service(entry, signers) for entry in dict.fromkeys([*asked, *log.added])]
        assert [one.sequence for one in chain] == [0, 1]
        assert chain[1].previous == chain[0].leaf_hash
