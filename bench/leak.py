"""What an observer between client and relay learns of a streamed answer's topic.

    python -m bench.leak [--questions N] [--lanes N] [--factor F] [--keep FILE] [--read FILE]

Real answers of the demonstration's engine, in slow motion (`leak_engine`), through the whole stack,
three ways, in turns: nodes that do not pad (`leak_node`, what a stream of events over TLS shows),
`latency`, and `paced`. A recorder between client and relay notes sizes and times; gradient-boosted
trees guess the topic (`leak_judge`). The unpadded row must succeed clearly, or nothing is shown.
"""

import argparse
import json
import tempfile
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path

import httpx

from bench import leak_report
from bench.leak_exchanges import Asked, Exchange, exchanges, read_notes
from bench.leak_prompts import Question, questions
from bench.leak_stack import WAYS, Recorded, recorded

PATH = "/v1/chat/completions"
FACTOR = 16.0
"""A token then takes some 20 ms, and this model's short answers as long as 40 to 400 tokens of an
8B model take at the pace of `bench/paced_engine.py`."""

WARM_UP = 2
"""Questions per lane and way before the first one that counts."""


def ask(client: httpx.Client, question: Question, *, way: str, lane: int) -> Asked:
    """Ask one question; note when its content came."""
    began = time.monotonic_ns()
    first = events = text = 0
    with client.stream("POST", PATH, json=question.body) as response:
        response.raise_for_status()
        for piece in response.iter_raw():
            if b'"content":"' in piece:
                first = first or time.monotonic_ns()
            events += piece.count(b"\n\n")
            text += len(piece)
    return Asked(
        way=way,
        lane=lane,
        topic=question.topic,
        subject=question.subject,
        began=began,
        first=first,
        ended=time.monotonic_ns(),
        events=events,
        text=text,
    )


def work(found: Recorded, lane: int, share: Sequence[Question], done: list[Asked]) -> None:
    """Put a lane's questions, each in every way, the order of ways rotating."""
    for number, question in enumerate([*share[:WARM_UP], *share]):
        turn = number % len(WAYS)
        for way in WAYS[turn:] + WAYS[:turn]:
            one = ask(found.clients[way][lane].http, question, way=way, lane=lane)
            if number >= WARM_UP:
                done.append(one)


def record(count: int, lanes: int, factor: float) -> list[Exchange]:
    """Run everything; give what the observer saw."""
    asked: list[Asked] = []
    every = questions(count)
    with tempfile.TemporaryDirectory() as name:
        with recorded(Path(name), lanes=lanes, factor=factor) as found:
            run_lanes(lambda lane: work(found, lane, every[lane::lanes], asked), lanes)
            files = found.files
        notes = {way: read_notes(path.read_text().splitlines()) for way, path in files.items()}
    return [
        exchange
        for way in WAYS
        for exchange in exchanges((one for one in asked if one.way == way), notes[way])
    ]


def run_lanes(lane: Callable[[int], None], lanes: int) -> None:
    """Run the lanes beside each other; a lane that fails fails the run."""
    failed: list[BaseException] = []

    def guarded(number: int) -> None:
        try:
            lane(number)
        except BaseException as error:
            failed.append(error)
            raise

    threads = [threading.Thread(target=guarded, args=(number,)) for number in range(lanes)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if failed:
        raise RuntimeError("a lane failed") from failed[0]


def save(path: Path, found: Sequence[Exchange]) -> None:
    """Keep a recording: sizes, times and topics, nothing else."""
    path.write_text("".join(json.dumps(asdict(one)) + "\n" for one in found))


def load(path: Path) -> list[Exchange]:
    """Read a recording."""
    found = []
    for line in path.read_text().splitlines():
        document = json.loads(line)
        found.append(
            Exchange(
                asked=Asked(**document["asked"]),
                request=document["request"],
                sizes=tuple(document["sizes"]),
                times=tuple(document["times"]),
            )
        )
    return found


def main() -> None:
    """Record or read, judge, print."""
    parser = argparse.ArgumentParser(prog="bench.leak", description=__doc__.split("\n", 1)[0])
    parser.add_argument("--questions", type=int, default=400, help="of all topics together")
    parser.add_argument("--lanes", type=int, default=2, help="questions put at one time")
    parser.add_argument("--factor", type=float, default=FACTOR, help="slow motion of the engine")
    parser.add_argument("--keep", type=Path, help="write the recording to this file")
    parser.add_argument("--read", type=Path, help="judge this recording, record nothing")
    options = parser.parse_args()
    if options.read:
        found = load(options.read)
    else:
        found = record(options.questions, options.lanes, options.factor)
    if options.keep:
        save(options.keep, found)
    print(leak_report.report(found, vars(options)))


if __name__ == "__main__":
    main()
