"""The attester's side of TDX: quotes through configfs-tsm, and what the agent measures in RTMR3.

The log is the firmware's (ACPI's CCEL) with the agent's events behind it; firmware and kernel write
to RTMR0 to RTMR2, RTMR3 is the application's. The kernel extends it through sysfs
(Documentation/ABI/testing/sysfs-devices-virtual-misc-tdx_guest, Linux 6.16 or newer):

    …/measurements/rtmr3:sha384     reading gives 48 bytes, writing 48 bytes extends

Once extended it cannot be set back; `attestation.boot_events` says what a second start finds.
"""

import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from attestation.boot_events import boot_events, measured, unmeasured
from attestation.ccel import append, replay_ccel
from attestation.configfs_tsm import INBLOB_SIZE, REPORTS, Pause, read_report
from attestation.errors import AttesterError, MalformedEvidenceError
from attestation.eventlog import REGISTER_SIZE, UNTOUCHED, text_digest
from attestation.evidence import DeviceEvidence, Endorsement
from attestation.sections import MAX_EVENT_LOG
from attestation.tdx.endorsements import pck_identity, read_chain
from attestation.tdx.evidence import Quote

PROVIDER = "tdx_guest"
"""Name of the kernel's driver."""

AGENT_REGISTER = 3
"""The application's register."""

CCEL = Path("sys/firmware/acpi/tables/data/CCEL")
"""Where the kernel shows the firmware's log, below the root of the file system."""

MEASUREMENTS = Path("sys/class/misc/tdx_guest/measurements")
"""Where the kernel shows the registers."""


class TdxAttester:
    """Quotes of the guest this runs in."""

    def __init__(self, root: Path, pause: Pause) -> None:
        """Ask for one quote, to see that there are any, and of which machine.

        Raises:
            AttesterError: there are none.
        """
        self._reports = root / REPORTS
        self._ccel = root / CCEL
        self._register = root / MEASUREMENTS / f"rtmr{AGENT_REGISTER}:sha384"
        self._pause = pause
        self._machine = self._identify()

    @classmethod
    def open(cls, root: Path, pause: Pause = time.sleep) -> "TdxAttester":
        """Open the guest whose kernel's interfaces are below `root`. Raises: AttesterError."""
        return cls(root, pause)

    @property
    def machine(self) -> bytes:
        """Give the platform's provisioning id (PPID), as its PCK certificate names it."""
        return self._machine

    def boot(self, models: Sequence[tuple[str, bytes]], engine_arguments: Sequence[str]) -> bytes:
        """Measure what is loaded after launch into RTMR3; gives the whole log.

        Raises:
            AttesterError: no log of the firmware, no way to extend, or a register that holds what
                this agent did not measure.
        """
        firmware = _read(self._ccel, MAX_EVENT_LOG, "boot with firmware that writes a CCEL")
        try:
            before = replay_ccel(firmware).get(AGENT_REGISTER, UNTOUCHED)
            log, events = firmware, boot_events(models, engine_arguments)
            for event in events:
                log = append(log, AGENT_REGISTER, event)
        except MalformedEvidenceError as error:
            raise AttesterError(f"{self._ccel}: {error}; boot with other firmware") from error
        self._measure(before, events)
        return log

    def devices(self, nonce: bytes) -> tuple[DeviceEvidence, ...]:
        """Give nothing: a processor has no devices of its own."""
        del nonce
        return ()

    def quote(self, binding: bytes) -> bytes:
        """Have the binding quoted; gives the quote without what the kernel pads it with."""
        return self._ask(binding).data

    def endorsements(self) -> tuple[Endorsement, ...]:
        """Give nothing: the chain is in the quote, and collateral is Intel's to hand out."""
        return ()

    def _measure(self, before: bytes, events: Sequence[str]) -> None:
        """Extend the register by the events it does not have yet."""
        name = str(self._register)
        for event in unmeasured(events, before=before, found=self._value(), name=name):
            self._extend(text_digest(event))
        if self._value() != measured(before, events):
            raise AttesterError(f"{self._register}: something else extends it; find and remove it")

    def _value(self) -> bytes:
        value = _read(self._register, REGISTER_SIZE, "use Linux 6.16 or newer (TSM_MEASUREMENTS)")
        if len(value) != REGISTER_SIZE:
            raise AttesterError(f"{self._register}: {len(value)} bytes; use another kernel")
        return value

    def _extend(self, digest: bytes) -> None:
        try:
            with self._register.open("r+b", buffering=0) as file:
                file.write(digest)
        except OSError as error:
            raise AttesterError(
                f"{self._register}: {error.strerror}; run as root, on Linux 6.16 or newer"
            ) from error

    def _identify(self) -> bytes:
        quote = self._ask(bytes(INBLOB_SIZE))
        try:
            return pck_identity(read_chain(quote.certificates)[0]).ppid
        except MalformedEvidenceError as error:
            raise AttesterError(
                f"{self._reports}: {error}; register the platform with Intel again"
            ) from error

    def _ask(self, inblob: bytes) -> Quote:
        answer = read_report(inblob, provider=PROVIDER, reports=self._reports, pause=self._pause)
        try:
            quote = Quote.parse(answer.outblob)
        except MalformedEvidenceError as error:
            raise AttesterError(
                f"{self._reports}: {error}; the host must offer DCAP quotes"
            ) from error
        if quote.td is None or quote.td.report_data != inblob:
            raise AttesterError(f"{self._reports}: a quote over other bytes; restart the guest")
        return quote


def expected_registers(
    models: Sequence[tuple[str, bytes]], engine_arguments: Sequence[str]
) -> Mapping[int, bytes]:
    """Give what a release must say of the agent's register."""
    return {AGENT_REGISTER: measured(UNTOUCHED, boot_events(models, engine_arguments))}


def _read(path: Path, limit: int, remedy: str) -> bytes:
    try:
        with path.open("rb") as file:
            data = file.read(limit + 1)
    except OSError as error:
        raise AttesterError(f"{path}: {error.strerror}; {remedy}") from error
    if len(data) > limit:
        raise AttesterError(f"{path}: more than {limit} bytes; {remedy}")
    return data
