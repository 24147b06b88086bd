"""The very bytes behind the checks of a TPM quote, for whoever wants to look for themselves.

Names of parts: those of the hardware's platform, `hcl report` for what stands around its report,
`quote message`, `PCRs` and `ak certificate N`; of a TPM alone also `ak` and `quote signature`. It
judges nothing: what it shows may be refused.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace

from attestation.certificates import Certificate
from attestation.claims import Ground
from attestation.tpm.alone import TpmFiles
from attestation.tpm.document import Azure, TpmQuote
from attestation.tpm.evidence import Attest, Pcrs
from attestation.tpm.files import selected
from attestation.tpm.hcl import RUNTIME_OFFSET
from attestation.tpm.pcrs import BANK
from attestation.tpm.public import spki


def grounds(document: TpmQuote, below: Iterable[Ground]) -> tuple[Ground, ...]:
    """Give the bytes behind the checks.

    Args:
        document: parsed.
        below: grounds of the hardware's platform. Its report data names the AK here, and binds no
            sections; its registers are no release's.
    """
    moved = {"3.binding": "2.identity", "8.eventlog": "8.guest"}
    return (
        *(replace(one, check=moved.get(one.check, one.check)) for one in below),
        *_of_azure(document),
        *_of_message(document.message, document.attest),
        *_of_pcrs({BANK: document.pcrs.get(BANK, {})}, "8.eventlog"),
        *_of_chain(document.ak_chain or (), "2.chain"),
    )


def explain_files(files: TpmFiles) -> Iterator[Ground]:
    """Give the bytes behind what is judged of a TPM alone."""
    if files.ak is not None:
        yield _ground("2.identity", "ak", 0, "public key", spki(files.ak))
    if files.message is not None and files.attest is not None:
        yield from _of_message(files.message, files.attest)
        yield from _of_pcrs(selected(files.attest, files.pcrs or {}), "2.signature")
    if files.signature is not None:
        yield _ground("2.signature", "quote signature", 0, "signature", files.signature.encode())
    yield from _of_chain(files.ak_chain or (), "2.chain")


def _of_azure(document: TpmQuote) -> Iterator[Ground]:
    if isinstance(document.hardware, Azure):
        data = document.hardware.hcl.runtime_data
        yield _ground("2.identity", "hcl report", RUNTIME_OFFSET, "runtime data", data)


def _of_message(message: bytes, attest: Attest) -> Iterator[Ground]:
    yield _ground("2.signature", "quote message", 0, "signed bytes", message)
    extra, digest = attest.extra_data, attest.pcr_digest
    yield _ground("3.binding", "quote message", attest.extra_data_offset, "extra data", extra)
    end = len(message) - len(digest)
    for check in ("2.signature", "8.eventlog"):
        yield _ground(check, "quote message", end, "PCR digest", digest)
    begin = attest.selections_offset
    selected = message[begin : end - 2]
    yield _ground("8.guest", "quote message", begin, "PCR selection", selected)


def _of_pcrs(pcrs: Pcrs, check: str) -> Iterator[Ground]:
    """Give values; of a bank PCR n stands at n times its size, as in the TPM."""
    for bank, values in pcrs.items():
        part = "PCRs" if bank is BANK else f"PCRs of {bank.name}"
        for pcr, value in sorted(values.items()):
            yield _ground(check, part, pcr * bank.size, f"PCR {pcr}", value)


def _of_chain(chain: Sequence[Certificate], check: str) -> Iterator[Ground]:
    for depth, certificate in enumerate(chain):
        yield _ground(check, f"ak certificate {depth}", 0, certificate.name, certificate.der)


def _ground(check: str, part: str, offset: int, field: str, value: bytes) -> Ground:
    return Ground(check=check, part=part, offset=offset, size=len(value), field=field, value=value)
