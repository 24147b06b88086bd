"""wycheproof: edge cases of the primitives, through our own wrappers where there are any."""

import functools
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from cryptography.exceptions import InvalidSignature, InvalidTag, UnsupportedAlgorithm

from openpcc.protocol.errors import ProtocolError
from tests.conformance.standard_cases import wycheproof_secrets, wycheproof_signatures
from tests.conformance.standard_cases.contract import (
    CaseFile,
    MismatchError,
    NotApplicableError,
    Row,
)
from tests.conformance.standard_cases.wycheproof_rows import (
    Check,
    InexpressibleError,
    WycheproofRow,
)

REFUSALS = (InvalidSignature, InvalidTag, ValueError, ProtocolError)
"""How the library and our wrappers say no. Any other exception is a fault, not a refusal."""

CHECKS: dict[str, Check] = {**wycheproof_signatures.CHECKS, **wycheproof_secrets.CHECKS}


def case_file(name: str) -> CaseFile | None:
    """Read a file of test groups."""
    return CaseFile(rows=_rows) if name.endswith("_test.json") else None


def _rows(document: Any, _folder: Path) -> Iterable[Row]:
    for group in document["testGroups"]:
        for test in group["tests"]:
            row = WycheproofRow(algorithm=document.get("algorithm", ""), group=group, test=test)
            yield Row(id=str(test.get("tcId")), check=functools.partial(_check, row))


def _check(row: WycheproofRow) -> None:
    """A valid row succeeds, an invalid one is refused, an acceptable one may do either."""
    kind, result = row.group.get("type"), row.test.get("result")
    if kind not in CHECKS:
        raise MismatchError(f"unknown type {kind!r}")
    if result not in ("valid", "invalid", "acceptable"):
        raise MismatchError(f"unknown result {result!r}")
    refused = _refusal(CHECKS[kind], row)
    if result == "valid" and refused:
        raise MismatchError("a valid row was refused") from refused
    if result == "invalid" and not refused:
        raise MismatchError("an invalid row was accepted")


def _refusal(check: Check, row: WycheproofRow) -> Exception | None:
    """Run the check; give the refusal, if it ended in one."""
    try:
        check(row)
    except (InexpressibleError, UnsupportedAlgorithm) as error:
        raise NotApplicableError(str(error)) from error
    except REFUSALS as error:
        return error
    return None
