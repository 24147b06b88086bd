"""The door of a service, as its log entries and its issuer say: fetches for `token_terms`."""

from collections.abc import Callable
from dataclasses import dataclass

from openpcc.audit.gateway_tests import GATEWAY
from openpcc.audit.report import Finding
from openpcc.audit.service_path import PathError
from openpcc.audit.token_terms import OPEN, TERMS, directory_finding, terms_findings
from openpcc.config import ClientPolicy
from openpcc.errors import IssuerError
from openpcc.protocol.privacypass import IssuerDirectory
from openpcc.record import LOOK_BACK, Record
from transparency_log import scan
from transparency_log.client import LogClient
from transparency_log.errors import LogError
from transparency_log.tile import TILE_WIDTH

UNCONFIGURED = "no issuer is configured; name a configuration with [tokens] by --config"


@dataclass(frozen=True, kw_only=True)
class AdmissionReader:
    """Reads what a service asks for.

    Attributes:
        policy: whose word counts.
        log: where entries before the newest are read.
        directory: fetches the issuer's directory; None: no issuer is configured.
    """

    policy: ClientPolicy
    log: LogClient
    directory: Callable[[], IssuerDirectory] | None

    def findings(self, record: Record, *, now: int) -> tuple[Finding, ...]:
        """Read and judge; `LOOK_BACK` entries of the log and more, as a client does."""
        return (*self._terms(record), self._offered(record, now))

    def _terms(self, record: Record) -> tuple[Finding, ...]:
        start = max(record.service.index - LOOK_BACK, 0) // TILE_WIDTH * TILE_WIDTH
        try:
            entries = self.log.entries(record.newest, start)
            chain = scan.services(entries, self.policy.service, self.policy.service_signers)
        except (LogError, PathError) as error:
            return tuple(GATEWAY.skipped(name, str(error)) for name in TERMS)
        return terms_findings([one.entry for one in chain])

    def _offered(self, record: Record, now: int) -> Finding:
        name, entry = "gateway.issuer-directory", record.service.entry
        if entry.parameters.tokens is None:
            return GATEWAY.skipped(name, OPEN, required=False)
        if self.directory is None:
            return GATEWAY.skipped(name, UNCONFIGURED, required=False)
        try:
            return directory_finding(entry, self.directory(), now=now)
        except IssuerError as error:
            return GATEWAY.skipped(name, str(error))
