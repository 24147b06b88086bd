"""What checks of Wycheproof rows share: the row with its group, and ways not to apply."""

from collections.abc import Callable
from dataclasses import dataclass

from cryptography.hazmat.primitives import hashes

from tests.conformance.standard_cases.contract import RowData, unhex


class InexpressibleError(Exception):
    """The crypto library has no way to say this row: the text names what it lacks."""


@dataclass(frozen=True, kw_only=True)
class WycheproofRow:
    """One test, the group it stands in, and the algorithm of its file."""

    algorithm: str
    group: RowData
    test: RowData

    def data(self, key: str) -> bytes:
        """Give a value of the test."""
        return unhex(self.test[key])


Check = Callable[[WycheproofRow], None]

_HASHES: dict[str, hashes.HashAlgorithm] = {
    "SHA-1": hashes.SHA1(),
    "SHA-224": hashes.SHA224(),
    "SHA-256": hashes.SHA256(),
    "SHA-384": hashes.SHA384(),
    "SHA-512": hashes.SHA512(),
    "SHA-512/224": hashes.SHA512_224(),
    "SHA-512/256": hashes.SHA512_256(),
    "SHA3-224": hashes.SHA3_224(),
    "SHA3-256": hashes.SHA3_256(),
    "SHA3-384": hashes.SHA3_384(),
    "SHA3-512": hashes.SHA3_512(),
}


def hash_named(name: str) -> hashes.HashAlgorithm:
    """Give a hash by Wycheproof's name."""
    try:
        return _HASHES[name]
    except KeyError as error:
        raise InexpressibleError(f"the crypto library has no {name}") from error
