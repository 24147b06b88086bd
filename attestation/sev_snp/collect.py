"""The attester's side of SEV-SNP: reports through configfs-tsm, and the host's certificates.

A guest has no runtime registers: nothing is measured after launch, and the event log is empty. The
image must fix all that is loaded, by the launch measurement.
"""

import time
from collections.abc import Sequence
from pathlib import Path

from attestation.configfs_tsm import INBLOB_SIZE, REPORTS, Pause, TsmReport, read_report
from attestation.errors import AttesterError, MalformedEvidenceError
from attestation.evidence import DeviceEvidence, Endorsement
from attestation.sev_snp.certificate_table import parse_certificate_table
from attestation.sev_snp.evidence import Report
from attestation.x509 import armored

PROVIDER = "sev_guest"
"""Name of the kernel's driver."""

LEAVES = {"VCEK": "vcek", "VLEK": "vlek"}
"""Kind of the key that signs reports to its certificate's name in the table."""


class SevSnpAttester:
    """Reports of the guest this runs in."""

    def __init__(self, reports: Path, pause: Pause) -> None:
        """Ask for one report, to see that there are any, and whose.

        Raises:
            AttesterError: there are none.
        """
        self._reports = reports
        self._pause = pause
        self._chain: bytes | None = None
        self._machine = self._ask(bytes(INBLOB_SIZE)).chip_id

    @classmethod
    def open(cls, root: Path, pause: Pause = time.sleep) -> "SevSnpAttester":
        """Open the guest whose kernel's interfaces are below `root`. Raises: AttesterError."""
        return cls(root / REPORTS, pause)

    @property
    def machine(self) -> bytes | None:
        """Give the chip id; None where the host masks it."""
        return self._machine if any(self._machine) else None

    def boot(self, models: Sequence[tuple[str, bytes]], engine_arguments: Sequence[str]) -> bytes:
        """Measure nothing: there is no register for it. Gives the empty event log."""
        del models, engine_arguments
        return b""

    def devices(self, nonce: bytes) -> tuple[DeviceEvidence, ...]:
        """Give nothing: a processor has no devices of its own."""
        del nonce
        return ()

    def quote(self, binding: bytes) -> bytes:
        """Have the binding signed."""
        return self._ask(binding).encode()

    def endorsements(self) -> tuple[Endorsement, ...]:
        """Give the chain that came with the newest report; nothing if the host has none."""
        if self._chain is None:
            return ()
        return (Endorsement(type="x509-chain", data=self._chain),)

    def _ask(self, inblob: bytes) -> Report:
        answer = read_report(inblob, provider=PROVIDER, reports=self._reports, pause=self._pause)
        try:
            report = Report.parse(answer.outblob)
        except MalformedEvidenceError as error:
            raise AttesterError(
                f"{self._reports}: {error}; this version reads other reports, update it"
            ) from error
        if report.report_data != inblob:
            raise AttesterError(f"{self._reports}: a report over other bytes; restart the guest")
        self._chain = chain_of(report, answer)
        return report


def chain_of(report: Report, answer: TsmReport) -> bytes | None:
    """Give the chain of the key that signs reports, PEM; None where the host hands out none.

    A host that has only some of the three certificates has no chain; whoever staples endorsements
    then gets it from AMD.

    Raises:
        AttesterError: what the host hands out is no certificate table.
    """
    try:
        table = parse_certificate_table(answer.auxblob)
    except MalformedEvidenceError as error:
        raise AttesterError(f"{error}; load the host's certificates again, or none") from error
    names = (LEAVES.get(report.signing_key, ""), "ask", "ark")
    ders = [table[name] for name in names if name in table]
    return b"".join(map(armored, ders)) if len(ders) == len(names) else None
