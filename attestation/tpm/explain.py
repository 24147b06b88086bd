"""The very bytes behind the checks of a TPM quote, for whoever wants to look for themselves.

Names of parts: those of the hardware's platform, `hcl report` for what stands around its report,
`quote message`, `PCRs` and `ak certificate N`. It judges nothing: what it shows may be refused.
"""

from collections.abc import Iterable, Iterator
from dataclasses import replace

from attestation.claims import Ground
from attestation.tpm.document import Azure, TpmQuote
from attestation.tpm.hcl import RUNTIME_OFFSET
from attestation.tpm.pcrs import BANK


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
        *_of_message(document),
        *_of_pcrs(document),
        *_of_chain(document),
    )


def _of_azure(document: TpmQuote) -> Iterator[Ground]:
    if isinstance(document.hardware, Azure):
        data = document.hardware.hcl.runtime_data
        yield _ground("2.identity", "hcl report", RUNTIME_OFFSET, "runtime data", data)


def _of_message(document: TpmQuote) -> Iterator[Ground]:
    message, attest = document.message, document.attest
    yield _ground("2.signature", "quote message", 0, "signed bytes", message)
    extra, digest = attest.extra_data, attest.pcr_digest
    yield _ground("3.binding", "quote message", attest.extra_data_offset, "extra data", extra)
    end = len(message) - len(digest)
    for check in ("2.signature", "8.eventlog"):
        yield _ground(check, "quote message", end, "PCR digest", digest)
    begin = attest.selections_offset
    selected = message[begin : end - 2]
    yield _ground("8.guest", "quote message", begin, "PCR selection", selected)


def _of_pcrs(document: TpmQuote) -> Iterator[Ground]:
    for pcr, value in sorted(document.pcrs.get(BANK, {}).items()):
        yield _ground("8.eventlog", "PCRs", pcr * BANK.size, f"PCR {pcr}", value)


def _of_chain(document: TpmQuote) -> Iterator[Ground]:
    for depth, certificate in enumerate(document.ak_chain or ()):
        yield _ground("2.chain", f"ak certificate {depth}", 0, certificate.name, certificate.der)


def _ground(check: str, part: str, offset: int, field: str, value: bytes) -> Ground:
    return Ground(check=check, part=part, offset=offset, size=len(value), field=field, value=value)
