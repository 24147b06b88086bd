"""What it costs to judge evidence: a whole bundle, a quote beside other verifiers, a process.

Whole bundles, of the simulated platform with one GPU and of real ones under throw-away vendors:

    cold       `trust.establish` with everything forgotten that any function remembers: quote,
               chains, CRLs, collateral, devices with RIMs and OCSP answers, release, beacon
    again      the same, with what was signed for this machine remembered: a new epoch's bundle
    kept       a second look with the judgement kept, as `Lookup` does within a directory window
    bare       as many verifications of P-384 and Ed25519 signatures as cold has of any kind, and
               nothing else

The number of verifications is counted, not assumed: the profiler sees each call into the library.

Bundles with one GPU and with two, with and without OCSP: see `bench.gpu_bundles`.

A report and a quote of real machines (../shared), beside the peers of `bench.peers`, in turns; in
processor time, because judging waits for nothing and others use this machine too:

    cold       `verifier.verify_parts` with everything forgotten that any function remembers
    vendor     the same, after another machine of the same vendor was judged: what the vendor signed
               for both is remembered, nothing about this machine is
    again      the same, after this very machine was judged

And `openpcc verify evidence` as a process, from nothing to its exit.
"""

import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path

from bench import harness
from bench.gpu_bundles import gpus
from bench.peers import PYTHON as PEERS_PYTHON
from bench.peers import Peers
from bench.peers_cases import VECTORS, Case, forget
from bench.second_look import kept
from bench.signatures import bare, counted
from openpcc import trust
from tests.fakes.world import NOW, Logged, World
from tests.fakes.worlds import HOSTS, PlatformWorld

ROUNDS = 150
PROCESSES = 15
BARS = {"cold_ms": 15.0, "kept_ms": 0.2}
OPENPCC = Path(sys.executable).parent / "openpcc"

SNP = ("sev-snp", "genoa-v3-vcek-tinfoil", "genoa-v3-vcek-azure")
"""Kind, case, and another machine of the same vendor. The one Genoa report that `tinfoil` takes."""

TDX = ("tdx", "tdx-v4-dstack", "tdx-v5-google")
"""The same: version 4 with a level that is up to date, which every peer takes."""


REAL = (
    *("sev-snp", "tdx", "sev-snp with GPUs", "sev-snp-vtpm", "tdx-vtpm"),
    "sev-snp-vtpm on Azure with GPUs",
)
"""Bundles of real platforms, under throw-away vendors; those with GPUs have two."""


def bundle(title: str, world: Logged) -> None:
    """Measure one whole bundle."""
    bundle = world.bundle()
    data, leaf, view = bundle.encode(), world.leaf(bundle), world.view()
    policy, consistency = world.policy, world.consistency()

    def again() -> trust.TrustedNode:
        node, _ = trust.establish(
            data,
            leaf=leaf,
            now=NOW,
            policy=policy,
            view=view,
            consistency=consistency,
            newest={},
        )
        return node

    def cold() -> float:
        forget()
        began = time.perf_counter()
        again()
        return time.perf_counter() - began

    forget()
    count = counted(again)
    timed = {"again": again, "kept": kept(leaf, view, data, again()), "bare": bare(count)}
    ways = {"cold": cold, **{name: harness.timed(way) for name, way in timed.items()}}
    samples = harness.interleave(ways, rounds=ROUNDS)
    derived = {"bundle_bytes": len(data), "verifications": count, "bars": BARS}
    print(harness.report(title, samples, unit="ms", scale=1e3, derived=derived))


def bundles() -> None:
    """Measure the simulated bundle of the demonstration, and those of real platforms."""
    with tempfile.TemporaryDirectory(prefix="openpcc-bench-") as folder:
        bundle("appraise one bundle, simulated", World(Path(folder)))
    for name in REAL:
        bundle(f"appraise one bundle, {name}", PlatformWorld(HOSTS[name]()))


def beside_peers(kind: str, name: str, other: str) -> None:
    """Measure one quote, ours and the peers' in turns."""
    case, neighbour = Case.read(kind, name), Case.read(kind, other)

    def after(*before: Case) -> Callable[[], float]:
        def run() -> float:
            case.judge()  # not counted, as with the peers: the processor is awake and warm
            forget()
            for one in before:
                one.judge()
            began = time.thread_time()
            case.judge()
            return time.thread_time() - began

        return run

    ways = {"cold": after(), "vendor": after(neighbour), "again": after(case)}
    with Peers(case.evidence(), now=case.now) as peers:
        samples = harness.interleave({**ways, **peers.ways}, rounds=ROUNDS)
    derived = {"case": name, "before": other, "times_as_fast": ratios(samples, list(peers.ways))}
    print(
        harness.report(
            f"appraise {kind}", samples, unit="ms of processor time", scale=1e3, derived=derived
        )
    )


def ratios(samples: Mapping[str, list[float]], peers: list[str]) -> dict[str, dict[str, float]]:
    """Give the median of each peer divided by that of each way of ours."""
    middle = {name: statistics.median(values) for name, values in samples.items()}
    ours = [name for name in samples if name not in peers]
    return {peer: {way: round(middle[peer] / middle[way], 2) for way in ours} for peer in peers}


def as_process() -> None:
    """Measure what a person or a script waits for."""
    peer = "import tinfoil.attestation.attestation_sev"
    with tempfile.TemporaryDirectory(prefix="openpcc-bench-") as folder:
        runs = partial(running, compiled_into(Path(folder)))
        ways = {
            "python": runs(sys.executable, "-c", "pass"),
            "import openpcc": runs(sys.executable, "-c", "import openpcc"),
            "import tinfoil's verifier": runs(str(PEERS_PYTHON), "-c", peer),
            **{
                f"verify evidence {kind}": runs(*verify_evidence(kind, name, Path(folder)))
                for kind, name, _ in (SNP, TDX)
            },
        }
        samples = harness.compare(ways, rounds=PROCESSES, warm_up=2)
    bars = {"import openpcc": 150, "verify evidence": 400}
    print(harness.report("processes", samples, unit="ms", scale=1e3, derived={"bars": bars}))


def verify_evidence(kind: str, name: str, folder: Path) -> tuple[str, ...]:
    """Give the words of `openpcc verify evidence` for a published case, which it accepts."""
    case, policy = Case.read(kind, name), folder / f"{kind}.toml"
    policy.write_text(
        f'version = 1\n[attestation]\nplatforms = ["{kind}"]\n'
        '[attestation.checks]\noptional = ["2.recency"]\n'
    )
    named = [f"--file={key}={one}" for key, some in case.paths.items() for one in some]
    words = ("--kind", kind, *named, f"--at={case.now}", f"--policy={policy}")
    return (str(OPENPCC), "verify", "evidence", *words)


def compiled_into(folder: Path) -> dict[str, str]:
    """Give an environment in which Python keeps what it compiled, as it does once installed."""
    kept = {key: value for key, value in os.environ.items() if key != "PYTHONDONTWRITEBYTECODE"}
    return {**kept, "PYTHONPYCACHEPREFIX": str(folder / "bytecode")}


def running(environment: Mapping[str, str], *command: str) -> Callable[[], None]:
    """Make the call that runs a command to its end."""

    def run() -> None:
        subprocess.run(command, check=True, env=environment, stdout=subprocess.DEVNULL)

    return run


def main() -> None:
    """Measure and print."""
    bundles()
    gpus()
    if not VECTORS.is_dir():
        print("../shared is absent: nothing to judge beside the peers", file=sys.stderr)
        return
    beside_peers(*SNP)
    beside_peers(*TDX)
    as_process()


if __name__ == "__main__":
    main()
