"""Sets of evidence made up in a folder, under the throw-away vendors of `tests.fakes`."""

import datetime
import hashlib
import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from attestation.certificates import parse_certificate
from tests.conformance.evidence import run
from tests.conformance.evidence_cases import sev_snp
from tests.conformance.report import Outcome
from tests.fakes import amd, intel, intel_parts

Document = dict[str, Any]
Change = Callable[[Document, Document], object]

Checks = Mapping[str, bool | None]

NONE: Checks = {}

SNP_CHECKS: dict[str, bool | None] = dict.fromkeys(sev_snp.CHECKS, True)


def make_set(folder: Path, files: dict[str, bytes], case: Document, *, kind: str) -> Path:
    """Write a set of one case: its files are named as their keys, its root is listed."""
    folder.mkdir(parents=True)
    for name, data in files.items():
        (folder / name).write_bytes(data)
    whole = {
        "id": "one",
        "files": {name: [name] if name == "intermediates" else name for name in files},
        "sha256": {name: digest(data) for name, data in files.items()},
        **case,
    }
    write(folder, {"kind": kind, "certificates": [listed("root", files)], "cases": [whole]})
    return folder


def listed(name: str, files: dict[str, bytes]) -> Document:
    """Give the entry of a certificate in an index."""
    parsed = parse_certificate(files[name])
    digests = {"cert_sha256": parsed.sha256.hex(), "spki_sha256": parsed.spki_sha256.hex()}
    return {"file": name, "role": "root", **digests}


def snp_set(
    folder: Path,
    files: dict[str, bytes],
    *,
    verdict: str = "valid",
    at: int = amd.NOW,
    checks: Checks = NONE,
    **expected: object,
) -> Path:
    """Write a set of one report; every check holds but for those of `checks`."""
    case = {
        "checker": "sev-snp",
        "at": moment(at),
        "fields": {"version": 3, "policy_debug": False, "reported_tcb": {"snp": 23}},
        "expected": {"verdict": verdict, "checks": {**SNP_CHECKS, **checks}, **expected},
    }
    return make_set(folder, files, case, kind="sev-snp")


def snp_files(vendor: amd.Amd, leaf: amd.Leaf, **changes: Any) -> dict[str, bytes]:
    """Give a report with its certificates and the list; `changes` as for `Amd.report`."""
    certificates = dict(zip(("leaf", "intermediates", "root"), leaf.chain, strict=True))
    return {"report": vendor.report(leaf, **changes), **certificates, "crl": vendor.crl()}


def tdx_set(
    folder: Path,
    files: dict[str, bytes],
    *,
    verdict: str = "valid",
    at: int = intel_parts.NOW,
    checks: Checks = NONE,
    **expected: object,
) -> Path:
    """Write a set of one quote."""
    case = {
        "checker": "quote",
        "at": moment(at),
        "fields": {"tee_type": "0x81", "fmspc": intel_parts.FMSPC.hex()},
        "expected": {"verdict": verdict, "checks": dict(checks), **expected},
    }
    files = {**files, "root": intel.intel().root.pem}
    return make_set(folder, files, case, kind="tdx")


def change(folder: Path, how: Change) -> list[str]:
    """Change index and first case, then run; gives the reasons of all failures."""
    index = json.loads((folder / "INDEX.json").read_bytes())
    how(index, index["cases"][0])
    write(folder, index)
    return reasons(folder)


def expect(**expected: object) -> Change:
    """Give a change of what the case expects."""
    return lambda _index, case: case["expected"].update(expected)


def without(*names: str) -> Change:
    """Give a change that takes files from the case, and leaves them in the folder."""

    def how(_index: Document, case: Document) -> None:
        for name in names:
            del case["files"][name]

    return how


def no_fields(_index: Document, case: Document) -> None:
    """Take away the fields, as of what must not parse."""
    del case["fields"]


def reasons(folder: Path) -> list[str]:
    """Run; gives the reasons of all failures, and says so if there was nothing to run."""
    cases = list(run(folder))
    failed = [str(case.reason) for case in cases if case.outcome is Outcome.FAILED]
    return failed if cases else ["no case"]


def write(folder: Path, index: Document) -> None:
    (folder / "INDEX.json").write_text(json.dumps(index))


def digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def moment(unix: int) -> str:
    return datetime.datetime.fromtimestamp(unix, datetime.UTC).isoformat()
