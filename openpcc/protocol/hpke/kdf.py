"""Key derivation of HPKE: HKDF in two stages (RFC 9180), SHAKE in one (draft-ietf-hpke-hpke).

Both give the same two things to a suite: the key schedule and the exporter. HKDF and SHAKE come
from the crypto library; only labels and the order of the fields are written here.
"""

from abc import ABC, abstractmethod
from dataclasses import dataclass, field

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.kdf.hkdf import HKDF, HKDFExpand

from openpcc.protocol.errors import HPKEError, UnsupportedError

HKDF_SHA256 = 0x0001
HKDF_SHA384 = 0x0002
HKDF_SHA512 = 0x0003
SHAKE128 = 0x0010
SHAKE256 = 0x0011

VERSION = b"HPKE-v1"


@dataclass(frozen=True, kw_only=True)
class Schedule:
    """What the key schedule gives to a context."""

    key: bytes = field(repr=False)
    base_nonce: bytes = field(repr=False)
    exporter_secret: bytes = field(repr=False)


@dataclass(frozen=True, kw_only=True)
class ScheduleInput:
    """What the key schedule takes: everything both sides must agree on."""

    mode: int
    shared_secret: bytes = field(repr=False)
    info: bytes
    psk: bytes = field(default=b"", repr=False)
    psk_id: bytes = b""


class KDF(ABC):
    """One key derivation function of the HPKE registry."""

    @abstractmethod
    def schedule(self, suite_id: bytes, given: ScheduleInput, nk: int, nn: int) -> Schedule:
        """Derive key, base nonce and exporter secret (RFC 9180, section 5.1)."""

    @abstractmethod
    def export(self, suite_id: bytes, exporter_secret: bytes, context: bytes, size: int) -> bytes:
        """Derive a secret for another use (section 5.3)."""


@dataclass(frozen=True, kw_only=True)
class HKDFStages(KDF):
    """HKDF, bare (`extract`, `expand`: RFC 5869) and with HPKE's labels."""

    algorithm: hashes.HashAlgorithm

    @property
    def size(self) -> int:
        """Give Nh, the size of an extracted key."""
        return self.algorithm.digest_size

    def extract(self, salt: bytes, secret: bytes) -> bytes:
        """RFC 5869 Extract; an empty salt counts as zero bytes."""
        return HKDF.extract(self.algorithm, salt, secret)

    def expand(self, prk: bytes, info: bytes, size: int) -> bytes:
        """RFC 5869 Expand.

        Raises:
            HPKEError: more than 255 hash lengths are asked for.
        """
        if not 0 <= size <= 255 * self.size:
            raise HPKEError("HKDF gives 0 to 255 times its hash length")
        return HKDFExpand(self.algorithm, size, info).derive(prk)

    def labeled_extract(self, suite_id: bytes, salt: bytes, label: bytes, secret: bytes) -> bytes:
        """RFC 9180, section 4: LabeledExtract."""
        return self.extract(salt, VERSION + suite_id + label + secret)

    def labeled_expand(
        self, suite_id: bytes, prk: bytes, label: bytes, info: bytes, size: int
    ) -> bytes:
        """RFC 9180, section 4: LabeledExpand."""
        if not 0 <= size <= 255 * self.size:
            raise HPKEError("HKDF gives 0 to 255 times its hash length")
        return self.expand(prk, size.to_bytes(2, "big") + VERSION + suite_id + label + info, size)

    def context(self, suite_id: bytes, mode: int, info: bytes, psk_id: bytes) -> bytes:
        """RFC 9180, section 5.1: key_schedule_context."""
        psk_id_hash = self.labeled_extract(suite_id, b"", b"psk_id_hash", psk_id)
        info_hash = self.labeled_extract(suite_id, b"", b"info_hash", info)
        return bytes([mode]) + psk_id_hash + info_hash

    def secret(self, suite_id: bytes, shared_secret: bytes, psk: bytes) -> bytes:
        """RFC 9180, section 5.1: secret."""
        return self.labeled_extract(suite_id, shared_secret, b"secret", psk)

    def schedule(self, suite_id: bytes, given: ScheduleInput, nk: int, nn: int) -> Schedule:
        """Derive key, base nonce and exporter secret; without a cipher (nk = 0) only the last."""
        context = self.context(suite_id, given.mode, given.info, given.psk_id)
        secret = self.secret(suite_id, given.shared_secret, given.psk)
        return Schedule(
            key=self.labeled_expand(suite_id, secret, b"key", context, nk),
            base_nonce=self.labeled_expand(suite_id, secret, b"base_nonce", context, nn),
            exporter_secret=self.labeled_expand(suite_id, secret, b"exp", context, self.size),
        )

    def export(self, suite_id: bytes, exporter_secret: bytes, context: bytes, size: int) -> bytes:
        """Derive a secret for another use."""
        return self.labeled_expand(suite_id, exporter_secret, b"sec", context, size)


@dataclass(frozen=True, kw_only=True)
class ShakeStage(KDF):
    """SHAKE as a one-stage KDF: no Extract, no Expand, so never for OHTTP responses."""

    algorithm: type[hashes.SHAKE128] | type[hashes.SHAKE256]
    size: int

    def labeled_derive(
        self, suite_id: bytes, secret: bytes, label: bytes, context: bytes, size: int
    ) -> bytes:
        """draft-ietf-hpke-hpke: LabeledDerive.

        Raises:
            HPKEError: the size does not fit its two bytes.
        """
        if not 0 < size < 1 << 16:
            raise HPKEError("a one-stage KDF gives 1 to 65535 bytes")
        message = VERSION + suite_id + _lp(label) + size.to_bytes(2, "big") + context
        shake = hashes.Hash(self.algorithm(size))
        shake.update(secret + message)
        return shake.finalize()

    def schedule(self, suite_id: bytes, given: ScheduleInput, nk: int, nn: int) -> Schedule:
        """Derive everything in one call and cut it."""
        material = self.labeled_derive(
            suite_id,
            _lp(given.psk) + _lp(given.shared_secret),
            b"secret",
            bytes([given.mode]) + _lp(given.psk_id) + _lp(given.info),
            nk + nn + self.size,
        )
        return Schedule(
            key=material[:nk],
            base_nonce=material[nk : nk + nn],
            exporter_secret=material[nk + nn :],
        )

    def export(self, suite_id: bytes, exporter_secret: bytes, context: bytes, size: int) -> bytes:
        """Derive a secret for another use."""
        return self.labeled_derive(suite_id, exporter_secret, b"sec", context, size)


def _lp(value: bytes) -> bytes:
    """Prefix a value with its length in two bytes."""
    if len(value) >= 1 << 16:
        raise HPKEError("a value is longer than its two-byte length")
    return len(value).to_bytes(2, "big") + value


SHA256 = HKDFStages(algorithm=hashes.SHA256())
SHA384 = HKDFStages(algorithm=hashes.SHA384())
SHA512 = HKDFStages(algorithm=hashes.SHA512())
SHAKE_128 = ShakeStage(algorithm=hashes.SHAKE128, size=32)
SHAKE_256 = ShakeStage(algorithm=hashes.SHAKE256, size=64)

_KDFS: dict[int, KDF] = {
    HKDF_SHA256: SHA256,
    HKDF_SHA384: SHA384,
    HKDF_SHA512: SHA512,
    SHAKE128: SHAKE_128,
    SHAKE256: SHAKE_256,
}


def by_id(kdf_id: int) -> KDF:
    """Give the KDF of a registered id.

    Raises:
        UnsupportedError: the library has no such function (TurboSHAKE), or there is none.
    """
    try:
        return _KDFS[kdf_id]
    except KeyError as error:
        raise UnsupportedError(f"KDF 0x{kdf_id:04x} is not supported") from error


def hkdf(kdf_id: int) -> HKDFStages:
    """Give the bare HKDF of an id, for the formats that need Extract and Expand (RFC 9458).

    Raises:
        UnsupportedError: the KDF has no two stages.
    """
    found = by_id(kdf_id)
    if not isinstance(found, HKDFStages):
        raise UnsupportedError("Oblivious HTTP is defined for HKDF suites only")
    return found
