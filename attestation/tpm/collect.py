"""The attester's side of virtual TPMs: quotes of PCRs under a key that the hardware names.

    hardware   once: Azure's report out of the TPM, or our own platform's quote that names the AK
    boot       the agent's events into PCR 15, behind the firmware's log
    quote      all PCRs of the SHA-384 bank, qualifying data from the binding

Everything that is measured must be in the log, or no client accepts it. What Linux measured by
itself is put there from its own list (`attestation.tpm.ima`); whatever else measures without
writing to the firmware's log (systemd's pcrphase services) must be off in the image. That is
noticed here at boot, by name, and not first by clients.
"""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Protocol

from attestation.binding import tpm_binding
from attestation.boot_events import boot_events, measured, unmeasured
from attestation.errors import AppraisalError, AttesterError, MalformedEvidenceError
from attestation.eventlog import text_digest
from attestation.evidence import DeviceEvidence, Endorsement
from attestation.sections import MAX_EVENT_LOG
from attestation.tcg_log import append_event, append_text
from attestation.tpm import azure
from attestation.tpm.device import Tpm
from attestation.tpm.document import Azure, Direct, TpmQuote
from attestation.tpm.evidence import check_pcr_digest
from attestation.tpm.hardware import ak_report_data
from attestation.tpm.ima import EV_EVENT_TAG, IMA_PCR, MAX_LIST, read_list
from attestation.tpm.pcrs import BANK, DYNAMIC, replay_pcrs
from attestation.tpm.public import AkKey, read_public, spki
from attestation.tpm.signature import Signature

AGENT_PCR = 15
"""Where the agent measures: the last PCR of the operating system's that nothing resets."""

IMA_LIST = Path("sys/kernel/security/ima/binary_runtime_measurements")
"""Where the kernel shows its own measurements."""

AK_HANDLE = 0x81010F15
"""Our own AK where no paravisor made one: a handle of the owner's, as likely free as any."""

FIRMWARE_LOG = Path("sys/kernel/security/tpm0/binary_bios_measurements")
"""Where the kernel shows the firmware's log, below the root of the file system."""

EV_ACTION = 5
"""Type of our records: an action in words."""


class Hardware(Protocol):
    """What the platform below offers; see `attestation.attester.PlatformAttester`."""

    @property
    def machine(self) -> bytes | None:
        """Give the machine id."""
        ...

    def devices(self, nonce: bytes) -> tuple[DeviceEvidence, ...]:
        """Ask every device."""
        ...

    def quote(self, binding: bytes) -> bytes:
        """Quote 64 bytes."""
        ...

    def endorsements(self) -> tuple[Endorsement, ...]:
        """Give the endorsements that the machine itself holds."""
        ...


class VtpmAttester:
    """Quotes of the guest this runs in."""

    def __init__(
        self,
        tpm: Tpm,
        firmware_log: Path | None,
        open_hardware: Callable[[], Hardware],
        host: str = azure.HOST,
        ima_list: Path | None = None,
    ) -> None:
        """Find the AK, and what names it.

        Args:
            tpm: of the guest.
            firmware_log: None where there is no firmware, on the simulated platform.
            open_hardware: opens the platform below; not called on Azure, whose guests cannot
                ask it.
            host: of Azure's service for TD quotes.
            ima_list: what Linux measured by itself; None, or no such file: nothing.

        Raises:
            AttesterError: no TPM, no hardware, or none that vouches for the AK.
        """
        self._tpm = tpm
        self._firmware_log = firmware_log
        self._ima_list = ima_list
        self._below: Hardware | None = None
        self._azure: Azure | None = None
        if tpm.has(azure.HCL_INDEX):
            self._handle = azure.AK_HANDLE
            self._ak = _key(tpm.read_public(self._handle))
            report = tpm.read_nv(azure.HCL_INDEX)
            self._azure = azure.read_hardware(report, host)
            _check_named(self._ak, self._azure)
        else:
            self._handle = AK_HANDLE
            if not tpm.has(AK_HANDLE):
                tpm.make_ak(AK_HANDLE)
            self._ak = _key(tpm.read_public(AK_HANDLE))
            self._below = open_hardware()

    @property
    def machine(self) -> bytes | None:
        """Give the machine id; None where the platform names none."""
        if self._azure is not None:
            return azure.machine_of(self._azure)
        return None if self._below is None else self._below.machine

    def boot(self, models: Sequence[tuple[str, bytes]], engine_arguments: Sequence[str]) -> bytes:
        """Measure what is loaded after launch into PCR 15; gives the whole log.

        Raises:
            AttesterError: no log of the firmware, or a PCR that it does not lead to.
        """
        firmware = b"" if self._firmware_log is None else _read_log(self._firmware_log)
        events = boot_events(models, engine_arguments)
        try:
            before = replay_pcrs(firmware)[AGENT_PCR]
            log = firmware
            for record in _read_ima(self._ima_list):
                log = append_event(log, IMA_PCR, EV_EVENT_TAG, record)
            for event in events:
                log = append(log, event)
            expected = replay_pcrs(log)
        except MalformedEvidenceError as error:
            raise AttesterError(f"firmware's log: {error}; boot with other firmware") from error
        found, name = self._tpm.pcrs(), f"PCR {AGENT_PCR}"
        for event in unmeasured(events, before=before, found=found[AGENT_PCR], name=name):
            self._tpm.extend(AGENT_PCR, text_digest(event))
        _check_explained(self._tpm.pcrs(), expected)
        return log

    def devices(self, nonce: bytes) -> tuple[DeviceEvidence, ...]:
        """Give what devices the hardware below has of its own."""
        return () if self._below is None else self._below.devices(nonce)

    def quote(self, binding: bytes) -> bytes:
        """Have the binding quoted; gives the document of docs/formats.md, 3.9."""
        qualifying = tpm_binding(binding)
        message, signature, pcrs = self._tpm.quote(self._handle, qualifying)
        try:
            quote = TpmQuote(
                hardware=self._hardware(qualifying),
                ak=self._ak,
                ak_chain=None,
                message=message,
                signature=Signature.parse(signature),
                pcrs={BANK: pcrs},
            )
            check_pcr_digest(quote.attest, quote.pcrs, quote.signature.hashed)
        except (MalformedEvidenceError, AppraisalError) as error:
            raise AttesterError(f"TPM: {error}; quote again") from error
        if quote.attest.extra_data != qualifying:
            raise AttesterError("TPM: a quote over other bytes; start the guest again")
        return quote.encode()

    def _hardware(self, qualifying: bytes) -> Azure | Direct:
        """Give what the hardware signed: on Azure at the guest's start, else for this quote."""
        if self._below is not None:
            return Direct(quote=self._below.quote(ak_report_data(self._ak, qualifying)))
        if self._azure is None:
            raise AttesterError("TPM: nothing vouches for its AK; start the agent again")
        return self._azure

    def endorsements(self) -> tuple[Endorsement, ...]:
        """Give what the machine itself holds."""
        return () if self._below is None else self._below.endorsements()


def azure_hardware(tpm: Tpm) -> str | None:
    """Name the platform below a guest of Azure; None where this is none.

    Raises:
        AttesterError: the TPM does not answer, or holds a report that does not parse.
    """
    return azure.platform_of(tpm.read_nv(azure.HCL_INDEX)) if tpm.has(azure.HCL_INDEX) else None


def append(log: bytes, text: str) -> bytes:
    """Give the log with one more event: SHA-384 of a text, extended into PCR 15.

    Room behind the last record is left out. No bytes are a log without events.

    Raises:
        MalformedEvidenceError: the log does not parse.
        AttesterError: a text that no log can have, or a log that is full.
    """
    return append_text(log, AGENT_PCR, text)


def expected_registers(
    models: Sequence[tuple[str, bytes]], engine_arguments: Sequence[str]
) -> Mapping[int, bytes]:
    """Give what a release must say of the agent's PCR."""
    events = boot_events(models, engine_arguments)
    return {AGENT_PCR: measured(bytes(BANK.size), events)}


def _key(public: bytes) -> AkKey:
    try:
        return read_public(public)
    except MalformedEvidenceError as error:
        raise AttesterError(f"TPM: {error}; remove the key (tpm2_evictcontrol)") from error


def _check_named(ak: AkKey, hardware: Azure) -> None:
    try:
        named = hardware.hcl.runtime.ak()
    except MalformedEvidenceError as error:
        raise AttesterError(f"HCL report: {error}; this version reads other reports") from error
    if spki(named) != spki(ak):
        raise AttesterError("HCL report: names another AK; start the guest again")


def _check_explained(found: Mapping[int, bytes], expected: Mapping[int, bytes]) -> None:
    """Judge that the log leads to what the TPM has, so that clients will find the same."""
    for pcr, value in expected.items():
        if pcr not in DYNAMIC and found[pcr] != value:
            raise AttesterError(
                f"PCR {pcr}: holds what the firmware's log does not say; turn off what measures "
                "without it (systemd-pcrphase)"
            )


def _read_ima(path: Path | None) -> tuple[bytes, ...]:
    """Read what Linux measured by itself. Raises: MalformedEvidenceError, AttesterError."""
    if path is None or not path.exists():
        return ()
    try:
        with path.open("rb") as file:
            return read_list(file.read(MAX_LIST + 1))
    except OSError as error:
        raise AttesterError(f"{path}: {error.strerror}; run as root") from error


def _read_log(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            log = file.read(MAX_EVENT_LOG + 1)
    except OSError as error:
        raise AttesterError(
            f"{path}: {error.strerror}; mount securityfs, and boot with firmware that measures"
        ) from error
    if len(log) > MAX_EVENT_LOG:
        raise AttesterError(f"{path}: more than {MAX_EVENT_LOG} bytes; boot with other firmware")
    return log
