"""Fuzz parsers with libFuzzer, through atheris, which knows what was reached.

    tests/fuzz/run.py snp_report tdx_quote --seconds 600
    tests/fuzz/run.py --all --seconds 5 --crashes fuzz-crashes

Each target runs in a process of its own, one after the other, at low priority: 1 GiB of memory,
5 seconds for one input. What breaks the invariant, takes too long or too much is written to a file
below `--crashes`, and the run goes on with the next target; the exit status is 1 then. To look at a
finding: `tests/fuzz/run.py TARGET --replay FILE`.

atheris has no wheels for some machines and Python versions. There this refuses to start, and
`pytest tests/fuzz` does what can be done without.
"""

import argparse
import importlib.util
import os
import re
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
if str(ROOT) not in sys.path:  # run as a program, from any folder
    sys.path.insert(0, str(ROOT))

MEMORY = 1024
"""MiB of a process; the seeds of a target and what it remembers stay under 200."""

LONGEST = 5
"""Seconds for one input; the slowest good one takes 0.05."""

WORDS = (b"\\ud800", b"\\u0000", b"-----BEGIN CERTIFICATE-----\n", b"\0\xff|\xff\0", b"1e999")
"""What an input may need and a fuzzer would not guess: half a pair, the mark between pieces."""


@dataclass(frozen=True, kw_only=True)
class Run:
    """What came of fuzzing one target."""

    target: str
    inputs: int
    per_second: int
    finding: str | None

    def line(self) -> str:
        """Write it for a terminal."""
        end = "ok" if self.finding is None else f"FOUND: {self.finding}"
        return f"{self.target:24}{self.inputs:>12,} inputs{self.per_second:>9,}/s   {end}"


def fuzz(target: str, *, seconds: int, crashes: Path) -> Run:
    """Fuzz one target in a process of its own."""
    crashes.mkdir(parents=True, exist_ok=True)
    before = set(crashes.iterdir())
    with tempfile.TemporaryDirectory(prefix="openpcc-fuzz-") as folder:
        done = subprocess.run(
            [sys.executable, __file__, target, "--inside", folder,
             "--seconds", str(seconds), "--crashes", str(crashes)],
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace",
            check=False, preexec_fn=lambda: os.nice(10) and None,
        )  # fmt: skip
    saved = sorted(path.name for path in set(crashes.iterdir()) - before)
    finding = None
    if done.returncode or saved:
        sys.stderr.write(done.stdout[-6000:])
        finding = ", ".join(saved) or f"ended with status {done.returncode}"
    return Run(
        target=target,
        inputs=_counted("number_of_executed_units", done.stdout),
        per_second=_counted("average_exec_per_sec", done.stdout),
        finding=finding,
    )


def inside(target: str, folder: Path, *, seconds: int, crashes: Path) -> None:
    """Be the process that fuzzes; does not return."""
    import atheris  # type: ignore[import-untyped]

    with atheris.instrument_imports(include=["attestation", "openpcc.protocol.privacypass"]):
        from tests.fuzz.targets import TARGETS

    found = TARGETS[target]
    corpus, words = folder / "corpus", folder / "words"
    corpus.mkdir()
    longest = found.longest
    for number, seed in enumerate(found.seeds()):
        longest = max(longest, len(seed) + 64)
        (corpus / str(number)).write_bytes(seed)
    words.write_text("".join(f'"{_escaped(word)}"\n' for word in WORDS))
    options = {
        "max_total_time": seconds,
        "max_len": longest,
        "timeout": LONGEST,
        "rss_limit_mb": MEMORY,
        "dict": words,
        "artifact_prefix": crashes / f"{target}-",
        "print_final_stats": 1,
    }
    atheris.Setup(
        [sys.argv[0], *(f"-{name}={value}" for name, value in options.items()), str(corpus)],
        found.__call__,
    )
    atheris.Fuzz()


def replay(target: str, file: Path) -> None:
    """Give one input to a target, without atheris, and let what it raises through."""
    from tests.fuzz.targets import TARGETS

    accepted = TARGETS[target](file.read_bytes())
    print(f"{target}: {'accepted' if accepted else 'refused'}")


def main() -> int:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("targets", nargs="*", metavar="TARGET")
    parser.add_argument("--all", action="store_true", help="every target")
    parser.add_argument("--seconds", type=int, default=60, help="for each target (60)")
    parser.add_argument("--crashes", type=Path, default=Path("fuzz-crashes"), help="where to write")
    parser.add_argument("--replay", type=Path, metavar="FILE", help="give one file to one target")
    parser.add_argument("--inside", type=Path, help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.inside:
        inside(asked.targets[0], asked.inside, seconds=asked.seconds, crashes=asked.crashes)
    if asked.replay:
        replay(asked.targets[0], asked.replay)
        return 0
    if importlib.util.find_spec("atheris") is None:
        parser.error("atheris is not installed: it has wheels for Linux, x86_64, Python 3.11-3.13")
    from tests.fuzz.targets import TARGETS

    names = list(TARGETS) if asked.all else asked.targets
    unknown = sorted(set(names) - set(TARGETS))
    if unknown or not names:
        parser.error(f"targets: {' '.join(TARGETS)}")
    runs = []
    for name in names:
        runs.append(fuzz(name, seconds=asked.seconds, crashes=asked.crashes.resolve()))
        print(runs[-1].line(), flush=True)
    return int(any(run.finding for run in runs))


def _counted(name: str, output: str) -> int:
    found = re.search(rf"stat::{name}:\s+([0-9]+)", output)
    return int(found.group(1)) if found else 0


def _escaped(word: bytes) -> str:
    return "".join(f"\\x{byte:02x}" for byte in word)


if __name__ == "__main__":
    sys.exit(main())
