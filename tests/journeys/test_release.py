"""A release from its manifest to a client's trust, and back: every party a process of its own."""

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from attestation.result import Outcome
from openpcc.errors import RefusedError
from openpcc.release_checks import STATUS_AGE
from tests.journeys.release_desk import Desk, now, openpcc_log
from tests.transparency_log.server.processes import running_world

OPENPCC = str(Path(sys.executable).with_name("openpcc"))


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    (tmp_path / "log").mkdir()
    (tmp_path / "desk").mkdir()
    with running_world(tmp_path / "log") as world:
        found = Desk(log=world, folder=tmp_path / "desk")
        found.set_up()
        world.witnesses[2].kill()  # two of three must do
        yield found


def published(desk: Desk) -> tuple[bytes, bytes]:
    """Two signers who hand a file to each other publish a release; gives leaf hash and proof."""
    entry, proof = desk.folder / "release.json", desk.folder / "release.proof"
    policy = ("--policy", desk.policy)
    manifest = desk.manifest("0.1.0")
    first = openpcc_log("publish", manifest, *desk.key("release-0"), *policy, "--out", entry)
    assert first.returncode == 1, first.stderr
    assert "1 of 2" in first.stderr
    second = openpcc_log(
        "publish", entry, *desk.key("release-2"), *desk.sending, "--proof", proof, "--json"
    )
    assert second.returncode == 0, second.stderr
    return bytes.fromhex(json.loads(second.stdout)["leaf_hash"]), proof.read_bytes()


def status(desk: Desk, name: str, *words: object) -> None:
    out = ("--out", desk.folder / f"{name}.json")
    done = openpcc_log(*words, *desk.key("status-0"), *desk.sending, *out)
    assert done.returncode == 0, done.stderr


def refused(desk: Desk, *evidence, at: int) -> list[str]:
    with pytest.raises(RefusedError) as caught:
        desk.establish(*evidence, at=at)
    return [check.id for check in caught.value.report.failed if check.outcome is Outcome.FAIL]


def test_a_release_is_trusted_once_listed_and_no_more_once_revoked(desk: Desk):
    release, proof = published(desk)
    status(desk, "first", "status", "--first")
    bundle, leaf = desk.bundle(release, proof)
    assert refused(desk, bundle, leaf, desk.view(), at=now()) == ["7.status"]

    status(desk, "accepted", "status", "--accept", desk.folder / "release.proof")
    node = desk.establish(bundle, leaf, desk.view(), at=now())
    assert node.report.release == release
    verify = [OPENPCC, "verify", "release", str(desk.folder / "release.proof"), "--policy",
              str(desk.policy), "--log", desk.log.log_url]  # fmt: skip
    assert subprocess.run(verify, capture_output=True, timeout=60, check=False).returncode == 0

    before = desk.view()
    status(desk, "revoked", "revoke", release.hex(), "--reason", "it leaks")
    assert refused(desk, bundle, leaf, desk.view(), at=now()) == ["7.status"]
    done = subprocess.run(verify, capture_output=True, timeout=60, check=False, text=True)
    assert (done.returncode, "7.status failed" in done.stdout) == (1, True)

    # Somebody hides the revocation: what the client knew counts no longer than one status period.
    issued = before.status.issued
    assert desk.establish(bundle, leaf, before, at=now()).expires <= issued + STATUS_AGE
    found = refused(desk, bundle, leaf, before, at=issued + STATUS_AGE + 1)
    assert "7.fresh" in found


def test_nothing_is_acknowledged_that_two_witnesses_have_not_seen(desk: Desk):
    desk.log.witnesses[1].kill()
    entry = desk.folder / "release.json"
    policy = ("--policy", desk.policy)
    keys = (*desk.key("release-0"), *desk.key("release-1"))
    manifest = desk.manifest("0.1.0")
    assert openpcc_log("publish", manifest, *keys, *policy, "--out", entry).returncode == 0
    answer = desk.log.add(entry.read_bytes(), timeout=60)
    assert answer.status_code == 503
    desk.log.restart_witness(1)
    proof = desk.folder / "release.proof"
    done = openpcc_log("publish", entry, *desk.sending, "--proof", proof)
    assert done.returncode == 0, done.stderr
    assert proof.exists()
