"""`openpcc chat`: one prompt, or a conversation, with verified nodes.

The prompt is an argument, or standard input when that is not a terminal; with neither, a
conversation. Before the first request the trust decision stands on stderr, in one line.
"""

import argparse
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Protocol

import httpx

from openpcc import clock
from openpcc.answers import MAX_REQUEST, PACES
from openpcc.cli import conversation, keeping, output
from openpcc.cli.conversation import Message, Outcome
from openpcc.cli.failures import PASSED, describe
from openpcc.client import TIMEOUT
from openpcc.config import ClientConfig
from openpcc.decision import require_trusted
from openpcc.errors import ConfigurationError, OpenPCCError
from openpcc.nodes import BookView, NodeBook
from openpcc.reply import Reply
from openpcc.transport import Transport

PROMPT = "> "
LEAVE = ("/exit", "/quit")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    output.add_common(parser)
    parser.add_argument("prompt", nargs="?", metavar="PROMPT", help="left out: standard input")
    parser.add_argument("--model", metavar="M", help="default: the configuration's, else the first")
    parser.add_argument("--system", metavar="S", help="a system message before the prompt")
    parser.add_argument(
        "--pace",
        choices=PACES,
        help="how the reply comes back; left out: as the service's entry says first",
    )
    receipt = parser.add_mutually_exclusive_group()
    receipt.add_argument("--no-receipt", action="store_true", help="ask for no signed receipt")
    receipt.add_argument(
        "--keep-receipts",
        type=Path,
        metavar="DIR",
        help="keep each receipt with its evidence in this folder, for openpcc verify receipt",
    )


def run(args: argparse.Namespace) -> int:
    """Ask, stream the reply, say what it rests on."""
    prompt = read_prompt(args)
    kept = None if args.keep_receipts is None else keeping.Folder(args.keep_receipts)
    config = ClientConfig.load(args.config)
    transport = Transport(config, pace=args.pace, receipt=not args.no_receipt)
    base = f"https://{config.policy.service}"
    with httpx.Client(transport=transport, base_url=base, timeout=TIMEOUT) as client:
        model = verify(transport.book, args.model or config.model, now=clock.now())
        chat = Chat(client, model, as_json=args.json)
        if kept is not None:
            chat.keep = _keeper(kept, transport.book)
        if args.system:
            chat.history.append({"role": "system", "content": args.system})
        return chat.converse() if prompt is None else chat.ask(prompt)


def _keeper(folder: keeping.Folder, book: NodeBook) -> Callable[[Reply], None]:
    """Give what keeps a reply's receipt: with what the client knew before it, or knows since."""
    before = [book.snapshot]

    def keep(reply: Reply) -> None:
        output.note(f"openpcc: {folder.keep(reply, (*before, book.snapshot))}")
        before[:] = [book.snapshot]

    return keep


class Chat:
    """A conversation; `history` holds it in memory alone.

    Attributes:
        history: the messages so far, oldest first.
        keep: what is done with a reply that has ended well; None: nothing.
    """

    def __init__(self, client: httpx.Client, model: str, *, as_json: bool) -> None:
        self._client = client
        self._model = model
        self._json = as_json
        self.history: list[Message] = []
        self.keep: Callable[[Reply], None] | None = None

    def ask(self, prompt: str) -> int:
        """Ask once; give the exit code."""
        self.history.append({"role": "user", "content": prompt})
        outcome = Outcome(model=self._model)
        sealed: Reply | None = None
        try:
            sealed = self._stream(outcome)
        except OpenPCCError as error:
            return self._failed(error, outcome)
        self.history.append({"role": "assistant", "content": outcome.reply})
        if self.keep is not None and sealed is not None:
            self.keep(sealed)
        self._finished(outcome, sealed)
        return PASSED

    def converse(self) -> int:
        """Ask until the user leaves; a question that failed does not end the conversation."""
        code = PASSED
        while (prompt := _read_turn()) is not None:
            if not prompt.strip():
                continue
            known = len(self.history)
            code = self.ask(prompt)
            if code != PASSED:
                del self.history[known:]
        return code

    def _stream(self, outcome: Outcome) -> Reply | None:
        body = conversation.request_body(self._model, self.history)
        request = self._client.build_request(
            "POST", conversation.CHAT, content=body, headers=conversation.CHAT_FIELDS
        )
        response = self._client.send(request, stream=True)
        try:
            for piece in conversation.read(response, outcome):
                if not self._json:
                    output.stream(piece)
        finally:
            response.close()
        return response.extensions.get("openpcc")

    def _failed(self, error: OpenPCCError, outcome: Outcome) -> int:
        failure = describe(error)
        if self._json:
            output.document({**failure.to_json(), "reply": outcome.reply, "complete": False})
        elif outcome.reply:
            output.stream("\n")
        output.note(failure.line)
        return failure.exit_code

    def _finished(self, outcome: Outcome, sealed: Reply | None) -> None:
        if not self._json:
            output.stream("\n")
            return
        receipt = None if sealed is None else sealed.receipt
        node = None if sealed is None else sealed.node
        output.document(
            {
                "reply": outcome.reply,
                "model": outcome.model,
                "usage": outcome.usage,
                "receipt": conversation.receipt_json(receipt),
                "node": None if node is None else node.report.to_json(),
            }
        )


class Book(Protocol):
    """What is needed of `NodeBook`."""

    def models(self, now: int) -> list[str]:
        """Name the service's models."""
        ...

    def candidates(self, model: str, now: int) -> object:
        """Verify nodes of a model, or raise."""
        ...

    def view(self) -> BookView:
        """Show what is known."""
        ...


def verify(book: Book, model: str | None, *, now: int) -> str:
    """Verify before the first request, and say on what the decision rests; give the model.

    Raises:
        OpenPCCError: no node may be sent to.
    """
    if model is None:
        models = book.models(now)
        if not models:
            raise ConfigurationError("the service lists no model; ask its operator")
        model = models[0]
    book.candidates(model, now)
    output.note(require_trusted(book.view(), now=now).sentence())
    return model


def read_prompt(args: argparse.Namespace) -> str | None:
    """Give the prompt, or None for a conversation.

    Raises:
        ConfigurationError: there is no prompt where there must be one.
    """
    if args.prompt is not None:
        return _not_empty(str(args.prompt))
    if not sys.stdin.isatty():
        return _not_empty(_standard_input())
    if args.json:
        raise ConfigurationError("--json answers one prompt; give it as an argument or on stdin")
    return None


def _standard_input() -> str:
    data = sys.stdin.buffer.read(MAX_REQUEST + 1)
    if len(data) > MAX_REQUEST:
        raise ConfigurationError(f"the prompt exceeds {MAX_REQUEST} bytes; send less")
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError as error:
        raise ConfigurationError("the prompt on standard input is not UTF-8") from error
    return text.removesuffix("\n")  # the one that ends the last line; any other is the user's


def _not_empty(prompt: str) -> str:
    if not prompt.strip():
        raise ConfigurationError("the prompt is empty; give it as an argument or on stdin")
    return prompt


def _read_turn() -> str | None:
    """Read the next prompt; None when the user leaves."""
    try:
        text = input(PROMPT)
    except (EOFError, KeyboardInterrupt):
        output.line()
        return None
    return None if text.strip() in LEAVE else text
