"""RATS: attestation results (EAR); EAT and CoRIM have no reader here. FORMAT.md, 3.15."""

import json
from collections.abc import Mapping
from typing import Any

from attestation.ear import PROFILE, Ear
from attestation.errors import MalformedEvidenceError
from tests.conformance.standard_cases.contract import (
    CaseFile,
    MismatchError,
    NotApplicableError,
    RowData,
    listed,
    not_applicable,
    require_expect,
    require_keys,
    require_refusal,
)

FORMATS = ("json", "CBOR diagnostic", "cbor", "diag")
"""Formats the page names; only the first is in scope."""


def case_file(name: str) -> CaseFile | None:
    """Give the checker of a file of the set."""
    match name:
        case "ear.json":
            return listed(_check_ear)
        case "eat.json":
            return not_applicable("there is no EAT reader")
        case "corim.json":
            return not_applicable("CoRIM is not read")
        case _:
            return None


def _check_ear(row: RowData) -> None:
    require_keys(row, "format", "text")
    expect = require_expect(row, "valid", "rejected")
    if row["format"] not in FORMATS:
        raise MismatchError(f"unknown format {row['format']!r}")
    if row["format"] != "json":
        raise NotApplicableError(f"format {row['format']} is not plain JSON")
    _require_profile(_claims(row["text"]))
    data = row["text"].encode()
    if expect == "valid":
        Ear.parse(data)
    else:
        require_refusal(MalformedEvidenceError, "EAR", lambda: Ear.parse(data))


def _claims(text: str) -> Mapping[str, Any]:
    try:
        claims = json.loads(text)
    except ValueError as error:
        raise NotApplicableError("not plain JSON, whatever its name") from error
    return claims if isinstance(claims, dict) else {}


def _require_profile(claims: Mapping[str, Any]) -> None:
    if claims.get("eat_profile") != PROFILE:
        raise NotApplicableError(f"profile {claims.get('eat_profile')!r}")
