"""Where the tools of `.venv-deploy` are; `make deploy-test` makes it from requirements/deploy.txt.

They run as programs in an environment of their own: their dependencies are not ours.
"""

from pathlib import Path

FOLDER = Path(__file__).resolve().parents[2] / ".venv-deploy" / "bin"


def tool(name: str) -> Path:
    """Give the path of a program.

    Raises:
        FileNotFoundError: the environment was not made, or is of an older list.
    """
    path = FOLDER / name
    if not path.exists():
        raise FileNotFoundError(f"{name} is not in .venv-deploy; run: make deploy-test")
    return path


def python() -> Path:
    """Give the interpreter of that environment."""
    return tool("python")
