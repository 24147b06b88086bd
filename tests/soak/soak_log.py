"""Kills a real log under load, again and again, and checks what it left behind.

    tests/soak/soak_log.py --rounds 200 [--seed N]

A round: the log runs in a process of its own, before three witnesses, while eight publishers submit
entries as fast as they are answered; after a random time it gets SIGKILL, and in every fifth round
a witness with it. Then, before anything is started again, from the files alone:

1. the public checkpoint meets the policy of a reader, two of three witnesses;
2. its tree extends the one of the round before, and the files prove every entry of it;
3. every entry that was ever acknowledged stands at the index that was answered;
4. nobody, no witness either, has cosigned two trees of one size.

The log starts again, in a time that is printed, and the entries without an answer are submitted
again. The exit status is 1 at the first thing that does not hold, and the seed repeats the times.
"""

import argparse
import hashlib
import json
import random
import sys
import tempfile
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path

import httpx

ROOT = Path(__file__).resolve().parents[2]
if str(ROOT) not in sys.path:  # run as a program, from any folder
    sys.path.insert(0, str(ROOT))

from tests.transparency_log.memory_log import MemoryLog, status_entry  # noqa: E402
from tests.transparency_log.server.processes import ORIGIN, TOKEN, World, running_world  # noqa: E402
from transparency_log.checkpoint import parse_checkpoint  # noqa: E402
from transparency_log.client import LogClient  # noqa: E402
from transparency_log.errors import NotFoundError  # noqa: E402
from transparency_log.follow import Frontier, follow  # noqa: E402
from transparency_log.merkle import leaf_hash  # noqa: E402
from transparency_log.note import open_note  # noqa: E402
from transparency_log.witness_policy import WitnessedCheckpoint  # noqa: E402

ORIGIN_HASH = hashlib.sha256(ORIGIN.encode()).hexdigest()
PUBLISHERS = 8
LONGEST = 1.0
"""Seconds a log lives at most: some batches of 20 ms."""

WITNESS_EVERY = 5


@dataclass
class Publisher:
    """Submits entries until the log is gone; what was not answered comes first the next time."""

    number: int
    memory: MemoryLog = field(default_factory=MemoryLog)
    made: int = 0
    unanswered: list[bytes] = field(default_factory=list)

    def run(self, url: str, acknowledged: dict[bytes, int], first: threading.Event) -> None:
        """Submit; an answer that is neither 200 nor "busy" is a finding and ends the soak."""
        headers = {"authorization": f"Bearer {TOKEN}"}
        with httpx.Client(base_url=url, headers=headers, timeout=30) as client:
            while True:
                if not self.unanswered:
                    self.unanswered.append(self._entry())
                entry = self.unanswered[-1]
                try:
                    answer = client.post("/add", content=entry)
                except httpx.TransportError:
                    return  # killed
                if answer.status_code == 503:
                    continue
                answer.raise_for_status()
                self.unanswered.pop()
                acknowledged[leaf_hash(entry)] = answer.json()["index"]
                first.set()

    def _entry(self) -> bytes:
        self.made += 1
        return status_entry(self.memory, self.number * 1_000_000 + self.made)


@dataclass
class Soak:
    """What has been seen of one log over all rounds."""

    world: World
    chance: random.Random
    publishers: list[Publisher]
    acknowledged: dict[bytes, int] = field(default_factory=dict)
    leaves: list[bytes] = field(default_factory=list)
    frontier: Frontier = field(default_factory=Frontier)
    newest: WitnessedCheckpoint | None = None
    cosigned: dict[int, bytes] = field(default_factory=dict)
    starts: list[float] = field(default_factory=list)

    def round(self, number: int) -> None:
        """Load, kill, judge, start again."""
        self._load_and_kill(with_witness=number % WITNESS_EVERY == WITNESS_EVERY - 1)
        self._judge()
        began = time.perf_counter()
        self.world.start_log()
        self.starts.append(time.perf_counter() - began)

    def _load_and_kill(self, *, with_witness: bool) -> None:
        assert self.world.log is not None
        first, url = threading.Event(), self.world.log_url
        threads = [
            threading.Thread(target=one.run, args=(url, self.acknowledged, first))
            for one in self.publishers
        ]
        for thread in threads:
            thread.start()
        if self.chance.random() < 0.8:  # else killed while it starts to serve
            assert first.wait(30), "no entry was acknowledged in 30 s"
        time.sleep(self.chance.uniform(0, LONGEST))
        if with_witness:
            self._replace_witness(self.chance.randrange(3))
        self.world.log.kill()
        for thread in threads:
            thread.join(60)

    def _replace_witness(self, number: int) -> None:
        self.world.witnesses[number].kill()
        self.world.restart_witness(number)

    def _judge(self) -> None:
        client = LogClient(self.world.policy, self._file)
        newest = client.checkpoint()  # 1
        if self.newest:
            client.consistency(self.newest, newest)  # 2
        for stretch in follow(client, newest, self.frontier):
            self.leaves.extend(stretch.leaves)
            self.frontier = stretch.frontier
        self.newest = newest
        for leaf, index in self.acknowledged.items():  # 3
            if index >= len(self.leaves) or self.leaves[index] != leaf:
                raise AssertionError(f"an acknowledged entry is not at index {index}")
        self._one_tree_of_each_size(newest)

    def _one_tree_of_each_size(self, newest: WitnessedCheckpoint) -> None:
        """What the witnesses have cosigned last, and what is published."""
        notes = [newest.checkpoint]
        for witness in self.world.witnesses:
            note = httpx.get(f"{witness.url}/{ORIGIN_HASH}/checkpoint").content
            notes.append(
                parse_checkpoint(open_note(note, [self.world.policy.log_verifiers[0]]).text)
            )
        for checkpoint in notes:  # 4
            root = self.cosigned.setdefault(checkpoint.size, checkpoint.root)
            if root != checkpoint.root:
                raise AssertionError(f"two trees of size {checkpoint.size} are cosigned")

    def _file(self, path: str, limit: int) -> bytes:
        try:
            with (self.world.folder / "log" / path).open("rb") as file:
                data = file.read(limit + 1)
        except FileNotFoundError as error:
            raise NotFoundError(path) from error
        assert len(data) <= limit
        return data


def main() -> int:
    """Run the rounds; print one line of JSON."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--rounds", type=int, default=200)
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(2**32))
    options = parser.parse_args()
    print(f"seed {options.seed}", file=sys.stderr)
    with (
        tempfile.TemporaryDirectory(prefix="openpcc-soak-") as folder,
        running_world(Path(folder)) as world,
    ):
        soak = Soak(
            world=world,
            chance=random.Random(options.seed),
            publishers=[Publisher(number) for number in range(PUBLISHERS)],
        )
        for number in range(options.rounds):
            soak.round(number)
    starts = sorted(soak.starts)
    print(
        json.dumps(
            {
                "rounds": options.rounds,
                "seed": options.seed,
                "acknowledged": len(soak.acknowledged),
                "entries": len(soak.leaves),
                "restart_s": {"median": starts[len(starts) // 2], "longest": starts[-1]},
            }
        )
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
