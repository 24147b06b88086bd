"""DHKEM: key encapsulation from Diffie-Hellman (RFC 9180, section 4.1), plain and authenticated."""

from dataclasses import dataclass
from typing import Any

from openpcc.protocol.errors import HPKEError, MalformedError
from openpcc.protocol.hpke import groups, kdf
from openpcc.protocol.hpke.kem import KEM, Encapsulation, KeyPair, PrivateKey, PublicKey


@dataclass(frozen=True, kw_only=True)
class DHKEM(KEM):
    """One group with its own HKDF, whatever the KDF of the suite."""

    group: groups.Group
    hkdf: kdf.HKDFStages
    first_byte_mask: int = 0xFF
    """Bits of a candidate's first byte that a NIST scalar may use (P-521 has only one)."""

    def generate(self) -> KeyPair:
        """Make a fresh key pair."""
        return self._pair(self.group.generate())

    def derive_key_pair(self, ikm: bytes) -> KeyPair:
        """Derive a key pair (RFC 9180, section 7.1.3)."""
        prk = self.hkdf.labeled_extract(self.suite_id, b"", b"dkp_prk", ikm)
        if isinstance(self.group, groups.NISTCurve):
            raw = self._first_candidate(prk)
        else:
            raw = self.hkdf.labeled_expand(self.suite_id, prk, b"sk", b"", self.private_size)
        private = self.group.load_private(raw)
        return KeyPair(private=raw, public=self.group.public_bytes(private))

    def load_public(self, raw: bytes) -> PublicKey:
        """Parse a public key."""
        return PublicKey(kem=self, raw=raw, loaded=self.group.load_public(raw))

    def load_private(self, raw: bytes) -> PrivateKey:
        """Parse a private key."""
        return self._private_key(self.group.load_private(raw))

    def encapsulate(self, public: PublicKey) -> Encapsulation:
        """Make a fresh shared secret."""
        return self.encapsulate_with(self._private_key(self.group.generate()), public)

    def encapsulate_from(self, sender: PrivateKey, public: PublicKey) -> Encapsulation:
        """Make a fresh shared secret that also proves the sender's key (AuthEncap)."""
        return self.encapsulate_with(self._private_key(self.group.generate()), public, sender)

    def encapsulate_with(
        self, ephemeral: PrivateKey, public: PublicKey, sender: PrivateKey | None = None
    ) -> Encapsulation:
        """Encapsulate under a given ephemeral key: for published vectors only, never twice."""
        dh = self.group.exchange(ephemeral.loaded, public.loaded)
        context = ephemeral.public.raw + public.raw
        if sender:
            dh += self.group.exchange(sender.loaded, public.loaded)
            context += sender.public.raw
        return Encapsulation(enc=ephemeral.public.raw, shared_secret=self._secret(dh, context))

    def decapsulate(self, enc: bytes, private: PrivateKey) -> bytes:
        """Recover a shared secret."""
        dh = self.group.exchange(private.loaded, self.group.load_public(enc))
        return self._secret(dh, enc + private.public.raw)

    def decapsulate_from(self, enc: bytes, private: PrivateKey, sender: PublicKey) -> bytes:
        """Recover a shared secret that only the sender's key could make (AuthDecap)."""
        dh = self.group.exchange(private.loaded, self.group.load_public(enc))
        dh += self.group.exchange(private.loaded, sender.loaded)
        return self._secret(dh, enc + private.public.raw + sender.raw)

    def _secret(self, dh: bytes, context: bytes) -> bytes:
        prk = self.hkdf.labeled_extract(self.suite_id, b"", b"eae_prk", dh)
        return self.hkdf.labeled_expand(
            self.suite_id, prk, b"shared_secret", context, self.secret_size
        )

    def _first_candidate(self, prk: bytes) -> bytes:
        """Take the first candidate that is a scalar of the curve; nearly always number 0."""
        for counter in range(256):
            candidate = bytearray(
                self.hkdf.labeled_expand(
                    self.suite_id, prk, b"candidate", bytes([counter]), self.private_size
                )
            )
            candidate[0] &= self.first_byte_mask
            try:
                self.group.load_private(bytes(candidate))
            except MalformedError:
                continue
            return bytes(candidate)
        raise HPKEError("no candidate is a private key of this curve")

    def _pair(self, private: Any) -> KeyPair:
        return KeyPair(
            private=self.group.private_bytes(private), public=self.group.public_bytes(private)
        )

    def _private_key(self, private: Any) -> PrivateKey:
        raw = self.group.public_bytes(private)
        public = PublicKey(kem=self, raw=raw, loaded=private.public_key())
        return PrivateKey(kem=self, public=public, loaded=private)
