"""What the publisher staples to every node: endorsements of a file, and proofs of releases."""

from collections.abc import Iterable
from pathlib import Path

from attestation.errors import MalformedEvidenceError
from attestation.evidence import MAX_ENDORSEMENTS, Endorsement, parse_endorsements
from gateway.config_file import read_bounded
from gateway.errors import ConfigurationError
from gateway.mirror import MAX_EVIDENCE
from transparency_log.errors import MalformedError
from transparency_log.proof import MAX_FILE, parse_proof
from transparency_log.strict_json import b64encode, dumps


def read(endorsements: Path | None, proofs: Iterable[Path]) -> bytes | None:
    """Give the document that nodes are given; None: nothing is put to them.

    Raises:
        ConfigurationError: a file cannot be read, or is not what it should be.
    """
    found = [] if endorsements is None else list(_endorsements(endorsements))
    found += [Endorsement(type="log-entry", data=read_proof(path)) for path in proofs]
    if len(found) > MAX_ENDORSEMENTS:
        raise ConfigurationError(
            f"endorsements, proofs: expected at most {MAX_ENDORSEMENTS} together, found "
            f"{len(found)}; leave out releases that no status lists"
        )
    rows = [{"type": one.type, "data": b64encode(one.data)} for one in found]
    return dumps({"endorsements": rows}) if rows else None


def _endorsements(path: Path) -> tuple[Endorsement, ...]:
    try:
        return parse_endorsements(read_bounded(path, MAX_EVIDENCE))
    except MalformedEvidenceError as error:
        raise ConfigurationError(f"{path}: {error}; docs/formats.md, 3, has its form") from error


def read_proof(path: Path) -> bytes:
    """Read a proof file that carries its entry.

    Raises:
        ConfigurationError: it cannot be read, or is no such file.
    """
    data = read_bounded(path, MAX_FILE)
    try:
        proof = parse_proof(data)
    except MalformedError as error:
        raise ConfigurationError(
            f"{path}: {error}; make it with `openpcc-log publish --proof`"
        ) from error
    if proof.extra is None:
        raise ConfigurationError(f"{path}: without its entry; make it with `openpcc-log proof`")
    return data
