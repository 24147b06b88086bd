"""An auditor in front of a service in memory, with ways to it that a test may bend one by one."""

import copy
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, cast

from openpcc.audit.gateway import GatewayAudit
from openpcc.audit.report import AuditReport, Outcome
from openpcc.audit.service_path import Deadline, ServicePath
from openpcc.carrier import Carrier
from openpcc.errors import TransportError
from openpcc.protocol.privacypass import IssuerDirectory
from openpcc.state import StateFile
from tests.fakes.memory_service import MemoryCarrier, MemoryService
from tests.fakes.world import NOW
from transparency_log.client import LogClient


class Ways:
    """Two ways to one service, and the log itself. `relay` and `direct` are what each shows.

    Both are views of one service: what a test changes of a view, as its `files`, is that way's
    alone; what it changes of `service` before `part` is everybody's.
    """

    def __init__(self, folder: Path, service: MemoryService | None = None) -> None:
        self.service = service or MemoryService(folder)
        self.issuer: Callable[[], IssuerDirectory] | None = None
        self.folder = folder / "audit"
        self.waited: list[float] = []
        self.now = NOW
        self.log = True
        self.remember = True
        self.seconds = 600.0
        self.carriers: dict[str, Any] = {}
        self.part()

    def part(self) -> None:
        """Let the ways show what the service shows now, each for itself from here on."""
        self.direct, self.relay = self.view(), self.view()

    def view(self) -> MemoryService:
        view = copy.copy(self.service)
        view.files = dict(self.service.files)
        view.asked = []
        if "reply" in vars(view):
            view.reply = view.honest_reply
        return view

    def paths(self) -> list[ServicePath]:
        views = {"direct": self.direct, "relay": self.relay}
        deadline = Deadline(self.seconds)
        return [
            ServicePath(
                name,
                cast("Carrier", self.carriers.get(name) or MemoryCarrier(view)),
                self.service.config.policy,
                deadline,
            )
            for name, view in views.items()
        ]

    def audit(self) -> AuditReport:
        policy = self.service.config.policy
        return GatewayAudit(
            subject="memory",
            policy=policy,
            paths=self.paths(),
            states=StateFile(self.folder),
            log=LogClient(policy.log, self.read_log) if self.log else None,
            issuer=self.issuer,
            folder=self.folder if self.remember else None,
            now=lambda: self.now,
            wait=self.waited.append,
        ).run()

    def read_log(self, path: str, limit: int) -> bytes:
        if path == "checkpoint":
            return self.service.world.log.note(times=self.service.times)
        return self.service.world.log.fetch(path, limit)

    def everywhere(self, change: Callable[[MemoryService], None]) -> None:
        for view in (self.direct, self.relay):
            change(view)


class StallingCarrier(MemoryCarrier):
    """A way on which nothing comes but the keys, until whoever waits gives up."""

    asked = 0

    @contextmanager
    def exchange(self, body: bytes) -> Iterator[Iterator[bytes]]:
        self.asked += 1
        if body:
            raise TransportError("the service took too long")
        yield iter([])


def outcomes(report: AuditReport, name: str) -> list[Outcome]:
    return [one.outcome for one in report.findings if one.id == name]


def failed(report: AuditReport) -> set[str]:
    """Name what failed, of the gateway's tests."""
    return {one.id for one in report.failed if one.id.startswith("gateway.")}


def said(report: AuditReport, name: str) -> str:
    return " | ".join(one.actual or "" for one in report.failed if one.id == name)
