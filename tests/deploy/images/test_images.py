"""The two images, built for real on a local base, and what is in them.

Each is looked at as a file (`podman save`: every layer, so that nothing hides below another) and as
a container under the restrictions of deploy/compose and the chart.
"""

import json
import re
import tarfile
from typing import IO

import pytest

from tests.deploy import containers
from tests.deploy.containers import NODE, SERVER

pytestmark = [pytest.mark.deploy, pytest.mark.timeout(600)]

CONFINED = (
    "--rm", "--read-only", "--network", "none", "--cap-drop", "ALL",
    "--security-opt", "no-new-privileges:true", "--pids-limit", "64", "--memory", "512m",
)  # fmt: skip

INSTALLERS = re.compile(
    r"(^|/)(pip[0-9.]*|ensurepip|setuptools|pkg_resources|uv|conda)$"
    r"|(^|/)(pip|setuptools|wheel)-[^/]*\.(dist-info|whl)$"
)
BUILDERS = re.compile(
    r"(^|/)(gcc|g\+\+|cc|c\+\+|clang|tcc|ld|as|make|cmake|rustc|cargo|go|[^/]*-gcc(-[0-9]+)?)$"
)
PRIVATE = re.compile(r"\.(key|p12|pfx)$|(^|/)(\.git|\.env|\.netrc|id_[a-z0-9]+|pip\.conf)$")
TESTS = re.compile(
    r"site-packages/(tests|bench)(/|$)"
    r"|site-packages/(attestation|gateway|node_image|openpcc|transparency_log)/(.*/)?test_[^/]*$"
)

MOST = {SERVER: 300, NODE: 400}
"""Megabytes; what was built on 2026-11-21 had 265 and 340."""


@pytest.fixture(scope="module", params=[SERVER, NODE], ids=["server", "node"])
def image(request: pytest.FixtureRequest) -> str:
    name: str = request.param
    containers.built("server" if name == SERVER else "node")
    return name


@pytest.fixture(scope="module")
def layers(image: str, tmp_path_factory: pytest.TempPathFactory) -> list[list[tarfile.TarInfo]]:
    """List the files of each layer."""
    saved = tmp_path_factory.mktemp("image") / "image.tar"
    containers.run("save", "--format", "docker-archive", "-o", saved, image)
    with tarfile.open(saved) as archive:
        (manifest,) = json.load(content(archive, "manifest.json"))
        found = [files_of(content(archive, name)) for name in manifest["Layers"]]
    saved.unlink()
    return found


def content(archive: tarfile.TarFile, name: str) -> IO[bytes]:
    file = archive.extractfile(name)
    assert file is not None
    return file


def files_of(layer: IO[bytes]) -> list[tarfile.TarInfo]:
    with tarfile.open(fileobj=layer) as archive:
        return archive.getmembers()


def inside(image: str, *command: str, check: bool = True) -> str:
    return containers.run("run", *CONFINED, image, *command, check=check)


def test_what_was_taken_away_is_in_no_layer(layers: list[list[tarfile.TarInfo]]):
    assert len(layers) == 1


def test_nothing_in_it_builds_installs_or_changes_user(layers: list[list[tarfile.TarInfo]]):
    files = [one for one in layers[0] if not one.isdir()]
    assert len(files) > 3000
    assert [one.name for one in files if BUILDERS.search(one.name)] == []
    assert [one.name for one in layers[0] if INSTALLERS.search(one.name)] == []
    assert [one.name for one in files if one.mode & 0o6000] == []


def test_nothing_private_and_no_test_is_in_it(layers: list[list[tarfile.TarInfo]]):
    names = [one.name for one in layers[0]]
    assert [name for name in names if PRIVATE.search(name) or TESTS.search(name)] == []
    assert [name for name in names if name.startswith(("src/", "build/", "dist/", "tmp/"))] == []


def test_the_build_leaves_no_trace_of_where_packages_came_from(image: str):
    told = containers.run("inspect", image) + containers.run("history", "--no-trunc", image)
    assert "PIP_" not in told
    assert "wheels" not in told


def test_it_names_source_version_and_user(image: str):
    config = json.loads(containers.run("inspect", image))[0]["Config"]
    labels = config["Labels"]
    assert config["User"] == "65532:65532"
    assert labels["org.opencontainers.image.version"] == "0.1.0"
    assert re.fullmatch(r"[0-9a-f]{40}", labels["org.opencontainers.image.revision"])
    assert labels["org.opencontainers.image.base.name"] == containers.BASE
    assert not config.get("ExposedPorts")


def test_its_size_is_bounded(image: str, record_property):
    size = json.loads(containers.run("inspect", image))[0]["Size"] / 1e6
    record_property("megabytes", round(size))
    assert size < MOST[image]


def test_it_runs_as_nobody_on_a_root_that_cannot_be_written(image: str):
    assert inside(image, "id", "-u") == "65532\n"
    for place in ("/x", "/etc/openpcc/x", "/opt/openpcc/x", "/usr/share/openpcc-x"):
        done = inside(image, "sh", "-c", f"touch {place} 2>&1 || echo refused", check=False)
        assert done.endswith("refused\n")
    caps = inside(image, "grep", "-h", "-e", "^Cap", "-e", "^NoNewPrivs", "/proc/self/status")
    assert set(re.findall(r"Cap(?:Prm|Eff|Bnd|Amb):\s*(\w+)", caps)) == {"0000000000000000"}
    assert "NoNewPrivs:\t1" in caps


def test_the_doctor_finds_nothing(image: str):
    found = json.loads(inside(image, "openpcc", "doctor", "--json"))
    outcomes = {check["id"]: check["outcome"] for check in found["checks"]}
    assert outcomes["2.files"] == "PASS"
    assert set(outcomes.values()) <= {"PASS", "INFO"}


SERVERS = ["openpcc", "openpcc-gateway", "openpcc-relay", "openpcc-issuer", "openpcc-log",
           "openpcc-witness"]  # fmt: skip
NODES = ["openpcc", "openpcc-node", "openpcc-embedded-engine"]


def test_its_programs_start(image: str):
    programs = SERVERS if image == SERVER else NODES
    script = " && ".join(f"{name} --help >/dev/null" for name in programs)
    assert inside(image, "sh", "-c", script) == ""


def test_the_node_image_says_what_it_measures_to():
    containers.built("node")
    first, second = (inside(NODE, "openpcc-measure") for _ in range(2))
    assert first == second
    assert "[platforms.simulated]" in first


def test_ready_asks_the_control_address_and_nothing_else():
    containers.built("server")
    serve = "python -m http.server -d /etc/openpcc 9000 >/dev/null 2>&1 & sleep 1; "
    ask = "openpcc-ready 9000 /; echo $?; openpcc-ready 9000; echo $?; openpcc-ready 9; echo $?"
    assert inside(SERVER, "sh", "-c", serve + ask) == "0\n1\n1\n"
