"""Helm's own engine and Kubernetes' own schemas, in `.venv-deploy`: JSON in, JSON out.

    engine.py render CHART    [{"values": …}, …]    [{"objects": […], "notes": …} | {"error": …}, …]
    engine.py lint CHART      [{"values": …}, …]    [[text, …], …]
    engine.py check VERSION   [object, …]           [text | null, …]
    engine.py read FILE       null                  what stands in a YAML file

`check` says what is wrong with each object, unknown members included; null is nothing.
"""

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

NAME, NAMESPACE = "openpcc", "inference"
NOTES = "openpcc/templates/NOTES.txt"


def main() -> None:
    task, what = sys.argv[1:]
    given = json.load(sys.stdin)
    tasks: dict[str, Callable[[str, Any], object]]
    tasks = {"render": render, "lint": lint, "check": check, "read": lambda path, _: read(path)}
    json.dump(tasks[task](what, given), sys.stdout)


def render(chart_path: str, requests: list[dict[str, Any]]) -> list[dict[str, Any]]:
    import helm_python  # type: ignore[import-not-found]  # it is in .venv-deploy

    answers: list[dict[str, Any]] = []
    with helm_python.Chart.load(chart_path) as chart:
        for one in requests:
            upgrade = bool(one.get("upgrade"))
            values = merged(read(one["file"]), one["values"]) if "file" in one else one["values"]
            try:
                files = chart.render(
                    values, name=one.get("name", NAME),
                    namespace=one.get("namespace", NAMESPACE),
                    is_install=not upgrade, is_upgrade=upgrade,
                )  # fmt: skip
            except helm_python.HelmError as error:
                answers.append({"error": str(error)})
            else:
                answers.append({"objects": objects(files), "notes": files.get(NOTES, "")})
    return answers


def read(path: str) -> dict[str, Any]:
    """Read a file of values."""
    import yaml  # type: ignore[import-untyped]

    found: dict[str, Any] = yaml.safe_load(Path(path).read_text())
    return found


def merged(first: dict[str, Any], second: dict[str, Any]) -> dict[str, Any]:
    """Merge values as Helm does those of a file and of `--set`."""
    both = first.keys() & second.keys()
    maps = {key for key in both if isinstance(first[key], dict) and isinstance(second[key], dict)}
    return {**first, **second, **{key: merged(first[key], second[key]) for key in maps}}


def objects(files: dict[str, str]) -> list[dict[str, Any]]:
    """Read what templates gave."""
    import yaml

    texts = [text for name, text in sorted(files.items()) if name != NOTES]
    return [one for text in texts for one in yaml.safe_load_all(text) if one]


def lint(chart_path: str, requests: list[dict[str, Any]]) -> list[list[str]]:
    import helm_python

    reports = [helm_python.lint(chart_path, one["values"], strict=True) for one in requests]
    return [
        [*report["errors"], *(m["error"] for m in report["messages"] if m["severity"] > 1)]
        for report in reports
    ]


def check(version: str, objects: list[dict[str, Any]]) -> list[str | None]:
    import kubernetes_validate  # type: ignore[import-not-found]

    found: list[str | None] = []
    for one in objects:
        try:
            kubernetes_validate.validate(one, version, strict=True)
        except (kubernetes_validate.ValidationError, kubernetes_validate.SchemaNotFoundError) as e:
            found.append(f"{one['kind']} {one['metadata']['name']}: {e}")
        else:
            found.append(None)
    return found


if __name__ == "__main__":
    main()
