"""`audit release`: an image folder, computed again, and held against what was logged.

    1. the release itself      step 7 of the trust decision: signed, logged, witnessed
    2. the files               those of image.json, the image of the release, its root file system
    3. each platform           measurement, registers and rules, computed from the files

Nothing of the folder is believed but what its files come to. Who publishes an image cannot pass
with other files: the values in the log are digests of them. What the folder can still choose is
the machine, and with another one the values differ.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from attestation.errors import ArtifactError
from attestation.measure import files
from attestation.measure.artifact import Artifact
from attestation.measure.files import FoundFile
from attestation.measure.gpt import PartitionTable
from attestation.measure.image import DISK, RECIPE, UKI, ImageFolder
from attestation.measure.recipe import recipe_files
from attestation.measure.recompute import measure
from attestation.measure.uki import DEBUG, Uki
from attestation.result import Report
from openpcc.audit import appraisal
from openpcc.audit.release_models import models_finding
from openpcc.audit.release_tests import RELEASE
from openpcc.audit.release_values import compared
from openpcc.audit.report import AuditKind, AuditReport, Finding, Section
from openpcc.kept_release import BEYOND
from openpcc.release_checks import reference_values
from transparency_log.entry import Release

LISTS = ("lock", "sbom")
"""Artifacts that say what an image is made of. The recipe has them, too, and no release names
them."""

OF_A_RELEASE = ("image", "recipe", "lists", "models", "machines")
OF_A_FOLDER = ("files", "root", "debug", *OF_A_RELEASE)
OF_A_PLATFORM = ("release.measurement", "release.registers", "release.rules")


@dataclass(frozen=True, kw_only=True)
class ReadFolder:
    """A folder as it was found."""

    path: Path
    image: ImageFolder
    found: Mapping[str, FoundFile]

    @property
    def artifacts(self) -> Mapping[str, Artifact]:
        """Give what was read of each file."""
        return {name: one.artifact for name, one in self.found.items()}


def audit_release(folder: Path, report: Report, release: Release | None) -> AuditReport:
    """Audit an image beside its release.

    Args:
        folder: with image.json.
        report: of step 7, about the release.
        release: None: its signers have not signed it, and there is nothing to compare with.
    """
    own = appraisal.section(report, name="release", title="The release")
    asked = tuple(one for one in own.findings if one.id not in BEYOND)
    described, read = _read(folder)
    sections = [replace(own, findings=asked), _files(described, read, release)]
    if read is not None:
        sections += [_platform(read, release, name) for name in read.image.machines]
    return AuditReport(
        kind=AuditKind.IMAGE,
        subject=str(folder),
        at=report.at,
        sections=tuple(sections),
        simulated=report.simulated,
    )


def _read(path: Path) -> tuple[list[Finding], ReadFolder | None]:
    try:
        image = files.read_image(path)
        found = {name: files.read_file(path, image, name) for name in image.artifacts}
    except ArtifactError as error:
        return [RELEASE.failed("release.described", str(error))], None
    read = ReadFolder(path=path, image=image, found=found)
    wrong = [f"{name}: {one.wrong}" for name, one in found.items() if one.wrong]
    return [
        RELEASE.passed("release.described", f"{len(found)} files"),
        RELEASE.judged("release.files", wrong),
    ], read


def _files(found: list[Finding], read: ReadFolder | None, release: Release | None) -> Section:
    if read is None:
        why = "the folder could not be read"
        found += [RELEASE.skipped(f"release.{name}", why) for name in OF_A_FOLDER]
    elif release is None:
        why = "there is no release to compare with"
        found += [RELEASE.skipped(f"release.{name}", why) for name in OF_A_RELEASE]
        found += [_root(read), _debug(read)]
    else:
        found += [
            _image(read, release),
            _root(read),
            _debug(read),
            _recipe(read, release),
            _lists(read),
            models_finding(read.path, release),
            _machines(read, release),
        ]
    return Section(name="files", title="The files", findings=tuple(found))


def _image(read: ReadFolder, release: Release) -> Finding:
    name = DISK if DISK in read.found else UKI
    actual = read.found[name].sha256
    if actual == release.image:
        return RELEASE.passed("release.image", f"{name} {actual.hex()}")
    return RELEASE.failed("release.image", f"{name} {actual.hex()}", expected=release.image.hex())


def _root(read: ReadFolder) -> Finding:
    if DISK not in read.found:
        return RELEASE.skipped("release.root", "there is no disk", required=False)
    try:
        root_hash = Uki.parse(read.found[UKI].artifact).root_hash
        if root_hash is None:
            return RELEASE.failed("release.root", f"{UKI}: its command line names no root hash")
        table = PartitionTable.parse(read.found[DISK].artifact)
        files.check_root(read.path, read.image.artifacts[DISK], table, root_hash)
    except ArtifactError as error:
        return RELEASE.failed("release.root", str(error))
    return RELEASE.passed("release.root", root_hash.hex())


def _debug(read: ReadFolder) -> Finding:
    """Judge what the image is for: a release says nothing of it but `attested`."""
    try:
        debug = Uki.parse(read.found[UKI].artifact).debug
    except ArtifactError as error:
        return RELEASE.failed("release.debug", str(error))
    wrong = [f"{UKI}: its command line says {DEBUG}"] if debug else []
    return RELEASE.judged("release.debug", wrong)


def _recipe(read: ReadFolder, release: Release) -> Finding:
    if RECIPE not in read.found:
        return RELEASE.skipped("release.recipe", "it is not beside the image", required=False)
    actual = read.found[RECIPE].sha256
    if actual == release.recipe.sha256:
        return RELEASE.passed("release.recipe")
    return RELEASE.failed(
        "release.recipe", f"{RECIPE} {actual.hex()}", expected=release.recipe.sha256.hex()
    )


def _lists(read: ReadFolder) -> Finding:
    """Judge lists by the recipe, which the release names."""
    artifacts = read.image.artifacts
    beside = {name: artifacts[name].file for name in LISTS if name in artifacts}
    if RECIPE not in read.found:
        return RELEASE.skipped("release.lists", "the recipe is not beside it", required=False)
    hidden = {name: f"{name}.json" for name in LISTS if name not in beside}
    try:
        said = recipe_files(
            read.found[RECIPE].artifact, frozenset((*beside.values(), *hidden.values()))
        )
    except ArtifactError as error:
        if not beside:  # a recipe of another make, and no list to hold to it
            return RELEASE.skipped("release.lists", str(error), required=False)
        return RELEASE.failed("release.lists", str(error))
    wrong = [
        f"{name}: {said[file].hex()} expected, {read.found[name].sha256.hex()} found"
        for name, file in beside.items()
        if file in said and said[file] != read.found[name].sha256
    ]
    wrong += [f"{name}: not in the recipe" for name, file in beside.items() if file not in said]
    wrong += [
        f"{name}: in the recipe, and not in image.json" for name in hidden if hidden[name] in said
    ]
    if not wrong and not beside:
        return RELEASE.skipped("release.lists", "neither has any", required=False)
    return RELEASE.judged("release.lists", wrong)


def _machines(read: ReadFolder, release: Release) -> Finding:
    described, released = set(read.image.machines), set(release.platforms)
    wrong = [f"{name}: not described" for name in sorted(released - described)]
    wrong += [f"{name}: not released" for name in sorted(described - released)]
    return RELEASE.judged("release.machines", wrong, actual=", ".join(sorted(described)))


def _platform(read: ReadFolder, release: Release | None, name: str) -> Section:
    return Section(
        name=f"platform {name}",
        title=f"Platform {name}",
        findings=tuple(_findings(read, release, name)),
    )


def _findings(read: ReadFolder, release: Release | None, name: str) -> Iterator[Finding]:
    logged = reference_values(release, name)
    if release is None or logged is None:
        why = f"no release of {name} to compare with"
        yield from (RELEASE.skipped(one, why) for one in ("release.computed", *OF_A_PLATFORM))
        return
    try:
        values = measure(
            read.image.machines[name],
            read.artifacts,
            models=[(model.name, model.digest) for model in release.models],
            engine_arguments=release.engine.arguments,
        )
    except ArtifactError as error:
        yield RELEASE.failed("release.computed", str(error))
        why = "not every file could be measured"
        yield from (RELEASE.skipped(one, why) for one in OF_A_PLATFORM)
        return
    yield RELEASE.passed("release.computed")
    yield from compared(values, logged)
