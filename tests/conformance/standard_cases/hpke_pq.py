"""hpke-pq: base mode with ML-KEM, hybrids and one-stage KDFs (draft-ietf-hpke-pq)."""

from openpcc.protocol.errors import MalformedError
from openpcc.protocol.hpke import Encapsulation, Suite
from openpcc.protocol.hpke.dhkem import DHKEM
from openpcc.protocol.hpke.kem import PrivateKey
from tests.conformance.standard_cases import hpke_rows
from tests.conformance.standard_cases.contract import (
    CaseFile,
    MismatchError,
    NotApplicableError,
    RowData,
    flipped,
    listed,
    require_equal,
    require_expect,
    require_keys,
    unhex,
)

KEYS = (
    *("mode", "kem_id", "kdf_id", "aead_id", "suite_id", "info", "ikmR", "ikmE", "skRm", "pkRm"),
    *("enc", "shared_secret", "key", "base_nonce", "exporter_secret", "encryptions", "exports"),
)
MLKEM_512 = 0x0040
TURBOSHAKE = (0x0012, 0x0013)


def case_file(name: str) -> CaseFile | None:
    """Read `vectors.json`."""
    return listed(_check) if name == "vectors.json" else None


def _check(row: RowData) -> None:
    require_keys(row, *KEYS)
    require_expect(row, "pass")
    if row["mode"] != 0:
        raise MismatchError(f"unknown mode {row['mode']!r}")
    if row["kem_id"] == MLKEM_512:
        raise NotApplicableError("ML-KEM-512 is not offered by the crypto library")
    if row["kdf_id"] in TURBOSHAKE:
        raise NotApplicableError("TurboSHAKE is not offered by the crypto library")
    suite = Suite(row["kem_id"], row["kdf_id"], row["aead_id"])
    require_equal("suite_id", unhex(row["suite_id"]), suite.suite_id)
    recipient = hpke_rows.derived(suite, row, "ikmR", "skRm", "pkRm")
    made = _encapsulation(suite, row, recipient)
    require_equal("decapsulated secret", made.shared_secret, recipient.decapsulate(made.enc))
    _check_other_enc(made, recipient)
    _check_fresh(suite, recipient)
    hpke_rows.check_messages(suite, row, made)


def _encapsulation(suite: Suite, row: RowData, recipient: PrivateKey) -> Encapsulation:
    """Make the row's own for a DHKEM; the library draws ML-KEM's randomness itself."""
    listed_one = Encapsulation(enc=unhex(row["enc"]), shared_secret=unhex(row["shared_secret"]))
    if not isinstance(suite.kem, DHKEM):
        return listed_one
    ephemeral = suite.kem.load_private(suite.kem.derive_key_pair(unhex(row["ikmE"])).private)
    made = suite.kem.encapsulate_with(ephemeral, recipient.public)
    require_equal("enc", listed_one.enc, made.enc)
    require_equal("shared_secret", listed_one.shared_secret, made.shared_secret)
    return made


def _check_other_enc(made: Encapsulation, recipient: PrivateKey) -> None:
    """A changed encapsulation gives another secret, or is no encapsulation at all."""
    try:
        other = recipient.decapsulate(flipped(made.enc, len(made.enc) // 2))
    except MalformedError:
        return
    if other == made.shared_secret:
        raise MismatchError("a changed enc gives the same secret")


def _check_fresh(suite: Suite, recipient: PrivateKey) -> None:
    """What the library encapsulates to the row's key, the row's key opens."""
    enc, sender = suite.setup_base_s(recipient.public.raw, b"info")
    found = suite.setup_base_r(enc, recipient, b"info")
    require_equal("fresh export", sender.export(b"", 32), found.export(b"", 32))
