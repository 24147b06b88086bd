"""`openpcc demo`: the whole service on this machine, one real chat, five refusals.

Everything runs as the programs an operator runs; only the roots of trust are made for the occasion,
and the machines are SIMULATED. `--keep` leaves it running behind the local proxy until Ctrl-C.
`--tokens` adds an issuer, and every request is paid for.
"""

import argparse
import shutil
import signal
import tempfile
import threading
import time
from importlib.util import find_spec
from pathlib import Path

from attestation.result import Check, Outcome
from openpcc import clock
from openpcc.cli import output
from openpcc.cli.demo import refusals
from openpcc.cli.demo.issuing import Payment
from openpcc.cli.demo.refusals import DemoFailedError
from openpcc.cli.demo.stack import MODEL, DemoStack, EngineChoice
from openpcc.cli.installed import run as run_script
from openpcc.client import OpenPCC
from openpcc.errors import ConfigurationError
from openpcc.nodes import NodeView

PROMPT = "What is a list in Python?"
VLLM_ON_CPU = (
    "--enforce-eager", "--dtype", "float32", "--max-model-len", "1024", "--max-num-seqs", "8",
    "--enable-auto-tool-choice", "--tool-call-parser", "hermes",
)  # fmt: skip
"""Compiling would cost two minutes at every start, and bfloat16 the comparison of engines. Without
a parser vLLM refuses every tool; a named tool's arguments are made by its grammar, not by it."""

STATUS_EVERY = 1800
"""Seconds between two status entries of a demonstration that stays up; a status counts for 7200."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument("--engine", choices=("embedded", "vllm"), default="embedded")
    parser.add_argument("--engine-python", type=Path, default=Path(".venv-vllm/bin/python"),
                        help="interpreter of vLLM's environment (make vllm)")  # fmt: skip
    parser.add_argument("--model", type=Path, help="model folder; the demonstration model if not")
    parser.add_argument("--keep", action="store_true", help="stay up, with the local proxy")
    parser.add_argument("--checks", action="store_true", help="every check of every node")
    parser.add_argument("--tokens", action="store_true", help="requests are paid with tokens")


def run(args: argparse.Namespace) -> int:
    """Run the demonstration; the exit code is 0 if everything happened as it should."""
    engine = engine_choice(args)
    for number in (signal.SIGINT, signal.SIGTERM):  # a job of a script inherits them ignored
        signal.signal(number, _interrupt)
    folder = Path(tempfile.mkdtemp(prefix="openpcc-demo-"))
    stack = DemoStack(folder, engine, output.note, payment=Payment() if args.tokens else None)
    try:
        _tell(stack, args)
        if args.keep:
            keep(stack)
    finally:
        stack.close()
        shutil.rmtree(folder, ignore_errors=True)
    output.line("everything has ended; nothing is left running")
    return 0


def _tell(stack: DemoStack, args: argparse.Namespace) -> None:
    issuer = "issuer, " if args.tokens else ""
    output.line(
        f"starting log, witnesses, nodes, {issuer}publisher, gateway, relay; SIMULATED platform"
    )
    if stack.engine.kind == "vllm":
        output.line("vLLM loads the model, about a minute")
    began = time.monotonic()
    stack.start()
    output.line(f"everything is up after {time.monotonic() - began:.1f} s")
    output.line()
    with OpenPCC(stack.client) as client:
        show_trust(client, every=args.checks)
        if args.tokens:
            show_purchase(stack)
        show_chat(client)
        if args.tokens:
            show_payment(client)
        show_parties(stack)
        show_refusals(stack, last=not args.keep)


def _interrupt(_number: int, _frame: object) -> None:
    raise KeyboardInterrupt


def engine_choice(args: argparse.Namespace) -> EngineChoice:
    """Find the engine and the model.

    Raises:
        ConfigurationError: one of them is not there.
    """
    model = args.model or embedded_model()
    if not (model / "config.json").is_file():
        raise ConfigurationError(f"{model}: not a model's folder, it has no config.json")
    if args.engine == "embedded":
        return EngineChoice(kind="embedded", model=model.resolve())
    if not args.engine_python.is_file():
        raise ConfigurationError(
            f"{args.engine_python}: no such interpreter; run make vllm, or name vLLM's own"
        )
    return EngineChoice(
        kind="vllm",
        model=model.resolve(),
        python=args.engine_python.absolute(),
        arguments=VLLM_ON_CPU,
        patience=300.0,
    )


def embedded_model() -> Path:
    """Find the demonstration model: it is in the repository, not in the wheel.

    Raises:
        ConfigurationError: it is not there.
    """
    spec = find_spec("node_image.embedded")
    for place in [] if spec is None else spec.submodule_search_locations or []:
        if (folder := Path(place) / "model").is_dir():
            return folder
    raise ConfigurationError(
        "the demonstration needs the source tree, with its model: run make demo in a clone"
    )


def show_trust(client: OpenPCC, *, every: bool) -> None:
    """Verify the nodes, and print the decision check by check: in full once, or for every node."""
    client.transport.book.refresh(clock.now())
    view = client.transport.book.view()
    for number, node in enumerate(view.nodes):
        _show_node(node, every=every or number == 0)
    accepted = sum(node.accepted for node in view.nodes)
    output.line(f"{accepted} of {len(view.nodes)} nodes trusted. Platform SIMULATED: it runs the")
    output.line("same checks under a throw-away root, and protects nothing.")
    output.line()


def _show_node(node: NodeView, *, every: bool) -> None:
    if node.report is None:
        output.line(f"node {node.leaf.hex()[:16]}: {node.problem}")
        return
    title = f"node {node.leaf.hex()[:16]}: {node.report.verdict.value}, SIMULATED"
    if every:
        rows = [(check.id, check.outcome.value, _sentence(check)) for check in node.report.checks]
        output.table(("check", "", "what was tested"), rows, title=title)
    else:
        passed = sum(check.outcome is Outcome.PASS for check in node.report.checks)
        output.line(f"{title}, {passed} checks passed as above (--checks shows them)")
    output.line()


def _sentence(check: Check) -> str:
    return check.text if check.actual is None else f"{check.text}: {check.actual}"


def show_chat(client: OpenPCC) -> None:
    """Send a real chat through the official SDK, streamed."""
    output.line(f"> {PROMPT}")
    stream = client.chat.completions.create(
        model=MODEL,
        messages=[{"role": "user", "content": PROMPT}],
        stream=True,
        max_tokens=120,
        temperature=0.0,
    )
    pieces = 0
    for event in stream:
        if event.choices and event.choices[0].delta.content:
            output.stream(event.choices[0].delta.content)
            pieces += 1
    output.line("\n")
    if not pieces:
        raise DemoFailedError("the reply was empty")


def show_purchase(stack: DemoStack) -> None:
    """Fill the wallet, by the command that users have."""
    output.line(f"$ openpcc wallet fill --config {stack.client}")
    output.line(run_script("openpcc", ["wallet", "fill", "--config", str(stack.client)]))
    output.line()


def show_payment(client: OpenPCC) -> None:
    """Say what the chat cost, by what is left."""
    purse = client.transport.purse
    counts = None if purse is None else purse.counts()
    if counts is None or counts.stock == 0:
        raise DemoFailedError("the wallet is empty")
    output.line(f"paid with tokens that name nobody; {counts.stock} are left")
    output.line()


def show_parties(stack: DemoStack) -> None:
    """Print what each party saw, having searched its files for the prompt."""
    rows = [
        ("client", "everything", "-"),
        ("relay", "client address, sizes, times", _found(stack, ["relay"])),
        ("gateway, publisher", "candidates, model digest, padded sizes, times",
         _found(stack, ["gateway", "publisher"])),
        *_issuer_row(stack),
        ("nodes", "the prompt, in memory, while they serve it", _found(stack, ["node-"])),
        ("log, witnesses", "releases, status, service entries", _found(stack, ["log", "witness"])),
    ]  # fmt: skip
    output.table(("party", "saw", "prompt in its files"), rows, title="what each party saw")
    output.line()


def _issuer_row(stack: DemoStack) -> list[tuple[str, str, str]]:
    if stack.issuer is None:
        return []
    return [("issuer", "an account, and how many tokens it took", _found(stack, ["issuer"]))]


def _found(stack: DemoStack, names: list[str]) -> str:
    """Search the logs, databases and files of some parties for the prompt."""
    searched = 0
    for path in stack.folder.rglob("*"):
        mine = any(
            part.startswith(name) for part in path.relative_to(stack.folder).parts for name in names
        )
        if mine and path.is_file():
            searched += 1
            if PROMPT.encode() in path.read_bytes():
                raise DemoFailedError(f"the prompt stands in {path}")
    return f"no ({searched} files searched)"


def show_refusals(stack: DemoStack, *, last: bool) -> None:
    """Try what must not work; `last`: also take the release back, which a log never forgets."""
    found = [*refusals.attacks(stack)]
    if last:
        found.append(refusals.unlisted_release(stack))
    rows = [(one.tried, one.by, one.words) for one in found]
    output.table(("tried", "refused by", "how"), rows, title="refusals")
    if not last:
        output.line(
            "not tried with --keep: taking the release back, after which an audit must fail"
        )
    output.line()


def keep(stack: DemoStack) -> None:
    """Stay up: the proxy in front, a status entry now and then, until Ctrl-C."""
    proxy = stack.start_proxy()
    base, key = proxy.said["base_url"], proxy.said["api_key"]
    output.line(f"base URL       {base}")
    output.line(f"API key        {key}")
    output.line(f"configuration  {stack.client}")
    output.line()
    output.line("try, in another terminal:")
    output.line(f"  curl {base}/models -H 'Authorization: Bearer {key}'")
    output.line(f"  export OPENPCC_CONFIG={stack.client}")
    output.line('  .venv/bin/openpcc chat "What is a list?"')
    if stack.payment is not None:
        output.line("  .venv/bin/openpcc wallet")
        output.line("  .venv/bin/openpcc wallet fill")
    gateway = stack.gateway.listening
    output.line(f"  .venv/bin/openpcc audit --gateway {gateway} --report audit.html")
    output.line(f"  .venv/bin/openpcc audit attack {gateway} --stack {stack.folder}")
    output.line("stop with Ctrl-C")
    stopped = threading.Event()
    try:
        while not stopped.wait(STATUS_EVERY):
            stack.publish_status([stack.release])
    except KeyboardInterrupt:
        output.line("stopping")
