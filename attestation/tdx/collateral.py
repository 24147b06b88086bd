"""Which of the stapled collateral counts, and whether it still does.

Whoever staples collateral is hostile. Every part is signed by Intel for itself, so parts are picked
one by one out of everything stapled: of the TCB infos for this machine, and of the QE identities,
the newest authentic one each. An extra collateral can therefore replace a part only by one that
Intel issued later, and one that is malformed, forged or about another machine changes nothing.
"""

import hashlib
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import TypeVar

from attestation.certificates import Anchor, Certificate
from attestation.claims import Context
from attestation.endorsements import of_type
from attestation.errors import AppraisalError, MalformedEvidenceError, UnjudgedError
from attestation.policy import Mark
from attestation.tdx.documents import Collateral, Signed, check_authentic, check_crl_issuer
from attestation.tdx.endorsements import PckIdentity, read_chain
from attestation.tdx.tcb_data import Issued, QeIdentity, TcbInfo

__all__ = [
    "Collateral",
    "Signed",
    "TcbData",
    "check_age",
    "check_authentic",
    "check_crl_issuer",
    "check_current",
    "check_evaluation",
    "check_fits",
    "read_collaterals",
    "select",
]

Part = TypeVar("Part")


@dataclass(frozen=True, kw_only=True)
class TcbData:
    """The TCB info and QE identity that count; authentic, their dates not yet judged.

    Attributes:
        signers: chain of each one's signer.
    """

    tcb_info: TcbInfo
    qe_identity: QeIdentity
    signers: tuple[tuple[Certificate, ...], ...]

    @property
    def documents(self) -> tuple[Issued, ...]:
        """Give both."""
        return self.tcb_info, self.qe_identity

    def marks(self) -> dict[bytes, Mark]:
        """Say how new they are, by signer's key and subject.

        One key signs for every kind of machine, and Intel's service dates each answer when it is
        asked; so a mark by key alone would refuse a machine whose data is as good as ever because
        that of another was fetched later.
        """
        subjects = (self.tcb_info.id.encode() + self.tcb_info.fmspc, self.qe_identity.id.encode())
        return {
            hashlib.sha256(chain[0].spki_sha256 + subject).digest(): Mark(
                number=one.evaluation, time=one.issue_date
            )
            for one, chain, subject in zip(self.documents, self.signers, subjects, strict=True)
        }


def read_collaterals(context: Context) -> tuple[Collateral, ...]:
    """Read everything stapled of this type.

    What does not parse is passed over if anything else does: it could as well have been left out.

    Raises:
        MalformedEvidenceError: nothing parses.
        UnjudgedError: there is none.
    """
    stapled = of_type(context.endorsements, "tdx-collateral")
    return tuple(Collateral.parse(data) for data in _holding(stapled, Collateral.parse))


def select(
    collaterals: Iterable[Collateral],
    *,
    tdx: bool,
    pck: PckIdentity,
    anchors: Sequence[Anchor],
    now: int,
) -> TcbData:
    """Pick the newest authentic TCB info for this machine, and QE identity.

    Args:
        collaterals: everything stapled.
        tdx: whether the quote is of TDX; else of SGX.
        pck: of the machine.
        anchors: the pinned roots.
        now: Unix seconds, for the dates of the signers' certificates.

    Raises:
        AppraisalError: nothing stapled is authentic, or nothing authentic is for this machine.
        MalformedEvidenceError: a chain does not parse.
        UnjudgedError: nothing is stapled.
    """
    kind, enclave = ("TDX", "TD_QE") if tdx else ("SGX", "QE")
    authentic = _holding(collaterals, lambda one: check_authentic(one, anchors, now))
    infos = _holding(
        [one.tcb_info for one in authentic], lambda one: check_fits(one.content, kind, pck)
    )
    identities = _holding(
        [one.qe_identity for one in authentic], lambda one: _check_enclave(one.content, enclave)
    )
    info = max(infos, key=lambda one: one.content.newness)
    identity = max(identities, key=lambda one: one.content.newness)
    return TcbData(
        tcb_info=info.content,
        qe_identity=identity.content,
        signers=(read_chain(info.certificates), read_chain(identity.certificates)),
    )


def check_fits(info: TcbInfo, kind: str, pck: PckIdentity) -> None:
    """Judge that a TCB info is about this kind of machine.

    Raises:
        AppraisalError: about another.
    """
    found = (info.id, info.fmspc.hex(), info.pce_id.hex())
    wanted = (kind, pck.fmspc.hex(), pck.pce_id.hex())
    if found != wanted:
        raise AppraisalError(
            "TCB info",
            expected="TCB info of {} for FMSPC {}, PCE id {}".format(*wanted),
            actual="of {} for FMSPC {}, PCE id {}".format(*found),
        )


def check_current(data: TcbData, now: int) -> None:
    """Judge that both documents hold now.

    Raises:
        AppraisalError: one does not.
    """
    for one in data.documents:
        if not one.issue_date <= now <= one.next_update:
            raise AppraisalError(
                one.id,
                expected=f"{one.id} data valid at {now}",
                actual=f"valid from {one.issue_date} to {one.next_update}",
            )


def check_age(data: TcbData, now: int, age: int) -> None:
    """Judge that both documents are younger than the policy asks.

    Raises:
        AppraisalError: one is older.
    """
    for one in data.documents:
        if now - one.issue_date > age:
            raise AppraisalError(
                one.id,
                expected=f"{one.id} data at most {age} s old",
                actual=f"{now - one.issue_date} s old",
            )


def check_evaluation(data: TcbData, lowest: int) -> None:
    """Judge that Intel knew enough when it issued both documents.

    Raises:
        AppraisalError: a tcbEvaluationDataNumber is below the floor.
    """
    for one in data.documents:
        if one.evaluation < lowest:
            raise AppraisalError(
                "tcbEvaluationDataNumber",
                expected=f"tcbEvaluationDataNumber {lowest} or higher in {one.id}",
                actual=str(one.evaluation),
            )


def _check_enclave(identity: QeIdentity, enclave: str) -> None:
    if identity.id != enclave:
        raise AppraisalError(
            "QE identity", expected=f"QE identity of {enclave}", actual=f"of {identity.id}"
        )


def _holding(parts: Iterable[Part], check: Callable[[Part], object]) -> list[Part]:
    """Give the parts that pass; if none does, raise what was wrong with the first."""
    held, errors = [], []
    for part in parts:
        try:
            check(part)
        except (AppraisalError, MalformedEvidenceError) as error:
            errors.append(error)
        else:
            held.append(part)
    if not held:
        raise errors[0] if errors else UnjudgedError("there is no TDX collateral")
    return held
