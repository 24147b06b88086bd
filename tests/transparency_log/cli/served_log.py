"""A log in memory behind real HTTP, which a test can make lie, and the files that a signer has."""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from tests.transparency_log.memory_log import MemoryLog, key
from transparency_log.dsse import EnvelopeSigner
from transparency_log.errors import NotFoundError
from transparency_log.merkle import leaf_hash
from transparency_log.strict_json import b64encode

TOKEN = "a-token-of-sixteen"


@dataclass
class ServedLog:
    """An honest log until a test changes what it answers."""

    log: MemoryLog
    url: str = ""
    shown: int | None = None
    """Size of the tree that is shown; None: all of it."""
    time: int = 0
    answer: dict[str, object] = field(default_factory=dict)
    """Members of the acknowledgement that are lies."""
    statuses: list[int] = field(default_factory=list)
    """Statuses to answer `POST /add` with before it is taken."""
    headers: list[dict[str, str]] = field(default_factory=list)
    location: str = ""

    def get(self, path: str) -> tuple[int, bytes]:
        if self.location:
            return 302, b""
        seen = MemoryLog(entries=self.log.entries[: self.shown])
        try:
            if path == "checkpoint":
                return 200, seen.note(times=(self.time, self.time))
            return 200, seen.fetch(path, 2**20)
        except NotFoundError:
            return 404, b""

    def add(self, entry: bytes) -> tuple[int, bytes]:
        if self.statuses:
            return self.statuses.pop(0), b"{}"
        if entry not in self.log.entries:
            self.log.entries.append(entry)
        found = {"index": self.log.entries.index(entry), "leaf_hash": leaf_hash(entry).hex()}
        return 200, json.dumps(found | self.answer).encode()


@contextmanager
def served(log: MemoryLog, *, now: int) -> Iterator[ServedLog]:
    """Serve a log on this machine."""
    state = ServedLog(log=log, time=now)

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            state.headers.append(dict(self.headers))
            self.reply(*state.get(self.path.removeprefix("/")))

        def do_POST(self) -> None:
            state.headers.append(dict(self.headers))
            self.reply(*state.add(self.rfile.read(int(self.headers["content-length"]))))

        def reply(self, status: int, body: bytes) -> None:
            self.send_response(status)
            if state.location:
                self.send_header("location", state.location)
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
    state.url = f"http://127.0.0.1:{server.server_port}"
    try:
        yield state
    finally:
        server.shutdown()
        server.server_close()


RELEASE_KEYS = [key(30), key(31), key(32)]
STATUS_KEYS = [key(40), key(41), key(42)]


def write_secret(path: Path, text: str) -> Path:
    path.touch(mode=0o600)
    path.write_text(text)
    return path


def write_keys(folder: Path) -> None:
    """Write the keys of three release signers and three status signers, each in a folder."""
    for kind, keys in (("release", RELEASE_KEYS), ("status", STATUS_KEYS)):
        for number, one in enumerate(keys):
            home = folder / f"{kind}-{number}"
            home.mkdir()
            write_secret(home / "key", b64encode(one.private_bytes_raw()))
    write_secret(folder / "token", TOKEN)


def signers(keys: list[Ed25519PrivateKey]) -> list[EnvelopeSigner]:
    return [EnvelopeSigner(private_key=one) for one in keys]


def write_policy(folder: Path, log: MemoryLog, *, threshold: int = 2) -> Path:
    """Write the policy of that log; two of three must sign releases and statuses."""
    policy = log.policy
    text = (
        'version = 1\nservice = "demo.example"\n\n[attestation]\nplatforms = ["simulated"]\n'
        f'roots = {{ simulated = "{"00" * 32}" }}\n\n'
        f'[log]\norigin = "{policy.origin}"\nkey = "{policy.log_vkey}"\nquorum = {policy.quorum}\n'
    )
    for one in policy.witnesses:
        text += f'\n[[log.witnesses]]\nname = "{one.name}"\nkey = "{one.vkey}"\n'
        text += f'operator = "of {one.name}"\n'
    groups = {"release": RELEASE_KEYS, "status": STATUS_KEYS, "service": [log.service.private_key]}
    for kind, keys in groups.items():
        public = [b64encode(one.public_key().public_bytes_raw()) for one in keys]
        least = min(threshold, len(keys))
        text += f"\n[signers.{kind}]\nthreshold = {least}\nkeys = {json.dumps(public)}\n"
    path = folder / "policy.toml"
    path.write_text(text)
    return path


MANIFEST = f"""\
name = "openpcc-node"
version = "0.1.0"
image = {{ file = "node.raw" }}
mode = "attested"
expires = 2027-02-14T08:00:00Z

[platforms.simulated]
measurement = "{"01" * 48}"
registers = {{ 0 = "{"02" * 48}" }}
devices = {{ count = 1, kinds = ["simulated-gpu"] }}

[[models]]
name = "demo"
folder = "model"

[engine]
name = "embedded"
version = "0.1.0"
arguments = ["--max-model-len", "1024"]

[source]
uri = "https://example.org/openpcc"
commit = "{"0" * 40}"

[recipe]
uri = "node_image/build"
sha256 = "{"03" * 32}"
"""


def write_manifest(folder: Path, text: str = MANIFEST) -> Path:
    """Write a manifest, the image and the model it names."""
    (folder / "node.raw").write_bytes(b"image")
    (folder / "model").mkdir(exist_ok=True)
    (folder / "model" / "weights").write_bytes(b"weights")
    path = folder / "release.toml"
    path.write_text(text)
    return path
