import base64
import hashlib
from importlib import metadata
from pathlib import Path

import pytest

from openpcc.cli import installation
from openpcc.cli.installation import Outcome, examine, extras

METADATA = "Metadata-Version: 2.4\nName: openpcc\nVersion: 0.1.0\n"


def distribution(folder: Path, record: str, origin: str = "") -> metadata.Distribution:
    info = folder / "openpcc-0.1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(METADATA)
    (info / "RECORD").write_text(record)
    if origin:
        (info / "direct_url.json").write_text(origin)
    return metadata.PathDistribution(info)


def row(name: str, content: bytes) -> str:
    digest = base64.urlsafe_b64encode(hashlib.sha256(content).digest()).rstrip(b"=").decode()
    return f"{name},sha256={digest},{len(content)}\n"


@pytest.fixture
def installed(tmp_path):
    """A folder with two files and the RECORD that names them."""
    (tmp_path / "openpcc").mkdir()
    record = ""
    for name in ("openpcc/one.py", "openpcc/two.py"):
        (tmp_path / name).write_bytes(name.encode())
        record += row(name, name.encode())
    return distribution(tmp_path, record + "openpcc-0.1.0.dist-info/RECORD,,\n"), tmp_path


def test_this_installation_is_sound():
    findings = list(examine())
    assert [f for f in findings if f.outcome == Outcome.FAIL] == []
    assert {"1.x-wing", "1.ed25519", "1.aes-gcm"} <= {
        f.id for f in findings if f.outcome == Outcome.PASS
    }


def test_files_of_the_wheel_pass(installed):
    found = installation.examine_files(installed[0])
    assert (found.outcome, found.detail) == (Outcome.PASS, "2 files")


def test_a_changed_file_is_named(installed):
    (installed[1] / "openpcc/two.py").write_bytes(b"changed")
    found = installation.examine_files(installed[0])
    assert found.outcome == Outcome.FAIL
    assert found.detail.startswith("openpcc/two.py was changed")
    assert found.exit_code == 1


def test_a_missing_file_is_named(installed):
    (installed[1] / "openpcc/one.py").unlink()
    found = installation.examine_files(installed[0])
    assert found.detail.startswith("openpcc/one.py is missing")


def test_a_record_that_names_nothing_proves_nothing(tmp_path):
    assert installation.examine_files(distribution(tmp_path, "")).outcome == Outcome.FAIL


@pytest.mark.parametrize(
    ("row", "said"),
    [
        ("openpcc/three.py\n", "path,digest,size"),
        ("openpcc/three.py,md5=abc,3\n", "SHA-256"),
        ('"openpcc/three.py,,\n', "RECORD"),
        ("openpcc/three.py,,\n", "without a digest"),
        ("openpcc/one.py,,\n", "again"),
    ],
)
def test_a_record_that_leaves_a_file_unjudged_fails(installed, row, said):
    place = installed[1] / "openpcc-0.1.0.dist-info" / "RECORD"
    place.write_text(place.read_text() + row)
    found = installation.examine_files(installed[0])
    assert found.outcome == Outcome.FAIL
    assert said in found.detail


def test_an_editable_install_says_that_nothing_was_checked(tmp_path):
    origin = '{"url": "file:///somewhere/openpcc", "dir_info": {"editable": true}}'
    found = installation.examine_files(distribution(tmp_path, "", origin))
    assert found.outcome == Outcome.INFO
    assert "not checked" in found.detail


def test_another_distribution_in_our_packages_is_named(tmp_path):
    info = tmp_path / "cuckoo-1.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.4\nName: cuckoo\nVersion: 1\n")
    (info / "RECORD").write_text("gateway/app.py,,\n")
    found = installation.examine_owners([metadata.PathDistribution(info)])
    assert found.outcome == Outcome.FAIL
    assert found.detail.startswith("cuckoo brings gateway/app.py")


def test_a_library_that_is_too_old_is_named():
    found = installation.examine_version("1.python", "recent", (3, 10, 9), (3, 11))
    assert (found.outcome, found.detail) == (
        Outcome.FAIL,
        "found 3.10.9; install 3.11 or newer",
    )


def test_reads_what_each_extra_needs():
    found = extras(["httpx<1", "rich<16,>=15; extra == 'cli'", 'A.b_c; extra == "x"'])
    assert found == {"cli": {"rich"}, "x": {"a-b-c"}}
