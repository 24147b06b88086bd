"""Anybody can judge what a client has kept; nothing but signatures is believed."""

import json
from base64 import b64encode
from pathlib import Path

import pytest

from openpcc.cli.main import main
from tests.fakes import kept
from tests.fakes.world import World
from tests.transparency_log.memory_log import MemoryLog, service_entry
from transparency_log import prover

LOG = MemoryLog(entries=[bytes([number]) for number in range(8)])
FORK = MemoryLog(entries=[b"x", *LOG.entries[1:]])


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    policy = World(tmp_path / "machine").policy
    (tmp_path / "policy.toml").write_text(kept.policy_toml(policy))
    return tmp_path


@pytest.fixture
def judge(folder: Path, capsys: pytest.CaptureFixture[str]):
    def run(first: bytes, second: bytes, *words: str, form: str = "note") -> tuple[int, str]:
        for name, data in (("first", first), ("second", second)):
            (folder / f"{name}.{form}").write_bytes(data)
        policy = str(folder / "policy.toml")
        code = main(["verify", "contradiction", str(folder), "--policy", policy, *words])
        captured = capsys.readouterr()
        return code, captured.out + captured.err

    return run


def test_two_trees_of_one_size_are_proof(judge):
    code, text = judge(LOG.note(5), FORK.note(5), "--json")
    found = json.loads(text)
    assert (code, found["weight"]) == (1, "proof")
    assert found["against"][0] == "log.example/test"
    assert judge(LOG.note(5), FORK.note(5))[1].startswith("PROOF: ")


def test_two_entries_of_one_number_are_proof(judge):
    pair = service_entry(LOG, 1), service_entry(LOG, 1, not_before=7)
    code, text = judge(*pair, form="json")
    assert (code, "service signers" in text) == (1, True)


def test_growth_is_a_suspicion_until_a_proof_is_named(judge, folder):
    assert judge(LOG.note(3), LOG.note(5))[0] == 1
    proof = prover.consistency_proof(3, 5, prover.memory_reader(LOG.leaves))
    (folder / "proof").write_text("".join(f"{b64encode(one).decode()}\n" for one in proof))
    words = ("--consistency", str(folder / "proof"))
    code, text = judge(LOG.note(3), LOG.note(5), *words)
    assert (code, "one history" in text) == (0, True)
    assert judge(LOG.note(3), FORK.note(5), *words)[0] == 1


@pytest.mark.parametrize("second", [b"", b"no note", LOG.note(5)[:-9], bytes(600_000)])
def test_what_is_no_such_statement_is_named(judge, second):
    code, text = judge(LOG.note(5), second)
    assert (code, "not two statements" in text) == (2, True)


def test_a_folder_without_statements_is_named(folder, capsys):
    words = ["verify", "contradiction", str(folder), "--policy", str(folder / "policy.toml")]
    assert main(words) == 2
    assert "first.note" in capsys.readouterr().err
