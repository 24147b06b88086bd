"""Sigstore trusted roots: whose certificates, logs and clocks are believed, and from when to when.

A file that the deployer pins, never fetched and never taken from a bundle. Sigstore trusted root
format 0.1 and 0.2:

    {"mediaType": "application/vnd.dev.sigstore.trustedroot+json;version=0.1",
     "tlogs": [{"baseUrl": "https://rekor.sigstore.dev", "hashAlgorithm": "SHA2_256",
                "publicKey": {"rawBytes": "MFkw…", "keyDetails": "PKIX_ECDSA_P256_SHA_256",
                              "validFor": {"start": "2021-01-12T11:53:27Z"}},
                "logId": {"keyId": "wNI9…"}}],
     "certificateAuthorities": [{"subject": {…}, "uri": "https://fulcio.sigstore.dev",
                                 "certChain": {"certificates": [{"rawBytes": "MIIB…"}]},
                                 "validFor": {"start": "2021-03-07T03:20:29Z"}}],
     "ctlogs": […], "timestampAuthorities": […]}

Every member vouches within its own validity only, and both ends belong to it. So that this is
judged in one place, `TrustRoot` gives those that count at a time, and the library that verifies
signatures is given nothing else.
"""

import hashlib
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from typing import TypeVar

from transparency_log.errors import PolicyError
from transparency_log.strict_json import Members, StrictJSONError, parse_object

MAX_ROOT = 2**20
"""Bytes of a trusted root; that of the public instance has 7 KiB."""

MAX_INSTANCES = 64
"""Logs or authorities of one kind."""

MAX_CHAIN = 8
"""Certificates of an authority."""

MAX_DER = 2**14
"""Bytes of a certificate or key."""

TYPES = frozenset(
    {
        "application/vnd.dev.sigstore.trustedroot+json;version=0.1",
        "application/vnd.dev.sigstore.trustedroot.v0.2+json",
    }
)
"""Media types."""

USABLE_KEYS = frozenset(
    {
        "PKCS1_RSA_PKCS1V5",
        "PKIX_RSA_PKCS1V15_2048_SHA256",
        "PKIX_RSA_PKCS1V15_3072_SHA256",
        "PKIX_RSA_PKCS1V15_4096_SHA256",
        "PKIX_ECDSA_P256_SHA_256",
        "PKIX_ECDSA_P384_SHA_384",
        "PKIX_ECDSA_P521_SHA_512",
        "PKIX_ED25519",
    }
)
"""Kinds of log keys that can be verified with; a log with another kind vouches for nothing."""

TREE_HASH = "SHA2_256"
"""Hash of every tree that this version can verify."""

_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,9})?Z", re.ASCII)
"""How protobuf writes a time."""

Instance = TypeVar("Instance")


@dataclass(frozen=True, kw_only=True)
class Window:
    """From when to when something counts, both included; `end` None: it still does."""

    start: datetime
    end: datetime | None = None

    def covers(self, time: datetime) -> bool:
        """Say whether it counts at a time."""
        return self.start <= time and (self.end is None or time <= self.end)


@dataclass(frozen=True, kw_only=True)
class TrustedLog:
    """A log: of entries (Rekor) or of certificates (CT).

    Attributes:
        ids: by which it may be named: those the root gives, and SHA-256 of the key.
        key: DER.
        details: kind of key.
        hash_algorithm: of the tree.
    """

    url: str
    hash_algorithm: str
    ids: frozenset[bytes]
    key: bytes = field(repr=False)
    details: str
    window: Window

    @property
    def usable(self) -> bool:
        """Say whether this version can verify what the log signs."""
        return self.details in USABLE_KEYS and self.hash_algorithm == TREE_HASH


@dataclass(frozen=True, kw_only=True)
class Authority:
    """Who issues certificates, or timestamps: certificates in DER, leaf first, root last."""

    certificates: tuple[bytes, ...] = field(repr=False)
    window: Window


@dataclass(frozen=True, kw_only=True)
class TrustRoot:
    """A parsed trusted root."""

    logs: tuple[TrustedLog, ...]
    certificate_logs: tuple[TrustedLog, ...]
    authorities: tuple[Authority, ...]
    timestamp_authorities: tuple[Authority, ...]

    @classmethod
    def parse(cls, data: bytes) -> "TrustRoot":
        """Read a trusted root.

        Raises:
            PolicyError: not one; it is ours, so that is a mistake in our own policy.
        """
        try:
            members = parse_object(data, limit=MAX_ROOT, name="trusted root")
            members.choice("mediaType", TYPES)
            root = cls(
                logs=_all(members, "tlogs", _log),
                certificate_logs=_all(members, "ctlogs", _log),
                authorities=_all(members, "certificateAuthorities", _authority),
                timestamp_authorities=_all(members, "timestampAuthorities", _authority),
            )
            members.end()
        except StrictJSONError as error:
            raise PolicyError(f"{error}; replace it by a whole one") from error
        return root


def named(logs: tuple[TrustedLog, ...], log_id: bytes) -> tuple[TrustedLog, ...]:
    """Give the logs that an id names, of those whose keys and trees can be verified."""
    return tuple(one for one in logs if log_id in one.ids and one.usable)


def at(authorities: tuple[Authority, ...], time: datetime) -> tuple[Authority, ...]:
    """Give the authorities that count at a time."""
    return tuple(one for one in authorities if one.window.covers(time))


def _all(members: Members, key: str, read: Callable[[Members], Instance]) -> tuple[Instance, ...]:
    if key not in members:
        return ()
    return tuple(read(one) for one in members.children(key, limit=MAX_INSTANCES))


def _log(members: Members) -> TrustedLog:
    key = members.child("publicKey")
    der = key.data("rawBytes", limit=MAX_DER)
    ids = {hashlib.sha256(der).digest()}
    for name in ("logId", "checkpointKeyId"):
        named_by = members.child_or_null(name) if name in members else None
        if named_by is not None:
            ids.add(_id(named_by))
    log = TrustedLog(
        url=members.text("baseUrl"),
        hash_algorithm=members.text("hashAlgorithm", limit=64),
        ids=frozenset(ids),
        key=der,
        details=key.text("keyDetails", limit=64),
        window=_window(key.child("validFor")),
    )
    _ignore(members, "operator")
    key.end()
    members.end()
    return log


def _authority(members: Members) -> Authority:
    chain = members.child("certChain")
    certificates = []
    for one in chain.children("certificates", limit=MAX_CHAIN):
        certificates.append(one.data("rawBytes", limit=MAX_DER))
        one.end()
    if not certificates:
        raise StrictJSONError(f"{chain.name}: expected at least one certificate")
    authority = Authority(
        certificates=tuple(certificates), window=_window(members.child("validFor"))
    )
    members.child("subject")  # says what the certificates say
    _ignore(members, "uri", "operator")
    chain.end()
    members.end()
    return authority


def _window(members: Members) -> Window:
    end = members.text_or_null("end", limit=32) if "end" in members else None
    window = Window(
        start=_time(members.text("start", limit=32), f"{members.name}.start"),
        end=None if end is None else _time(end, f"{members.name}.end"),
    )
    members.end()
    return window


def _time(text: str, name: str) -> datetime:
    """Read a time; what is finer than microseconds is cut off, as in the times it is held to."""
    try:
        if _TIME.fullmatch(text):
            return datetime.fromisoformat(text)
    except ValueError:
        pass
    raise StrictJSONError(f"{name}: expected a time as 2023-01-01T00:00:00Z")


def _id(members: Members) -> bytes:
    data = members.data("keyId", limit=32)
    members.end()
    return data


def _ignore(members: Members, *keys: str) -> None:
    """Take what says nothing about trust: addresses and names."""
    for key in keys:
        if key in members:
            members.text_or_null(key)
