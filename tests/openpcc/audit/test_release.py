"""`audit release`: an honest image passes; every other one fails, naming the file and register."""

import hashlib
import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from attestation.measure.model import ModelManifest, read_model
from openpcc import kept_release
from openpcc.audit.release import audit_release
from openpcc.audit.release_tests import RELEASE
from openpcc.audit.report import AuditKind, AuditReport, Outcome, Verdict
from openpcc.config import ClientPolicy
from tests.attestation.measure.test_recipe import tar
from tests.fakes import disk, image, uki
from tests.fakes.released import platforms, publish
from tests.fakes.world import NOW, World
from transparency_log.release import Model

Found = dict[str, bytes]


@pytest.fixture
def world(tmp_path: Path) -> World:
    (tmp_path / "machine").mkdir()
    return World(tmp_path / "machine")


def audit(
    world: World, folder: Path, proof: bytes, policy: ClientPolicy | None = None
) -> AuditReport:
    report, release = kept_release.judge_release_file(
        proof,
        now=NOW,
        policy=policy or world.policy,
        status=None,
        known=None,
        consistency=None,
        provenances=[],
    )
    return audit_release(folder, report, release)


def audited(world: World, folder: Path, found: Found | None = None, **said: Any) -> AuditReport:
    """Publish the honest image, and audit a folder that holds these files."""
    honest = image.contents()
    proof = publish(world, honest, **said)
    image.write(folder, honest if found is None else found)
    return audit(world, folder, proof)


def failed(report: AuditReport) -> dict[str, str]:
    """Give what failed, by section and id."""
    return {
        f"{section.name}: {one.id}": one.actual or ""
        for section in report.sections
        for one in section.findings
        if one.outcome is Outcome.FAIL
    }


def test_an_honest_image_passes(world: World, tmp_path: Path) -> None:
    report = audited(world, tmp_path / "image")
    assert failed(report) == {}
    assert (report.verdict, report.kind) == (Verdict.PASS, AuditKind.IMAGE)
    assert not report.simulated
    told = {one.id: one.actual or "" for one in report.findings if one.outcome is Outcome.INFO}
    assert told["release.given"] == image.PARAVISOR
    assert "type 0x0000000a with any digest" in told["release.open"]


def flipped(data: bytes, place: int) -> bytes:
    changed = bytearray(data)
    changed[place] ^= 1
    return bytes(changed)


def in_cmdline(found: Found) -> None:
    found["uki"] = found["uki"].replace(b"console=ttyS0", b"console=ttyS1")


def in_root(found: Found) -> None:
    place = found["disk"].index(image.ROOT)
    found["disk"] = flipped(found["disk"], place + 1000)


def in_tree(found: Found) -> None:
    place = found["disk"].index(b"verity\0\0")
    found["disk"] = flipped(found["disk"], place + 600)


def other_root(found: Found) -> None:
    found["disk"] = disk.rooted(image.ROOT + bytes(512))[1]


def in_firmware(found: Found) -> None:
    found["firmware"] = flipped(found["firmware"], 0x3000)


def in_keys(found: Found) -> None:
    found["tpm-log"] = image.tpm_log(keys=b"another PK")


def in_td_keys(found: Found) -> None:
    found["ccel"] = image.ccel(keys=b"another PK")


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (in_cmdline, {
            "platform sev-snp: release.measurement": "firmware, uki, number and type",
            "platform tdx: release.registers": "register 1 (uki, disk)",
            "platform sev-snp-vtpm: release.registers": "register 4 (uki)",
        }),
        (in_root, {
            "files: release.image": "disk",
            "files: release.root": "disk: root file system: root hash",
        }),
        (in_tree, {
            "files: release.image": "disk",
            "files: release.root": "verity partition: its hash tree is not that",
        }),
        (other_root, {
            "files: release.image": "disk",
            "files: release.root": "disk: no partition",
            "platform tdx: release.registers": "register 1 (uki, disk)",
            "platform sev-snp-vtpm: release.registers": "register 5 (disk)",
        }),
        (in_firmware, {
            "platform sev-snp: release.measurement": "firmware, uki",
            "platform tdx: release.measurement": "firmware: ",
        }),
        (in_keys, {"platform sev-snp-vtpm: release.registers": "register 7 (tpm-log)"}),
        (in_td_keys, {"platform tdx: release.rules": "register 0 (ccel): rule 2"}),
    ],
)  # fmt: skip
def test_a_tampered_image_fails_naming_file_and_register(
    change: Callable[[Found], None], expected: dict[str, str], world: World, tmp_path: Path
) -> None:
    found = image.contents()
    change(found)
    wrong = failed(audited(world, tmp_path / "image", found))
    assert set(wrong) == set(expected)
    for name, said in expected.items():
        assert said in wrong[name]


def test_a_file_that_is_not_what_image_json_says_fails_by_its_name(
    world: World, tmp_path: Path
) -> None:
    proof = publish(world, image.contents())
    folder = image.write(tmp_path / "image", image.contents())
    (folder / "OVMF.fd").write_bytes(flipped(image.contents()["firmware"], 0x100))
    wrong = failed(audit(world, folder, proof))
    assert wrong["files: release.files"].startswith("firmware: SHA-256")
    assert "platform sev-snp: release.measurement" in wrong


@pytest.mark.parametrize("name", ["uki", "disk", "ccel"])
def test_a_missing_file_fails_by_its_name(name: str, world: World, tmp_path: Path) -> None:
    proof = publish(world, image.contents())
    folder = image.write(tmp_path / "image", image.contents())
    (folder / image.FILES[name]).unlink()
    wrong = failed(audit(world, folder, proof))
    assert list(wrong) == ["files: release.described"]
    assert wrong["files: release.described"].startswith(f"{name}: ")


@pytest.mark.parametrize(
    ("change", "platform", "said"),
    [
        ({"cpus": 3}, "sev-snp", "release.measurement"),
        ({"cpu": "EPYC-Milan"}, "sev-snp", "release.measurement"),
        ({"features": 33}, "sev-snp", "release.measurement"),
        ({"order": "per-section"}, "tdx", "release.measurement"),
        ({"open": ["memory-map"]}, "tdx", "release.rules"),
        ({"measurement": "5b" * 48}, "sev-snp-vtpm", "release.measurement"),
        ({"boot": "disk"}, "sev-snp", "release.computed"),
    ],
)
def test_another_machine_fails(
    change: dict[str, object], platform: str, said: str, world: World, tmp_path: Path
) -> None:
    found = image.contents()
    folder = image.write(tmp_path / "image", found)
    machines = {**image.MACHINES, platform: {**image.MACHINES[platform], **change}}
    (folder / "image.json").write_text(json.dumps(image.described(found, machines)))
    assert f"platform {platform}: {said}" in failed(audit(world, folder, publish(world, found)))


def test_what_the_release_says_of_engine_and_model_is_in_the_agents_register(
    world: World, tmp_path: Path
) -> None:
    said = platforms(image.contents())
    report = audited(
        world,
        tmp_path / "image",
        models=(Model(name="demo", digest=bytes(32)),),
        platforms=said,
    )
    wrong = failed(report)
    assert "register 3 (models and engine arguments" in wrong["platform tdx: release.registers"]
    assert "register 15 (models and" in wrong["platform sev-snp-vtpm: release.registers"]


def test_a_register_that_no_file_decides_fails(world: World, tmp_path: Path) -> None:
    said = platforms(image.contents())
    said["tdx"] = replace(said["tdx"], registers={**said["tdx"].registers, 14: bytes(48)})
    wrong = failed(audited(world, tmp_path / "image", platforms=said))
    assert "register 14 (no file decides it)" in wrong["platform tdx: release.registers"]


def test_platforms_that_are_not_described_fail(world: World, tmp_path: Path) -> None:
    said = platforms(image.contents())
    said["tdx-vtpm"] = said["sev-snp-vtpm"]
    wrong = failed(audited(world, tmp_path / "image", platforms=said))
    assert wrong == {"files: release.machines": "tdx-vtpm: not described"}


def test_platforms_that_are_not_released_fail(world: World, tmp_path: Path) -> None:
    said = platforms(image.contents())
    del said["tdx"]
    report = audited(world, tmp_path / "image", platforms=said)
    assert failed(report) == {"files: release.machines": "tdx: not released"}
    assert {one.id for one in report.unjudged} >= {"release.measurement"}


def test_a_release_of_unknown_signers_is_compared_with_nothing(
    world: World, tmp_path: Path
) -> None:
    proof = publish(world, image.contents())
    folder = image.write(tmp_path / "image", image.contents())
    believed = replace(world.policy, release_signers=world.policy.status_signers)
    report = audit(world, folder, proof, believed)
    assert report.verdict is Verdict.FAIL
    assert "release: 7.signers" in failed(report)
    assert not any(one.id == "release.measurement" and one.outcome is Outcome.PASS
                   for one in report.findings)  # fmt: skip


@pytest.mark.parametrize("data", [b"", b"{}", b"\xff", b'{"version":2}', b"[" * 2000])
def test_a_folder_that_cannot_be_read_fails(data: bytes, world: World, tmp_path: Path) -> None:
    proof = publish(world, image.contents())
    folder = image.write(tmp_path / "image", image.contents())
    (folder / "image.json").write_bytes(data)
    assert list(failed(audit(world, folder, proof))) == ["files: release.described"]


def model(folder: Path, text: bytes = b"weights") -> Path:
    place = folder / "models" / "demo"
    place.mkdir(parents=True)
    (place / "config.json").write_bytes(b"{}")
    (place / "model.safetensors").write_bytes(text)
    return place


def test_models_beside_the_image_are_compared(world: World, tmp_path: Path) -> None:
    folder = tmp_path / "image"
    manifest = read_model(model(folder))
    models = (Model(name="demo", digest=manifest.digest),)
    said = platforms(image.contents())
    honest = audited(world, folder, models=models, platforms=said)
    assert outcome(honest, "release.models") is Outcome.PASS
    (folder / "models" / "demo.json").write_bytes(manifest.encode())
    (folder / "models" / "demo" / "model.safetensors").write_bytes(b"Weights")
    other = audit(world, folder, world.proof(world.release_index))
    assert "in the manifest: model.safetensors" in failed(other)["files: release.models"]


def test_a_manifest_is_enough_for_a_model(world: World, tmp_path: Path) -> None:
    manifest = read_model(model(tmp_path))
    folder = tmp_path / "image"
    (folder / "models").mkdir(parents=True)
    (folder / "models" / "demo.json").write_bytes(manifest.encode())
    models = (Model(name="demo", digest=manifest.digest),)
    assert outcome(audited(world, folder, models=models), "release.models") is Outcome.PASS
    cut = replace(manifest.files[0], size=9)
    changed = ModelManifest(files=(replace(cut, sha256=bytes(32)), *manifest.files[1:]))
    (folder / "models" / "demo.json").write_bytes(changed.encode())
    wrong = failed(audit(world, folder, world.proof(world.release_index)))
    assert "files: release.models" in wrong


def test_a_recipe_beside_the_image_is_compared(world: World, tmp_path: Path) -> None:
    found = image.contents() | {"recipe": b"lock"}
    digest = hashlib.sha256(b"lock").digest()
    recipe = replace(world.statement().recipe, sha256=digest)
    honest = audited(world, tmp_path / "image", found, recipe=recipe)
    assert outcome(honest, "release.recipe") is Outcome.PASS
    other = image.write(tmp_path / "other", found | {"recipe": b"Lock"})
    wrong = failed(audit(world, other, world.proof(world.release_index)))
    assert set(wrong) == {"files: release.recipe"}


def test_lists_beside_the_image_are_those_of_the_recipe(world: World, tmp_path: Path) -> None:
    lists = {"lock": b"a lock", "sbom": b"a bill"}
    recipe = tar([(image.FILES.get(name, name), data) for name, data in lists.items()])
    found = image.contents() | lists | {"recipe": recipe}
    said = replace(world.statement().recipe, sha256=hashlib.sha256(recipe).digest())
    honest = audited(world, tmp_path / "image", found, recipe=said)
    assert outcome(honest, "release.lists") is Outcome.PASS
    other = image.write(tmp_path / "other", found | {"lock": b"another"})
    wrong = failed(audit(world, other, world.proof(world.release_index)))
    assert set(wrong) == {"files: release.lists"}
    assert wrong["files: release.lists"].startswith("lock: ")


def test_lists_of_the_recipe_cannot_be_left_out_beside_it(world: World, tmp_path: Path) -> None:
    recipe = tar([("lock.json", b"a lock")])
    said = replace(world.statement().recipe, sha256=hashlib.sha256(recipe).digest())
    found = image.contents() | {"recipe": recipe}
    wrong = failed(audited(world, tmp_path / "image", found, recipe=said))
    assert wrong == {"files: release.lists": "lock: in the recipe, and not in image.json"}


def test_lists_that_cannot_be_compared_are_not_passed_over(world: World, tmp_path: Path) -> None:
    recipe = b"no tar file".ljust(1024, b".")
    found = image.contents() | {"lock": b"a lock", "recipe": recipe}
    said = replace(world.statement().recipe, sha256=hashlib.sha256(recipe).digest())
    wrong = failed(audited(world, tmp_path / "image", found, recipe=said))
    assert set(wrong) == {"files: release.lists"}


def test_an_image_without_a_root_hash_fails(world: World, tmp_path: Path) -> None:
    found = image.contents() | {"uki": uki.uki({".cmdline": b"console=ttyS0"})}
    wrong = failed(audited(world, tmp_path / "image", found))
    assert "names no root hash" in wrong["files: release.root"]


def test_an_image_for_debugging_fails_whatever_its_release_says(
    world: World, tmp_path: Path
) -> None:
    root = disk.rooted(image.ROOT)[0].hex().encode()
    found = image.contents()
    found["uki"] = uki.uki({".cmdline": b"openpcc.debug roothash=" + root})
    proof = publish(world, found)
    wrong = failed(audit(world, image.write(tmp_path / "image", found), proof))
    assert wrong == {"files: release.debug": "uki: its command line says openpcc.debug"}


def test_every_check_is_made_somewhere(world: World, tmp_path: Path) -> None:
    made = {one.id for one in audited(world, tmp_path / "image").findings}
    assert {name for name in RELEASE.table if name not in made} == set()


def outcome(report: AuditReport, name: str) -> Outcome:
    return next(one.outcome for one in report.findings if one.id == name)
