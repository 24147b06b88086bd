"""Sigstore bundles over artifacts, judged offline against a given trusted root (format 3.14)."""

import functools
import hashlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tests.conformance.set_folder import normal
from tests.conformance.standard_cases.contract import (
    CaseFile,
    MismatchError,
    NotApplicableError,
    Row,
    RowData,
    failing,
    require_expect,
    require_keys,
    require_refusal,
)
from transparency_log.errors import MalformedError, PolicyError, ProvenanceError
from transparency_log.provenance.root import TrustRoot
from transparency_log.provenance.signed import Signer, require_package, verify_artifact

BUNDLE, ARTIFACT, ROOT = "bundle.sigstore.json", "artifact", "trusted_root.json"
FILES = frozenset({BUNDLE, ARTIFACT, ROOT, "key.pub", "identity", "issuer"})
"""What the folder of a case may hold."""


def case_file(name: str) -> CaseFile | None:
    """Give the reader of one case file."""
    return CaseFile(rows=_rows) if name == "cases.json" else None


def _rows(document: Any, folder: Path) -> Iterator[Row]:
    if not isinstance(document, list):
        raise MismatchError("expected a list of rows")
    for number, row in enumerate(document):
        if not isinstance(row, dict) or not isinstance(row.get("id"), str):
            yield failing(f"row {number}", "not an object with an id")
            continue
        yield Row(id=row["id"], check=functools.partial(_check, row, folder), names=_names(row))


def _names(row: RowData) -> tuple[str, ...]:
    """Give every file that a row names, relative to the set."""
    listed = row.get("files")
    own = listed if isinstance(listed, list) else []
    shared = [row.get("artifact"), row.get("trusted_root"), row.get("key")]
    return tuple(normal(f"{row['id']}/{name}") for name in (*own, *shared) if isinstance(name, str))


def _check(row: RowData, folder: Path) -> None:
    require_keys(row, "files", "artifact", "trusted_root", "identity", "issuer", "key")
    expect = require_expect(row, "accept", "reject")
    if unknown := [name for name in row["files"] if name not in FILES]:
        raise MismatchError(f"unknown file {unknown[0]}")
    if row["key"] is not None:
        raise NotApplicableError("signed with a managed key: no certificate, no identity")
    home = folder / row["id"]
    bundle = (home / BUNDLE).read_bytes()
    sha256 = hashlib.sha256((home / row["artifact"]).read_bytes()).digest()
    root = (home / row["trusted_root"]).read_bytes()

    def verify() -> None:
        verify_artifact(bundle, _signer(row, root), sha256=sha256)

    require_package()
    if expect == "accept":
        verify()
    else:  # a root that is no root is the policy's error
        require_refusal((MalformedError, ProvenanceError, PolicyError), "bundle", verify)


def _signer(row: RowData, root: bytes) -> Signer:
    return Signer(root=TrustRoot.parse(root), identity=row["identity"], issuer=row["issuer"])
