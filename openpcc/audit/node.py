"""`audit node`: challenges listed nodes with a fresh nonce, and judges what comes back.

1. listing     every shard, proved to the log, as `audit gateway` reads it
2. challenge   32 fresh bytes and a key of the leaf, through the gateway (docs/formats.md, 7.4)
3. nonce       the evidence that comes back carries these bytes, so it is of now
4. keys        it attests the keys of the leaf: whoever holds them answered
5. evidence    every check of the trust decision but the leaf's: new evidence is in no directory

Listed evidence is as old as the epoch, up to a day; an answer to a challenge is of this second. The
gateway sees nonce, key and time, and so that somebody audits this node: it can refuse, and it can
carry the challenge to the real machine, which is what is asked of it.
"""

import secrets
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from attestation.policy import NewestAccepted
from attestation.result import Report
from openpcc import clock
from openpcc.audit import appraisal
from openpcc.audit.gateway_tests import GATEWAY
from openpcc.audit.listing import Listed, Listing, ListingReader, WindowOverError
from openpcc.audit.node_answer import answer_findings
from openpcc.audit.node_tests import NODE
from openpcc.audit.report import AuditKind, AuditReport, Finding, Section
from openpcc.audit.service_path import OutOfTimeError, PathError, ServicePath, unreached
from openpcc.audit.service_tail import (
    TailReader,
    keys_logged,
    tail_facts,
    unread_tail,
    ways_section,
)
from openpcc.config import ClientPolicy
from openpcc.errors import DirectoryError, GatewayError
from openpcc.judging import Judge
from openpcc.log_checks import Known
from openpcc.offline import judge_bundle
from openpcc.protocol.messages import NONCE_SIZE, Challenge
from openpcc.record import Record, RecordReader
from openpcc.shard_judging import MAX_BUNDLE
from openpcc.state import StateFile
from openpcc.trust import LogView

BUSY_WAIT = 12
"""Seconds until a node whose allowance was used up has earned another challenge."""

BUSY_TRIES = 3

MOST_NODES = 1024
"""Nodes that one audit may challenge: at one a second, half an hour's."""

WINDOWS = 3
"""Times the audit begins again when a window ends in the middle of it."""

ANSWERED = ("node.challenge", "node.keys", "node.machine", "node.evidence")
"""What is tested of an answer."""


@dataclass(frozen=True, kw_only=True)
class NodeAudit:
    """What is to be audited.

    Attributes:
        policy: whose word counts.
        path: the way to the service.
        states: what was accepted before.
        leaf: beginning of the leaf hashes of the nodes that are meant, hex; None: all nodes.
        most: nodes to challenge, drawn at random among those.
        now: the local clock.
        wait: waits so many seconds.
        nonce: gives fresh random bytes.
    """

    policy: ClientPolicy
    path: ServicePath
    states: StateFile
    leaf: str | None = None
    most: int = 1
    now: Callable[[], int] = clock.now
    wait: Callable[[float], object] = time.sleep
    nonce: Callable[[int], bytes] = secrets.token_bytes

    def run(self) -> AuditReport:
        """Do it.

        Raises:
            TransportError: nobody answered, so nothing can be said.
            ConfigurationError: the state cannot be used.
        """
        at = self.now()
        sections = self._sections()
        if (error := unreached([self.path])) is not None:
            raise error
        return AuditReport(
            kind=AuditKind.NODE,
            subject=f"{self.policy.service}, {self._subject}",
            at=at,
            sections=(ways_section([self.path]), *sections),
            simulated=self.policy.attestation.simulated,
        )

    @property
    def _subject(self) -> str:
        return "nodes drawn at random" if self.leaf is None else f"leaf {self.leaf}"

    def _sections(self) -> list[Section]:
        try:
            self.path.fetch_keys()
        except PathError as error:
            return [Section(name="nodes", title="Nodes", findings=_unjudged(str(error)))]
        ahead = ""
        for _ in range(WINDOWS):
            try:
                return self._window()
            except WindowOverError as error:
                ahead = str(error)
            except OutOfTimeError as error:
                return [Section(name="nodes", title="Nodes", findings=_unjudged(str(error)))]
        findings = (GATEWAY.failed("gateway.shard", ahead), *_unjudged("no node is known"))
        return [Section(name="nodes", title="Nodes", findings=findings)]

    def _window(self) -> list[Section]:
        reader = TailReader(
            service=self.policy.service,
            records=RecordReader(self.policy, self.states),
            states=self.states,
            wait=self.wait,
        )
        try:
            tail = reader.read([self.path], now=self.now())
        except OutOfTimeError as error:
            tail = unread_tail(str(error))
        record, view = tail.record, tail.view
        keys = keys_logged(self.path, record)
        if record is None or view is None:
            unjudged = _unjudged("there is no record that counts")
            return [_record((keys, *tail.findings, *unjudged), record)]
        listing = ListingReader(
            paths=[self.path], service=record.service.entry, wait=self.wait
        ).read()
        chosen = self._chosen(listing)
        found = _record((keys, *tail.findings, *listing.findings()[:-1], *_listed(chosen)), record)
        return [found, *(self._challenged(listed, view) for listed in chosen)]

    def _chosen(self, listing: Listing) -> Sequence[Listed]:
        beginning = self.leaf or ""
        fitting = [
            listed for found, listed in listing.leaves.items() if found.hex().startswith(beginning)
        ]
        drawn = secrets.SystemRandom().sample(range(len(fitting)), min(self.most, len(fitting)))
        return [fitting[one] for one in sorted(drawn)]

    def _challenged(self, listed: Listed, view: LogView) -> Section:
        """Steps 2 to 5 for one node."""
        found = listed.leaf.leaf_hash().hex()[:16]
        name, title = f"node {found}", f"Node {found}…"
        challenge = Challenge(nonce=self.nonce(NONCE_SIZE), key_id=listed.leaf.node_key_ids[0])
        try:
            data = self._answer(challenge)
            return self._judged(data, challenge, listed, view, name, title)
        except (_BusyError, OutOfTimeError) as error:
            findings = _unjudged(str(error))
        except (GatewayError, PathError, DirectoryError) as error:
            answer = NODE.failed("node.answer", str(error))
            findings = (answer, *_unjudged("there is no answer")[1:])
        return Section(name=name, title=title, findings=findings)

    def _answer(self, challenge: Challenge) -> bytes:
        for left in reversed(range(BUSY_TRIES)):
            try:
                return self.path.challenge(challenge, MAX_BUNDLE)
            except GatewayError as error:
                if error.code != "busy":
                    raise
            if left:
                self.wait(BUSY_WAIT)
        raise _BusyError("others used up what this node answers; run it again in a minute")

    def _judged(
        self,
        data: bytes,
        challenge: Challenge,
        listed: Listed,
        view: LogView,
        name: str,
        title: str,
    ) -> Section:
        report = self._report(data, view)
        answered = NODE.passed("node.answer", f"{len(data)} bytes")
        findings = (answered, *answer_findings(data, challenge, listed.leaf, report))
        whole = appraisal.section(report, name=name, title=title)
        return Section(
            name=name,
            title=title,
            findings=(*findings, *whole.findings),
            facts={**whole.facts, "nonce": challenge.nonce.hex()},
        )

    def _report(self, data: bytes, view: LogView) -> Report:
        judge = Judge(self.policy, self.states)
        return judge_bundle(
            data,
            now=max(self.now(), view.witnessed),
            policy=self.policy,
            known=Known(checkpoint=view.newest.checkpoint, witnessed=view.witnessed),
            consistency=judge.consistency(data, self.path.log, view),
            status=view.status,
            newest=NewestAccepted(marks=self.states.load().marks),
        )


class _BusyError(Exception):
    """The node answers no challenge at present; that is no fault of it."""


def _listed(chosen: Sequence[Listed]) -> tuple[Finding, ...]:
    if chosen:
        return (NODE.passed("node.listed", f"{len(chosen)} to be challenged"),)
    return (NODE.failed("node.listed", "no listed leaf fits"), *_unjudged("no node is known"))


def _unjudged(why: str) -> tuple[Finding, ...]:
    return tuple(NODE.skipped(name, why) for name in ("node.answer", *ANSWERED))


def _record(findings: Sequence[Finding], record: Record | None) -> Section:
    return Section(
        name="record",
        title="Keys, record and directories",
        findings=tuple(findings),
        facts=tail_facts(record),
    )
