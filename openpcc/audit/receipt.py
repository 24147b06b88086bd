"""A receipt that was kept, judged with the evidence kept beside it. docs/formats.md, 5. Pure.

    1. the receipt can be read          receipt.parse
    2. who signed it                    receipt.signature, under the key that the evidence names
    3. it speaks of that evidence       receipt.binding, .release, .model, .epoch
    4. when                             receipt.time, within the life of the key
    5. the evidence itself              every check of the trust decision that a bundle can show

The evidence is judged as of the time the receipt names, because certificates and lists were good
then and need not be now: as of the last moment before that at which a client would have sealed to
these keys, since a reply may go on for some minutes after.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from attestation import strict_json
from attestation.appraise import EPOCH_MARGIN
from attestation.binding import evidence_binding
from attestation.errors import MalformedEvidenceError
from attestation.evidence import EvidenceBundle, KeysSection, SoftwareSection
from openpcc import offline, receipts
from openpcc.audit.appraisal import by_step
from openpcc.audit.report import AuditKind, AuditReport, Extract, Finding, Outcome, Section
from openpcc.config import ClientPolicy
from openpcc.errors import ReceiptError
from openpcc.receipts import Receipt

MAX_FILE = 2 * receipts.MAX_RECEIPT
"""Bytes of a receipt's file: the document, or the field with its base64."""

ERASURE = 300
"""Seconds after `not_after` at which a node has erased its keys. DESIGN 4.1."""

TESTS = {
    "receipt.parse": "the receipt is the one accepted spelling, within limits",
    "receipt.signature": "the receipt is signed by the receipt key that the evidence names",
    "receipt.binding": "the receipt names this evidence",
    "receipt.release": "the receipt's release is that of the evidence",
    "receipt.model": "the receipt's model is one of the evidence, with its digest",
    "receipt.epoch": "the receipt's epoch is that of the evidence",
    "receipt.time": "the receipt was signed while its key existed",
}
"""Every check of a receipt, and what was tested."""

REMEDIES = {
    "receipt.parse": "Take the receipt from whoever kept it, whole: base64 of one line, or JSON.",
    "receipt.binding": "Find the evidence that the receipt names by its binding.",
}
"""What to do; else nothing mends it."""

DISTRUST = "Do not rely on this receipt."


@dataclass(frozen=True, kw_only=True)
class Beside:
    """What stands beside a receipt, read and not judged."""

    keys: KeysSection
    software: SoftwareSection
    binding: bytes

    @classmethod
    def parse(cls, data: bytes) -> "Beside":
        """Read the sections of a bundle. Raises: MalformedEvidenceError."""
        bundle = EvidenceBundle.parse(data)
        return cls(
            keys=KeysSection.parse(bundle.keys),
            software=SoftwareSection.parse(bundle.software),
            binding=evidence_binding(
                bundle.keys, bundle.freshness, bundle.devices, bundle.software
            ),
        )


def judge_receipt(
    data: bytes, bundle: bytes, *, subject: str, policy: ClientPolicy, now: int, at: int | None
) -> AuditReport:
    """Judge a receipt; raises nothing, every finding is in the report.

    Args:
        data: the receipt: its document, or the base64 of the trailer field.
        bundle: the evidence kept beside it.
        subject: what the user calls it.
        policy: whom this relying party believes.
        now: Unix seconds, for what names no time of its own.
        at: judge the evidence as of then; None: as of when the receipt was signed.
    """
    beside = _beside(bundle)
    findings, said = _findings(data, beside)
    at = _time(said, beside, now) if at is None else at
    report = offline.judge_bundle(bundle, now=at, policy=policy)
    own = Section(
        name="receipt",
        title="The receipt",
        findings=tuple(findings),
        facts={} if said is None else _facts(said),
    )
    return AuditReport(
        kind=AuditKind.RECEIPT,
        subject=subject,
        at=at,
        sections=(own, *by_step(report, facts={})),
        simulated=report.simulated,
    )


def _beside(data: bytes) -> Beside | None:
    try:
        return Beside.parse(data)
    except MalformedEvidenceError:
        return None  # as 1.parse says


def _findings(data: bytes, beside: Beside | None) -> tuple[list[Finding], Receipt | None]:
    """Judge steps 1 to 4; give what the receipt says, whether or not anybody vouches for it."""
    try:
        document = _document(data)
        body, signature = receipts.parse_document(document)
        said = receipts.parse_body(body)
    except strict_json.StrictJSONError as error:
        return [
            _finding("receipt.parse", Outcome.FAIL, actual=str(error)),
            *_skipped("the receipt cannot be read"),
        ], None
    parsed = _finding("receipt.parse", Outcome.PASS)
    if beside is None:
        return [parsed, *_skipped("the evidence beside it cannot be read")], said
    parts = (
        Extract(part="receipt", offset=0, field="signed bytes", value=body),
        Extract(part="receipt document", offset=document.rfind(b'"signature"'), field="signature",
                value=signature),
    )  # fmt: skip
    return [parsed, _signature(document, beside, parts), *_compared(said, beside, body)], said


def _document(data: bytes) -> bytes:
    """Take the document out of a file: as it is, or as the trailer field has it."""
    if len(data) > MAX_FILE:
        raise strict_json.StrictJSONError(f"receipt: more than {MAX_FILE} bytes")
    if data.startswith(b"{"):
        return data.removesuffix(b"\n")
    try:
        return strict_json.b64decode(data.removesuffix(b"\n").decode("ascii"))
    except UnicodeDecodeError as error:
        raise strict_json.StrictJSONError("receipt: neither JSON nor base64") from error


def _signature(document: bytes, beside: Beside, parts: tuple[Extract, ...]) -> Finding:
    try:
        receipts.verify(strict_json.b64encode(document), beside.keys.receipt)
    except ReceiptError as error:
        return _finding("receipt.signature", Outcome.FAIL, actual=str(error), extracts=parts)
    return _finding("receipt.signature", Outcome.PASS, extracts=parts)


def _compared(said: Receipt, beside: Beside, body: bytes) -> Iterator[Finding]:
    """Hold what the receipt says against the evidence, item by item."""
    keys, software = beside.keys, beside.software
    epoch = (said.not_before, said.not_after)
    model = (said.model, said.model_digest)
    latest = keys.not_after + ERASURE
    rows: tuple[tuple[str, bool, str, str], ...] = (
        ("binding", said.binding == beside.binding, beside.binding.hex(), said.binding.hex()),
        ("release", said.release == software.release, software.release.hex(), said.release.hex()),
        ("model", model in software.models, _models(software.models), _models((model,))),
        ("epoch", epoch == (keys.not_before, keys.not_after),
         f"{keys.not_before} to {keys.not_after}", f"{epoch[0]} to {epoch[1]}"),
        ("time", keys.not_before <= said.issued < latest,
         f"{keys.not_before} ≤ issued < {latest}", str(said.issued)),
    )  # fmt: skip
    members = {"time": b'"issued"'}
    for name, equal, expected, actual in rows:
        outcome = Outcome.PASS if equal else Outcome.FAIL
        member = members.get(name, f'"{name}"'.encode())
        yield _finding(
            f"receipt.{name}",
            outcome,
            expected=None if equal else expected,
            actual=None if equal else actual,
            extracts=_member(body, member),
        )


def _member(body: bytes, name: bytes) -> tuple[Extract, ...]:
    """Give where a member stands in the signed bytes; nothing if it is spelled otherwise."""
    start = body.find(name)
    if start < 0:
        return ()
    end = body.find(b",", start)
    return (Extract(part="receipt", offset=start, field=name.decode().strip('"'),
                    value=body[start : end if end > 0 else len(body)]),)  # fmt: skip


def _models(models: tuple[tuple[str, bytes], ...]) -> str:
    return ", ".join(f"{name} {digest.hex()}" for name, digest in models)


def _time(said: Receipt | None, beside: Beside | None, now: int) -> int:
    """Give the time to judge the evidence at; see the module."""
    signed = now if said is None else said.issued
    if beside is None:
        return signed
    last = beside.keys.not_after - EPOCH_MARGIN
    return max(min(signed, last), beside.keys.not_before)


def _facts(said: Receipt) -> dict[str, object]:
    return {
        "model": said.model,
        "model_digest": said.model_digest.hex(),
        "release": said.release.hex(),
        "issued": said.issued,
        "not_before": said.not_before,
        "not_after": said.not_after,
        "engine": f"{said.engine} {said.engine_version}",
        "parameters": said.parameters.hex(),
        "prompt_tokens": said.prompt_tokens,
        "completion_tokens": said.completion_tokens,
        "request": said.request.hex(),
        "response": said.response.hex(),
        "request_digest": said.request_digest.hex(),
        "binding": said.binding.hex(),
    }


def _skipped(because: str) -> Iterator[Finding]:
    for name in TESTS:
        if name != "receipt.parse":
            yield _finding(name, Outcome.SKIP, actual=because)


def _finding(
    name: str,
    outcome: Outcome,
    *,
    expected: str | None = None,
    actual: str | None = None,
    extracts: tuple[Extract, ...] = (),
) -> Finding:
    failed = outcome is Outcome.FAIL
    return Finding(
        id=name,
        outcome=outcome,
        text=TESTS[name],
        expected=expected,
        actual=actual,
        remedy=REMEDIES.get(name, DISTRUST) if failed else "",
        extracts=extracts,
    )
