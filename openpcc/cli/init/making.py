"""Makes a deployment: keys and certificates, then its folder, then a look at what was written."""

from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import assert_never
from urllib.parse import urlsplit

from openpcc.cli import installed, local_ca
from openpcc.cli.init import cluster, layout, machines, readme, servers, steps
from openpcc.cli.init.answers import Answers
from openpcc.cli.init.deployment import Deployment
from openpcc.cli.init.folder import Draft, File
from openpcc.cli.init.keys import Keys
from openpcc.cli.init.places import Places
from openpcc.cli.init.questions import Kind
from openpcc.config import ClientConfig
from openpcc.errors import ConfigurationError

IMAGE_MODEL = "/usr/share/openpcc/model"
"""Where the container images of nodes have their model."""


def decided(answers: Answers, *, now: int) -> Deployment:
    """Make keys and certificates.

    Raises:
        ConfigurationError: there is no model.
    """
    keys, places = Keys.generate(answers, now=now), Places(answers=answers)
    return Deployment(
        answers=answers,
        places=places,
        keys=keys,
        trust=keys.trust(answers),
        ca=_certificates(answers, places, now) if answers.kind.trial else None,
        model_folder=_model_folder(answers),
        now=now,
    )


def _certificates(answers: Answers, places: Places, now: int) -> local_ca.LocalCA:
    roles = [one for one in sorted(places.secure) if one != "issuer" or answers.tokens]
    said = {"relay": answers.relay_urls, "issuer": (answers.issuer_url or "",)}
    names = {
        role: dict.fromkeys(
            [role, "localhost", "127.0.0.1", "::1"]
            + [urlsplit(url).hostname or "localhost" for url in said.get(role, ()) if url]
        )
        for role in roles
    }
    return local_ca.make(names, now=now)


def _model_folder(answers: Answers) -> str:
    if answers.model_folder is not None:
        return answers.model_folder
    if answers.kind is not Kind.LOCAL:
        return IMAGE_MODEL
    spec = find_spec("node_image.embedded")
    for place in [] if spec is None else spec.submodule_search_locations or []:
        if (folder := Path(place) / "model").is_dir():
            return str(folder)
    raise ConfigurationError(
        "model_folder: missing; the demonstration's model is in the source tree alone: name the "
        "folder of another with --model-folder"
    )


def fill(draft: Draft, found: Deployment, target: Path) -> None:
    """Write everything, let the servers' own programs make what only they can, and read it.

    Raises:
        ConfigurationError: a program failed.
    """
    made = layout.files(found)
    for file in made:
        draft.write(file)
    public = _ohttp_keys(draft)
    for file in _deploying(found, {**{one.path: one.bytes for one in made}, **public}, target):
        draft.write(file)
    if found.answers.tokens and servers.issuer_keys(found) == "secrets/keys":
        draft.make("operator/issuer/secrets/keys")
        config = draft.path / "operator/issuer/issuer.toml"
        installed.run("openpcc-issuer", ["keys", "new", "--config", str(config)])
    if found.keys.vendor is not None:
        for number in range(1, found.answers.nodes + 1):
            folder = draft.path / f"operator/nodes/machine-{number}"
            found.keys.vendor.machine().save(folder)
            draft.open(path for path in folder.iterdir() if path.suffix != ".key")
    if found.answers.kind is Kind.LOCAL:
        for part in ("operator/log", "operator/publisher", "operator/issuer"):
            if (draft.path / part).is_dir():
                draft.make(f"{part}/state")
        for number in range(1, found.answers.witnesses + 1):
            draft.make(f"witness-{number}/state")
    hourly = steps.renewal(found.answers, found.places)
    draft.write(File(path="README.md", data=readme.text(found.answers, commands(found), hourly)))
    for client in sorted(draft.path.rglob("client.toml")):
        ClientConfig.load(client)


def _deploying(found: Deployment, made: dict[str, bytes], target: Path) -> Iterator[File]:
    """Give what the tools of a kind read."""
    match found.answers.kind:
        case Kind.COMPOSE:
            yield File(path="operator/compose/.env", data=_environment(found, target))
        case Kind.KUBERNETES:
            yield from cluster.files(found, made)
        case Kind.MACHINES:
            yield machines.variables(found, made["operator/nodes/host.toml"].decode())
        case Kind.LOCAL:
            return
        case _:
            assert_never(found.answers.kind)


def _ohttp_keys(draft: Draft) -> dict[str, bytes]:
    """Make the pair, and part it: the publisher names the public file, and has no other."""
    scratch = "operator/gateway/secrets"
    draft.make(scratch)
    installed.run("openpcc-gateway", ["keys", "--out", str(draft.path / scratch)])
    public = draft.path / scratch / "ohttp-keys"
    target = "operator/publisher/ohttp-keys"
    draft.open([public])
    public.rename(draft.path / target)
    return {target: (draft.path / target).read_bytes()}


def _environment(found: Deployment, target: Path) -> str:
    tokens = "COMPOSE_PROFILES=tokens\n" if found.answers.tokens else ""
    return f"# For deploy/compose/compose.yaml\nOPENPCC_DIR={target}\n{tokens}"


def commands(found: Deployment) -> list[steps.Step]:
    """Give what brings it up."""
    return steps.steps(found.answers, found.places, found.model_folder)
