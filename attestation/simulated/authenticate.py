"""Step 2 of the argument on the simulated platform, and its devices in step 6.

Fields of the quote become claims; a claim counts only if every check here passed. The same seam as
every platform: `attestation.claims`. Pure: bytes and `now` in, checks out.
"""

from collections.abc import Mapping

from attestation.certificates import Certificate, check_path, expiry, parse_chain
from attestation.checks import Checks, given, readable
from attestation.claims import (
    Context,
    DeviceAppraisal,
    DeviceClaims,
    QuoteAppraisal,
    QuoteClaims,
)
from attestation.endorsements import (
    Crl,
    check_recency,
    check_revocation,
    numbers,
    of_type,
    signed_crls,
)
from attestation.errors import AppraisalError
from attestation.eventlog import SimulatedEventLog
from attestation.evidence import DeviceEvidence
from attestation.simulated.endorsements import (
    DEVICE_CA_NAME,
    MACHINE_CA_NAME,
    ROOT_NAME,
    UNDERSTOOD,
    SignedRim,
    check_roles,
    machine_identity,
)
from attestation.simulated.evidence import (
    DEBUG,
    MIGRATABLE,
    DeviceReport,
    Quote,
    check_signature,
)

PLATFORM = "simulated"
"""Name of the platform, and of its root in a policy."""

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
    crls = signed_crls(context.endorsements, chain or ())
    checks.run("2.revocation", lambda: check_revocation(given(chain, "chain"), crls))
    # 2.tcb        the machine runs what the vendor stands by
    checks.run("2.tcb", lambda: _check_status(given(parsed, "quote")))
    # 2.recency    and all this is recent
    expires = checks.run("2.recency", lambda: _check_recency(given(chain, "chain"), crls, context))
    endorsed = expires is not None and checks.passed("2.chain")
    return QuoteAppraisal(
        claims=None if parsed is None else _claims(parsed),
        expires=expires if endorsed else None,
        crl_numbers=numbers(crls) if endorsed else {},
    )


def report_data(binding: bytes) -> bytes:
    """Give the report data that a quote over this binding carries: the binding itself."""
    return binding


def replay(event_log: bytes) -> Mapping[int, bytes]:
    """Give the registers that this event log leads to. Raises: MalformedEvidenceError."""
    return dict(enumerate(SimulatedEventLog.parse(event_log).replay()))


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
    check_path(chain, root_spki_sha256=_root(context), now=context.now)
    check_roles(chain, None, DEVICE_CA_NAME, ROOT_NAME)
    check_signature(
        chain[0].public_key, report.signature, report.signed_bytes(), signer=chain[0].name
    )
    crls = signed_crls(context.endorsements, chain)
    check_revocation(chain, crls)
    expires = _check_recency(chain, crls, context)
    return DeviceAppraisal(expires=expires, crl_numbers=numbers(crls))


def appraise_measurements(device: DeviceEvidence, claims: DeviceClaims, context: Context) -> int:
    """Judge the measurements; give until when the RIM holds. Raises: AppraisalError."""
    signed, expires = _newest_rim(device.kind, context)
    _check_blocks(claims.measurements, signed.rim.measurements)
    return expires


def _read_chain(context: Context) -> tuple[Certificate, ...]:
    """Read the machine's chain; of several, as after a renewal, the one with the newest leaf."""
    chains = [parse_chain(data) for data in of_type(context.endorsements, "x509-chain")]
    if not chains:
        raise AppraisalError("chain", expected="an endorsement x509-chain", actual="none")
    return max(chains, key=lambda chain: chain[0].not_before)


def _check_chain(chain: tuple[Certificate, ...], context: Context) -> None:
    check_path(chain, root_spki_sha256=_root(context), now=context.now, understood=UNDERSTOOD)
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


def _check_recency(
    chain: tuple[Certificate, ...], crls: Mapping[bytes, Crl], context: Context
) -> int:
    """Judge the chain's lists; give the last second at which lists and chain hold."""
    recent = check_recency(
        crls,
        now=context.now,
        age=context.policy.ages.crl,
        floors=context.floors,
        newest=context.newest,
    )
    return min(recent, expiry(chain))


def _newest_rim(kind: str, context: Context) -> tuple[SignedRim, int]:
    """Give the newest RIM for a kind of device, and until when it holds; it must be authentic."""
    rims = [SignedRim.parse(data) for data in of_type(context.endorsements, "rim")]
    fitting = [signed for signed in rims if signed.rim.name == kind]
    if not fitting:
        raise AppraisalError("RIM", expected=f"a RIM for {kind}", actual="none")
    newest = max(fitting, key=lambda signed: signed.rim.not_before)
    return newest, newest.authenticate(root=_root(context), now=context.now)


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


def _root(context: Context) -> bytes:
    """Give the pinned root. A policy for real machines pins none, so no simulated device counts."""
    return given(context.policy.roots.get(PLATFORM), "simulated root in the policy")


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
