import argparse
import io
import json
from collections.abc import Callable
from types import SimpleNamespace

import httpx
import pytest

from openpcc.cli import chat
from openpcc.cli.main import main
from openpcc.errors import ConfigurationError, DirectoryError, OpenPCCError, TruncatedReplyError
from tests.fakes.book_views import NOW, book_view, good_node, refused_node, report

DONE = "data: [DONE]\n\n"


def event(text: str) -> str:
    chunk = {"model": "demo", "choices": [{"index": 0, "delta": {"content": text}}]}
    return f"data: {json.dumps(chunk)}\n\n"


class Cut(httpx.SyncByteStream):
    """A reply that breaks off."""

    def __init__(self, text: str) -> None:
        self.text = text

    def __iter__(self):
        yield self.text.encode()
        raise TruncatedReplyError("the connection was lost before the reply's end")


def talk(answer: Callable[[httpx.Request], httpx.Response], *, as_json: bool = False) -> chat.Chat:
    client = httpx.Client(transport=httpx.MockTransport(answer), base_url="https://demo.example")
    return chat.Chat(client, "demo", as_json=as_json)


def replying(*parts: str, **extensions: object) -> Callable[[httpx.Request], httpx.Response]:
    def answer(request: httpx.Request) -> httpx.Response:
        return httpx.Response(200, text="".join(parts), extensions=extensions)

    return answer


def test_the_reply_goes_to_stdout_and_nothing_else(capsys):
    assert talk(replying(event("Hel"), event("lo"), DONE)).ask("Hi") == 0
    found = capsys.readouterr()
    assert (found.out, found.err) == ("Hello\n", "")


def test_json_carries_reply_usage_receipt_and_the_nodes_report(capsys):
    sealed = SimpleNamespace(receipt=None, node=SimpleNamespace(report=report()))
    usage = 'data: {"choices": [], "usage": {"total_tokens": 5}}\n\n'
    assert talk(replying(event("Hello"), usage, DONE, openpcc=sealed), as_json=True).ask("Hi") == 0
    assert json.loads(capsys.readouterr().out) == {
        "reply": "Hello",
        "model": "demo",
        "usage": {"total_tokens": 5},
        "receipt": None,
        "node": report().to_json(),
    }


def test_a_cut_reply_is_printed_as_far_as_it_came_and_ends_with_3(capsys):
    assert talk(lambda request: httpx.Response(200, stream=Cut(event("Hel")))).ask("Hi") == 3
    found = capsys.readouterr()
    assert found.out == "Hel\n"
    assert "lost before the reply's end" in found.err
    assert "partial" in found.err


def test_json_of_a_cut_reply_says_that_it_is_not_complete(capsys):
    cut = talk(lambda request: httpx.Response(200, stream=Cut(event("Hel"))), as_json=True)
    assert cut.ask("Hi") == 3
    found = json.loads(capsys.readouterr().out)
    assert (found["reply"], found["complete"]) == ("Hel", False)
    assert found["error"]["code"] == "truncated"


@pytest.mark.parametrize(
    ("error", "code"), [(DirectoryError("stale", "old"), 1), (ConfigurationError("wrong"), 2)]
)
def test_other_errors_keep_their_exit_code(error, code, capsys):
    def refuse(request: httpx.Request) -> httpx.Response:
        raise error

    assert talk(refuse).ask("Hi") == code
    assert capsys.readouterr().out == ""


def test_a_conversation_keeps_what_was_said_but_not_what_failed(monkeypatch, capsys):
    bodies: list[list[dict[str, str]]] = []

    def answer(request: httpx.Request) -> httpx.Response:
        bodies.append(json.loads(request.read())["messages"])
        if bodies[-1][-1]["content"] == "fail":
            raise TruncatedReplyError("cut")
        return httpx.Response(200, text=event(f"answer {len(bodies)}") + DONE)

    monkeypatch.setattr("sys.stdin", io.StringIO("one\n\nfail\ntwo\n/exit\nthree\n"))
    assert talk(answer).converse() == 0
    assert [[message["content"] for message in body] for body in bodies] == [
        ["one"],
        ["one", "answer 1", "fail"],
        ["one", "answer 1", "two"],
    ]


def arguments(*words: str) -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    chat.add_arguments(parser)
    return parser.parse_args(words)


def piped(monkeypatch: pytest.MonkeyPatch, data: bytes) -> None:
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(data)))


def test_the_prompt_is_an_argument_or_standard_input(monkeypatch):
    piped(monkeypatch, "Grüße\n".encode())
    assert chat.read_prompt(arguments("Hi")) == "Hi"
    assert chat.read_prompt(arguments()) == "Grüße"


@pytest.mark.parametrize(
    ("piped_in", "prompt"), [(b"a", "a"), (b"a\n\n", "a\n"), (b"\na \n", "\na "), (b"a\tb", "a\tb")]
)
def test_one_newline_at_the_end_of_standard_input_is_not_the_prompts(piped_in, prompt, monkeypatch):
    piped(monkeypatch, piped_in)
    assert chat.read_prompt(arguments()) == prompt


@pytest.mark.parametrize("prompt", ["", " ", "\n\t"])
def test_an_empty_argument_is_wrong_usage(prompt, capsys):
    assert main(["chat", prompt]) == 2
    assert "the prompt is empty" in capsys.readouterr().err


@pytest.mark.parametrize("data", [b"", b" \n", b"\xff\xfe"])
def test_rejects_an_empty_or_unreadable_prompt(data, monkeypatch):
    piped(monkeypatch, data)
    with pytest.raises(ConfigurationError, match="prompt"):
        chat.read_prompt(arguments())


def test_a_conversation_needs_a_terminal_and_no_json(monkeypatch):
    monkeypatch.setattr("sys.stdin", SimpleNamespace(isatty=lambda: True))
    assert chat.read_prompt(arguments()) is None
    with pytest.raises(ConfigurationError, match="--json"):
        chat.read_prompt(arguments("--json"))


class BookTwin:
    """Knows one view, and remembers for which model it was asked."""

    def __init__(self, *nodes, models: tuple[str, ...] = ("demo",)) -> None:
        self.nodes, self.listed = nodes, list(models)
        self.asked: list[str] = []

    def models(self, now: int) -> list[str]:
        return self.listed

    def candidates(self, model: str, now: int) -> None:
        self.asked.append(model)

    def view(self):
        return book_view(*self.nodes)


def test_the_trust_decision_stands_on_stderr_before_the_first_request(capsys):
    book = BookTwin(good_node())
    assert chat.verify(book, None, now=NOW) == "demo"
    found = capsys.readouterr()
    assert found.out == ""
    assert found.err.startswith("1 node verified, SIMULATED platform, release a4d451ec2346…")
    assert found.err.count("\n") == 1
    assert book.asked == ["demo"]


@pytest.mark.parametrize("book", [BookTwin(refused_node()), BookTwin(good_node(), models=())])
def test_nothing_is_asked_of_a_service_without_a_verified_node(book):
    with pytest.raises(OpenPCCError):
        chat.verify(book, None, now=NOW)
