"""`audit node`: a node that answers passes, and each planted fault fails under its own name."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import pytest

from openpcc.audit import document
from openpcc.audit.node import BUSY_TRIES, NodeAudit
from openpcc.audit.report import AuditReport, Outcome, Verdict
from openpcc.audit.service_path import Deadline, ServicePath
from openpcc.carrier import Carrier
from openpcc.errors import TransportError
from openpcc.protocol import bhttp, messages
from openpcc.state import StateFile
from tests.fakes.memory_service import MemoryCarrier, MemoryService, refusal
from tests.fakes.world import NOW
from tests.openpcc.audit.ways import StallingCarrier, outcomes
from transparency_log import strict_json


@pytest.fixture
def service(tmp_path: Path) -> MemoryService:
    return MemoryService(tmp_path)


def audit(service: MemoryService, **changes: Any) -> AuditReport:
    carrier = changes.pop("carrier", None) or MemoryCarrier(service)
    policy = service.config.policy
    deadline = Deadline(changes.pop("seconds", 600.0))
    terms: dict[str, Any] = {
        "policy": policy,
        "path": ServicePath("relay", cast("Carrier", carrier), policy, deadline),
        "states": StateFile(service.folder / "audit"),
        "now": lambda: NOW,
        "wait": lambda seconds: None,
    }
    return NodeAudit(**(terms | changes)).run()


def failed(report: AuditReport) -> set[str]:
    return {one.id for one in report.failed if one.id.startswith(("node.", "gateway."))}


def answering(
    service: MemoryService, change: Callable[[messages.Challenge], bhttp.Response]
) -> None:
    vars(service)["challenged"] = change


def answer(data: bytes) -> bhttp.Response:
    return bhttp.Response(status=200, content=data)


def test_a_node_that_answers_passes(service: MemoryService):
    report = audit(service)
    assert report.verdict is Verdict.PASS, [f"{one.id}: {one.actual}" for one in report.failed]
    assert outcomes(report, "node.challenge") == [Outcome.PASS]
    assert document.parse(document.encode(report)) == report


def test_each_challenge_has_a_nonce_of_its_own(service: MemoryService):
    honest, nonces = service.challenged, []
    answering(service, lambda one: (nonces.append(one.nonce), honest(one))[1])  # type: ignore[func-returns-value]
    audit(service, most=9)
    assert len(set(nonces)) == 2


def test_the_node_that_was_named_is_challenged(service: MemoryService):
    found = service.nodes[1].leaf.leaf_hash().hex()
    honest, asked = service.challenged, []
    answering(service, lambda one: (asked.append(one.key_id), honest(one))[1])  # type: ignore[func-returns-value]
    assert audit(service, leaf=found[:12]).verdict is Verdict.PASS
    assert asked == [service.nodes[1].key.id]


def test_a_node_that_nobody_lists(service: MemoryService):
    assert failed(audit(service, leaf="0" * 64)) == {"node.listed"}


def test_an_old_answer_is_not_fresh(service: MemoryService):
    first = service.quoted(0, b"o" * 32)
    answering(service, lambda challenge: answer(first))
    report = audit(service, leaf=service.nodes[0].leaf.leaf_hash().hex())
    assert failed(report) == {"node.challenge"}


def test_the_listed_evidence_is_no_answer(service: MemoryService):
    answering(service, lambda challenge: answer(service.nodes[0].bundle))
    report = audit(service, leaf=service.nodes[0].leaf.leaf_hash().hex())
    assert failed(report) == {"node.challenge"}


def test_a_nonce_that_was_written_in_later_breaks_the_binding(service: MemoryService):
    def spliced(challenge: messages.Challenge) -> bhttp.Response:
        found = service.quoted(0, b"o" * 32)
        old, new = (strict_json.b64encode(one) for one in (b"o" * 32, challenge.nonce))
        section = strict_json.b64decode(strict_json.parse_object(found, limit=2**22, name="x")
                                        .child("sections").text("freshness"))  # fmt: skip
        swapped = section.replace(old.encode(), new.encode())
        return answer(
            found.replace(
                strict_json.b64encode(section).encode(), strict_json.b64encode(swapped).encode()
            )
        )

    answering(service, spliced)
    report = audit(service, leaf=service.nodes[0].leaf.leaf_hash().hex())
    assert failed(report) == {"node.evidence"}
    assert {"3.binding", "6.nonce"} <= {one.id for one in report.failed}


def test_another_machine_that_answers_for_it(service: MemoryService):
    """Honest machine, same release, other keys: whoever holds the listed keys did not answer."""
    answering(service, lambda challenge: answer(service.quoted(1, challenge.nonce)))
    report = audit(service, leaf=service.nodes[0].leaf.leaf_hash().hex())
    assert failed(report) == {"node.keys", "node.machine"}


def test_a_node_whose_release_was_withdrawn(service: MemoryService):
    service.set_status([])
    report = audit(service)
    assert failed(report) == {"node.evidence"}
    assert "7.status" in {one.id for one in report.failed}


def test_an_answer_that_is_no_evidence(service: MemoryService):
    answering(service, lambda challenge: answer(b"\x1b[2J<script>"))
    report = audit(service)
    assert failed(report) == {"node.challenge", "node.keys", "node.machine", "node.evidence"}
    assert "1.parse" in {one.id for one in report.failed}


@pytest.mark.parametrize("code", ["unknown-key", "upstream", "not-found", "not-ready"])
def test_a_refusal_is_the_gateways_fault(service: MemoryService, code: str):
    answering(service, lambda challenge: refusal(code, 422))
    report = audit(service)
    assert failed(report) == {"node.answer"}
    assert outcomes(report, "node.challenge") == [Outcome.SKIP]


def test_a_node_that_others_have_used_up_leaves_it_incomplete(service: MemoryService):
    answering(service, lambda challenge: refusal("busy", 503))
    waited: list[float] = []
    report = audit(service, wait=waited.append)
    assert report.verdict is Verdict.INCOMPLETE
    assert len(waited) == BUSY_TRIES - 1


def test_a_node_that_is_busy_for_a_moment_is_asked_again(service: MemoryService):
    honest = service.challenged
    answering(service, lambda challenge: refusal("busy", 503))
    report = audit(service, wait=lambda seconds: answering(service, honest))
    assert report.verdict is Verdict.PASS


def test_an_answer_without_end(service: MemoryService):
    answering(service, lambda challenge: answer(bytes(5 * 2**20)))
    assert failed(audit(service)) == {"node.answer", "gateway.answer"}


def test_a_way_that_stalls(service: MemoryService):
    report = audit(service, carrier=StallingCarrier(service))
    assert {"gateway.answer", "gateway.record"} <= failed(report)
    assert report.verdict is Verdict.FAIL


def test_nobody_answers_at_all(service: MemoryService):
    class Down(MemoryCarrier):
        def keys(self) -> bytes:
            raise TransportError("connection refused")

    with pytest.raises(TransportError, match="refused"):
        audit(service, carrier=Down(service))


def test_a_time_that_is_over_leaves_it_incomplete(service: MemoryService):
    report = audit(service, seconds=1e-9)
    assert report.verdict is Verdict.INCOMPLETE


def test_a_leaf_that_lists_another_machine(service: MemoryService):
    node = service.nodes[0]
    service.nodes[0] = replace(node, leaf=replace(node.leaf, machine=bytes(32)))
    service.publish()
    report = audit(service, leaf=service.nodes[0].leaf.leaf_hash().hex())
    assert failed(report) == {"node.machine"}
