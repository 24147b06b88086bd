"""Receipts that a client keeps: judged later, offline, by the evidence kept beside them."""

from pathlib import Path
from typing import cast

import pytest

from openpcc import answers
from openpcc.answers import Asked, Call, Options
from openpcc.carrier import Carrier
from openpcc.cli import keeping
from openpcc.cli.main import main
from openpcc.errors import ConfigurationError
from openpcc.lookup import Lookup, Snapshot
from openpcc.reply import Reply
from openpcc.state import StateFile
from tests.fakes import kept
from tests.fakes.memory_service import MemoryCarrier, MemoryService
from tests.fakes.world import NOW

ASKED = Asked(method="POST", target="/v1/chat/completions", content=b'{"model":"demo"}')


@pytest.fixture
def look(talking: MemoryService) -> Snapshot:
    carrier = cast("Carrier", MemoryCarrier(talking))
    return Lookup(talking.config, carrier, StateFile(talking.config.state)).look(NOW)


@pytest.fixture
def reply(talking: MemoryService, look: Snapshot) -> Reply:
    prepared = answers.prepare(ASKED, Options(), "demo.example")
    assert isinstance(prepared, Call)
    nodes = [row.node for row in look.judged["demo"] if row.node is not None]
    found = Reply(talking.gateway_key.config, nodes, prepared, now=NOW)
    found.feed(talking.respond(found.body))
    found.finish()
    return found


def test_what_was_kept_is_accepted_by_verify_receipt(
    talking: MemoryService, reply: Reply, look: Snapshot, tmp_path: Path
):
    said = keeping.Folder(tmp_path).keep(reply, [None, look])
    (receipt,) = tmp_path.glob("receipt-*.json")
    (evidence,) = tmp_path.glob("evidence-*.json")
    assert said == f"kept {receipt} with {evidence.name}"
    policy = tmp_path / "policy.toml"
    policy.write_text('suites = ["x25519"]\n' + kept.policy_toml(talking.world.policy))
    words = ["verify", "receipt", str(receipt), "--bundle", str(evidence)]
    assert main([*words, "--policy", str(policy)]) == 0


def test_evidence_that_is_no_longer_at_hand_is_said(reply: Reply, tmp_path: Path):
    said = keeping.Folder(tmp_path).keep(reply, [None])
    assert said.endswith("without its evidence, which is no longer at hand")
    assert len(list(tmp_path.iterdir())) == 1


def test_a_reply_without_a_receipt_leaves_nothing(reply: Reply, look: Snapshot, tmp_path: Path):
    reply.receipt = None
    said = keeping.Folder(tmp_path).keep(reply, [look])
    assert said == "no receipt was kept: the node signed none for this reply"
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_is_none_is_named_before_anything_is_asked(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    with pytest.raises(ConfigurationError, match="no such folder"):
        keeping.Folder(tmp_path / "none")
    assert main(["chat", "hello", "--keep-receipts", str(tmp_path / "none")]) == 2
    assert "there is no such folder" in capsys.readouterr().err
