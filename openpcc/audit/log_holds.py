"""What the log says now: releases, floors, services; judged from what the monitor remembers. Pure.

The status and the service entry that are judged are the newest of their chains; their signatures
were verified when they were read, and are once more.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from openpcc.audit.log_tests import failed, judged, passed, skipped, skipped_all, told
from openpcc.audit.report import Finding, Section
from openpcc.config import ClientPolicy
from openpcc.log_checks import CLOCK_TOLERANCE
from openpcc.release_checks import STATUS_AGE
from transparency_log.entry import (
    EntryKind,
    Release,
    Status,
    verify_release,
    verify_service,
    verify_status,
)
from transparency_log.errors import LogError
from transparency_log.monitor.book import Book
from transparency_log.monitor.holdings import KnownRelease
from transparency_log.monitor.watch import Stage

if TYPE_CHECKING:
    from transparency_log.provenance import ProvenancePolicy

SHOWN = 128
"""Releases, services or announcements in a report: the newest ones."""

STATUS_TESTS = (
    "log.status-age",
    "log.release-logged",
    "log.release-expired",
    "log.release-revoked",
    "log.release-provenance",
)
"""What can only be judged once the newest status is known."""


def skipped_holds(why: str) -> tuple[Section, Section]:
    """Give the sections of a log that was not read to its end."""
    status = skipped_all(STATUS_TESTS, why)
    return (
        Section(name="releases", title="Releases and status", findings=status),
        Section(name="services", title="Services", findings=(skipped("log.service-lapsed", why),)),
    )


def releases(
    book: Book, policy: ClientPolicy, *, provenances: Sequence[bytes], now: int
) -> Section:
    """Judge the newest status and what it lists."""
    head = book.find(EntryKind.STATUS, policy.log.origin)
    if head is None:
        missing = failed("log.status-age", "the log has no status by the policy's signers")
        findings = (missing, *skipped_all(STATUS_TESTS[1:], "there is no status"))
        return Section(name="releases", title="Releases and status", findings=findings)
    status = verify_status(head.entry, policy.status_signers)
    found = [book.holdings.release(leaf) for leaf in status.releases]
    known = [one for one in found if one is not None]
    unknown = [leaf.hex() for leaf, one in zip(status.releases, found, strict=True) if one is None]
    expired = [_name(one, policy) for one in known if one.expires <= now]
    revoked = [
        f"{leaf.hex()} (by status {number})"
        for leaf in status.releases
        if (number := book.holdings.revoked(leaf)) is not None
    ]
    findings = (
        _age(status, now),
        judged("log.release-logged", _list(unknown), actual=f"{len(known)} listed"),
        judged("log.release-expired", _list(expired)),
        judged("log.release-revoked", _list(revoked)),
        _provenance(known, policy, provenances),
    )
    facts = {
        "status": status.sequence,
        "status_index": head.index,
        "issued": status.issued,
        "listed": [leaf.hex() for leaf in status.releases[:SHOWN]],
        "floors": _floors(status),
        "releases": [_release(one, policy, status, book) for one in book.holdings.releases(SHOWN)],
    }
    return Section(name="releases", title="Releases and status", findings=findings, facts=facts)


def services(book: Book, policy: ClientPolicy, *, now: int) -> Section:
    """Judge the newest entry of the policy's service; list the others of its signers."""
    chains = [one for one in book.chains if one.kind is EntryKind.SERVICE]
    mine = [one for one in chains if one.name == policy.service]
    if not mine:
        wrong = f"the log has no entry of the service {policy.service}"
        return _services(failed("log.service-lapsed", wrong), [])
    entry = verify_service(mine[0].entry, policy.service_signers)
    early, late = entry.not_before - CLOCK_TOLERANCE, entry.not_after
    expected = f"{early} <= now < {late}"
    finding = (
        passed("log.service-lapsed", f"number {entry.sequence}")
        if early <= now < late
        else failed("log.service-lapsed", f"now is {now}", expected=expected)
    )
    facts: list[object] = []
    for chain in chains[:SHOWN]:
        one = verify_service(chain.entry, policy.service_signers)
        facts.append(
            {
                "name": one.service,
                "sequence": one.sequence,
                "index": chain.index,
                "not_before": one.not_before,
                "not_after": one.not_after,
                "models": [model.name for model in one.models],
                "nodes_listed": [model.directory.size for model in one.models],
            }
        )
    return _services(finding, facts)


def rotations(book: Book, *, now: int) -> Section:
    """Judge announcements of new keys against the policy as it is."""
    found = book.holdings.rotations(SHOWN)
    due = [
        f"{one.role.value} {one.name} (entry {one.index})"
        for one in found
        if one.stage is Stage.AHEAD and one.not_before <= now
    ]
    facts = [
        {
            "index": one.index,
            "role": one.role.value,
            "name": one.name,
            "policy": one.stage.value,
            "not_before": one.not_before,
        }
        for one in found
    ]
    finding = judged("log.rotation", _list(due), actual=f"{len(found)} announcements")
    return Section(
        name="keys",
        title="Announcements of new keys",
        findings=(finding,),
        facts={"announcements": facts},
    )


def _services(finding: Finding, facts: list[object]) -> Section:
    return Section(
        name="services", title="Services", findings=(finding,), facts={"services": facts}
    )


def _age(status: Status, now: int) -> Finding:
    age = now - status.issued
    if -CLOCK_TOLERANCE <= age <= STATUS_AGE:
        return passed("log.status-age", f"number {status.sequence}, {age} s old")
    expected = f"at most {STATUS_AGE} s old, and not from the future"
    return failed("log.status-age", f"{age} s old", expected=expected)


def _provenance(
    known: Sequence[KnownRelease], policy: ClientPolicy, provenances: Sequence[bytes]
) -> Finding:
    if policy.provenance is None:
        return told("log.release-provenance", "the policy does not ask for it")
    if not provenances:
        why = "the log does not hold it; name bundles with --provenance, or see audit gateway"
        return skipped("log.release-provenance", why)
    asked = policy.provenance
    bare = [
        _name(one, policy)
        for one in known
        if not _proved(verify_release(one.entry, policy.release_signers), asked, provenances)
    ]
    return judged("log.release-provenance", _list(bare))


def _proved(release: Release, asked: "ProvenancePolicy", provenances: Sequence[bytes]) -> bool:
    """Say whether one of the bundles shows that this release was built as the policy asks."""
    from transparency_log.provenance import verify_provenance  # few policies ask

    for data in provenances:
        try:
            verify_provenance(
                data, policy=asked, image_sha256=release.image, commit=release.source.commit
            )
        except LogError:
            continue  # a bundle about another release, or one that shows nothing
        return True
    return False


def _name(known: KnownRelease, policy: ClientPolicy) -> str:
    release = verify_release(known.entry, policy.release_signers)
    return f"{release.name} {release.version} ({known.leaf.hex()})"


def _release(
    known: KnownRelease, policy: ClientPolicy, status: Status, book: Book
) -> dict[str, object]:
    release = verify_release(known.entry, policy.release_signers)
    return {
        "leaf": known.leaf.hex(),
        "index": known.index,
        "name": release.name,
        "version": release.version,
        "image": release.image.hex(),
        "expires": release.expires,
        "listed": known.leaf in status.releases,
        "revoked_by": book.holdings.revoked(known.leaf),
    }


def _floors(status: Status) -> dict[str, object]:
    floors = status.floors
    return {
        "crl": {
            issuer.hex(): {"number": one.number, "time": one.time}
            for issuer, one in floors.crl.items()
        },
        "tcb_evaluation": floors.tcb_evaluation,
        "minimum_tcb": {name: dict(tcb) for name, tcb in floors.minimum_tcb.items()},
    }


def _list(names: Sequence[str]) -> str:
    """Write names; the first ten of many."""
    more = f", and {len(names) - 10} more" if len(names) > 10 else ""
    return ", ".join(names[:10]) + more
