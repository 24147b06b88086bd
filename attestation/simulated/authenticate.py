"""Step 2 of the argument on the simulated platform, and its devices in step 6.

Fields of the quote become claims; a claim counts only if every check here passed. The same seam as
every platform: `attestation.claims`. Pure: bytes and `now` in, checks out.
"""

from collections.abc import Mapping, Sequence
from itertools import pairwise

from attestation.anchors import anchors_of
from attestation.certificates import Anchor, Certificate, check_path, expiry, parse_chain
from attestation.checks import Checks, given, readable
from attestation.claims import (
    Context,
    DeviceAppraisal,
    DeviceClaims,
    Ground,
    QuoteAppraisal,
    QuoteClaims,
)
from attestation.endorsements import (
    Crl,
    check_floors,
    check_recency,
    check_revocation,
    judge_floors,
    marks,
    of_type,
    signed_crls,
)
from attestation.errors import AppraisalError, UnjudgedError
from attestation.eventlog import Event
from attestation.evidence import SIMULATED_PLATFORMS, DeviceEvidence
from attestation.simulated.endorsements import (
    DEVICE_CA_NAME,
    MACHINE_CA_NAME,
    ROOT_NAME,
    UNDERSTOOD,
    SignedRim,
    check_roles,
    machine_identity,
)
from attestation.simulated.eventlog import SimulatedEventLog
from attestation.simulated.evidence import (
    DEBUG,
    MIGRATABLE,
    QUOTE_FIELDS,
    DeviceReport,
    Quote,
    check_signature,
)

LOWEST_GOOD = 1
"""Firmware and microcode the simulated vendor still calls up to date; 0 it has withdrawn."""


def authenticate(quote: bytes, context: Context, checks: Checks) -> QuoteAppraisal:
    """Judge step 2, recording each of its checks."""
    parsed, chain = readable(lambda: Quote.parse(quote)), readable(lambda: _read_chain(context))
    # 2.signature  the leaf key signed this quote; bytes that are no quote carry no signature
    checks.run("2.signature", lambda: _check_quote(Quote.parse(quote), given(chain, "chain")))
    # 2.chain      the pinned root vouches for the leaf key
    checks.run("2.chain", lambda: _check_chain(_read_chain(context), context))
    # 2.identity   as the key of the machine that the quote names
    checks.run("2.identity", lambda: _check_identity(given(parsed, "quote"), given(chain, "chain")))
    # 2.revocation and has not taken that back
    crls = _lists(chain or (), context)
    checks.run("2.revocation", lambda: check_revocation(pairwise(given(chain, "chain")), crls))
    checks.not_asked("2.collateral", "the platform has none")
    # 2.tcb        the machine runs what the vendor stands by
    checks.run("2.tcb", lambda: _check_status(given(parsed, "quote")))
    # 2.recency    and all this is recent
    recent = checks.run("2.recency", lambda: check_recency(crls, context, given(chain, "chain")))
    # 2.floors     and not older than what others, or this client, have seen
    judge_floors(checks, context, lambda: check_floors(marks(crls), context))
    endorsed = chain is not None and checks.passed("2.chain")
    return QuoteAppraisal(
        claims=None if parsed is None else _claims(parsed),
        expires=_expiry(chain, recent) if endorsed and chain is not None else None,
        marks=marks(crls) if endorsed and recent is not None else {},
    )


def explain(quote: bytes, context: Context) -> tuple[Ground, ...]:
    """Give the bytes behind the checks; what does not parse has none."""
    parsed, chain = readable(lambda: Quote.parse(quote)), readable(lambda: _read_chain(context))
    grounds = []
    if parsed is not None:
        grounds += [
            Ground(
                check=check, part="quote", offset=at, size=size, field=name, value=quote[at:][:size]
            )
            for check, name, at, size in QUOTE_FIELDS
        ]
    for depth, certificate in enumerate(chain or ()):
        value, part = certificate.der, f"certificate {depth}"
        grounds.append(
            Ground(check="2.chain", part=part, offset=0, size=len(value), field=part, value=value)
        )
    return tuple(grounds)


def report_data(binding: bytes) -> bytes:
    """Give the report data that a quote over this binding carries: the binding itself."""
    return binding


def replay(event_log: bytes) -> Mapping[int, bytes]:
    """Give the registers that this event log leads to. Raises: MalformedEvidenceError."""
    return dict(enumerate(SimulatedEventLog.parse(event_log).replay()))


def events(event_log: bytes) -> tuple[Event, ...]:
    """Give what extended registers, in order. Raises: MalformedEvidenceError."""
    return SimulatedEventLog.parse(event_log).events


def read_device(device: DeviceEvidence) -> DeviceClaims:
    """Read a report, trusting nothing. Raises: MalformedEvidenceError."""
    report = DeviceReport.parse(device.report)
    leaf = parse_chain(device.certificates)[0]
    return DeviceClaims(
        identity=leaf.spki_sha256,
        nonce=report.nonce,
        measurements=dict(enumerate(report.blocks)),
    )


def authenticate_device(device: DeviceEvidence, context: Context) -> DeviceAppraisal:
    """Judge signature, chain and revocation. Raises: AppraisalError."""
    report = DeviceReport.parse(device.report)
    chain = parse_chain(device.certificates)
    check_path(chain, anchors=_anchors(context), now=context.now)
    check_roles(chain, None, DEVICE_CA_NAME, ROOT_NAME)
    check_signature(
        chain[0].public_key, report.signature, report.signed_bytes(), signer=chain[0].name
    )
    crls = _lists(chain, context)
    check_revocation(pairwise(chain), crls)
    recent = check_recency(crls, context, chain)
    check_floors(marks(crls), context)
    return DeviceAppraisal(expires=_expiry(chain, recent), marks=marks(crls))


def appraise_measurements(
    device: DeviceEvidence, claims: DeviceClaims, context: Context
) -> DeviceAppraisal:
    """Judge the measurements; give until when the RIM holds. Raises: AppraisalError."""
    signed, expires = _newest_rim(device.kind, context)
    _check_blocks(claims.measurements, signed.rim.measurements)
    return DeviceAppraisal(expires=expires)


def _read_chain(context: Context) -> tuple[Certificate, ...]:
    """Read the machine's chain; of several, as after a renewal, the one with the newest leaf."""
    chains = [parse_chain(data) for data in of_type(context.endorsements, "x509-chain")]
    if not chains:
        raise UnjudgedError("there is no endorsement x509-chain")
    return max(chains, key=lambda chain: chain[0].not_before)


def _check_chain(chain: tuple[Certificate, ...], context: Context) -> None:
    check_path(chain, anchors=_anchors(context), now=context.now, understood=UNDERSTOOD)
    check_roles(chain, None, MACHINE_CA_NAME, ROOT_NAME)


def _check_quote(quote: Quote, chain: tuple[Certificate, ...]) -> None:
    leaf = chain[0]
    check_signature(leaf.public_key, quote.signature, quote.signed_bytes(), signer=leaf.name)


def _check_identity(quote: Quote, chain: tuple[Certificate, ...]) -> None:
    identity = machine_identity(chain[0])
    named = (identity.machine_id.hex(), identity.firmware, identity.microcode)
    quoted = (quote.machine_id.hex(), quote.firmware, quote.microcode)
    if named != quoted:
        raise AppraisalError(
            "machine, firmware, microcode", expected=str(named), actual=str(quoted)
        )


def _check_status(quote: Quote) -> None:
    if min(quote.firmware, quote.microcode) < LOWEST_GOOD:
        raise AppraisalError(
            "TCB status",
            expected=f"UpToDate: firmware and microcode of at least {LOWEST_GOOD}",
            actual=f"OutOfDate: firmware {quote.firmware}, microcode {quote.microcode}",
        )


def _lists(chain: Sequence[Certificate], context: Context) -> dict[bytes, Crl]:
    return signed_crls(of_type(context.endorsements, "x509-crl"), chain[1:])


def _expiry(chain: Sequence[Certificate], recent: int | None) -> int:
    """Give the last second at which chain and lists hold; lists that need not be recent do not."""
    end = expiry(chain)
    return end if recent is None else min(end, recent)


def _newest_rim(kind: str, context: Context) -> tuple[SignedRim, int]:
    """Give the newest RIM for a kind of device, and until when it holds; it must be authentic."""
    rims = [SignedRim.parse(data) for data in of_type(context.endorsements, "rim")]
    fitting = [signed for signed in rims if signed.rim.name == kind]
    if not fitting:
        raise UnjudgedError(f"there is no RIM for {kind}")
    newest = max(fitting, key=lambda signed: signed.rim.not_before)
    return newest, newest.authenticate(anchors=_anchors(context), now=context.now)


def _check_blocks(measured: Mapping[int, bytes], reference: Mapping[int, frozenset[bytes]]) -> None:
    if measured.keys() != reference.keys():
        raise AppraisalError(
            "blocks", expected=f"{len(reference)} as in the RIM", actual=str(len(measured))
        )
    for index, value in measured.items():
        if value not in reference[index]:
            raise AppraisalError(
                f"block {index}", expected="a value of the RIM", actual=value.hex()
            )


def _anchors(context: Context) -> tuple[Anchor, ...]:
    """Give the pinned root. A policy for real machines pins none, so no simulated device counts.

    Below a TPM the machine is judged under the name of this platform and its device is not, so the
    root may stand under either name. A policy accepts one simulated platform alone and pins no root
    but its own, so there is never a second one.
    """
    names = sorted(SIMULATED_PLATFORMS)
    anchors = tuple(anchor for name in names for anchor in anchors_of(name, context.policy))
    return given(anchors or None, "simulated root in the policy")


def _claims(quote: Quote) -> QuoteClaims:
    return QuoteClaims(
        report_data=quote.report_data,
        measurement=quote.measurement,
        registers=dict(enumerate(quote.registers)),
        debug=bool(quote.flags & DEBUG),
        migratable=bool(quote.flags & MIGRATABLE),
        machine=quote.machine_id,
        tcb={"firmware": quote.firmware, "microcode": quote.microcode},
    )
