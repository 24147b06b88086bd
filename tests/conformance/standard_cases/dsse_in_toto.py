"""DSSE envelopes and in-toto Statements, provenances and resource descriptors (format 3.13)."""

import json
from base64 import b64decode, b64encode
from collections.abc import Callable

from tests.conformance.standard_cases.contract import (
    CaseFile,
    MismatchError,
    RowData,
    flipped,
    listed,
    require_equal,
    require_expect,
    require_keys,
    require_refusal,
)
from transparency_log import dsse, statement
from transparency_log.errors import MalformedEntryError, NotSignedError
from transparency_log.strict_json import StrictJSONError, parse_object


def case_file(name: str) -> CaseFile | None:
    """Give the reader of one case file."""
    return {"dsse.json": listed(_dsse), "statements.json": listed(_statement)}.get(name)


def _dsse(row: RowData) -> None:
    require_keys(row, "payload_type", "payload_b64", "pae_hex", "public_key", "envelope")
    require_expect(row, "valid")
    payload = b64decode(row["payload_b64"])
    require_equal("pae_hex", row["pae_hex"], dsse.pae(row["payload_type"], payload).hex())
    envelope = json.loads(json.dumps(row["envelope"]))
    require_equal("payload", payload, _open(envelope, _key(row["public_key"])))
    envelope["payload"] = b64encode(flipped(payload)).decode()
    key = _key(row["public_key"])
    require_refusal(NotSignedError, "changed payload", lambda: _open(envelope, key) and None)


def _key(numbers: RowData) -> dsse.P256Key:
    x, y = (int(numbers[axis]).to_bytes(32, "big") for axis in ("x", "y"))
    return dsse.P256Key(b"\x04" + x + y)


def _open(envelope: RowData, key: dsse.P256Key) -> bytes:
    parsed = dsse.parse_envelope(json.dumps(envelope).encode())
    return dsse.verify(parsed, [key], threshold=1)


def _statement(row: RowData) -> None:
    require_keys(row, "json_text")
    validate = _validator(row["id"], row["json_text"].encode())
    if require_expect(row, "valid", "rejected by validation") == "valid":
        validate()
    else:
        require_refusal((MalformedEntryError, StrictJSONError), "document", validate)


def _validator(row_id: str, text: bytes) -> Callable[[], None]:
    """Choose what to read the document as; the id says what it is."""

    def validate() -> None:
        if row_id.startswith("in-toto-statement-"):
            statement.parse_statement(text)
        elif row_id.startswith("in-toto-provenance-"):
            statement.parse_provenance(parse_object(text, limit=2**20, name="provenance"))
        elif row_id.startswith("in-toto-resource-descriptor-"):
            statement.parse_resource(parse_object(text, limit=2**20, name="resource"))
        else:
            raise MismatchError("unknown kind of document")

    return validate
