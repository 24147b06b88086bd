"""The KEMs offered, by id (RFC 9180, section 7.1; draft-ietf-hpke-pq)."""

from openpcc.protocol.errors import UnsupportedError
from openpcc.protocol.hpke import groups, kdf, kem, mlkem
from openpcc.protocol.hpke.dhkem import DHKEM
from openpcc.protocol.hpke.hybrid import Hybrid
from openpcc.protocol.hpke.kem import KEM, KeyPair
from openpcc.protocol.hpke.mlkem import MLKEM

_DHKEMS = (
    DHKEM(
        id=kem.P256,
        secret_size=32,
        enc_size=65,
        public_size=65,
        private_size=32,
        group=groups.P256,
        hkdf=kdf.SHA256,
    ),
    DHKEM(
        id=kem.P384,
        secret_size=48,
        enc_size=97,
        public_size=97,
        private_size=48,
        group=groups.P384,
        hkdf=kdf.SHA384,
    ),
    DHKEM(
        id=kem.P521,
        secret_size=64,
        enc_size=133,
        public_size=133,
        private_size=66,
        group=groups.P521,
        hkdf=kdf.SHA512,
        first_byte_mask=0x01,
    ),
    DHKEM(
        id=kem.X25519,
        secret_size=32,
        enc_size=32,
        public_size=32,
        private_size=32,
        group=groups.X25519,
        hkdf=kdf.SHA256,
    ),
    DHKEM(
        id=kem.X448,
        secret_size=64,
        enc_size=56,
        public_size=56,
        private_size=56,
        group=groups.X448,
        hkdf=kdf.SHA512,
    ),
)
_MLKEMS = (
    MLKEM(
        id=kem.MLKEM768,
        secret_size=32,
        enc_size=1088,
        public_size=1184,
        private_size=64,
        parameters=mlkem.MLKEM768,
    ),
    MLKEM(
        id=kem.MLKEM1024,
        secret_size=32,
        enc_size=1568,
        public_size=1568,
        private_size=64,
        parameters=mlkem.MLKEM1024,
    ),
)
_HYBRIDS = (
    Hybrid(
        id=kem.MLKEM768_P256,
        secret_size=32,
        enc_size=1153,
        public_size=1249,
        private_size=32,
        parameters=mlkem.MLKEM768,
        group=groups.P256,
        label=b"MLKEM768-P256",
        candidates=4,
    ),
    Hybrid(
        id=kem.MLKEM1024_P384,
        secret_size=32,
        enc_size=1665,
        public_size=1665,
        private_size=32,
        parameters=mlkem.MLKEM1024,
        group=groups.P384,
        label=b"MLKEM1024-P384",
    ),
    Hybrid(
        id=kem.XWING,
        secret_size=32,
        enc_size=1120,
        public_size=1216,
        private_size=32,
        parameters=mlkem.MLKEM768,
        group=groups.X25519,
        label=b"\\.//^\\",
    ),
)
_KEMS: dict[int, KEM] = {found.id: found for found in (*_DHKEMS, *_MLKEMS, *_HYBRIDS)}


def by_id(kem_id: int) -> KEM:
    """Give the KEM of a registered id.

    Raises:
        UnsupportedError: there is none here.
    """
    try:
        return _KEMS[kem_id]
    except KeyError as error:
        raise UnsupportedError(f"KEM 0x{kem_id:04x} is not supported") from error


def generate_key_pair(kem_id: int) -> KeyPair:
    """Make a fresh key pair in serialised form."""
    return by_id(kem_id).generate()
