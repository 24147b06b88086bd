"""ML-KEM as an HPKE KEM (FIPS 203; draft-ietf-hpke-pq): the private key is its seed d ‖ z.

A wrong ciphertext of the right length gives a pseudorandom secret (implicit rejection), so the
failure shows at the AEAD.
"""

import secrets
from dataclasses import dataclass

from cryptography.hazmat.primitives.asymmetric import mlkem

from openpcc.protocol.errors import MalformedError
from openpcc.protocol.hpke import kdf
from openpcc.protocol.hpke.kem import KEM, Encapsulation, KeyPair, PrivateKey, PublicKey

SEED_SIZE = 64

LibraryPrivateKey = mlkem.MLKEM768PrivateKey | mlkem.MLKEM1024PrivateKey
LibraryPublicKey = mlkem.MLKEM768PublicKey | mlkem.MLKEM1024PublicKey


@dataclass(frozen=True, kw_only=True)
class ParameterSet:
    """ML-KEM-768 or ML-KEM-1024 with the sizes of FIPS 203, table 3."""

    private_key: type[LibraryPrivateKey]
    public_key: type[LibraryPublicKey]
    public_size: int
    ciphertext_size: int

    def load_private(self, seed: bytes) -> LibraryPrivateKey:
        """Expand a seed."""
        if len(seed) != SEED_SIZE:
            raise MalformedError("expected an ML-KEM seed of 64 bytes")
        return self.private_key.from_seed_bytes(seed)

    def load_public(self, raw: bytes) -> LibraryPublicKey:
        """Parse an encapsulation key; the library refuses coefficients out of range."""
        try:
            return self.public_key.from_public_bytes(raw)
        except ValueError as error:
            raise MalformedError("not an ML-KEM encapsulation key") from error

    def decapsulate(self, private: LibraryPrivateKey, ciphertext: bytes) -> bytes:
        """Recover the shared secret of a ciphertext of the right length."""
        try:
            return private.decapsulate(ciphertext)
        except ValueError as error:
            raise MalformedError("not an ML-KEM ciphertext") from error


MLKEM768 = ParameterSet(
    private_key=mlkem.MLKEM768PrivateKey,
    public_key=mlkem.MLKEM768PublicKey,
    public_size=1184,
    ciphertext_size=1088,
)
MLKEM1024 = ParameterSet(
    private_key=mlkem.MLKEM1024PrivateKey,
    public_key=mlkem.MLKEM1024PublicKey,
    public_size=1568,
    ciphertext_size=1568,
)


@dataclass(frozen=True, kw_only=True)
class MLKEM(KEM):
    """ML-KEM alone."""

    parameters: ParameterSet

    def generate(self) -> KeyPair:
        """Make a fresh key pair."""
        return self._pair(secrets.token_bytes(SEED_SIZE))

    def derive_key_pair(self, ikm: bytes) -> KeyPair:
        """Derive a key pair; always SHAKE256, whatever the KDF of the suite."""
        seed = kdf.SHAKE_256.labeled_derive(self.suite_id, ikm, b"DeriveKeyPair", b"", SEED_SIZE)
        return self._pair(seed)

    def load_public(self, raw: bytes) -> PublicKey:
        """Parse a public key."""
        return PublicKey(kem=self, raw=raw, loaded=self.parameters.load_public(raw))

    def load_private(self, raw: bytes) -> PrivateKey:
        """Parse a seed."""
        private = self.parameters.load_private(raw)
        loaded = private.public_key()
        public = PublicKey(kem=self, raw=loaded.public_bytes_raw(), loaded=loaded)
        return PrivateKey(kem=self, public=public, loaded=private)

    def encapsulate(self, public: PublicKey) -> Encapsulation:
        """Make a fresh shared secret; the library draws its randomness."""
        shared_secret, ciphertext = public.loaded.encapsulate()
        return Encapsulation(enc=ciphertext, shared_secret=shared_secret)

    def decapsulate(self, enc: bytes, private: PrivateKey) -> bytes:
        """Recover a shared secret, or an unrelated one if the ciphertext is wrong."""
        return self.parameters.decapsulate(private.loaded, enc)

    def _pair(self, seed: bytes) -> KeyPair:
        return KeyPair(private=seed, public=self.load_private(seed).public.raw)
