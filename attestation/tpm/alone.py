"""A TPM's evidence without a bundle, and often without its hardware: what it shows by itself.

Names as in the sets of evidence: `ak_public` or `ak_cert` (with `intermediates` and `root`) for the
key, `quote_message`, `quote_signature` and `pcrs` for what it signed, `event_log` for what led
there. The key must be vouched for, or a quote is anybody's: here by the cloud's certificates; where
a report of the hardware names it, the platform judges the whole (`attestation.parts`).

    2.signature  the AK signed the message, and the values given are those it quotes
    2.chain      certificates lead from the AK to a pinned root named `tpm`
    2.identity   they are certificates of this AK
    8.eventlog   a log that was given leads to the quoted values
"""

from dataclasses import dataclass, field

from attestation.anchors import anchors_of
from attestation.certificates import Certificate, expiry
from attestation.checks import Checks, given
from attestation.claims import Context
from attestation.errors import AppraisalError, MalformedEvidenceError, UnjudgedError
from attestation.raw_files import Named, all_of, certificates, one_of
from attestation.tcg_log import Bank, TcgLog, replay
from attestation.tpm.endorsements import ANCHORS, check_ak_chain, check_certified
from attestation.tpm.evidence import Attest, Pcrs, check_pcr_digest
from attestation.tpm.files import parse_pcrs, selected
from attestation.tpm.public import AkKey, accepted, read_public
from attestation.tpm.signature import Signature, check_signature

LEADS = "the log leads to the quoted values; no release is known to compare them with"
"""What can be said of an event log without a release."""

NO_LOG = "no event log was given"


@dataclass(frozen=True, kw_only=True)
class TpmFiles:
    """The files, read; None for what was not given. Claims, not facts.

    Attributes:
        ak: as the key's own file has it; else the one that the certificates are of.
        ak_chain: leaf first, root last, as far as it was given.
        message: exactly the message, without what follows it in a buffer.
        pcrs: every value that the tool wrote, quoted or not.
    """

    ak: AkKey | None
    ak_chain: tuple[Certificate, ...] | None
    message: bytes | None = field(repr=False)
    signature: Signature | None
    pcrs: Pcrs | None = field(repr=False)
    event_log: TcgLog | None = field(repr=False)

    @classmethod
    def read(cls, named: Named) -> "TpmFiles":
        """Read files.

        Raises:
            MalformedEvidenceError: one does not parse.
        """
        message = one_of(named, "quote_message")
        signature = one_of(named, "quote_signature")
        pcrs, log = one_of(named, "pcrs"), one_of(named, "event_log")
        chain = _ak_chain(named)
        return cls(
            ak=_ak(named, chain),
            ak_chain=chain,
            message=None if message is None else message[: Attest.read(message)[1]],
            signature=None if signature is None else Signature.parse_any(signature),
            pcrs=None if pcrs is None else parse_pcrs(pcrs),
            event_log=None if log is None else TcgLog.parse(log),
        )

    @property
    def attest(self) -> Attest | None:
        """Give the message's fields."""
        return None if self.message is None else Attest.parse(self.message)


def appraise_files(files: TpmFiles, context: Context, checks: Checks) -> int | None:
    """Judge a TPM by itself, recording each check; give until when its certificates hold."""
    checks.run("2.signature", lambda: check_quote(files))
    checks.run("2.chain", lambda: _check_chain(files, context))
    checks.run("2.identity", lambda: check_certified(_chain(files), _key(files)))
    appraise_log(files, checks)
    return expiry(_chain(files)) if checks.passed("2.chain") else None


def check_quote(files: TpmFiles) -> None:
    """Judge that the AK signed the message, over exactly the quoted ones of the values.

    Raises:
        AppraisalError: it did not, or over others.
        UnjudgedError: one of the four is not there.
    """
    message = given(files.message, "quote")
    signature = given(files.signature, "signature of the quote")
    check_signature(message, signature, _key(files))
    check_values(files)


def check_values(files: TpmFiles) -> None:
    """Judge that the quoted digest is over the values.

    Raises:
        AppraisalError: it is not.
        UnjudgedError: there is no quote, or there are no values.
    """
    attest, pcrs = given(files.attest, "quote"), given(files.pcrs, "file of PCR values")
    check_pcr_digest(attest, selected(attest, pcrs), _hashed(files, attest))


def appraise_log(files: TpmFiles, checks: Checks) -> None:
    """Record whether a log leads to the quoted values: only a FAIL, for there is no release."""
    if files.event_log is None:
        checks.out_of_scope("8.eventlog", NO_LOG)
        return
    try:
        check_log(files)
    except (AppraisalError, MalformedEvidenceError) as error:
        expected = "a log that leads to the quoted values"
        checks.fail("8.eventlog", expected=expected, actual=str(error))
    except UnjudgedError as error:
        checks.out_of_scope("8.eventlog", str(error))
    else:
        checks.out_of_scope("8.eventlog", LEADS)


def check_log(files: TpmFiles) -> None:
    """Judge that the log leads to every quoted PCR that it speaks of.

    Of others it says nothing: who measured there kept no log, or another one.

    Raises:
        AppraisalError: it leads to another value, or speaks of no quoted PCR.
        MalformedEvidenceError: it does not replay.
        UnjudgedError: log, quote or values are missing.
    """
    log, attest = given(files.event_log, "event log"), given(files.attest, "quote")
    quoted = selected(attest, given(files.pcrs, "file of PCR values"))
    told = {bank: replay(log, bank) for bank in Bank if bank in log.banks}
    both = [(bank, pcr) for bank in told for pcr in told[bank] if pcr in quoted.get(bank, {})]
    for bank, pcr in both:
        if told[bank][pcr] != quoted[bank][pcr]:
            raise AppraisalError(
                f"PCR {pcr} of {bank.name}",
                expected=told[bank][pcr].hex(),
                actual=quoted[bank][pcr].hex(),
            )
    if not both:
        raise AppraisalError("event log", expected="quoted PCRs in it", actual="none")


def _ak_chain(named: Named) -> tuple[Certificate, ...] | None:
    if one_of(named, "ak_cert") is None:
        return None
    return certificates(all_of(named, "ak_cert", "intermediates", "root"))


def _ak(named: Named, chain: tuple[Certificate, ...] | None) -> AkKey | None:
    public = one_of(named, "ak_public")
    if public is not None:
        return read_public(public)
    return None if chain is None else accepted(chain[0].public_key)


def _key(files: TpmFiles) -> AkKey:
    if files.ak is None:
        raise UnjudgedError("there is no AK to judge by")
    return files.ak


def _chain(files: TpmFiles) -> tuple[Certificate, ...]:
    """Give the AK's certificates. Raises: UnjudgedError."""
    if files.ak_chain is None:
        raise UnjudgedError(
            "nobody vouches for the AK: neither a certificate nor the hardware's report was given"
        )
    return files.ak_chain


def _check_chain(files: TpmFiles, context: Context) -> None:
    anchors = anchors_of(ANCHORS, context.policy)
    check_ak_chain(_chain(files), anchors=anchors, now=context.now)


def _hashed(files: TpmFiles, attest: Attest) -> Bank:
    """Give the hash of the digest; without a signature that names it, the one of its size."""
    if files.signature is not None:
        return files.signature.hashed
    for bank in Bank:
        if bank.size == len(attest.pcr_digest):
            return bank
    raise AppraisalError("PCR digest", expected="of a known hash", actual="another size")
