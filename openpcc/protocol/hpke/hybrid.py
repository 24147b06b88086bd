"""Hybrid KEMs: ML-KEM and a group, secure while one of them is (draft-ietf-hpke-pq; X-Wing).

    seed(32) -> SHAKE256 -> ML-KEM seed(64) ‖ material for the group's scalar
    public   =  ML-KEM key ‖ element          enc = ML-KEM ciphertext ‖ ephemeral element
    secret   =  SHA3-256(ss_MLKEM ‖ ss_group ‖ ephemeral element ‖ element ‖ label)

MLKEM768-X25519 is X-Wing (draft-connolly-cfrg-xwing-kem), id 0x647a; its label is six characters
of art.
"""

import secrets
from dataclasses import dataclass, field
from typing import Any

from cryptography.hazmat.primitives import hashes

from openpcc.protocol.errors import MalformedError
from openpcc.protocol.hpke import groups, kdf
from openpcc.protocol.hpke.kem import KEM, Encapsulation, KeyPair, PrivateKey, PublicKey
from openpcc.protocol.hpke.mlkem import SEED_SIZE as MLKEM_SEED_SIZE
from openpcc.protocol.hpke.mlkem import ParameterSet

SEED_SIZE = 32


@dataclass(frozen=True, kw_only=True)
class Halves:
    """The two loaded halves of a hybrid key."""

    mlkem: Any = field(repr=False)
    group: Any = field(repr=False)


@dataclass(frozen=True, kw_only=True)
class Hybrid(KEM):
    """One combination. `candidates` scalars are drawn from the seed, the first valid one counts."""

    parameters: ParameterSet
    group: groups.Group
    label: bytes
    candidates: int = 1

    def generate(self) -> KeyPair:
        """Make a fresh key pair."""
        return self._pair(secrets.token_bytes(SEED_SIZE))

    def derive_key_pair(self, ikm: bytes) -> KeyPair:
        """Derive a key pair; always SHAKE256, whatever the KDF of the suite."""
        seed = kdf.SHAKE_256.labeled_derive(self.suite_id, ikm, b"DeriveKeyPair", b"", SEED_SIZE)
        return self._pair(seed)

    def load_public(self, raw: bytes) -> PublicKey:
        """Parse both halves."""
        if len(raw) != self.public_size:
            raise MalformedError(f"expected a public key of {self.public_size} bytes")
        cut = self.parameters.public_size
        halves = Halves(
            mlkem=self.parameters.load_public(raw[:cut]), group=self.group.load_public(raw[cut:])
        )
        return PublicKey(kem=self, raw=raw, loaded=halves)

    def load_private(self, raw: bytes) -> PrivateKey:
        """Expand a seed into both halves."""
        if len(raw) != SEED_SIZE:
            raise MalformedError("expected a seed of 32 bytes")
        expanded = self._expand(raw)
        mlkem = self.parameters.load_private(expanded[:MLKEM_SEED_SIZE])
        scalar = self._first_scalar(expanded[MLKEM_SEED_SIZE:])
        public = mlkem.public_key().public_bytes_raw() + self.group.public_bytes(scalar)
        halves = Halves(mlkem=mlkem, group=scalar)
        return PrivateKey(kem=self, public=self.load_public(public), loaded=halves)

    def encapsulate(self, public: PublicKey) -> Encapsulation:
        """Make a fresh shared secret; both halves draw their own randomness."""
        mlkem_secret, ciphertext = public.loaded.mlkem.encapsulate()
        ephemeral = self.group.generate()
        element = self.group.public_bytes(ephemeral)
        group_secret = self.group.exchange(ephemeral, public.loaded.group)
        shared_secret = self._combine(mlkem_secret, group_secret, element, public.raw)
        return Encapsulation(enc=ciphertext + element, shared_secret=shared_secret)

    def decapsulate(self, enc: bytes, private: PrivateKey) -> bytes:
        """Recover a shared secret, or an unrelated one if the ciphertext is wrong."""
        if len(enc) != self.enc_size:
            raise MalformedError(f"expected an encapsulation of {self.enc_size} bytes")
        cut = self.parameters.ciphertext_size
        element = self.group.load_public(enc[cut:])
        mlkem_secret = self.parameters.decapsulate(private.loaded.mlkem, enc[:cut])
        group_secret = self.group.exchange(private.loaded.group, element)
        return self._combine(mlkem_secret, group_secret, enc[cut:], private.public.raw)

    def _combine(self, mlkem: bytes, group: bytes, element: bytes, public: bytes) -> bytes:
        digest = hashes.Hash(hashes.SHA3_256())
        own_element = public[self.parameters.public_size :]
        digest.update(mlkem + group + element + own_element + self.label)
        return digest.finalize()

    def _expand(self, seed: bytes) -> bytes:
        size = MLKEM_SEED_SIZE + self.candidates * self.group.scalar_size
        shake = hashes.Hash(hashes.SHAKE256(size))
        shake.update(seed)
        return shake.finalize()

    def _first_scalar(self, material: bytes) -> Any:
        size = self.group.scalar_size
        for start in range(0, len(material), size):
            try:
                return self.group.load_private(material[start : start + size])
            except MalformedError:
                continue
        raise MalformedError("the seed gives no private key")

    def _pair(self, seed: bytes) -> KeyPair:
        return KeyPair(private=seed, public=self.load_private(seed).public.raw)
