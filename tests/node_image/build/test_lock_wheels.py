"""node_image/build/gpu/lock_wheels.py: one wheel for each package, as an installer would choose."""

from typing import Any

import pytest

from node_image.build.gpu.lock_wheels import HEAD, chosen, lines, ranks


def package(*names: str) -> dict[str, Any]:
    wheels = [
        {"url": f"https://files.example/{number}/{name}", "hashes": {"sha256": f"{number:064x}"}}
        for number, name in enumerate(names)
    ]
    return {"name": "thing", "version": "1.0", "wheels": wheels}


def name(found: Any) -> str:
    return str(found["url"].rpartition("/")[2])


@pytest.mark.parametrize(
    ("better", "worse"),
    [
        ("thing-1.0-cp313-cp313-manylinux_2_28_x86_64.whl", "thing-1.0-py3-none-any.whl"),
        ("thing-1.0-cp313-cp313-manylinux_2_28_x86_64.whl",
         "thing-1.0-cp313-cp313-manylinux_2_17_x86_64.manylinux2014_x86_64.whl"),
        ("thing-1.0-cp313-cp313-manylinux2014_x86_64.whl",
         "thing-1.0-cp38-abi3-manylinux_2_28_x86_64.whl"),
        ("thing-1.0-py3-none-any.whl", "thing-1.0-cp312-cp312-manylinux_2_28_x86_64.whl"),
        ("thing-1.0-py3-none-any.whl", "thing-1.0-cp313-cp313-manylinux_2_28_aarch64.whl"),
        ("thing-1.0-py3-none-any.whl", "thing-1.0-cp313-cp313-musllinux_1_2_x86_64.whl"),
    ],
)  # fmt: skip
def test_takes_what_fits_best(better: str, worse: str):
    for order in ((better, worse), (worse, better)):
        assert name(chosen(package(*order), ranks())) == better


def test_a_package_without_a_wheel_is_refused_by_name():
    with pytest.raises(ValueError, match="thing: no wheel"):
        chosen(package("thing-1.0-cp313-cp313-win_amd64.whl"), ranks())


def test_the_list_names_no_host():
    text = "\n".join(lines({"packages": [package("thing-1.0-py3-none-any.whl")]}))
    assert text == f"{HEAD}\nthing==1.0 \\\n    --hash=sha256:{0:064x}"
