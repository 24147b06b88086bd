"""Step 2 of the argument on AMD SEV-SNP.

Fields of the report become claims; a claim counts only if every check here passed. The same seam as
every platform: `attestation.claims`. Pure: bytes and `now` in, checks out.

Revocation, as AMD has it: one list per product line, by the ARK, of ASKs and ASVKs. Nobody lists
single chips or host keys: what leaves a chip's key behind is a new firmware version, because the
key is derived from it. So the lists answer for two pairs, the intermediate under the root and the
root under itself, and 9.tcb with its minimum for the rest.

There are no runtime registers: what a guest loads after launch is in no report, only in what the
launch measurement vouches for.
"""

from collections.abc import Iterable, Mapping, Sequence
from itertools import pairwise

from attestation.anchors import anchors_of
from attestation.certificates import Certificate, check_path, expiry
from attestation.checks import Checks, given, readable
from attestation.claims import Context, QuoteAppraisal, QuoteClaims
from attestation.endorsements import (
    check_floors,
    check_recency,
    check_revocation,
    judge_floors,
    marks,
    of_type,
    signed_crls,
)
from attestation.errors import AppraisalError, MalformedEvidenceError
from attestation.eventlog import Event
from attestation.sev_snp.endorsements import (
    check_chip_id,
    check_leaf_kind,
    check_product,
    check_roles,
    check_tcb,
    leaf_product,
    read_chain,
)
from attestation.sev_snp.evidence import Policy, Report, check_signature
from attestation.sev_snp.explain import explain
from attestation.sev_snp.guest import faults
from attestation.sev_snp.product import components_of, product_of, read_tcb

__all__ = ["authenticate", "check_tcb_order", "events", "explain", "replay", "report_data"]

PLATFORM = "sev-snp"
"""Name of the platform, and of its roots."""

Chain = tuple[Certificate, ...]


def authenticate(quote: bytes, context: Context, checks: Checks) -> QuoteAppraisal:
    """Judge step 2, recording each of its checks."""
    report = readable(lambda: Report.parse(quote))
    chain = readable(lambda: read_chain(context.endorsements))
    components = _components(report, chain)
    # 2.signature  the leaf key signed this report; bytes that are no report carry no signature
    checks.run("2.signature", lambda: _check_report(report or Report.parse(quote), chain))
    # 2.chain      AMD's pinned root vouches for the leaf key, as the key of a chip or a host
    checks.run("2.chain", lambda: _check_chain(read_chain(context.endorsements), context))
    # 2.identity   of this product line, at this TCB version, on this chip
    checks.run(
        "2.identity", lambda: _check_identity(given(report, "report"), given(chain, "chain"))
    )
    # 2.revocation and has not taken back who signed that
    crls = signed_crls(of_type(context.endorsements, "x509-crl"), (chain or ())[-1:])
    checks.run("2.revocation", lambda: check_revocation(_listed(given(chain, "chain")), crls))
    checks.not_asked("2.collateral", "AMD signs no TCB data; the minimum is in 9.tcb")
    # 2.tcb        the platform runs at least the version it reports, and was launched at
    checks.run("2.tcb", lambda: check_tcb_order(given(report, "report"), components))
    # 2.recency    and all this is recent
    recent = checks.run("2.recency", lambda: check_recency(crls, context, given(chain, "chain")))
    # 2.floors     and not older than what others, or this client, have seen
    judge_floors(checks, context, lambda: check_floors(marks(crls), context))
    endorsed = chain if checks.passed("2.chain") else None
    return QuoteAppraisal(
        claims=None if report is None else _claims(report, components, chain),
        expires=None if endorsed is None else _expiry(endorsed, recent),
        marks={} if endorsed is None or recent is None else marks(crls),
    )


def report_data(binding: bytes) -> bytes:
    """Give the report data that a report over this binding carries: the binding itself."""
    return binding


def replay(event_log: bytes) -> Mapping[int, bytes]:
    """Give the registers an event log leads to: none, and so no log may claim any.

    Raises:
        MalformedEvidenceError: there is a log.
    """
    if event_log:
        raise MalformedEvidenceError(
            "event log: SEV-SNP has no runtime registers, so nothing vouches for a log"
        )
    return {}


def events(event_log: bytes) -> tuple[Event, ...]:
    """Give nothing, for there are no registers. Raises: MalformedEvidenceError: there is a log."""
    replay(event_log)
    return ()


def check_tcb_order(report: Report, components: Mapping[str, int]) -> None:
    """Judge that the platform runs at least what it reports, has committed, and was launched at.

    Args:
        report: with four TCB versions.
        components: which component is which byte of them.

    Raises:
        AppraisalError: a component is below, or a reserved byte is set.
    """
    current = read_tcb("current TCB", report.current_tcb, components)
    for name in ("committed_tcb", "reported_tcb", "launch_tcb"):
        other = read_tcb(name.replace("_tcb", " TCB"), getattr(report, name), components)
        for component, version in other.items():
            if version > current[component]:
                raise AppraisalError(
                    "TCB",
                    expected=f"{name} {component} of at most the current {current[component]}",
                    actual=str(version),
                )


def _check_report(report: Report, chain: Chain | None) -> None:
    leaf = given(chain, "chain")[0]
    check_signature(report, leaf.public_key, signer=leaf.name)


def _check_chain(chain: Chain, context: Context) -> None:
    check_path(chain, anchors=anchors_of(PLATFORM, context.policy), now=context.now)
    check_roles(chain)


def _check_identity(report: Report, chain: Chain) -> None:
    check_leaf_kind(report, chain[0])
    check_product(report, chain)
    check_tcb(report, chain[0])
    check_chip_id(report, chain[0])


def _listed(chain: Chain) -> Iterable[tuple[Certificate, Certificate]]:
    """Give the pairs that AMD's lists answer for: every CA under its issuer, the root its own."""
    authorities = chain[1:] or chain
    return pairwise((*authorities, authorities[-1]))


def _components(report: Report | None, chain: Chain | None) -> Mapping[str, int]:
    if report is None:
        return {}
    product = None if chain is None else readable(lambda: leaf_product(chain[0]))
    return components_of(report, product)


def _expiry(chain: Sequence[Certificate], recent: int | None) -> int:
    """Give the last second at which chain and lists hold; lists that need not be recent do not."""
    end = expiry(chain)
    return end if recent is None else min(end, recent)


def _claims(report: Report, components: Mapping[str, int], chain: Chain | None) -> QuoteClaims:
    return QuoteClaims(
        report_data=report.report_data,
        measurement=report.measurement,
        registers={},
        debug=bool(report.policy & Policy.DEBUG),
        migratable=bool(report.policy & Policy.MIGRATE_MA),
        machine=_machine(report),
        tcb=_tcb(report, components),
        line=_line(report, chain),
        faults=faults(report),
    )


def _machine(report: Report) -> bytes | None:
    """Give the chip id, where the key that signed vouches for it.

    A VLEK is the cloud's: whoever holds it can sign for any chip, so it names no machine. All zero
    is no chip either: the host has masked it.
    """
    vouched = report.signing_key == "VCEK" and any(report.chip_id)
    return report.chip_id if vouched else None


def _line(report: Report, chain: Chain | None) -> str:
    """Give the product line in lower case, as `minimum_tcb` names it; empty if it is not known."""
    product = readable(lambda: product_of(report))
    if product is None and chain is not None:
        product = readable(lambda: leaf_product(chain[0]))
    return "" if product is None else product.lower()


def _tcb(report: Report, components: Mapping[str, int]) -> dict[str, int]:
    """Give what the reported, the committed and the launch version all reach.

    The key vouches for the reported one. But a host may launch under old firmware, which a flaw
    lets it into the guest through, and update before it asks for a report; and after that it may go
    back as far as the version it has committed, under the running guest.
    """
    reported, committed, launch = report.reported_tcb, report.committed_tcb, report.launch_tcb
    return {
        name: min(reported[byte], committed[byte], launch[byte])
        for name, byte in components.items()
    }
