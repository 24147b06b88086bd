"""The README of a deployment: who gets what, and what to do next. Pure."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from openpcc.cli.init.answers import Answers
from openpcc.cli.init.questions import Kind
from openpcc.cli.init.steps import Step


@dataclass(frozen=True, kw_only=True)
class Holder:
    """One folder, who gets it, and what is secret in it."""

    folder: str
    who: str
    does: str = ""
    """What its secrets do; empty: there are none."""

    def to_json(self) -> dict[str, object]:
        """Write it for `--json`."""
        return {"folder": self.folder, "holder": self.who, "secrets": self.does or None}


def holders(answers: Answers) -> list[Holder]:
    """List all of them."""
    return list(_holders(answers))


def _holders(answers: Answers) -> Iterator[Holder]:
    yield Holder(folder="public", who="every user")
    for number in range(1, answers.release_signers + 1):
        yield Holder(folder=f"release-signer-{number}", who="one person, offline",
                     does="signs releases")  # fmt: skip
    for number in range(1, answers.status_signers + 1):
        yield Holder(folder=f"status-signer-{number}", who="whoever lists releases, every hour",
                     does="lists releases that are signed")  # fmt: skip
    for number in range(1, answers.witnesses + 1):
        yield Holder(folder=f"witness-{number}", who="another operator, one for each",
                     does="cosigns the log")  # fmt: skip
    yield Holder(folder="relay", who="another operator than the gateway's")
    yield Holder(folder="operator", who="the operator of gateways, log and nodes",
                 does="signs the log and service entries, opens outer requests")  # fmt: skip
    if answers.kind.trial:
        yield Holder(folder="tls", who="relay and operator", does="keys of the TLS servers")


def text(answers: Answers, steps: Sequence[Step], hourly: Sequence[str]) -> str:
    """Write the file."""
    return "\n".join(_lines(answers, steps, hourly)) + "\n"


def _lines(answers: Answers, steps: Sequence[Step], hourly: Sequence[str]) -> Iterator[str]:
    yield f"# {answers.service}"
    yield ""
    yield "Made by `openpcc init`; docs/init.md of the source tree explains it. Take each folder to"
    yield "its holder, then delete it here: whoever has all of them is the whole service."
    if answers.simulated:
        yield ""
        yield "**SIMULATED: the nodes keep nothing from anybody. Their machines last 7 days.**"
    yield ""
    yield "| folder | who gets it | what its secrets do |"
    yield "|---|---|---|"
    for one in holders(answers):
        yield f"| `{one.folder}` | {one.who} | {one.does or 'nothing in it is secret'} |"
    yield ""
    yield "Commands are for this folder, in this order."
    for number, step in enumerate(steps, 1):
        yield from _step(number, step)
    if answers.kind in (Kind.LOCAL, Kind.MACHINES):
        yield from _hourly(hourly)


def _step(number: int, step: Step) -> Iterator[str]:
    yield ""
    yield f"## {number}. {step.title}"
    if step.text:
        yield ""
        yield step.text
    if step.servers:
        yield ""
        yield "Each runs until it is stopped: in a terminal of its own, or a unit."
    if step.commands:
        yield ""
        yield "```sh servers" if step.servers else "```sh"
        yield from step.commands
        yield "```"


def _hourly(commands: Sequence[str]) -> Iterator[str]:
    yield ""
    yield "## Every hour, by a timer"
    yield ""
    yield "Whoever keeps this from happening stops the service, and nothing else; docs/keys.md, 4."
    yield ""
    yield "```sh hourly"
    yield from commands
    yield "```"
