"""`openpcc policy rotate`: the file keeps its comments, and nothing but keys is new."""

import difflib
import json
from pathlib import Path

import pytest

from openpcc.cli.main import main
from openpcc.config import ClientPolicy
from tests.fakes.world import NOW
from tests.openpcc.test_key_rotation import NEW, Announcing, statement, texts
from transparency_log.rotation import Role
from transparency_log.strict_json import b64encode

TEXT = """\
version = 1                        # a comment
service = "demo.example"
suites = ["x-wing"]

[attestation]
platforms = ["simulated"]

[attestation.roots]
simulated = "{root}"

[log]
origin = "{origin}"
key = "{key}"
quorum = 2

{witnesses}
[signers.release]
threshold = 1
keys = ["{release}"]

[signers.status]                   # who says what is good
threshold = 1
keys = [
  "{status}",
]

[signers.service]
threshold = 1
keys = ["{service}"]               # of the operator
"""


@pytest.fixture
def announcing(tmp_path: Path) -> Announcing:
    return Announcing(tmp_path)


def policy_file(announcing: Announcing, folder: Path) -> Path:
    policy = announcing.policy
    witnesses = "".join(
        f'[[log.witnesses]]\nname = "{one.name}"\noperator = "{one.operator}"\n'
        f'key = "{one.vkey}"\n\n'
        for one in policy.log.witnesses
    )
    path = folder / "policy.toml"
    path.write_text(
        TEXT.format(
            root=announcing.world.vendor.root_spki_sha256.hex(),
            origin=policy.log.origin,
            key=policy.log.log_vkey,
            witnesses=witnesses,
            release=b64encode(policy.release_signers.keys[0]),
            status=b64encode(policy.status_signers.keys[0]),
            service=b64encode(policy.service_signers.keys[0]),
        )
    )
    return path


def rotate(old: Path, proof: bytes, new: Path, *more: str, at: int = NOW) -> int:
    new.with_suffix(".proof").write_bytes(proof)
    words = ["policy", "rotate", str(old), "--proof", str(new.with_suffix(".proof"))]
    return main([*words, "--out", str(new), "--at", str(at), *more])


def changed_lines(old: Path, new: Path) -> list[str]:
    lines = difflib.ndiff(old.read_text().splitlines(), new.read_text().splitlines())
    return [line for line in lines if line[0] in "+-"]


@pytest.mark.parametrize("role", list(Role))
def test_the_file_keeps_all_but_the_keys(announcing: Announcing, tmp_path: Path, role: Role):
    old, new = policy_file(announcing, tmp_path), tmp_path / "new.toml"
    assert rotate(old, announcing.proof(statement(role)), new) == 0
    (key,) = texts(role, NEW[:1])
    changes = changed_lines(old, new)
    assert "+ rotated = 2" in changes
    assert sum(key in line for line in changes) == 1
    assert sum(line.startswith("-") for line in changes) == 1
    assert ClientPolicy.load(new).rotated == 2


@pytest.mark.parametrize("role", list(Role))
def test_an_overlap_is_begun_and_finished(announcing: Announcing, tmp_path: Path, role: Role):
    old, both, last = policy_file(announcing, tmp_path), tmp_path / "both.toml", tmp_path / "l.toml"
    proof = announcing.proof(statement(role, not_before=NOW + 60))
    assert rotate(old, proof, last) == 1
    assert rotate(old, proof, both, "--overlap") == 0
    assert not any(
        line.startswith("-") for line in changed_lines(old, both) if "keys = [" not in line
    )
    assert rotate(both, proof, last, at=NOW + 60) == 0
    direct = tmp_path / "direct.toml"
    assert rotate(old, proof, direct, at=NOW + 60) == 0
    assert ClientPolicy.load(last) == ClientPolicy.load(direct)


def test_what_is_done_is_said(
    announcing: Announcing, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    old, proof = policy_file(announcing, tmp_path), announcing.proof(statement(Role.STATUS))
    assert rotate(old, proof, tmp_path / "new.toml") == 0
    assert texts(Role.STATUS, NEW[:1])[0] in capsys.readouterr().out
    assert rotate(old, proof, tmp_path / "json.toml", "--json") == 0
    said = json.loads(capsys.readouterr().out)
    assert (said["role"], said["index"], said["overlap"]) == ("status", 2, False)


def test_a_refusal_writes_nothing(
    announcing: Announcing, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    old, new = policy_file(announcing, tmp_path), tmp_path / "new.toml"
    assert rotate(old, announcing.proof(statement(Role.STATUS), NEW), new) == 1
    assert "the policy was not changed" in capsys.readouterr().err
    assert not new.exists()


def test_a_file_that_is_there_stays(announcing: Announcing, tmp_path: Path):
    old = policy_file(announcing, tmp_path)
    before = old.read_bytes()
    assert rotate(old, announcing.proof(statement(Role.STATUS)), old) == 2
    assert old.read_bytes() == before
    assert [path.name for path in tmp_path.iterdir() if path.name.startswith(".policy")] == []


def test_another_layout_is_left_to_people(
    announcing: Announcing, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    old, new = policy_file(announcing, tmp_path), tmp_path / "new.toml"
    text = old.read_text()
    start, end = text.index("[signers.status]"), text.index("[signers.service]")
    key = b64encode(announcing.policy.status_signers.keys[0])
    table = f'[signers]\nstatus = {{ threshold = 1, keys = ["{key}"] }}\n\n'
    old.write_text(text[:start] + table + text[end:])
    assert rotate(old, announcing.proof(statement(Role.STATUS)), new) == 2
    assert "by hand" in capsys.readouterr().err
    assert not new.exists()


def test_the_policy_shows_which_announcement_was_the_last(
    announcing: Announcing, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    old, new = policy_file(announcing, tmp_path), tmp_path / "new.toml"
    assert rotate(old, announcing.proof(statement(Role.STATUS)), new) == 0
    capsys.readouterr()
    assert main(["policy", "show", str(new)]) == 0
    assert "index 2 of the log" in capsys.readouterr().out
    assert main(["policy", "show", str(old)]) == 0
    assert "rotated" not in capsys.readouterr().out
