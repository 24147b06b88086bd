"""Models beside an image, by their files or a manifest, against the release. docs/audit.md."""

import re
from pathlib import Path

from attestation.errors import ArtifactError
from attestation.measure.model import MAX_MANIFEST, ModelManifest, read_model
from openpcc.audit.release_tests import RELEASE
from openpcc.audit.report import Finding
from transparency_log.entry import Release

NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]*")
"""How a model is named that may stand beside an image."""

MODELS = "models"
"""Folder with a folder for each model, or a manifest `NAME.json`."""


def models_finding(folder: Path, release: Release) -> Finding:
    """Judge the models that stand beside an image; that none does is no fault."""
    judged, wrong = [], []
    for model in release.models:
        if not NAME.fullmatch(model.name):
            continue  # it names no folder here, so none can be meant
        place = folder / MODELS / model.name
        try:
            found = _read(place)
        except ArtifactError as error:
            wrong.append(f"{model.name}: {error}")
            continue
        if found is None:
            continue
        judged.append(model.name)
        if found.digest != model.digest:
            wrong.append(f"{model.name}: {model.digest.hex()} expected, {found.digest.hex()} found"
                         f"{_named(place, found)}")  # fmt: skip
    if not judged and not wrong:
        why = "no model is beside the image"
        return RELEASE.skipped("release.models", why, required=False)
    return RELEASE.judged("release.models", wrong, actual=", ".join(judged))


def _read(place: Path) -> ModelManifest | None:
    """Read a model's folder, else its manifest; None: neither is there."""
    if place.is_dir():
        return read_model(place)
    return _manifest(place)


def _manifest(place: Path) -> ModelManifest | None:
    path = place.with_name(f"{place.name}.json")
    if not path.is_file():
        return None
    try:
        with path.open("rb") as file:
            return ModelManifest.parse(file.read(MAX_MANIFEST + 1))
    except OSError as error:
        raise ArtifactError(f"{path}: {error.strerror}") from error


def _named(place: Path, found: ModelManifest) -> str:
    """Name the files that differ from a manifest beside the folder, if there is one."""
    try:
        told = _manifest(place) if place.is_dir() else None
    except ArtifactError:
        told = None
    differing = () if told is None else told.differences(found)
    return f"; other than in the manifest: {', '.join(differing[:8])}" if differing else ""
