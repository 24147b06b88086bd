"""What is measured is the code that runs, the models, and the engine's arguments: nothing else."""

import shutil
from pathlib import Path

import pytest

from attestation.errors import AttesterError
from attestation.simulated import collect
from attestation.simulated.collect import SimulatedAttester, expected_values, measure_software
from attestation.simulated.eventlog import SimulatedEventLog
from tests.fakes.simulated import MACHINE_ID, MODELS, machine

ARGUMENTS = ("--max-model-len", "1024")


@pytest.fixture
def installed(tmp_path: Path, root: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of what is installed, to be altered."""
    for name in ("attestation", "node_image", "transparency_log", "openpcc"):
        ignore = shutil.ignore_patterns("__pycache__", "model", "*.safetensors")
        shutil.copytree(root / name, tmp_path / name, ignore=ignore)
    monkeypatch.setattr(collect, "_package", lambda name: tmp_path / name)
    return tmp_path


@pytest.mark.parametrize(
    "name",
    [
        "attestation/verifier.py",
        "node_image/agent/config.py",
        "openpcc/__init__.py",
        "openpcc/protocol/messages.py",
        "transparency_log/note.py",
    ],
)
def test_altered_code_measures_otherwise(installed: Path, name: str):
    before = measure_software()
    path = installed / name
    path.write_bytes(path.read_bytes() + b"\n")
    assert measure_software() != before


def test_added_removed_and_renamed_code_measures_otherwise(installed: Path):
    seen = {measure_software()}
    extra = installed / "node_image" / "agent" / "extra.py"
    extra.write_bytes(b"")
    seen.add(measure_software())
    extra.rename(extra.with_name("other.py"))
    seen.add(measure_software())
    extra.with_name("other.py").rename(extra.with_suffix(".so"))
    seen.add(measure_software())
    (installed / "attestation" / "errors.py").unlink()
    seen.add(measure_software())
    assert len(seen) == 5


def test_what_no_node_runs_is_not_measured(installed: Path):
    before = measure_software()
    for name in ("node_image/build/x.py", "node_image/embedded/model/x.py", "openpcc/cli/x.py",
                 "attestation/notes.txt", "attestation/__pycache__/x.pyc"):  # fmt: skip
        (installed / name).parent.mkdir(parents=True, exist_ok=True)
        (installed / name).write_bytes(b"x")
    assert measure_software() == before


def test_the_installed_code_is_found_and_measured_the_same_twice():
    names = {name for name, _ in collect._measured_files()}
    assert {"attestation/binding.py", "node_image/__init__.py", "openpcc/__init__.py"} <= names
    assert not [name for name in names if name.startswith("openpcc/cli") or "/train/" in name]


def test_says_that_a_package_is_missing(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(collect, "MEASURED", ("no_such_package_here",))
    with pytest.raises(AttesterError, match="no_such_package_here"):
        measure_software()


def test_a_release_expects_what_a_machine_measures():
    measurement, registers = expected_values(MODELS, ARGUMENTS)
    machine_side = SimulatedAttester(machine())
    log = SimulatedEventLog.parse(machine_side.boot(MODELS, ARGUMENTS))
    assert {index: log.replay()[index] for index in registers} == registers
    assert measurement.hex() in (log.events[0].text or "")
    assert machine_side.machine == MACHINE_ID


def test_models_and_arguments_change_the_registers():
    _, registers = expected_values(MODELS, ARGUMENTS)
    others = [
        expected_values((("demo", bytes(32)),), ARGUMENTS),
        expected_values((("other", MODELS[0][1]),), ARGUMENTS),
        expected_values(MODELS, ("--max-model-len 1024",)),
        expected_values(MODELS, ()),
        expected_values((*MODELS, ("more", bytes(32))), ARGUMENTS),
    ]
    values = {one[1] for _, one in others} | {registers[1]}
    assert len(values) == len(others) + 1


def test_the_order_of_models_does_not_matter():
    two = (*MODELS, ("more", bytes(32)))
    assert expected_values(two, ()) == expected_values(two[::-1], ())


def test_odd_arguments_are_measured_readably():
    log = collect.boot_log(bytes(48), MODELS, ("a\nb", "\u202e", "\ud800", 'say "hi"'))
    assert SimulatedEventLog.parse(log.encode()) == log
