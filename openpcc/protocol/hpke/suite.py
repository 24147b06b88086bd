"""An HPKE suite and its setup functions, in all four modes (RFC 9180, section 5.1).

The service uses base mode only; the other three are here because the published vectors cover them
and a reader can compare them with the standard. Post-quantum KEMs have no authenticated modes.
"""

from dataclasses import dataclass
from functools import cached_property

from openpcc.protocol.errors import HPKEError, UnsupportedError
from openpcc.protocol.hpke import aead as aeads
from openpcc.protocol.hpke import kdf as kdfs
from openpcc.protocol.hpke import registry
from openpcc.protocol.hpke.context import RecipientContext, SenderContext
from openpcc.protocol.hpke.dhkem import DHKEM
from openpcc.protocol.hpke.kem import KEM, Encapsulation, PrivateKey, PublicKey

MODE_BASE = 0
MODE_PSK = 1
MODE_AUTH = 2
MODE_AUTH_PSK = 3

MIN_PSK = 32
"""Bytes a pre-shared key needs to have the entropy that section 9.5 asks for."""


@dataclass(frozen=True)
class Suite:
    """KEM, KDF and AEAD by their registered ids.

    Raises:
        UnsupportedError: one of them is not offered here (on construction).
    """

    kem_id: int
    kdf_id: int
    aead_id: int

    def __post_init__(self) -> None:
        _ = self.kem, self.kdf, self.aead

    @cached_property
    def kem(self) -> KEM:
        """Give the mechanism of `kem_id`."""
        return registry.by_id(self.kem_id)

    @cached_property
    def kdf(self) -> kdfs.KDF:
        """Give the function of `kdf_id`."""
        return kdfs.by_id(self.kdf_id)

    @cached_property
    def aead(self) -> aeads.AEAD:
        """Give the cipher of `aead_id`."""
        return aeads.by_id(self.aead_id)

    @cached_property
    def suite_id(self) -> bytes:
        """Give the id that enters every label of the key schedule."""
        ids = (self.kem_id, self.kdf_id, self.aead_id)
        return b"HPKE" + b"".join(number.to_bytes(2, "big") for number in ids)

    def setup_base_s(self, public: bytes | PublicKey, info: bytes) -> tuple[bytes, SenderContext]:
        """Open a one-way channel to the holder of a key; give `enc` and the sender's context."""
        made = self._public(public).encapsulate()
        return made.enc, self.sender(made, info)

    def setup_base_r(self, enc: bytes, private: PrivateKey, info: bytes) -> RecipientContext:
        """Take the channel that `enc` opens."""
        return self.recipient(self._own(private).decapsulate(enc), info)

    def setup_psk_s(
        self, public: bytes | PublicKey, info: bytes, *, psk: bytes, psk_id: bytes
    ) -> tuple[bytes, SenderContext]:
        """Open a channel that also proves a pre-shared key."""
        made = self._public(public).encapsulate()
        return made.enc, self.sender(made, info, mode=MODE_PSK, psk=psk, psk_id=psk_id)

    def setup_psk_r(
        self, enc: bytes, private: PrivateKey, info: bytes, *, psk: bytes, psk_id: bytes
    ) -> RecipientContext:
        """Take such a channel."""
        shared_secret = self._own(private).decapsulate(enc)
        return self.recipient(shared_secret, info, mode=MODE_PSK, psk=psk, psk_id=psk_id)

    def setup_auth_s(
        self, public: bytes | PublicKey, info: bytes, sender: PrivateKey
    ) -> tuple[bytes, SenderContext]:
        """Open a channel that also proves the sender's private key."""
        made = self._dhkem.encapsulate_from(self._own(sender), self._public(public))
        return made.enc, self.sender(made, info, mode=MODE_AUTH)

    def setup_auth_r(
        self, enc: bytes, private: PrivateKey, info: bytes, sender: bytes | PublicKey
    ) -> RecipientContext:
        """Take such a channel."""
        known = self._public(sender)
        shared_secret = self._dhkem.decapsulate_from(enc, self._own(private), known)
        return self.recipient(shared_secret, info, mode=MODE_AUTH)

    def setup_auth_psk_s(
        self,
        public: bytes | PublicKey,
        info: bytes,
        sender: PrivateKey,
        *,
        psk: bytes,
        psk_id: bytes,
    ) -> tuple[bytes, SenderContext]:
        """Open a channel that proves both."""
        made = self._dhkem.encapsulate_from(self._own(sender), self._public(public))
        return made.enc, self.sender(made, info, mode=MODE_AUTH_PSK, psk=psk, psk_id=psk_id)

    def setup_auth_psk_r(
        self,
        enc: bytes,
        private: PrivateKey,
        info: bytes,
        sender: bytes | PublicKey,
        *,
        psk: bytes,
        psk_id: bytes,
    ) -> RecipientContext:
        """Take such a channel."""
        known = self._public(sender)
        shared_secret = self._dhkem.decapsulate_from(enc, self._own(private), known)
        return self.recipient(shared_secret, info, mode=MODE_AUTH_PSK, psk=psk, psk_id=psk_id)

    def sender(
        self,
        made: Encapsulation,
        info: bytes,
        *,
        mode: int = MODE_BASE,
        psk: bytes = b"",
        psk_id: bytes = b"",
    ) -> SenderContext:
        """Make the sender's context of an encapsulation that exists already. Each serves once."""
        schedule = self.schedule(made.shared_secret, info, mode=mode, psk=psk, psk_id=psk_id)
        return SenderContext(self.suite_id, self.kdf, self.aead, schedule)

    def recipient(
        self,
        shared_secret: bytes,
        info: bytes,
        *,
        mode: int = MODE_BASE,
        psk: bytes = b"",
        psk_id: bytes = b"",
    ) -> RecipientContext:
        """Make the recipient's context of a recovered secret."""
        schedule = self.schedule(shared_secret, info, mode=mode, psk=psk, psk_id=psk_id)
        return RecipientContext(self.suite_id, self.kdf, self.aead, schedule)

    def schedule(
        self, shared_secret: bytes, info: bytes, *, mode: int, psk: bytes, psk_id: bytes
    ) -> kdfs.Schedule:
        """Derive a context's keys.

        Raises:
            HPKEError: the pre-shared key does not go with the mode, or is too short.
        """
        _check_psk(mode, psk, psk_id)
        given = kdfs.ScheduleInput(
            mode=mode, shared_secret=shared_secret, info=info, psk=psk, psk_id=psk_id
        )
        return self.kdf.schedule(self.suite_id, given, self.aead.key_size, self.aead.nonce_size)

    @property
    def _dhkem(self) -> DHKEM:
        if not isinstance(self.kem, DHKEM):
            raise UnsupportedError("this KEM has no authenticated mode")
        return self.kem

    def _public(self, public: bytes | PublicKey) -> PublicKey:
        if isinstance(public, bytes):
            return self.kem.load_public(public)
        if public.kem.id != self.kem_id:
            raise HPKEError("the key belongs to another KEM")
        return public

    def _own(self, private: PrivateKey) -> PrivateKey:
        if private.kem.id != self.kem_id:
            raise HPKEError("the key belongs to another KEM")
        return private


def _check_psk(mode: int, psk: bytes, psk_id: bytes) -> None:
    """RFC 9180, section 5.1: VerifyPSKInputs."""
    if mode not in (MODE_BASE, MODE_PSK, MODE_AUTH, MODE_AUTH_PSK):
        raise HPKEError("HPKE has four modes")
    expected = mode in (MODE_PSK, MODE_AUTH_PSK)
    if bool(psk) != expected or bool(psk_id) != expected:
        raise HPKEError("psk and psk_id belong to the psk modes, and to those both")
    if expected and len(psk) < MIN_PSK:
        raise HPKEError(f"a pre-shared key has at least {MIN_PSK} bytes")
