"""xwing: the hybrid of ML-KEM-768 and X25519 as its draft publishes it."""

from openpcc.protocol.hpke import KEM_XWING, PrivateKey
from tests.conformance.standard_cases.contract import (
    CaseFile,
    MismatchError,
    RowData,
    flipped,
    listed,
    require_equal,
    require_expect,
    require_keys,
    unhex,
)

X25519_PART = 1088
"""Where the ephemeral X25519 key begins in a ciphertext."""


def case_file(name: str) -> CaseFile | None:
    """Read `vectors.json`."""
    return listed(_check) if name == "vectors.json" else None


def _check(row: RowData) -> None:
    require_keys(row, "seed", "sk", "pk", "eseed", "ct", "ss")
    require_expect(row, "pass")
    require_equal("sk", row["seed"], row["sk"])
    private = PrivateKey.load(KEM_XWING, unhex(row["seed"]))
    require_equal("pk", unhex(row["pk"]), private.public.raw)
    ciphertext, secret = unhex(row["ct"]), unhex(row["ss"])
    require_equal("ss", secret, private.decapsulate(ciphertext))
    for index in (0, X25519_PART - 1, X25519_PART, len(ciphertext) - 2):
        if private.decapsulate(flipped(ciphertext, index)) == secret:
            raise MismatchError(f"ct changed at {index} gives the same ss")
    made = private.public.encapsulate()
    require_equal("fresh ss", made.shared_secret, private.decapsulate(made.enc))
