"""`openpcc init DIR`: keys, configurations and client policy of a new deployment, by holder.

    openpcc init service --service llm.example --kind compose --admission tokens
    openpcc init service --answers answers.toml

What is left out has a default; without `--service` a person at the terminal is asked. Nothing is
ever overwritten, and a run that is cut leaves nothing that could be taken for a deployment.
"""

import argparse
import sys
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import assert_never
from urllib.parse import urlsplit

from openpcc import clock
from openpcc.cli import installed, local_ca, output
from openpcc.cli.failures import PASSED
from openpcc.cli.init import cluster, layout, machines, readme, servers, steps
from openpcc.cli.init.answers import QUESTIONS, Answers, Form, Kind, Question, decide
from openpcc.cli.init.deployment import Deployment
from openpcc.cli.init.folder import Draft, File, new_folder
from openpcc.cli.init.keys import Keys
from openpcc.cli.init.places import Places
from openpcc.config import ClientConfig, read_toml
from openpcc.errors import ConfigurationError

IMAGE_MODEL = "/usr/share/openpcc/model"
"""Where the container images of nodes have their model."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments: a flag for each question."""
    parser.add_argument("folder", type=Path, metavar="DIR", help="new folder")
    parser.add_argument("--answers", type=Path, metavar="FILE", help="read answers, TOML")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    for one in QUESTIONS:
        many = one.form is Form.TEXTS
        parser.add_argument(
            one.flag, dest=one.name, metavar="TEXT" if one.form is not Form.NUMBER else "N",
            action="append" if many else "store", type=int if one.form is Form.NUMBER else str,
            help=one.help + ("; may be repeated" if many else ""),
        )  # fmt: skip


def run(args: argparse.Namespace) -> int:
    """Make the folder, and say what comes next."""
    answers = decide(_given(args))
    target = args.folder.absolute()
    found = _deployment(answers)
    with new_folder(target) as draft:
        _fill(draft, found, target)
    _tell(args, found)
    return PASSED


def _given(args: argparse.Namespace) -> dict[str, object]:
    """Put together what was said: flags before the file, and a person's answers before nothing."""
    given: dict[str, object] = {}
    if args.answers is not None:
        given = read_toml(args.answers, "answers", remedy="name one that is there")
    given |= {one.name: value for one in QUESTIONS if (value := getattr(args, one.name))}
    if "service" not in given and sys.stdin is not None and sys.stdin.isatty():
        given |= _asked(given)
    return given


def _asked(given: dict[str, object]) -> Iterator[tuple[str, object]]:
    for one in QUESTIONS:
        if one.asked and one.name not in given:
            answer = _ask(one)
            if answer is not None:
                yield one.name, answer


def _ask(question: Question) -> object:
    sys.stderr.write(f"{question.name.replace('_', ' ')}: {question.help}? ")
    sys.stderr.flush()
    text = sys.stdin.readline().strip()
    match question.form:
        case _ if not text:
            return None
        case Form.NUMBER:
            return int(text) if text.isascii() and text.isdecimal() and len(text) < 6 else text
        case Form.TEXTS:
            return text.replace(",", " ").split()
        case _:
            return text


def _deployment(answers: Answers) -> Deployment:
    now = clock.now()
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


def _fill(draft: Draft, found: Deployment, target: Path) -> None:
    """Write everything, let the servers' own programs make what only they can, and read it."""
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
            found.keys.vendor.machine().save(draft.path / f"operator/nodes/machine-{number}")
    if found.answers.kind is Kind.LOCAL:
        for part in ("operator/log", "operator/publisher", "operator/issuer"):
            if (draft.path / part).is_dir():
                draft.make(f"{part}/state")
        for number in range(1, found.answers.witnesses + 1):
            draft.make(f"witness-{number}/state")
    hourly = steps.renewal(found.answers, found.places)
    draft.write(File(path="README.md", data=readme.text(found.answers, _steps(found), hourly)))
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
    public.rename(draft.path / target)
    return {target: (draft.path / target).read_bytes()}


def _environment(found: Deployment, target: Path) -> str:
    tokens = "COMPOSE_PROFILES=tokens\n" if found.answers.tokens else ""
    return f"# For deploy/compose/compose.yaml\nOPENPCC_DIR={target}\n{tokens}"


def _steps(found: Deployment) -> list[steps.Step]:
    return steps.steps(found.answers, found.places, found.model_folder)


def _tell(args: argparse.Namespace, found: Deployment) -> None:
    holders = readme.holders(found.answers)
    if args.json:
        output.document(
            {
                "folder": str(args.folder),
                "service": found.answers.service,
                "kind": found.answers.kind.value,
                "simulated": found.answers.simulated,
                "holders": [one.to_json() for one in holders],
                "steps": [
                    {"title": one.title, "servers": one.servers, "commands": list(one.commands)}
                    for one in _steps(found)
                ],
            }
        )
        return
    rows = [(one.folder, one.who, one.does) for one in holders]
    output.table(("FOLDER", "WHO GETS IT", "WHAT ITS SECRETS DO"), rows)
    if found.answers.simulated:
        output.line("SIMULATED: the nodes keep nothing from anybody")
    output.line(f"what comes next, in order: {args.folder / 'README.md'}")
