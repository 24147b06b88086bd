#!/opt/openpcc/bin/python
"""Print what a release has to say of this image: `openpcc-measure`, in a container of it.

The values are computed over the installed files, so whoever signs them runs the image first
(`python -m node_image.measure simulated`); engine, arguments and model are those of image.toml.
"""

import re
import sys
import tomllib
from importlib.metadata import version
from pathlib import Path

from node_image.measure.main import main

IMAGE = Path("/usr/share/openpcc/image.toml")


def arguments() -> list[str]:
    """Write the command of `node_image.measure`."""
    image = tomllib.loads(IMAGE.read_text())
    model, engine = image["model"], image["engine"]
    found = version("openpcc") if engine == "embedded" else _vllm(Path("/opt/vllm"))
    return [
        "simulated",
        *("--manifest", f"{engine}={found}"),
        *("--model", f"{model['name']}={model['path']}"),
        *("--", *image.get("engine_arguments", [])),
    ]


def _vllm(environment: Path) -> str:
    """Read vLLM's version where it is installed; it is another environment than ours."""
    names = environment.glob("lib/python3*/site-packages/vllm*.dist-info")
    found = [re.fullmatch(r"vllm(?:_cpu)?-(.+)\.dist-info", path.name) for path in names]
    return next(one[1] for one in found if one)


if __name__ == "__main__":
    sys.exit(main(arguments()))
