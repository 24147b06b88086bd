"""hpke-rfc9180: known answers of HPKE in all four modes, and what must not open."""

from openpcc.protocol.hpke import Encapsulation, PrivateKey, Suite
from openpcc.protocol.hpke.dhkem import DHKEM
from openpcc.protocol.hpke.kdf import HKDFStages
from tests.conformance.standard_cases import hpke_rows
from tests.conformance.standard_cases.contract import (
    CaseFile,
    MismatchError,
    RowData,
    listed,
    require_equal,
    require_expect,
    require_keys,
    unhex,
)

KEYS = (
    *("mode", "kem_id", "kdf_id", "aead_id", "info", "ikmR", "ikmE", "skRm", "skEm", "pkRm"),
    *("pkEm", "enc", "shared_secret", "key_schedule_context", "secret", "key", "base_nonce"),
    *("exporter_secret", "encryptions", "exports"),
)
SENDER_KEYS = ("ikmS", "skSm", "pkSm")
PSK_KEYS = ("psk", "psk_id")


def case_file(name: str) -> CaseFile | None:
    """Read `vectors.json`."""
    return listed(_check) if name == "vectors.json" else None


def _check(row: RowData) -> None:
    require_keys(row, *KEYS)
    require_expect(row, "pass")
    _check_mode(row)
    suite = Suite(row["kem_id"], row["kdf_id"], row["aead_id"])
    if not isinstance(suite.kem, DHKEM) or not isinstance(suite.kdf, HKDFStages):
        raise MismatchError("not a suite of RFC 9180")
    recipient = hpke_rows.derived(suite, row, "ikmR", "skRm", "pkRm")
    ephemeral = hpke_rows.derived(suite, row, "ikmE", "skEm", "pkEm")
    sender = hpke_rows.derived(suite, row, *SENDER_KEYS) if row["mode"] in (2, 3) else None
    made = suite.kem.encapsulate_with(ephemeral, recipient.public, sender)
    _check_kem(suite.kem, row, made, recipient, sender)
    _check_schedule(suite, suite.kdf, row)
    hpke_rows.check_messages(suite, row, made)


def _check_mode(row: RowData) -> None:
    """Each mode has its keys and no others."""
    if row["mode"] not in (0, 1, 2, 3) or isinstance(row["mode"], bool):
        raise MismatchError(f"unknown mode {row['mode']!r}")
    for keys, modes in ((SENDER_KEYS, (2, 3)), (PSK_KEYS, (1, 3))):
        if row["mode"] in modes:
            require_keys(row, *keys)
        elif any(row.get(key) for key in keys):
            raise MismatchError(f"mode {row['mode']} has no {keys[0]}")


def _check_kem(
    kem: DHKEM,
    row: RowData,
    made: Encapsulation,
    recipient: PrivateKey,
    sender: PrivateKey | None,
) -> None:
    require_equal("enc", unhex(row["enc"]), made.enc)
    secret = unhex(row["shared_secret"])
    require_equal("shared_secret", secret, made.shared_secret)
    if sender:
        recovered = kem.decapsulate_from(made.enc, recipient, sender.public)
    else:
        recovered = kem.decapsulate(made.enc, recipient)
    require_equal("decapsulated secret", secret, recovered)


def _check_schedule(suite: Suite, kdf: HKDFStages, row: RowData) -> None:
    psk, psk_id = hpke_rows.psk_of(row)
    context = kdf.context(suite.suite_id, row["mode"], unhex(row["info"]), psk_id)
    require_equal("key_schedule_context", unhex(row["key_schedule_context"]), context)
    secret = kdf.secret(suite.suite_id, unhex(row["shared_secret"]), psk)
    require_equal("secret", unhex(row["secret"]), secret)
