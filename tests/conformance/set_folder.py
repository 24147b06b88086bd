"""A set folder: which files are named and which are there, the same for both runners."""

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path, PurePosixPath

from tests.conformance.report import Case, Outcome


def failed(
    folder: Path, name: str, reason: str, *, found: Mapping[str, object] | None = None
) -> Case:
    """Make a failing case of a set; `found` as in `Case`."""
    return Case(set_name=folder.name, name=name, outcome=Outcome.FAILED, reason=reason, found=found)


def unnamed(folder: Path, named: Iterable[str]) -> Iterator[str]:
    """Give the files that nothing names, sorted; a folder with its own index is its own set."""
    for path in sorted(set(_present(folder, folder)).difference(named)):
        if PurePosixPath(path).stem != "README":
            yield path


def missing(folder: Path, named: Iterable[str]) -> Iterator[str]:
    """Give the files that are named and not there, sorted."""
    return (path for path in sorted(set(named)) if not inside(folder, path))


def normal(path: str) -> str:
    """Resolve `a/../b` in the text alone, so that one file has one name."""
    parts: list[str] = []
    for part in PurePosixPath(path).parts:
        if part == ".." and parts and parts[-1] != "..":
            parts.pop()
        else:
            parts.append(part)
    return "/".join(parts)


def inside(folder: Path, path: str) -> bool:
    """Say whether a file of the set has this path; paths out of the set are not its files."""
    target = (folder / path).resolve()
    return target.is_relative_to(folder.resolve()) and target.is_file()


def describe(error: BaseException) -> str:
    """Name an exception and what it says."""
    return f"{type(error).__name__}: {error}"


def _present(folder: Path, below: Path) -> Iterator[str]:
    for path in below.iterdir():
        if path.is_dir() and not path.is_symlink():
            if not (path / "INDEX.json").is_file():
                yield from _present(folder, path)
        else:
            yield path.relative_to(folder).as_posix()
