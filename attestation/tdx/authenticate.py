"""Step 2 of the argument on Intel TDX.

Fields of the quote become claims; a claim counts only if every check here passed. The same seam as
every platform: `attestation.claims`. Pure: bytes and `now` in, checks out.

The PCK chain comes in the quote, everything else in the endorsement `tdx-collateral`. The rules are
public functions, each for itself: here those about chain and identity, in `signatures` those of the
quote, in `collateral` those of Intel's documents, in `tcb` the levels, in `guest` the faults.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from itertools import pairwise

from attestation.anchors import anchors_of
from attestation.ccel import RTMRS, ccel_events, replay_ccel
from attestation.certificates import Certificate, check_path, expiry
from attestation.checks import Checks, given, readable
from attestation.claims import Context, QuoteAppraisal, QuoteClaims
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
from attestation.errors import AppraisalError
from attestation.eventlog import UNTOUCHED, Event
from attestation.policy import Mark
from attestation.tdx import explain as explanation
from attestation.tdx.collateral import (
    TcbData,
    check_age,
    check_current,
    check_evaluation,
    read_collaterals,
    select,
)
from attestation.tdx.endorsements import (
    PCK_CA_NAMES,
    PCK_NAME,
    ROOT_NAME,
    PckIdentity,
    check_roles,
    pck_identity,
    read_chain,
)
from attestation.tdx.evidence import Quote
from attestation.tdx.guest import faults, is_debug, is_migratable
from attestation.tdx.signatures import (
    check_qe_binds_key,
    check_qe_report_signature,
    check_quote_signature,
)
from attestation.tdx.tcb import (
    TcbStatus,
    check_qe,
    check_statuses,
    module_identity,
    tcb_components,
    tcb_status,
)

PLATFORM = "tdx"
"""Name of the platform, and of its root in a policy."""

INTEL_QE = bytes.fromhex("939a7233f79c4ca9940a0db3957f0607")
"""QE vendor id of Intel's quoting enclave."""

explain = explanation.explain
"""Part of the seam: the bytes behind the checks."""

Chain = tuple[Certificate, ...]


def authenticate(quote: bytes, context: Context, checks: Checks) -> QuoteAppraisal:
    """Judge step 2, recording each of its checks."""
    found = _Found.read(quote, context)
    # 2.signature  a key signed this quote, and a quoting enclave on PCK's machine made that key
    checks.run("2.signature", lambda: _check_signatures(found, quote))
    # 2.chain      Intel's pinned root vouches for the PCK key, as a PCK key
    checks.run("2.chain", lambda: check_pck_chain(_chain(found), context))
    # 2.identity   of a machine it names, and for Intel's own quoting enclave
    checks.run("2.identity", lambda: _check_identity(found))
    # 2.revocation and has taken back none of the certificates used here
    checks.run("2.revocation", lambda: check_revocation(_pairs(found), found.crls))
    # 2.collateral Intel says now what the versions of such a machine are worth
    checks.run("2.collateral", lambda: check_current(_tcb_data(found, context), context.now))
    # 2.tcb        and those of this one are worth enough
    checks.run("2.tcb", lambda: check_statuses(_status(found), context.policy.tcb_statuses))
    # 2.recency    and all this is recent
    recent = checks.run("2.recency", lambda: _check_recency(found, context))
    # 2.floors     and not older than what others, or this client, have seen
    judge_floors(checks, context, lambda: _check_floors(found, context))
    endorsed = checks.passed("2.chain") and checks.passed("2.collateral")
    return QuoteAppraisal(
        claims=None if found.quote is None else _claims(found, found.quote),
        expires=_expiry(found, recent) if endorsed else None,
        marks=found.marks() if endorsed and recent is not None else {},
    )


def report_data(binding: bytes) -> bytes:
    """Give the report data that a quote over this binding carries: the binding itself."""
    return binding


def replay(event_log: bytes) -> Mapping[int, bytes]:
    """Give RTMR0 to RTMR3 after this log; no log leaves them untouched.

    Raises:
        MalformedEvidenceError: it is no log of a TDX guest.
    """
    if not event_log:
        return dict.fromkeys(range(RTMRS), UNTOUCHED)
    return replay_ccel(event_log)


def events(event_log: bytes) -> tuple[Event, ...]:
    """Give what extended RTMRs, in order. Raises: MalformedEvidenceError."""
    return ccel_events(event_log) if event_log else ()


def check_pck_chain(chain: Chain, context: Context) -> None:
    """Judge that a chain leads from a PCK certificate to the pinned root.

    Raises:
        AppraisalError: to another root, or it is not valid now, or of other certificates.
    """
    check_path(chain, anchors=anchors_of(PLATFORM, context.policy), now=context.now)
    check_roles(chain, (PCK_NAME,), PCK_CA_NAMES, (ROOT_NAME,))


def check_vendor(quote: Quote) -> None:
    """Judge that the quote says to be by Intel's quoting enclave.

    Raises:
        AppraisalError: by another vendor's.
    """
    if quote.header.qe_vendor_id != INTEL_QE:
        raise AppraisalError(
            "QE vendor", expected=f"Intel, {INTEL_QE.hex()}", actual=quote.header.qe_vendor_id.hex()
        )


@dataclass(frozen=True, kw_only=True)
class _Found:
    """Everything read once, as far as it parses; nothing of it is trusted for being here.

    Attributes:
        crls: the newest by each CA of the chain, signed by it.
        data: TCB data of this machine, signed by Intel; its dates are not judged.
    """

    quote: Quote | None
    chain: Chain | None
    pck: PckIdentity | None
    crls: Mapping[bytes, Crl]
    data: TcbData | None

    @classmethod
    def read(cls, data: bytes, context: Context) -> "_Found":
        quote = readable(lambda: Quote.parse(data))
        chain = None if quote is None else readable(lambda: read_chain(quote.certificates))
        pck = None if chain is None else readable(lambda: pck_identity(chain[0]))
        bare = cls(quote=quote, chain=chain, pck=pck, crls=_crls(chain, context), data=None)
        return replace(bare, data=readable(lambda: _tcb_data(bare, context)))

    def marks(self) -> dict[bytes, Mark]:
        """Say how new the endorsements are."""
        return marks(self.crls) | ({} if self.data is None else self.data.marks())


def _chain(found: _Found) -> Chain:
    """Give the chain; if it did not parse, say why not."""
    return found.chain or read_chain(given(found.quote, "quote").certificates)


def _pck(found: _Found) -> PckIdentity:
    return found.pck or pck_identity(given(found.chain, "chain")[0])


def _tcb_data(found: _Found, context: Context) -> TcbData:
    return found.data or select(
        read_collaterals(context),
        tdx=given(found.quote, "quote").td is not None,
        pck=given(found.pck, "PCK certificate"),
        anchors=anchors_of(PLATFORM, context.policy),
        now=context.now,
    )


def _check_signatures(found: _Found, data: bytes) -> None:
    quote = found.quote or Quote.parse(data)
    check_quote_signature(quote)
    check_qe_report_signature(quote, given(found.chain, "chain")[0])
    check_qe_binds_key(quote)


def _check_identity(found: _Found) -> None:
    quote = given(found.quote, "quote")
    check_vendor(quote)
    _pck(found)
    check_qe(quote.qe_report, given(found.data, "QE identity").qe_identity)


def _pairs(found: _Found) -> Iterable[tuple[Certificate, Certificate]]:
    """Give certificate and issuer of every step to the root, also of those who signed TCB data."""
    signers = () if found.data is None else found.data.signers
    for chain in (given(found.chain, "chain"), *signers):
        yield from pairwise(chain)


def _crls(chain: Chain | None, context: Context) -> Mapping[bytes, Crl]:
    """Give the newest list by each CA of the chain, out of everything stapled."""
    ders = list(of_type(context.endorsements, "x509-crl"))
    for one in readable(lambda: read_collaterals(context)) or ():
        ders += [one.root_ca_crl, one.pck_crl]
    return signed_crls(ders, (chain or ())[1:])


def _status(found: _Found) -> TcbStatus:
    quote, data = given(found.quote, "quote"), given(found.data, "TCB data")
    return tcb_status(data.tcb_info, data.qe_identity, _pck(found), quote.body, quote.qe_report)


def _check_recency(found: _Found, context: Context) -> int:
    """Judge dates of lists and ages of everything; give the last second at which they hold."""
    ages = context.policy.ages
    listed = check_recency(found.crls, context, given(found.chain, "chain"))
    data = given(found.data, "TCB data")
    check_age(data, context.now, ages.collateral)
    return min(listed, *(one.issue_date + ages.collateral for one in data.documents))


def _check_floors(found: _Found, context: Context) -> None:
    check_floors(marks(found.crls), context)
    data = given(found.data, "TCB data")
    check_evaluation(data, max(context.floors.tcb_evaluation, context.policy.tcb_evaluation))
    check_floors(data.marks(), context)


def _expiry(found: _Found, recent: int | None) -> int:
    """Give the last second at which chains, documents and lists hold."""
    data = given(found.data, "TCB data")
    chains = (given(found.chain, "chain"), *data.signers)
    ends = [expiry(chain) for chain in chains] + [one.next_update for one in data.documents]
    return min(ends if recent is None else [*ends, recent])


def _claims(found: _Found, quote: Quote) -> QuoteClaims:
    td, info = quote.td, None if found.data is None else found.data.tcb_info
    module = None if td is None or info is None else module_identity(info, td)
    return QuoteClaims(
        report_data=quote.body.report_data,
        measurement=quote.measurement,
        registers=dict(enumerate(quote.registers)),
        debug=is_debug(quote),
        migratable=is_migratable(quote),
        machine=None if found.pck is None else found.pck.ppid,
        tcb=tcb_components(quote.body, found.pck),
        faults=faults(quote, module),
    )
