"""Other verifiers beside ours: a program in an environment of its own, asked once a round.

    with Peers(evidence, now=now) as peers:
        harness.interleave({"ours": timed(ours), **peers.ways}, rounds=100)

They need other versions of other packages than we do (`requirements/peers.txt`, `make peers`); so
each verification is timed where it happens, and only a number comes back over the pipe.
"""

import base64
import json
import subprocess
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from types import TracebackType

ROOT = Path(__file__).resolve().parent.parent
PYTHON = ROOT / ".venv-peers" / "bin" / "python"
PROGRAM = Path(__file__).resolve().parent / "peers_program.py"


class Peers:
    """The program, started with the evidence it verifies; `ways` times one verification each."""

    def __init__(self, evidence: Mapping[str, bytes], *, now: int) -> None:
        encoded = {name: base64.b64encode(data).decode() for name, data in evidence.items()}
        self._first = json.dumps({"evidence": encoded, "now": now})
        self.ways: dict[str, Callable[[], float]] = {}

    def __enter__(self) -> "Peers":
        if not PYTHON.exists():
            raise SystemExit("the peers are not installed: run `make peers`")
        self._program = subprocess.Popen(
            [str(PYTHON), str(PROGRAM)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        names = json.loads(self._ask(self._first))
        self.ways = {name: partial(self._time, name) for name in names}
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._program.communicate()

    def _time(self, name: str) -> float:
        return float(self._ask(name))

    def _ask(self, line: str) -> str:
        assert self._program.stdin
        assert self._program.stdout
        self._program.stdin.write(line + "\n")
        self._program.stdin.flush()
        answer = self._program.stdout.readline()
        if not answer:
            raise SystemExit("a peer refused, or could not start; see above")
        return answer
