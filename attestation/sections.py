"""The four sections of an evidence bundle. docs/formats.md, 3.1 to 3.4.

Each `parse` takes the exact bytes that the quote is bound to and gives fields; nothing is trusted
yet. Use them under `attestation.evidence`, which names them all.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

from attestation.errors import MalformedEvidenceError
from attestation.strict_json import (
    Members,
    StrictJSONError,
    b64decode,
    b64encode,
    dumps,
    parse_object,
)

MAX_SECTION = 2 * 2**20
"""Bytes of a section; 64 devices with their chains come to about 1 MiB."""

MAX_HPKE_KEYS = 8
"""Key configs of a node."""

MAX_KEY_CONFIG = 4096
"""Bytes of a key config; X-Wing's has about 1.2 KiB."""

MAX_CHECKPOINT = 2**16
"""Bytes of a cosigned checkpoint; a signature line has about 150."""

MAX_DEVICES = 64
"""GPUs and switches of a machine."""

MAX_REPORT = 2**16
"""Bytes of a device report; the largest known has about 10 KiB."""

MAX_CERTIFICATES = 2**16
"""Bytes of a device's certificate chain."""

MAX_MODELS = 64
"""Models of a node, as of a release."""

NO_RELEASE = bytes(32)
"""Leaf hash by which a machine says that its image is in no release: it is for debugging."""

MAX_EVENT_LOG = 2**20
"""Bytes of a boot event log; firmware usually reserves 64 KiB."""

MAX_SETTINGS = 2**16
"""Bytes of the host's settings."""

DEVICE_KINDS = frozenset({"nvidia-gpu", "nvidia-switch", "simulated-gpu"})
"""Devices the format names."""

MODES = frozenset({"on", "devtools", "off", "protected-pcie"})
"""Confidential modes, as the agent queried them."""

Section = TypeVar("Section")


@dataclass(frozen=True, kw_only=True)
class KeysSection:
    """The keys of one epoch.

    Attributes:
        hpke: 1 to 8 key configs of the sealing sheet, in the node's order of preference.
        receipt: Ed25519 public key of the receipts.
        not_before: first second of the epoch, Unix.
        not_after: first second after it.
    """

    hpke: tuple[bytes, ...]
    receipt: bytes
    not_before: int
    not_after: int

    @classmethod
    def parse(cls, data: bytes) -> "KeysSection":
        """Read `sections.keys`. Raises: MalformedEvidenceError."""
        return _parsed(data, "keys", _read_keys)

    def encode(self) -> bytes:
        """Write the section."""
        return dumps(
            {
                "hpke": [b64encode(config) for config in self.hpke],
                "receipt": b64encode(self.receipt),
                "not_before": self.not_before,
                "not_after": self.not_after,
            }
        )


@dataclass(frozen=True, kw_only=True)
class FreshnessSection:
    """What shows that the quote is not older than it says.

    Attributes:
        checkpoint: a cosigned checkpoint, with all signature lines; judged by openpcc.trust.
        challenge: 32 bytes of an auditor; None outside an audit.
    """

    checkpoint: bytes
    challenge: bytes | None = None

    @classmethod
    def parse(cls, data: bytes) -> "FreshnessSection":
        """Read `sections.freshness`. Raises: MalformedEvidenceError."""
        return _parsed(data, "freshness", _read_freshness)

    def encode(self) -> bytes:
        """Write the section."""
        members = {"checkpoint": b64encode(self.checkpoint)}
        if self.challenge is not None:
            members["challenge"] = b64encode(self.challenge)
        return dumps(members)


@dataclass(frozen=True, kw_only=True)
class DeviceEvidence:
    """What one device says, and what the agent says of it.

    Attributes:
        kind: one of `DEVICE_KINDS`; decides how the report is read.
        report: signed by the device.
        certificates: its chain, PEM, leaf first.
        mode: one of `MODES`; the agent's word, not the device's.
    """

    kind: str
    report: bytes
    certificates: bytes
    mode: str


@dataclass(frozen=True, kw_only=True)
class DevicesSection:
    """The confidential devices of the machine."""

    devices: tuple[DeviceEvidence, ...]

    @classmethod
    def parse(cls, data: bytes) -> "DevicesSection":
        """Read `sections.devices`. Raises: MalformedEvidenceError."""
        return _parsed(data, "devices", _read_devices)

    def encode(self) -> bytes:
        """Write the section."""
        return dumps({"devices": [_device_json(device) for device in self.devices]})


@dataclass(frozen=True, kw_only=True)
class SoftwareSection:
    """What the machine says it runs.

    Attributes:
        release: leaf hash of the release entry, or `NO_RELEASE`.
        event_log: the platform's boot event log, raw.
        models: name and digest of each model.
        settings: exact bytes of the host's settings file.
    """

    release: bytes
    event_log: bytes
    models: tuple[tuple[str, bytes], ...]
    settings: bytes

    @classmethod
    def parse(cls, data: bytes) -> "SoftwareSection":
        """Read `sections.software`. Raises: MalformedEvidenceError."""
        return _parsed(data, "software", _read_software)

    def encode(self) -> bytes:
        """Write the section."""
        return dumps(
            {
                "release": self.release.hex(),
                "event_log": b64encode(self.event_log),
                "models": [{"name": name, "digest": value.hex()} for name, value in self.models],
                "settings": b64encode(self.settings),
            }
        )


def printable(members: Members, key: str, *, limit: int) -> str:
    """Take a text of printable characters: what we show, hash or compare has no hidden ones."""
    text = members.text(key, limit=limit)
    if not text or not text.isprintable():
        raise StrictJSONError(f"{members.name}.{key}: expected printable characters")
    return text


def _parsed(data: bytes, name: str, read: Callable[[Members], Section]) -> Section:
    try:
        members = parse_object(data, limit=MAX_SECTION, name=name)
        section = read(members)
        members.end()
    except StrictJSONError as error:
        raise MalformedEvidenceError(str(error)) from error
    return section


def _read_keys(members: Members) -> KeysSection:
    configs = members.texts("hpke", limit=MAX_HPKE_KEYS, length=2 * MAX_KEY_CONFIG)
    keys = KeysSection(
        hpke=tuple(_config(text) for text in configs),
        receipt=members.data("receipt", size=32),
        not_before=members.integer("not_before"),
        not_after=members.integer("not_after"),
    )
    if not keys.hpke or len(set(keys.hpke)) != len(keys.hpke):
        raise StrictJSONError("keys.hpke: expected 1 to 8 key configs, each once")
    if keys.not_after <= keys.not_before:
        raise StrictJSONError("keys.not_after: expected a time after not_before")
    return keys


def _config(text: str) -> bytes:
    config = b64decode(text)
    if not 1 <= len(config) <= MAX_KEY_CONFIG:
        raise StrictJSONError(f"keys.hpke: a key config has 1 to {MAX_KEY_CONFIG} bytes")
    return config


def _read_freshness(members: Members) -> FreshnessSection:
    return FreshnessSection(
        checkpoint=members.data("checkpoint", limit=MAX_CHECKPOINT),
        challenge=members.data("challenge", size=32) if "challenge" in members else None,
    )


def _read_devices(members: Members) -> DevicesSection:
    devices = members.children("devices", limit=MAX_DEVICES)
    return DevicesSection(devices=tuple(_read_device(device) for device in devices))


def _read_device(members: Members) -> DeviceEvidence:
    device = DeviceEvidence(
        kind=members.choice("kind", DEVICE_KINDS),
        report=members.data("report", limit=MAX_REPORT),
        certificates=members.data("certificates", limit=MAX_CERTIFICATES),
        mode=members.choice("mode", MODES),
    )
    members.end()
    return device


def _device_json(device: DeviceEvidence) -> dict[str, str]:
    return {
        "kind": device.kind,
        "report": b64encode(device.report),
        "certificates": b64encode(device.certificates),
        "mode": device.mode,
    }


def _read_software(members: Members) -> SoftwareSection:
    models = members.children("models", limit=MAX_MODELS)
    software = SoftwareSection(
        release=members.hex("release", size=32),
        event_log=members.data("event_log", limit=MAX_EVENT_LOG),
        models=tuple(_read_model(model) for model in models),
        settings=members.data("settings", limit=MAX_SETTINGS),
    )
    if len({name for name, _ in software.models}) != len(software.models):
        raise StrictJSONError("software.models: a name is repeated")
    return software


def _read_model(members: Members) -> tuple[str, bytes]:
    model = (printable(members, "name", limit=256), members.hex("digest", size=32))
    members.end()
    return model
