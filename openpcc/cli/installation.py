"""What `openpcc doctor` can say about the installation alone: no configuration, no network.

It finds accidents and clumsy meddling: a broken library, a changed file, another package's module
in our place. Who can rewrite our files can rewrite this one; against that the wheel's own signature
is checked before installing.
"""

import base64
import csv
import hashlib
import json
import re
import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from enum import StrEnum
from importlib import metadata
from importlib.util import find_spec
from pathlib import Path, PurePosixPath

import cryptography
from cryptography.exceptions import InvalidSignature, InvalidTag, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from openpcc.cli import wheel_record
from openpcc.cli.failures import REFUSED
from openpcc.cli.wheel_record import MalformedRecordError, RecordedFile
from openpcc.protocol import sealing
from openpcc.protocol.errors import ProtocolError

DISTRIBUTION = "openpcc"
PACKAGES = ("attestation", "gateway", "node_image", "openpcc", "transparency_log")
PYTHON = (3, 11)
CRYPTOGRAPHY = (50, 0, 2)
"""The first release whose X-Wing parts we use."""

PIECE = 2**20
"""Bytes of a file that are hashed at a time."""

WITHOUT_DIGEST = (".pyc", ".dist-info/RECORD")
"""Ends of paths that RECORD lists without a digest: made at the installation, or RECORD itself."""


class Outcome(StrEnum):
    """How a check ended, as in reports."""

    PASS = "PASS"  # noqa: S105 - an outcome, not a password
    FAIL = "FAIL"
    SKIP = "SKIP"
    INFO = "INFO"


@dataclass(frozen=True, kw_only=True)
class Finding:
    """One row of the doctor's table."""

    id: str
    outcome: Outcome
    text: str
    """What was tested."""
    detail: str = ""
    exit_code: int = 0
    """What a failure means for the exit code."""

    def to_json(self) -> dict[str, object]:
        """Write it as JSON."""
        return {
            "id": self.id,
            "outcome": str(self.outcome),
            "text": self.text,
            "detail": self.detail or None,
        }


def passed(name: str, text: str, detail: str = "") -> Finding:
    """Note a check that passed."""
    return Finding(id=name, outcome=Outcome.PASS, text=text, detail=detail)


def failed(name: str, text: str, detail: str, exit_code: int = REFUSED) -> Finding:
    """Note a check that failed, with the remedy in its detail."""
    return Finding(id=name, outcome=Outcome.FAIL, text=text, detail=detail, exit_code=exit_code)


def inform(name: str, text: str, detail: str) -> Finding:
    """Note what was found where nothing is required."""
    return Finding(id=name, outcome=Outcome.INFO, text=text, detail=detail)


def examine() -> Iterator[Finding]:
    """Check the installation."""
    yield examine_version("1.python", "Python is recent enough", sys.version_info[:3], PYTHON)
    found = tuple(int(part) for part in re.findall(r"[0-9]+", cryptography.__version__)[:3])
    yield examine_version(
        "1.cryptography", "the crypto library is recent enough", found, CRYPTOGRAPHY
    )
    yield _ed25519()
    yield _aes_gcm()
    yield _sealing()
    yield _one_place()
    yield examine_owners(metadata.distributions())
    try:
        distribution = metadata.distribution(DISTRIBUTION)
    except metadata.PackageNotFoundError:
        yield inform(
            "2.files", "installed files are the wheel's", "runs from a folder: not checked"
        )
        return
    yield examine_files(distribution)
    yield from _extras(distribution)


def examine_version(
    name: str, text: str, found: tuple[int, ...], needed: tuple[int, ...]
) -> Finding:
    """Check that a version is recent enough."""
    shown, least = ".".join(map(str, found)), ".".join(map(str, needed))
    if found >= needed:
        return passed(name, text, shown)
    return failed(name, text, f"found {shown}; install {least} or newer")


def _ed25519() -> Finding:
    name, text = "1.ed25519", "Ed25519 signs, verifies, and refuses another message"
    key = Ed25519PrivateKey.generate()
    signature = key.sign(b"one")
    try:
        key.public_key().verify(signature, b"one")
    except InvalidSignature:
        return failed(name, text, "its own signature does not verify; reinstall cryptography")
    try:
        key.public_key().verify(signature, b"two")
    except InvalidSignature:
        return passed(name, text)
    return failed(name, text, "a wrong signature verifies; reinstall cryptography")


def _aes_gcm() -> Finding:
    name, text = "1.aes-gcm", "AES-256-GCM seals, opens, and refuses a changed byte"
    cipher, nonce = AESGCM(AESGCM.generate_key(256)), bytes(12)
    sealed = cipher.encrypt(nonce, b"text", b"")
    if cipher.decrypt(nonce, sealed, b"") != b"text":
        return failed(name, text, "it opens to another text; reinstall cryptography")
    try:
        cipher.decrypt(nonce, bytes([sealed[0] ^ 1]) + sealed[1:], b"")
    except InvalidTag:
        return passed(name, text)
    return failed(name, text, "a changed byte opens; reinstall cryptography")


def _sealing() -> Finding:
    """Seal a request, open it as the node does, seal the reply, open that."""
    name, text = "1.x-wing", "a request sealed with X-Wing opens, and so does its reply"
    try:
        request, reply = _round_trip(b"question", b"answer")
    except (ProtocolError, UnsupportedAlgorithm) as error:
        kind = type(error).__name__
        return failed(name, text, f"{kind}; install cryptography with its own OpenSSL (a wheel)")
    if (request, reply) != (b"question", b"answer"):
        return failed(name, text, "what opens is not what was sealed; reinstall openpcc")
    return passed(name, text)


def _round_trip(question: bytes, answer: bytes) -> tuple[bytes, bytes]:
    key = sealing.NodePrivateKey.generate()
    sealed = sealing.seal_request([key.node_key], question, model="m", expires=60, max_output=0)
    unwrapped = sealing.Prefix.parse(sealed.body).unwrap(key)
    request = unwrapped.open_content(sealed.body)
    sealer = unwrapped.seal_reply()
    opener = sealed.open_reply()
    pieces = opener.feed(sealer.head() + sealer.record(answer, final=True))
    return request, b"".join([*pieces, *opener.finish()])


def _one_place() -> Finding:
    name, text = "2.place", "all packages are loaded from one folder"
    specs = {package: find_spec(package) for package in PACKAGES}
    places = {
        package: Path(spec.origin).resolve().parent.parent
        for package, spec in specs.items()
        if spec is not None and spec.origin is not None
    }
    missing = [package for package in PACKAGES if package not in places]
    if missing:
        return failed(name, text, f"{missing[0]} is missing; reinstall openpcc")
    home = places["openpcc"]
    strays = [package for package, place in places.items() if place != home]
    if strays:
        where = places[strays[0]]
        return failed(name, text, f"{strays[0]} comes from {where}; remove it or its folder")
    return passed(name, text, str(home))


def examine_owners(distributions: Iterable[metadata.Distribution]) -> Finding:
    """Check that our packages are ours: their names are plain words, and others may use them."""
    name, text = "2.foreign", "no other distribution has files in our packages"
    for distribution in distributions:
        owner = distribution.metadata["Name"] or ""
        if owner.lower() == DISTRIBUTION:
            continue
        for file in _brought(distribution):
            if len(file.parts) > 1 and file.parts[0] in PACKAGES:
                return failed(name, text, f"{owner} brings {file}; remove it, reinstall openpcc")
    return passed(name, text)


def _brought(distribution: metadata.Distribution) -> Iterator[PurePosixPath]:
    """Name a distribution's files, as far as it says; one made before wheels has no RECORD."""
    record = distribution.read_text("RECORD")
    if record is None:
        yield from (PurePosixPath(file) for file in distribution.files or ())
        return
    # Columns alone: how others write their digests is not for us to judge.
    yield from (PurePosixPath(row[0]) for row in csv.reader(record.splitlines()) if row)


def examine_files(distribution: metadata.Distribution) -> Finding:
    """Check installed files against the digests in the wheel's RECORD (core metadata)."""
    name, text = "2.files", "installed files are the wheel's, by its RECORD"
    if _editable(distribution):
        return inform(name, text, "editable install: the working tree is used, not checked")
    try:
        files = wheel_record.parse(distribution.read_text("RECORD") or "")
    except MalformedRecordError as error:
        return failed(name, text, f"RECORD: {error}; reinstall openpcc")
    count = 0
    for file in files:
        wrong = _difference(distribution, file)
        if wrong:
            return failed(name, text, f"{file.path} {wrong}; reinstall openpcc")
        count += file.digest is not None
    if count == 0:
        return failed(name, text, "RECORD lists no file; reinstall openpcc")
    return passed(name, text, f"{count} files")


def _difference(distribution: metadata.Distribution, file: RecordedFile) -> str:
    """Say how a file differs from its row; nothing if it does not."""
    if file.digest is None:
        return "" if file.path.endswith(WITHOUT_DIGEST) else "is listed without a digest"
    found = _digest(Path(str(distribution.locate_file(file.path))))
    if found is None:
        return "is missing"
    return "" if found == file.digest else "was changed"


def _editable(distribution: metadata.Distribution) -> bool:
    """Say whether this is an editable install (PEP 610, `direct_url.json`)."""
    origin = json.loads(distribution.read_text("direct_url.json") or "{}")
    return bool(origin.get("dir_info", {}).get("editable", False))


def _digest(path: Path) -> str | None:
    """Hash a file as RECORD does; None if it is not there."""
    hasher = hashlib.sha256()
    try:
        with path.open("rb") as file:
            while piece := file.read(PIECE):
                hasher.update(piece)
    except OSError:
        return None
    return base64.urlsafe_b64encode(hasher.digest()).rstrip(b"=").decode()


def _extras(distribution: metadata.Distribution) -> Iterator[Finding]:
    present = {_canonical(one.metadata["Name"] or "") for one in metadata.distributions()}
    for extra, needs in sorted(extras(distribution.requires or []).items()):
        missing = sorted(needs - present)
        said = f"lacks {', '.join(missing)}" if missing else "present"
        yield inform(f"3.{extra}", f"extra {extra}", said)


def extras(requirements: list[str]) -> dict[str, set[str]]:
    """Read which distributions each extra needs (core metadata, Requires-Dist)."""
    found: dict[str, set[str]] = {}
    for text in requirements:
        name = re.match(r"[A-Za-z0-9._-]+", text)
        extra = re.search(r"""extra\s*==\s*['"]([a-z0-9-]+)['"]""", text)
        if name and extra:
            found.setdefault(extra[1], set()).add(_canonical(name[0]))
    return found


def _canonical(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()
