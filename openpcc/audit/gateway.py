"""`audit gateway`: what a service serves, held against the log and along different ways.

Steps, each with the functions that clients use:

1. keys       along every way; the same, and those of the log         `service_tail`
2. tail       checkpoint, service entry and status along every way    `service_tail`
3. admission  what entries and issuer say of it                       `issuer`, `token_terms`
4. listing    every shard, proved to the roots of the service entry   `listing`
5. places     no machine changed its place                            `places`
6. nodes      every listed node judged by the trust decision          `listed_nodes`

It shows what these ways showed at this time. A gateway that tells the audit's direct connection
from its users can show both the same and something else to a chosen user behind another relay;
that no one can be shown keys or nodes of his own is what the client's checks are for.
"""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from openpcc import clock
from openpcc.audit import listed_nodes
from openpcc.audit.gateway_tests import GATEWAY
from openpcc.audit.issuer import AdmissionReader
from openpcc.audit.listed_nodes import Nodes, NodesReader
from openpcc.audit.listing import Listing, ListingReader, WindowOverError
from openpcc.audit.places import KnownPlaces, places_finding
from openpcc.audit.report import AuditKind, AuditReport, Finding, Section
from openpcc.audit.service_path import OutOfTimeError, PathError, ServicePath, unreached
from openpcc.audit.service_tail import (
    Tail,
    TailReader,
    keys_logged,
    keys_split,
    tail_facts,
    unread_tail,
    ways_section,
)
from openpcc.audit.token_terms import TERMS
from openpcc.config import ClientPolicy
from openpcc.errors import DirectoryError
from openpcc.judging import Judge
from openpcc.protocol.privacypass import IssuerDirectory
from openpcc.record import Record, RecordReader
from openpcc.state import StateFile
from openpcc.trust import LogView
from transparency_log.client import LogClient

TRIES = 3
"""Times the audit begins again when a window ends in the middle of it."""

UNLISTED = ("gateway.shard", "gateway.moved")
UNJUDGED = ("gateway.bundle", "gateway.attested", "gateway.release", "gateway.node")


@dataclass(frozen=True, kw_only=True)
class GatewayAudit:
    """What is to be audited.

    Attributes:
        subject: the gateway, as it was named.
        policy: whose word counts.
        paths: ways to the service.
        states: what was accepted before; each way is held against it.
        log: of the log itself or a mirror of it; None: there is no such way.
        issuer: fetches the directory of the token issuer; None: none is configured.
        folder: where places of machines are remembered; None: nowhere.
        now: the local clock.
        wait: waits so many seconds.
    """

    subject: str
    policy: ClientPolicy
    paths: Sequence[ServicePath]
    states: StateFile
    log: LogClient | None = None
    issuer: Callable[[], IssuerDirectory] | None = None
    folder: Path | None = None
    now: Callable[[], int] = clock.now
    wait: Callable[[float], object] = time.sleep

    def run(self) -> AuditReport:
        """Do it.

        Raises:
            TransportError: nobody answered on any way, so nothing can be said.
            ConfigurationError: the state cannot be used.
        """
        at = self.now()
        sections = self._sections()
        if (error := unreached(self.paths)) is not None:
            raise error
        return AuditReport(
            kind=AuditKind.GATEWAY,
            subject=self.subject,
            at=at,
            sections=(ways_section(self.paths), *sections),
            simulated=self.policy.attestation.simulated,
        )

    def _sections(self) -> list[Section]:
        for path in self.paths:
            try:
                path.fetch_keys()
            except PathError:
                continue  # noted there
        ahead = ""
        for _ in range(TRIES):
            try:
                return self._window()
            except WindowOverError as error:
                ahead = str(error)
        findings = (GATEWAY.failed("gateway.shard", ahead), *_skipped(ahead, UNJUDGED))
        return [Section(name="directory", title="Directories", findings=findings)]

    def _window(self) -> list[Section]:
        """Audit one window, from its entry to its nodes."""
        usable = [path for path in self.paths if path.keys]
        tail = self._tail(usable)
        record, view = tail.record, tail.view
        found = Section(
            name="record",
            title="Keys and record",
            findings=(
                keys_split(self.paths),
                *(keys_logged(path, record) for path in self.paths),
                *tail.findings,
                tail.split,
                *self._admission(usable, record),
            ),
            facts=tail_facts(record),
        )
        if record is None or view is None:
            why = "there is no record that counts"
            skipped = _skipped(why, (*UNLISTED, *UNJUDGED))
            return [found, Section(name="directory", title="Directories", findings=skipped)]
        return [found, *self._listed(usable, record, view)]

    def _tail(self, usable: Sequence[ServicePath]) -> Tail:
        reader = TailReader(
            service=self.policy.service,
            records=RecordReader(self.policy, self.states),
            states=self.states,
            wait=self.wait,
            log=self.log,
        )
        try:
            return reader.read(usable, now=self.now())
        except OutOfTimeError as error:
            return unread_tail(str(error))

    def _admission(self, usable: Sequence[ServicePath], record: Record | None) -> Sequence[Finding]:
        if record is None:
            return _skipped("there is no record that counts", (*TERMS, "gateway.issuer-directory"))
        reader = AdmissionReader(
            policy=self.policy, log=self.log or usable[0].log, directory=self.issuer
        )
        return reader.findings(record, now=self.now())

    def _listed(
        self, usable: Sequence[ServicePath], record: Record, view: LogView
    ) -> list[Section]:
        service = record.service.entry
        try:
            listing = ListingReader(paths=usable, service=service, wait=self.wait).read()
        except OutOfTimeError as error:
            skipped = _skipped(str(error), (*UNLISTED, *UNJUDGED))
            return [Section(name="directory", title="Directories", findings=skipped)]
        known = KnownPlaces.of(service.service, service.sequence, listing)
        places = places_finding(self.folder, known, complete=listing.complete)
        directories = Section(
            name="directory",
            title="Directories",
            findings=(*listing.findings(), places),
            facts={"shards": listing.shards, "leaves": len(listing.leaves)},
        )
        return [directories, *self._nodes(usable, listing, record, view)]

    def _nodes(
        self, usable: Sequence[ServicePath], listing: Listing, record: Record, view: LogView
    ) -> list[Section]:
        reader = NodesReader(
            paths=usable,
            judge=Judge(self.policy, self.states),
            view=view,
            log=self.log or usable[0].log,
            now=self.now,
        )
        try:
            nodes = reader.read(listing)
        except DirectoryError as error:  # a beacon and the log contradict each other
            told = GATEWAY.failed("gateway.equivocation", str(error))
            skipped = _skipped("the log contradicts itself", UNJUDGED)
            return [Section(name="nodes", title="Nodes", findings=(told, *skipped))]
        return [self._judged(listing, nodes, record), *listed_nodes.sections(nodes)]

    def _judged(self, listing: Listing, nodes: Nodes, record: Record) -> Section:
        candidates = record.service.entry.parameters.candidates
        machines = listed_nodes.machines_finding(listing, candidates)
        return Section(
            name="nodes",
            title="Nodes",
            findings=(*nodes.findings(), machines),
            facts=listed_nodes.facts(listing, nodes, self.policy.attestation, now=self.now()),
        )


def _skipped(why: str, names: Sequence[str]) -> tuple[Finding, ...]:
    return tuple(GATEWAY.skipped(name, why) for name in names)
