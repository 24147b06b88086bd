"""node_image/agent/gpu_nodes.py"""

import os
import stat
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from node_image.agent.errors import ConfigurationError
from node_image.agent.gpu_nodes import Node, make, nodes

NUMBERS = """Character devices:
  1 mem
195 nvidia
195 nvidia-modeset
195 nvidiactl
236 nvidia-caps
511 nvidia-uvm

Block devices:
254 virtblk
"""


def information(minor: object) -> str:
    return f"Model: \t\t NVIDIA H100 80GB HBM3\nDevice Minor: \t {minor}\nGPU Excluded:\t No\n"


def test_makes_the_driver_its_gpus_and_shared_memory_and_no_more():
    made = nodes(NUMBERS, [information(1), information(0)])
    assert [(str(one.path), one.major, one.minor) for one in made] == [
        ("/dev/nvidiactl", 195, 255),
        ("/dev/nvidia0", 195, 0),
        ("/dev/nvidia1", 195, 1),
        ("/dev/nvidia-uvm", 511, 0),
    ]


def test_knows_the_name_of_older_drivers():
    older = NUMBERS.replace("195 nvidia\n", "195 nvidia-frontend\n")
    assert nodes(older, [information(0)])[0].major == 195


@pytest.mark.parametrize(
    ("numbers", "gpus", "says"),
    [
        (NUMBERS.replace("195 nvidia\n", ""), [information(0)], "no driver nvidia "),
        (NUMBERS.replace("511 nvidia-uvm\n", ""), [information(0)], "no driver nvidia-uvm"),
        (NUMBERS.replace("195 nvidia\n", "") + "195 nvidia\n", [information(0)], "no driver"),
        (NUMBERS, [], "found 0"),
        (NUMBERS, [information(0), information(0)], "found 2"),
        (NUMBERS, [information(one) for one in range(17)], "found 17"),
        (NUMBERS, [information(255)], "does not number"),
        (NUMBERS, [information("-1")], "does not number"),
        (NUMBERS, ["Model: x\n"], "does not number"),
    ],
)
def test_a_machine_without_its_gpus_stops_the_boot_and_says_why(numbers, gpus, says):
    with pytest.raises(ConfigurationError, match=says):
        nodes(numbers, gpus)


@given(st.text(max_size=80), st.lists(st.text(max_size=40), max_size=3))
def test_any_text_gives_nodes_or_a_configuration_error(numbers: str, gpus: list[str]):
    try:
        made = nodes(numbers, gpus)
    except ConfigurationError:
        return
    assert made


def test_they_are_roots_alone(tmp_path: Path):
    if os.geteuid() != 0:
        pytest.skip("devices are made by root")
    node = Node(path=tmp_path / "nvidiactl", major=1, minor=3)
    make([node])
    found = node.path.stat()
    assert stat.S_ISCHR(found.st_mode)
    assert stat.S_IMODE(found.st_mode) == 0o600
    assert found.st_rdev == os.makedev(1, 3)
    with pytest.raises(ConfigurationError, match="File exists"):
        make([node])
