"""The rendered chart, as objects: what each set of values becomes."""

import functools
import json
import subprocess
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from tests.deploy import tools
from tests.deploy.helm.values import MATRIX, Values

CHART = Path(__file__).resolve().parents[3] / "deploy" / "helm" / "openpcc"
ENGINE = Path(__file__).with_name("engine.py")

Object = dict[str, Any]


def engine(task: str, what: str | Path, given: object) -> Any:
    """Ask `engine.py`."""
    done = subprocess.run(
        [tools.python(), ENGINE, task, what], input=json.dumps(given), capture_output=True,
        text=True, timeout=120, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-2000:]
    return json.loads(done.stdout)


def render(values: Values, **more: object) -> list[Object]:
    """Give the objects of one set of values; `more` is name, namespace, upgrade, a first file."""
    answered = answer(values, **more)
    assert "error" not in answered, answered["error"]
    found: list[Object] = answered["objects"]
    return found


def refusal(values: Values) -> str:
    """Give the words with which values are refused."""
    found = answer(values)
    assert "error" in found, "it was rendered"
    return str(found["error"])


def answer(values: Values, **more: object) -> dict[str, Any]:
    """Give what the engine says to one set of values."""
    (found,) = engine("render", CHART, [{"values": values, **more}])
    assert isinstance(found, dict)
    return found


@functools.cache
def matrix() -> dict[str, list[Object]]:
    """Give the objects of every set of values."""
    answers = engine("render", CHART, [{"values": values} for values in MATRIX.values()])
    wrong = {n: a["error"] for n, a in zip(MATRIX, answers, strict=True) if "error" in a}
    assert not wrong, wrong
    return {name: a["objects"] for name, a in zip(MATRIX, answers, strict=True)}


def of_kind(found: Sequence[Object], *kinds: str) -> list[Object]:
    """Give the objects of some kinds."""
    return [one for one in found if one["kind"] in kinds]


def pods(found: Sequence[Object]) -> Iterator[tuple[Object, Object]]:
    """Give every object that makes pods, and the pod it makes."""
    for one in found:
        match one["kind"]:
            case "Pod":
                yield one, one
            case "Deployment" | "StatefulSet":
                yield one, one["spec"]["template"]
            case "CronJob":
                yield one, one["spec"]["jobTemplate"]["spec"]["template"]
            case _:
                pass


def containers(pod: Object) -> list[Object]:
    """Give the containers of a pod, those that come first included."""
    return [*pod["spec"]["initContainers"], *pod["spec"]["containers"]]


def selects(selector: Object, pod: Object) -> bool:
    """Say whether labels that are asked for are those of a pod."""
    labels: Object = pod["metadata"]["labels"]
    return selector.items() <= labels.items()
