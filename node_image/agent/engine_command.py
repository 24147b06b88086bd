"""How each kind of engine is started: command line and environment (docs/engines.md).

The environment is written from nothing; of the agent's own only PATH is kept. Everything that could
log, report home, fetch or open further routes is off.
"""

import os
import sys
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

from node_image.agent.config import Image

CACHE_GIB = "1"
"""Memory of vLLM's CPU backend for attention caches; GPUs take theirs from the GPU."""

VLLM_FLAGS = (
    "--no-enable-log-requests",
    "--disable-uvicorn-access-log",
    "--disable-fastapi-docs",
)
"""Fixed for every vLLM: nothing that writes requests down, nothing that shows more routes. What
decides about speed and numbers (`--dtype`, `--enforce-eager`) is the release's, in its
arguments."""


@dataclass(frozen=True, kw_only=True)
class EngineCommand:
    """One engine, ready to be started.

    Attributes:
        version: None where only the running engine knows.
        prefix_cache: see `Capabilities`.
    """

    name: str
    arguments: tuple[str, ...]
    environment: dict[str, str]
    prefix_cache: bool
    version: str | None = None


def engine_command(image: Image, *, socket: Path, home: Path) -> EngineCommand:
    """Write the command of the image's engine.

    Args:
        image: names the engine, the model and further arguments.
        socket: where the engine is to listen.
        home: an empty private folder; whatever the engine caches goes there.
    """
    python = str(image.engine_python or sys.executable)
    environment = _environment(home)
    common = (
        "--model",
        str(image.model.path),
        "--served-model-name",
        image.model.name,
        "--uds",
        str(socket),
        *image.engine_arguments,
    )
    if image.engine == "embedded":
        return EngineCommand(
            name="embedded",
            arguments=(python, "-m", "node_image.embedded.main", *common),
            environment=environment,
            prefix_cache=False,
            version=version("openpcc"),
        )
    return EngineCommand(
        name="vllm",
        arguments=(python, "-m", "vllm.entrypoints.openai.api_server", *VLLM_FLAGS, *common),
        environment=environment | _vllm_environment(),
        prefix_cache=True,
    )


def _environment(home: Path) -> dict[str, str]:
    return {
        "PATH": os.environ.get("PATH", os.defpath),
        "HOME": str(home),
        "TMPDIR": str(home),
        "XDG_CACHE_HOME": str(home),
        "LANG": "C.UTF-8",
        "PYTHONDONTWRITEBYTECODE": "1",
        "OMP_NUM_THREADS": "1",
        "OPENBLAS_NUM_THREADS": "1",
    }


def _vllm_environment() -> dict[str, str]:
    return {
        "HF_HUB_OFFLINE": "1",
        "TRANSFORMERS_OFFLINE": "1",
        "VLLM_NO_USAGE_STATS": "1",
        "DO_NOT_TRACK": "1",
        "VLLM_CONFIGURE_LOGGING": "1",
        "VLLM_LOGGING_LEVEL": "WARNING",
        "VLLM_CPU_KVCACHE_SPACE": CACHE_GIB,
        "VLLM_ENABLE_V1_MULTIPROCESSING": "0",
        "VLLM_CPU_OMP_THREADS_BIND": "nobind",
    }
