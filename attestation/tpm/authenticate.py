"""Step 2 of the argument where a virtual TPM measures the guest.

The platforms `sev-snp-vtpm`, `tdx-vtpm` and `simulated-vtpm`. Some clouds run a *paravisor* inside
the confidential machine, above the guest: it is what the hardware launches and measures, it has the
guest's TPM, and it boots the guest's firmware, which measures into that TPM. There the hardware
cannot speak for the guest directly, and the argument takes another step:

1. hardware   The vendor's chain, the report and its TCB are judged by the hardware's own platform
              module, with its own rules; nothing of it is done here. It shows that code of this
              launch measurement, on this machine, asked for a report with this report data.
2. AK         The report data is a digest that holds one public key: the AK. So that code vouches
              for the AK: a key that its TPM alone can use, and signs nothing but what the TPM made.
              In the direct form it holds the extra data of 3, too: the report is of this quote.
3. quote      The AK signed a message with the magic of TPMs, of the type of quotes, over a digest
              of PCRs, and the values given have that digest.
4. binding    The message's extra data becomes the claim that 3.binding compares with the sections.

What it rests on, and what it does not give:

- The paravisor sees everything: it holds the guest's memory and its TPM's keys. It stands inside
  the trust boundary, and so the launch measurement that a release names is the paravisor's (on
  Azure: Microsoft's, which its operator may update; each version is a release's to name).
  VMPL 0 is the level that the report was asked from. On `sev-snp` that must be the guest, because
  whoever is above it could read it; here it must be the paravisor, because every lower level is a
  guest that could ask for a report naming a key of its own. The rule is the same and stays where it
  is; what is different is who is there, and that the measurement names it.
- A report names an AK, and code names itself: so a release for these platforms must name a launch
  measurement of code that lets nothing else ask the hardware: a paravisor, or an image that is
  measured whole. Firmware that boots any kernel and tells a TPM of it is no such code: that kernel
  could ask, too, and name a key under which it writes quotes of PCRs it never had. This verifier
  cannot see the difference; the release's signers can.
- Of the hardware's own runtime registers (RTMRs) nothing would be compared with the release, whose
  registers are PCRs. So they must be untouched, or 8.guest refuses.
- An AK of another VM does not fit this VM's report (2.identity), and this VM's AK signs no PCRs but
  this VM's (2.signature).
- An old quote is over old sections, with old keys and an old beacon: 3.binding, 4.epoch and 5.age
  refuse it elsewhere, as everywhere. In the direct form an old report is refused as well
  (2.identity). On Azure it is not made anew for each quote: it says which machine, TCB and
  paravisor there were when it was made, and a VM that keeps its TPM's state and moves later still
  shows it. Nothing here can tell; docs/attestation.md says what that is worth to whom.
- A quote could leave out the PCR that would tell on somebody. So every PCR of the SHA-384 bank must
  be quoted, each once, and nothing else (8.guest); the event log must lead to each of them, and the
  release name each that was touched (8.eventlog). PCRs 17 to 22 belong to dynamic launches, which
  none of our guests makes: they begin with all bits set and are no claim as long as they stay so.
- PCRs 16 and 23 can be reset by the guest; a release should not rest on them.
- Extra data, PCRs and clock mean this only because the AK is restricted: it signs outside data only
  if that does not begin with the TPM's magic. That the AK is so is the paravisor's word.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

from attestation.anchors import anchors_of
from attestation.binding import tpm_binding
from attestation.certificates import expiry
from attestation.checks import CHECKS, Checks, Outcome, given, readable
from attestation.claims import Context, Ground, Platform, QuoteAppraisal, QuoteClaims
from attestation.eventlog import Event
from attestation.sev_snp import authenticate as sev_snp
from attestation.simulated import authenticate as simulated
from attestation.tdx import authenticate as tdx
from attestation.tpm.document import TpmQuote
from attestation.tpm.endorsements import ANCHORS, check_ak_chain, check_certified
from attestation.tpm.evidence import check_pcr_digest
from attestation.tpm.explain import grounds
from attestation.tpm.hardware import check_vouched, faults_of, hardware_context, hardware_quote
from attestation.tpm.pcrs import pcr_events, registers, replay_pcrs, selection_faults
from attestation.tpm.signature import check_signature


@dataclass(frozen=True, kw_only=True)
class VirtualTpm:
    """A platform of this kind; satisfies `attestation.claims.Platform`.

    Attributes:
        hardware: name of the platform below.
        platform: that platform's own module.
    """

    hardware: str
    platform: Platform

    @property
    def name(self) -> str:
        """Give the name of this platform, and of its hardware root in a policy."""
        return f"{self.hardware}-vtpm"

    def authenticate(self, quote: bytes, context: Context, checks: Checks) -> QuoteAppraisal:
        """Judge step 2, recording each of its checks."""
        document = readable(lambda: self._read(quote))
        if document is None:
            return self._unreadable(quote, checks)
        # 1. hardware: everything its own platform asks, under the same checks
        found, judged = self._hardware(document, context)
        # 2. AK and 3. quote: what these add to three of them
        more: Mapping[str, Callable[[], None]] = {
            "2.signature": lambda: _check_quote(document),
            "2.chain": lambda: _check_ak_chain(document, context),
            "2.identity": lambda: check_vouched(document, given(found.claims, "hardware report")),
        }
        for check in judged.done():
            if check.outcome is Outcome.PASS and check.id in more:
                checks.run(check.id, more[check.id])
            else:
                checks.extend((check,))
        return replace(
            found,
            # 4. binding: what the AK signed, of a machine that is the hardware's
            claims=None if found.claims is None else _claims(document, found.claims),
            expires=_expiry(document, found.expires) if checks.passed("2.chain") else None,
        )

    def report_data(self, binding: bytes) -> bytes:
        """Give the qualifying data of a TPM quote over this binding."""
        return tpm_binding(binding)

    def explain(self, quote: bytes, context: Context) -> tuple[Ground, ...]:
        """Give the bytes behind the checks; what does not parse has none."""
        document = readable(lambda: self._read(quote))
        if document is None:
            return ()
        inner = hardware_context(context, self.hardware, self.name)
        below = self.platform.explain(hardware_quote(document, self.hardware), inner)
        return grounds(document, below)

    def replay(self, event_log: bytes) -> Mapping[int, bytes]:
        """Give the PCRs that this event log leads to. Raises: MalformedEvidenceError."""
        return replay_pcrs(event_log)

    def events(self, event_log: bytes) -> tuple[Event, ...]:
        """Give what extended PCRs of the bank, in order. Raises: MalformedEvidenceError."""
        return pcr_events(event_log)

    def _read(self, quote: bytes) -> TpmQuote:
        """Read a document that is about this hardware. Raises: MalformedEvidenceError."""
        document = TpmQuote.parse(quote)
        hardware_quote(document, self.hardware)
        return document

    def _unreadable(self, quote: bytes, checks: Checks) -> QuoteAppraisal:
        def read() -> None:
            self._read(quote)

        checks.run("2.signature", read)
        for check in CHECKS:
            if check.startswith("2.") and check != "2.signature":
                checks.skip(check, "there is no quote to judge")
        return QuoteAppraisal()

    def _hardware(self, document: TpmQuote, context: Context) -> tuple[QuoteAppraisal, Checks]:
        policy = context.policy
        checks = Checks(optional=policy.optional, required=policy.required)
        inner = hardware_context(context, self.hardware, self.name)
        found = self.platform.authenticate(hardware_quote(document, self.hardware), inner, checks)
        return found, checks


def _check_quote(document: TpmQuote) -> None:
    check_signature(document.message, document.signature, document.ak)
    check_pcr_digest(document.attest, document.pcrs, document.signature.hashed)


def _check_ak_chain(document: TpmQuote, context: Context) -> None:
    """Judge a cloud's certificates for the AK, where there are any."""
    if document.ak_chain is not None:
        anchors = anchors_of(ANCHORS, context.policy)
        check_ak_chain(document.ak_chain, anchors=anchors, now=context.now)
        check_certified(document.ak_chain, document.ak)


def _expiry(document: TpmQuote, expires: int | None) -> int | None:
    if expires is None or document.ak_chain is None:
        return expires
    return min(expires, expiry(document.ak_chain))


def _claims(document: TpmQuote, hardware: QuoteClaims) -> QuoteClaims:
    return replace(
        hardware,
        report_data=document.attest.extra_data,
        registers=registers(document.pcrs),
        faults=(*faults_of(document, hardware), *selection_faults(document.attest)),
    )


SEV_SNP_VTPM = VirtualTpm(hardware="sev-snp", platform=sev_snp)
TDX_VTPM = VirtualTpm(hardware="tdx", platform=tdx)
SIMULATED_VTPM = VirtualTpm(hardware="simulated", platform=simulated)
