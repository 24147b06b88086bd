"""From an image folder to a release's values: what decides what, and what is refused."""

import json
import uuid
from collections.abc import Mapping
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from attestation.errors import ArtifactError
from attestation.event_rules import judge
from attestation.eventlog import Event
from attestation.measure import files
from attestation.measure.artifact import Artifact
from attestation.measure.gpt import PartitionTable
from attestation.measure.image import ImageFolder
from attestation.measure.observed import MOST, HostEvents, observe
from attestation.measure.recompute import Values, measure
from attestation.tdx.collect import AGENT_REGISTER
from attestation.tpm import pcrs
from attestation.tpm.collect import AGENT_PCR
from tests.fakes import disk, image, tcg

Machines = Mapping[str, Mapping[str, object]]


def values(
    platform: str, changed: Mapping[str, object] = {}, found: Mapping[str, bytes] = {}
) -> Values:
    whole = {**image.contents(), **found}
    machine = {**image.MACHINES.get(platform, {}), **changed}
    folder = image.parsed(whole, {platform: {key: one for key, one in machine.items() if one}})
    return measure(
        folder.machines[platform],
        image.artifacts(whole),
        models=image.MODELS,
        engine_arguments=image.ARGUMENTS,
    )


def test_each_platform_has_its_registers_and_each_register_its_files() -> None:
    assert dict(values("sev-snp").registers) == {}
    tdx, vtpm = values("tdx"), values("sev-snp-vtpm")
    assert (set(tdx.registers), set(tdx.events)) == ({1, 2, 3}, {0})
    assert (set(vtpm.registers), set(vtpm.events)) == ({0, 2, 3, 4, 5, 6, 7, 9, 11, 15}, {1})
    for one in (tdx, vtpm):
        assert set(one.sources) == {"measurement", *map(str, {*one.registers, *one.events})}
        assert all(one.sources.values())
    assert (tdx.given, vtpm.given) == (False, True)
    assert vtpm.measurement.hex() == image.PARAVISOR


def test_the_agents_register_is_what_the_agent_measures() -> None:
    assert values("tdx").registers[AGENT_REGISTER] == image.agent_register()
    assert values("sev-snp-vtpm").registers[AGENT_PCR] == image.agent_register()


def test_rules_accept_the_log_they_are_from_and_another_host() -> None:
    rules = values("sev-snp-vtpm").events
    for log in (image.tpm_log(), image.tpm_log(acpi=b"other tables"), image.tpm_log(keys=b"PK2")):
        judge(pcrs.pcr_events(log), rules)


def test_what_is_not_left_open_is_a_value() -> None:
    closed = values("sev-snp-vtpm", {"open": []})
    assert closed.events == {}
    assert closed.registers[1] == pcrs.replay_pcrs(image.tpm_log())[1]


def test_the_agents_own_events_in_a_log_are_left_aside() -> None:
    longer = image.tpm_log() + tcg.record(15, b"an agent's")
    assert values("sev-snp-vtpm", found={"tpm-log": longer}) == values("sev-snp-vtpm")


@pytest.mark.parametrize("pcr", [8, 12, 13, 14])
def test_refuses_a_log_of_a_machine_that_something_was_added_to(pcr: int) -> None:
    log = image.tpm_log() + tcg.record(pcr, b"init=/bin/sh")
    with pytest.raises(ArtifactError, match=rf"tpm-log: measures into register {pcr}"):
        values("sev-snp-vtpm", found={"tpm-log": log})


@pytest.mark.parametrize(
    ("platform", "changed", "found", "said"),
    [
        ("sev-snp", {"boot": "disk"}, {}, "from a disk nothing measures the image"),
        ("sev-snp", {"log": "ccel"}, {}, "has no event log"),
        ("tdx", {"log": None}, {}, "needs an event log"),
        ("tdx", {}, {"ccel": b"no log"}, "ccel: event log"),
        ("sev-snp-vtpm", {}, {"tpm-log": image.ccel()[:40]}, "tpm-log: event log"),
        ("tdx", {}, {"uki": b"MZ"}, "uki: "),
        ("tdx", {}, {"disk": bytes(2000)}, "disk: no GPT"),
        ("sev-snp", {}, {"firmware": bytes(4096)}, "firmware: no table of GUIDs"),
    ],
)
def test_refuses_by_name(
    platform: str, changed: Mapping[str, object], found: Mapping[str, bytes], said: str
) -> None:
    with pytest.raises(ArtifactError, match=said):
        values(platform, changed, found)


def test_what_linux_measures_by_itself_is_in_a_log_and_may_be_left_open() -> None:
    log = image.tpm_log() + tcg.record(10, b"boot_aggregate", kind=6) + tcg.record(7, b"x", kind=6)
    plain = values("sev-snp-vtpm", found={"tpm-log": log})
    assert 10 in plain.registers
    left = values("sev-snp-vtpm", {"open": ["boot-aggregate"]}, found={"tpm-log": log})
    assert list(left.events) == [10]
    assert left.registers[7] == plain.registers[7]


def test_a_simulated_machine_under_a_tpm_has_the_registers_of_a_boot() -> None:
    machine = dict(image.MACHINES["sev-snp-vtpm"])
    assert values("simulated-vtpm", machine) == values("sev-snp-vtpm")


def test_what_is_not_measured_is_not_held(tmp_path: Path) -> None:
    folder = image.write(tmp_path, image.contents() | {"sbom": bytes(9000)})
    found = files.read_file(folder, files.read_image(folder), "sbom")
    assert (found.wrong, found.size, found.artifact.data) == ("", 9000, b"")


def test_a_file_that_is_too_large_to_be_measured_is_refused(tmp_path: Path) -> None:
    folder = image.write(tmp_path, image.contents() | {"ccel": bytes((1 << 20) + 1)})
    with pytest.raises(ArtifactError, match=r"ccel: .* at most"):
        files.read_file(folder, files.read_image(folder), "ccel")


def test_a_run_of_open_events_is_one_rule() -> None:
    events = [Event(register=1, digest=bytes([n]) * 48, data=b"", type=t)
              for n, t in enumerate((4, 10, 10, 4, 10))]  # fmt: skip
    seen = observe(
        events, {1: b"x"}, known=frozenset(), open_to_host=frozenset({HostEvents.HOST_TABLES})
    )
    assert seen.registers == {}
    assert [(rule.type, len(rule.digests), rule.least, rule.most) for rule in seen.events[1]] == [
        (4, 1, 1, 1), (10, 0, 0, MOST), (4, 1, 1, 1), (10, 0, 0, MOST),
    ]  # fmt: skip


def described(**changed: object) -> bytes:
    return json.dumps({**image.described(image.contents()), **changed}).encode()


def with_artifact(**changed: object) -> bytes:
    whole = image.described(image.contents())
    artifacts = dict(whole["artifacts"])  # type: ignore[call-overload]
    return described(artifacts={**artifacts, "uki": {**artifacts["uki"], **changed}})


def with_machine(platform: str, **changed: object) -> bytes:
    machine = {**image.MACHINES.get(platform, {}), **changed}
    return described(machines={platform: {k: v for k, v in machine.items() if v is not None}})


@pytest.mark.parametrize(
    "data",
    [
        described(version=2),
        described(more=1),
        described(artifacts={}),
        described(artifacts={"UKI": {}}),
        with_artifact(file="../uki"),
        with_artifact(file="/etc/passwd"),
        with_artifact(file="a/b/c/d/e"),
        with_artifact(file="a//b"),
        with_artifact(file=".hidden"),
        with_artifact(size=-1),
        with_artifact(size=(1 << 40) + 1),
        with_artifact(sha256="00"),
        with_artifact(more=1),
        with_machine("simulated"),
        with_machine("tdx", boot="network"),
        with_machine("tdx", order="random"),
        with_machine("tdx", firmware="none"),
        with_machine("tdx", log="none"),
        with_machine("tdx", open=["secure-boot"]),
        with_machine("tdx", open=["memory-map", "memory-map"]),
        with_machine("tdx", cpus=1),
        with_machine("tdx", measurement="00" * 48),
        with_machine("sev-snp", cpus=0),
        with_machine("sev-snp", cpus=513),
        with_machine("sev-snp", cpu="host"),
        with_machine("sev-snp", features=2),
        with_machine("sev-snp", monitor="xen"),
        with_machine("sev-snp-vtpm", measurement="00"),
        with_machine("sev-snp-vtpm", firmware="firmware"),
        with_machine("sev-snp-vtpm", firmware="firmware", measurement=None),
        with_machine("tdx", firmware=None, measurement="00" * 48),
        described(machines={}, artifacts={}),
        b"[]",
        b"{}",
        b" " * (1 << 20) + b"{}",
    ],
)
def test_refuses_another_image_json(data: bytes) -> None:
    with pytest.raises(ArtifactError):
        ImageFolder.parse(data)


@given(st.binary(max_size=300))
def test_any_bytes_give_an_image_json_or_this_error(data: bytes) -> None:
    with pytest.raises(ArtifactError):
        ImageFolder.parse(data)


def test_reads_a_folder_and_says_what_is_wrong(tmp_path: Path) -> None:
    folder = image.write(tmp_path, image.contents())
    described = files.read_image(folder)
    found = files.read_file(folder, described, "uki")
    assert (found.wrong, found.artifact.data) == ("", image.contents()["uki"])
    (folder / "node.efi").write_bytes(image.contents()["uki"] + b"x")
    assert "bytes expected" in files.read_file(folder, described, "uki").wrong
    (folder / "node.efi").write_bytes(b"X" + image.contents()["uki"][1:])
    assert files.read_file(folder, described, "uki").wrong.startswith("SHA-256 ")


def test_of_a_disk_only_the_beginning_is_held(tmp_path: Path) -> None:
    folder = image.write(tmp_path, image.contents())
    found = files.read_file(folder, files.read_image(folder), "disk")
    assert found.wrong == ""
    assert len(found.artifact.data) < len(image.contents()["disk"])


def test_refuses_a_file_that_is_none(tmp_path: Path) -> None:
    folder = image.write(tmp_path, image.contents())
    described = files.read_image(folder)
    (folder / "OVMF.fd").unlink()
    (folder / "OVMF.fd").mkdir()
    with pytest.raises(ArtifactError, match=r"is no file|Is a directory"):
        files.read_file(folder, described, "firmware")


@pytest.mark.parametrize("place", ["root", "tree", "superblock"])
def test_a_disk_has_the_root_file_system_of_its_hash(place: str, tmp_path: Path) -> None:
    root, whole = disk.rooted(image.ROOT)
    table = PartitionTable.parse(Artifact(name="disk", data=whole))
    folder = image.write(tmp_path, image.contents())
    said = files.read_image(folder).artifacts["disk"]
    files.check_root(folder, said, table, root)
    at = {"root": table.partitions[1].offset, "tree": table.partitions[2].offset + 600,
          "superblock": table.partitions[2].offset}[place]  # fmt: skip
    changed = bytearray(whole)
    changed[at] ^= 1
    (folder / said.file).write_bytes(changed)
    with pytest.raises(ArtifactError, match=r"root hash|hash tree|verity superblock"):
        files.check_root(folder, said, table, root)
    (folder / said.file).write_bytes(whole[: table.partitions[1].offset + 700])
    with pytest.raises(ArtifactError):
        files.check_root(folder, said, table, root)


def test_a_root_file_system_with_a_tree_of_its_own_is_refused(tmp_path: Path) -> None:
    """Data and tree agree, and the partitions carry the identities of the honest root hash."""
    root, _ = disk.rooted(image.ROOT)
    other = image.ROOT[::-1]
    _, tree = disk.verity(other)
    halves = [uuid.UUID(bytes=half) for half in (root[:16], root[16:])]
    whole = disk.disk([(disk.ROOT, halves[0], other), (disk.ROOT_VERITY, halves[1], tree)])
    folder = image.write(tmp_path, {**image.contents(), "disk": whole})
    table = PartitionTable.parse(Artifact(name="disk", data=whole))
    with pytest.raises(ArtifactError, match=f"root hash {root.hex()} expected"):
        files.check_root(folder, files.read_image(folder).artifacts["disk"], table, root)
