"""Journeys through the whole service that no SDK shows: receipts, refusals, cancelling, secrecy."""

import base64
import json
import os
import re
import subprocess
import sys
import time
from collections.abc import Iterable, Iterator
from pathlib import Path

import httpx
import pytest

from openpcc import OpenPCC, clock
from openpcc.cli.demo import refusals
from openpcc.cli.demo.programs import Program
from openpcc.cli.demo.stack import MODEL, DemoStack
from tests.tools import requires

REFUSED = ("2.signature", "replayed", "replayed", "TruncatedReplyError")
"""In the words of each refusal of the demonstration, in its order."""

CANARY = "quokka-8361-\N{SNOWMAN}"


def spellings(text: str) -> list[bytes]:
    """Every way a text usually stands in a file."""
    raw = text.encode()
    found = [
        raw,
        text.encode("utf-16-le"),
        text.encode("utf-16-be"),
        json.dumps(text)[1:-1].encode(),
    ]
    for offset in range(3):
        coded = base64.b64encode(b"\0" * offset + raw)
        found.append(coded[4 if offset else 0 : -4])
        found.append(coded[4 if offset else 0 : -4].replace(b"+", b"-").replace(b"/", b"_"))
    return found


def files_with(folders: Iterable[Path], needles: list[bytes]) -> list[Path]:
    return [
        path
        for folder in folders
        for path in folder.rglob("*")
        if path.is_file() and any(needle in content(path) for needle in needles)
    ]


def content(path: Path) -> bytes:
    """Read a file; empty if it has gone, since processes of other tests come and go."""
    try:
        return path.read_bytes()
    except (FileNotFoundError, ProcessLookupError):
        return b""


def places(stack: DemoStack) -> list[Path]:
    """Where servers write: the stack's folder, and its engines' private ones in memory."""
    nodes = {node.process.pid for node in stack.nodes}
    lines = {int(path.parent.name): path for path in Path("/proc").glob("[0-9]*/cmdline")}
    found = {
        Path(match[0].decode())
        for pid, path in lines.items()
        if (match := re.search(rb"/[^\0]*openpcc-engine-[^/\0]+", content(path)))
        and nodes & set(ancestors(pid))
    }
    assert len(found) == len(nodes), "every node has an engine with a folder of its own"
    return [stack.folder, *found]


def ancestors(pid: int) -> Iterator[int]:
    while pid > 1:
        yield pid
        stat = content(Path(f"/proc/{pid}/stat"))
        pid = int(stat.rpartition(b")")[2].split()[1]) if stat else 0


def chat(content: str, **more: object) -> dict[str, object]:
    return {"model": MODEL, "messages": [{"role": "user", "content": content}]} | more


def test_the_prompt_stands_in_no_file_of_any_server(client: OpenPCC, stack: DemoStack):
    body = chat(f"Please repeat {CANARY} twice.", max_tokens=24)
    assert client.http.post("/v1/chat/completions", json=body).status_code == 200
    bad = chat(f"{CANARY} is wrong", max_tokens=-5)
    assert client.http.post("/v1/chat/completions", json=bad).status_code == 400
    assert files_with(places(stack), spellings(CANARY)) == []


def test_the_search_for_the_prompt_finds_a_planted_one(stack: DemoStack):
    for number, needle in enumerate(spellings(CANARY)):
        planted = places(stack)[number % 3] / f"planted-{number}"
        planted.write_bytes(b"before " + needle + b" after")
        assert files_with(places(stack), spellings(CANARY)) == [planted]
        planted.unlink()


def test_every_reply_brings_a_receipt_of_this_very_exchange(client: OpenPCC):
    response = client.http.post("/v1/chat/completions", json=chat("Hello", max_tokens=8))
    reply = response.extensions["openpcc"]
    assert reply.receipt is not None
    assert reply.receipt.completion_tokens == response.json()["usage"]["completion_tokens"]
    assert reply.receipt.release == reply.node.report.release


def test_a_receipt_can_be_declined(stack: DemoStack):
    with OpenPCC(stack.client, receipt=False) as client:
        response = client.http.post("/v1/chat/completions", json=chat("Hello", max_tokens=4))
    assert response.extensions["openpcc"].receipt is None


def test_every_check_of_the_argument_is_reported(client: OpenPCC):
    from attestation.checks import CHECKS

    client.transport.book.refresh(clock.now())
    for node in client.transport.book.view().nodes:
        assert node.accepted
        assert node.report is not None
        assert [check.id for check in node.report.checks] == list(CHECKS)


def test_what_the_demo_tries_is_refused(stack: DemoStack):
    found = [(one.tried, one.by, one.words) for one in refusals.attacks(stack)]
    assert [one.by for one in refusals.TRIED.values()] == [by for _, by, _ in found]
    words = [words for _, _, words in found]
    assert all(one in text for one, text in zip(REFUSED, words, strict=True)), found


def test_a_release_taken_off_the_list_is_refused_at_once(doomed: DemoStack):
    assert refusals.unlisted_release(doomed).words.startswith("7.status failed")


def test_a_caller_that_leaves_stops_the_engine(client: OpenPCC, stack: DemoStack):
    body = chat("Tell me a long story.", max_tokens=900, stream=True)
    with client.http.stream("POST", "/v1/chat/completions", json=body) as response:
        next(response.iter_raw())
    deadline = time.monotonic() + 5
    while in_flight(stack) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert in_flight(stack) == 0


def in_flight(stack: DemoStack) -> float:
    """Sum the requests in flight that the nodes report."""
    total = 0.0
    for node in stack.nodes:
        for line in httpx.get(f"{node.control}/metrics", trust_env=False).text.splitlines():
            if line.startswith("openpcc_node_requests_in_flight"):
                total += float(line.rpartition(" ")[2])
    return total


def test_the_command_line_answers_in_json(stack: DemoStack):
    command = Path(sys.executable).with_name("openpcc")
    done = subprocess.run(
        [str(command), "chat", "--json", "--config", str(stack.client), "Say hello."],
        capture_output=True, text=True, check=False, timeout=90,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    document = json.loads(done.stdout)
    assert document["reply"]
    assert document["receipt"] is not None
    assert "SIMULATED" in done.stderr


@pytest.fixture(scope="module")
def proxy(stack: DemoStack) -> Iterator[Program]:
    requires("curl")
    started = stack.start_proxy()
    yield started
    stack.programs.stop(started)


def curl(proxy: Program, path: str, *more: str) -> str:
    done = subprocess.run(
        ["curl", "-sS", "--noproxy", "*", f"{proxy.said['base_url']}{path}", "-H",
         f"Authorization: Bearer {proxy.said['api_key']}", *more],
        capture_output=True, text=True, check=True, timeout=90, env=os.environ,
    )  # fmt: skip
    return done.stdout


def test_curl_at_the_proxy_lists_models_and_chats(proxy: Program):
    assert json.loads(curl(proxy, "/models"))["data"][0]["id"] == MODEL
    body = json.dumps(chat("Say hello.", max_tokens=8))
    reply = curl(proxy, "/chat/completions", "-H", "Content-Type: application/json", "-d", body)
    assert json.loads(reply)["choices"][0]["message"]["content"]


def test_curl_at_the_proxy_streams(proxy: Program):
    body = json.dumps(chat("Say hello.", max_tokens=8, stream=True))
    reply = curl(
        proxy, "/chat/completions", "-N", "-H", "Content-Type: application/json", "-d", body
    )
    assert reply.startswith("data: ")
    assert reply.rstrip().endswith("data: [DONE]")


def test_the_openai_sdk_at_the_proxy_works(proxy: Program):
    import openai

    with openai.OpenAI(
        base_url=str(proxy.said["base_url"]), api_key=str(proxy.said["api_key"]), max_retries=0
    ) as client:
        reply = client.chat.completions.create(
            model=MODEL, messages=[{"role": "user", "content": "Hello"}], max_tokens=8
        )
    assert reply.choices[0].message.content
