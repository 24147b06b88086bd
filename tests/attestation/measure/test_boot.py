"""What a boot measures: real boots, systemd's own tool, and what changes which register."""

import hashlib
import json
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest

from attestation.errors import ArtifactError
from attestation.measure import gpt, tdx, tpm
from attestation.measure.artifact import Artifact
from attestation.measure.boot import BootEvent, BootWay, boot_events
from attestation.measure.uki import MEASURED, Uki
from attestation.tcg_log import Bank, TcgLog, replay
from tests.fakes import uki
from tests.tools import requires

KNOWN = Path(__file__).parent / "known"
BOOTS = json.loads((KNOWN / "boots.json").read_bytes())
SYSTEMD_MEASURE = "/usr/lib/systemd/systemd-measure"


@dataclass(frozen=True, kw_only=True)
class Boot:
    """A real boot: its log, its PCRs, and what we would have said."""

    log: TcgLog
    pcrs: Mapping[int, str]
    expected: tuple[tuple[int, str], ...]


def boot(case: dict[str, object]) -> Boot:
    """Large parts of what was booted are known by digests: these stand in."""
    name, way = str(case["name"]), BootWay(str(case["way"]))
    sections = {key: text.encode() for key, text in dict(case["sections"]).items()}  # type: ignore[call-overload]
    image = parse(
        uki.uki({**sections, ".uname": sections.get(".uname", b"")}, version=str(case["stub"]))
    )
    if ".uname" not in sections:
        kept = {key: data for key, data in image.sections.items() if key != ".uname"}
        image = Uki(image=image.image, stub=image.stub, sections=kept)
    table = None
    if case["disk"] is not None:
        start = bytes.fromhex(str(case["disk"])).ljust(gpt.MAX_TABLE, b"\0")
        table = gpt.PartitionTable.parse(Artifact(name="disk", data=start)).measured
    large: Mapping[str, str] = dict(case["digests"])  # type: ignore[call-overload]
    return Boot(
        log=TcgLog.parse((KNOWN / f"boot-{name}.bin").read_bytes()),
        pcrs={int(key): value for key, value in dict(case["pcrs"]).items()},  # type: ignore[call-overload]
        expected=tuple(
            (event.pcr, large.get(event.what) or event.digest(Bank.SHA384).hex())
            for event in boot_events(image, way, table)
        ),
    )


def parse(data: bytes) -> Uki:
    return Uki.parse(Artifact(name="node.efi", data=data))


def pcrs(
    data: bytes, way: BootWay = BootWay.DIRECT, table: bytes | None = None
) -> Mapping[int, bytes]:
    return tpm.pcrs(boot_events(parse(data), way, table))


@pytest.mark.parametrize("case", BOOTS, ids=lambda case: case["name"])
def test_a_real_boot_measured_what_is_expected_in_that_order(case: dict[str, object]) -> None:
    found = boot(case)
    logged = [
        (event.register, event.digests[Bank.SHA384].hex())
        for event in found.log.events
        if event.extends
    ]
    ours = {digest for _, digest in found.expected}
    begins = next(index for index, one in enumerate(logged) if one[0] == 4)
    later = [one for one in logged[begins:] if one[0] not in (1, 7) or one[1] in ours]
    assert tuple(one for one in later if one in found.expected) == found.expected
    assert [one for one in later if one not in found.expected] == []


@pytest.mark.parametrize("case", BOOTS, ids=lambda case: case["name"])
def test_a_real_tpm_held_what_is_expected(case: dict[str, object]) -> None:
    found = boot(case)
    for pcr in tpm.KNOWN:
        register = bytes(48)
        for where, digest in found.expected:
            if where == pcr:
                register = Bank.SHA384.extend(register, bytes.fromhex(digest))
        assert register.hex() == found.pcrs[pcr]
    assert {pcr for pcr in (8, 12, 13, 14, 15) if int(found.pcrs[pcr], 16)} == set()


@pytest.mark.parametrize("case", BOOTS, ids=lambda case: case["name"])
def test_a_real_log_leads_to_what_the_tpm_held_but_for_ima(case: dict[str, object]) -> None:
    found = boot(case)
    replayed = replay(found.log, Bank.SHA384)
    unexplained = {
        pcr for pcr, held in found.pcrs.items() if replayed.get(pcr, bytes(48)).hex() != held
    }
    assert unexplained == {10}


@pytest.mark.parametrize("name", ["sha256", "sha384"])
def test_agrees_with_systemd_measure(name: str, tmp_path: Path) -> None:
    requires(SYSTEMD_MEASURE)
    image = parse(uki.uki(version="252.39-1~deb12u2"))
    command: list[str] = [SYSTEMD_MEASURE, "calculate", "--phase=:", f"--bank={name}"]
    for section, data in image.measured:
        (tmp_path / section).write_bytes(data)
        command.append(f"--{section[1:]}={tmp_path / section}")
    told = subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()
    found = tpm.pcrs(boot_events(image, BootWay.DIRECT, None), Bank[name.upper()])[11]
    assert told == f"11:{name}={found.hex()}"


@pytest.mark.parametrize(
    ("section", "changes"),
    [
        (".linux", {4, 11}),
        (".osrel", {4, 9, 11}),
        (".cmdline", {4, 9, 11}),
        (".initrd", {4, 9, 11}),
        (".uname", {4, 11}),
        (".sbat", {4, 11}),
    ],
)
def test_one_changed_byte_changes_these_registers(section: str, changes: set[int]) -> None:
    before = parse(uki.uki()).sections[section]
    after = uki.kernel(b"A kernel") if section == ".linux" else before[:-1] + b"~"
    plain, changed = pcrs(uki.uki()), pcrs(uki.uki({section: after}))
    assert {pcr for pcr in plain if plain[pcr] != changed[pcr]} == changes


def test_a_changed_stub_changes_register_4() -> None:
    changed = uki.uki().replace(b"\xc3" + bytes(63), b"\xcc" + bytes(63), 1)
    plain, found = pcrs(uki.uki()), pcrs(changed)
    assert {pcr for pcr in plain if plain[pcr] != found[pcr]} == {4}


def test_a_changed_partition_table_changes_register_5() -> None:
    first, second = (pcrs(uki.uki(), BootWay.DISK, table) for table in (b"one", b"two"))
    assert {pcr for pcr in first if first[pcr] != second[pcr]} == {5}


def test_the_way_of_booting_changes_registers_4_and_5() -> None:
    disk, direct = pcrs(uki.uki(), BootWay.DISK, b"table"), pcrs(uki.uki())
    assert {pcr for pcr in disk if disk[pcr] != direct[pcr]} == {4, 5}


def test_sections_are_measured_in_systemds_order_and_not_in_the_files() -> None:
    turned = dict(reversed(uki.DEMO.items())) | {".linux": uki.kernel()}
    data = uki.with_sections(uki.stub(), turned)
    assert pcrs(data)[11] == pcrs(uki.uki())[11]
    assert [name for name, _ in parse(data).measured] == [n for n in MEASURED if n in uki.DEMO]


def test_rtmr2_is_registers_11_and_9_in_time() -> None:
    events = boot_events(parse(uki.uki()), BootWay.DIRECT, None)
    register = bytes(48)
    for event in sorted(
        (one for one in events if one.pcr in (9, 11)), key=lambda one: one.pcr != 11
    ):
        register = Bank.SHA384.extend(register, event.digest(Bank.SHA384))
    assert tdx.registers(events)[2] == register


@pytest.mark.parametrize(("way", "table"), [(BootWay.DISK, None), (BootWay.DIRECT, b"table")])
def test_refuses_a_way_that_does_not_fit(way: BootWay, table: bytes | None) -> None:
    with pytest.raises(ArtifactError, match="do not fit"):
        boot_events(parse(uki.uki()), way, table)


def test_an_image_is_hashed_as_an_image_and_bytes_as_bytes() -> None:
    assert BootEvent(pcr=1, what="x", content=b"abc").digest(Bank.SHA256) == (
        hashlib.sha256(b"abc").digest()
    )
