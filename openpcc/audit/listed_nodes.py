"""Every listed node: its evidence along every way, judged by the very decision a client makes."""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from attestation import verifier
from attestation.errors import AttestationError
from attestation.evidence import DevicesSection, EvidenceBundle, KeysSection
from attestation.policy import AppraisalPolicy
from attestation.result import Report
from openpcc.audit import appraisal
from openpcc.audit.gateway_tests import GATEWAY
from openpcc.audit.listing import Listed, Listing, machines
from openpcc.audit.report import MAX_FACTS, Finding, Section
from openpcc.audit.service_path import MissingError, OutOfTimeError, PathError, ServicePath
from openpcc.judging import Judge, Judgement
from openpcc.protocol.errors import ProtocolError
from openpcc.protocol.sealing import NodeKey
from openpcc.shard_judging import MAX_BUNDLE
from openpcc.trust import LogView
from transparency_log.client import LogClient

MOST_SECTIONS = 64
"""Nodes whose every check stands in the report; refused ones come first."""

LOGGED = ("7.signers", "7.inclusion", "7.witnesses")
"""Checks that say whether a release is in the log at all."""


@dataclass
class Nodes:
    """What was found of the listed nodes; each list is in words."""

    judged: list[Judgement] = field(default_factory=list)
    unserved: list[str] = field(default_factory=list)
    unattested: list[str] = field(default_factory=list)
    refused: list[str] = field(default_factory=list)
    unlogged: list[str] = field(default_factory=list)
    unread: list[str] = field(default_factory=list)

    def findings(self) -> list[Finding]:
        """Say what was tested of them."""
        accepted = sum(one.node is not None for one in self.judged)
        unread = [f"{len(self.unread)}: {one}" for one in self.unread[:1]]
        return [
            GATEWAY.judged("gateway.bundle", self.unserved),
            *(GATEWAY.skipped("gateway.bundle", one) for one in unread),
            GATEWAY.judged("gateway.attested", self.unattested),
            GATEWAY.judged("gateway.release", self.unlogged),
            GATEWAY.judged("gateway.node", self.refused, actual=f"{accepted} accepted"),
        ]


@dataclass(frozen=True, kw_only=True)
class NodesReader:
    """Fetches and judges the evidence of all leaves.

    Attributes:
        paths: the ways it is to be served along.
        judge: as clients have it.
        view: what was established about the log.
        log: whose tiles prove that beacons are of this log; not trusted.
        now: the local clock; reading may take long.
    """

    paths: Sequence[ServicePath]
    judge: Judge
    view: LogView
    log: LogClient
    now: Callable[[], int]

    def read(self, listing: Listing) -> Nodes:
        """Judge every node that is listed.

        Raises:
            DirectoryError: a beacon proves that the log contradicts itself.
        """
        nodes = Nodes()
        for found, listed in listing.leaves.items():
            try:
                self._node(nodes, found, listed)
            except OutOfTimeError as error:
                nodes.unread.append(str(error))
        return nodes

    def _node(self, nodes: Nodes, found: bytes, listed: Listed) -> None:
        seen: dict[bytes, Judgement] = {}
        name = found.hex()[:16]
        for path in self.paths:
            try:
                data = path.get(f"/bundle/{found.hex()}", MAX_BUNDLE)
            except MissingError:
                nodes.unserved.append(f"{path.name}: leaf {name}…")
            except OutOfTimeError:
                raise
            except PathError as error:
                nodes.unread.append(str(error))
            else:
                if data not in seen:  # endorsements are no part of the leaf, and may be renewed
                    seen[data] = self._judged(data, listed)
        for judgement in seen.values():
            _note(nodes, listed, judgement, name)

    def _judged(self, data: bytes, listed: Listed) -> Judgement:
        return self.judge.judge(data, listed.leaf, self.log, self.view, self.now())


def _note(nodes: Nodes, listed: Listed, judgement: Judgement, name: str) -> None:
    nodes.judged.append(judgement)
    if strange := _unattested(judgement):
        nodes.unattested.append(f"leaf {name}…: {strange}")
    report = judgement.report
    if report is not None and (failed := [check.id for check in report.failed]):
        nodes.refused.append(f"leaf {name}…: {', '.join(failed)}")
        if report.release is not None and set(failed) & set(LOGGED):
            nodes.unlogged.append(_release(report.release, report))
    elif other := [model for model in listed.models if not judgement.serves(model)]:
        nodes.refused.append(f"leaf {name}…: its evidence does not name {', '.join(other)}")


def _release(release: bytes, report: Report) -> str:
    failed = [check.id for check in report.failed if check.id in LOGGED]
    return f"release {release.hex()}: {', '.join(failed)}"


def _unattested(judgement: Judgement) -> str:
    """Name the keys that a leaf lists and its evidence does not; empty: there are none."""
    try:
        keys = KeysSection.parse(EvidenceBundle.parse(judgement.bundle).keys)
        attested = {NodeKey.parse(config).id for config in keys.hpke}
    except (AttestationError, ProtocolError):
        attested = set()
    strange = [one for one in judgement.leaf.node_key_ids if one not in attested]
    return ", ".join(f"key {one.hex()[:16]}…" for one in strange)


def sections(nodes: Nodes) -> Iterator[Section]:
    """Give every check of the nodes: refused ones first, others as far as there is room."""
    order = sorted(nodes.judged, key=lambda one: one.node is not None)
    for judgement in order[:MOST_SECTIONS]:
        if judgement.report is not None:
            name = f"node {judgement.leaf_hash.hex()[:16]}"
            said = "accepted" if judgement.node is not None else "refused"
            yield appraisal.section(judgement.report, name=name, title=f"Node {name[5:]}…: {said}")


def facts(
    listing: Listing, nodes: Nodes, policy: AppraisalPolicy, *, now: int
) -> dict[str, object]:
    """Count machines, versions and devices of accepted nodes, and say when trust in them ends."""
    accepted = [one for one in nodes.judged if one.node is not None]
    on_machine = Counter(machines(listing))
    expires = [one.node.expires for one in accepted if one.node is not None]
    versions, devices = _hardware(accepted, policy, now=now)
    return {
        "nodes": len(listing.leaves),
        "accepted": len({one.leaf_hash for one in accepted}),
        "machines": len(on_machine),
        "nodes_without_machine": len(listing.leaves) - sum(on_machine.values()),
        "most_nodes_of_a_machine": max(on_machine.values(), default=0),
        "platforms": _counted(one.report.platform for one in accepted if one.report is not None),
        "releases": _counted(
            one.report.release.hex() for one in accepted if one.report and one.report.release
        ),
        "tcb": _counted(versions),
        "devices": _counted(devices),
        "expires": min(expires, default=None),
        "until": max(expires, default=None),
    }


def machines_finding(listing: Listing, candidates: int) -> Finding:
    """Say how many machines there are: a request goes to so many different ones at the most."""
    count = len(set(machines(listing)))
    return GATEWAY.told(
        "gateway.machines",
        f"{count} named, behind {len(listing.leaves)} nodes; a request has up to {candidates}",
    )


def _hardware(
    accepted: Sequence[Judgement], policy: AppraisalPolicy, *, now: int
) -> tuple[list[str], list[str]]:
    versions, devices = [], []
    for one in accepted:
        bundle = EvidenceBundle.parse(one.bundle)
        claims = verifier.quoted(bundle, policy, now=now)
        if claims is not None:
            versions.append(f"{bundle.platform}{_version(claims.tcb, claims.line)}")
        if bundle.devices is not None:
            devices += [device.kind for device in DevicesSection.parse(bundle.devices).devices]
    return versions, devices


def _version(tcb: Mapping[str, int], line: str) -> str:
    return "".join((f"/{line}" if line else "", *(f" {name} {tcb[name]}" for name in sorted(tcb))))


def _counted(names: "Iterator[str] | Sequence[str]") -> dict[str, int]:
    return dict(Counter(names).most_common(MAX_FACTS))
