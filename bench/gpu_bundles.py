"""What it costs to judge whole bundles with GPUs: SNP quote, RIMs, OCSP answers, release, beacon.

    cold           `trust.establish` with everything forgotten that any function remembers
    without OCSP   the same, but for OCSP answers, which are known: what a bundle costs beside them
    again          the same, with everything remembered that was signed for this machine
    kept           a second look with the judgement kept, as `Lookup` does within a directory window
    bare           as many verifications of signatures as cold has of any kind, and nothing else
    alone          cold and without OCSP on one core: nothing is verified ahead

Wall time ends with the judgement, processor time with the thread that verified ahead of it. Others'
work on the machine shows in the first: on Linux, `chrt -f 1` before the command keeps them off.

Roots are pinned whole, as real vendors' are, so no self-signature is verified. A GPU has RIMs of
driver and VBIOS, by two signers; every certificate but leaf and root has its answer, every issuer
its responder, as NVIDIA's: seven answers of six responders for one GPU, one answer more for each
further GPU.
"""

import hashlib
import time
from collections.abc import Callable, Iterator
from dataclasses import replace

from attestation import anchors
from attestation.certificates import Anchor, Certificate
from attestation.nvidia import ocsp
from bench import harness
from bench.peers_cases import forget, settle
from bench.second_look import kept
from bench.signatures import bare, counted, one_core
from openpcc import trust
from tests.fakes.nvidia import nvidia
from tests.fakes.real_bundles import amd
from tests.fakes.world import NOW
from tests.fakes.worlds import PLATFORMS, Host, PlatformWorld, with_gpus

ROUNDS = 60
COUNTS = (1, 2)
"""Of GPUs."""

BARS = {"without OCSP": 15.0, "cold": 20.0, "kept": 0.2}
"""Milliseconds for one GPU, wall time."""

Times = tuple[float, float]
"""Processor and wall time of one call."""


def gpus() -> None:
    """Measure bundles with one GPU and with two, in turns, by both clocks."""
    ways: dict[str, Callable[[], Times]] = {}
    count: dict[str, dict[str, int]] = {}
    for number in COUNTS:
        world = PlatformWorld(pinned_whole(with_gpus(PLATFORMS["sev-snp"](), number)))
        judge, look = judging(world)
        count |= {f"{name}, {number} GPUs": one for name, one in counts(judge)}
        found = {"cold": cold(judge), "without OCSP": beside_ocsp(judge), "again": again(judge)}
        found |= {f"{name}, alone": alone(found[name]) for name in ("cold", "without OCSP")}
        found |= {"kept": timed(look), "bare": timed(bare(count[f"cold, {number} GPUs"]))}
        ways |= {f"{name}, {number} GPUs": way for name, way in found.items()}
    samples = harness.interleave(ways, rounds=ROUNDS)
    derived = {"verifications": count, "bars, 1 GPU": BARS}
    for clock, unit in enumerate(("ms of processor time", "ms")):
        values = {name: [one[clock] for one in taken] for name, taken in samples.items()}
        title = "appraise one bundle with GPUs"
        print(harness.report(title, values, unit=unit, scale=1e3, derived=derived))


def counts(judge: Callable[[], object]) -> Iterator[tuple[str, dict[str, int]]]:
    """Count signature verifications of each way."""
    for name, but in (("cold", ""), ("without OCSP", ocsp.__name__)):
        judge()
        forget(but=but)
        yield name, counted(judge)
    yield "again", counted(judge)


def judging(world: PlatformWorld) -> tuple[Callable[[], object], Callable[[], object]]:
    """Make the calls that judge a machine's bundle, and that look again at the judgement."""
    bundle = world.bundle()
    data, leaf, view = bundle.encode(), world.leaf(bundle), world.view()
    policy, consistency = world.policy, world.consistency()

    def judge() -> trust.TrustedNode:
        return trust.establish(
            data, leaf=leaf, now=NOW, policy=policy, view=view, consistency=consistency, newest={}
        )[0]

    return judge, kept(leaf, view, data, judge())


def pinned_whole(host: Host) -> Host:
    """Pin the roots of a machine's vendors as if these were the vendors, by whole certificates."""
    policy = host.machine.policy
    for der in (amd().ark.der, nvidia().root.der, nvidia().rim_chain[-1].der):
        root = Certificate.parse(der)
        anchors.VENDOR_ROOTS += tuple(
            Anchor(
                platform=platform,
                name=root.name,
                certificate_sha256=hashlib.sha256(der).digest(),
                spki_sha256=root.spki_sha256,
            )
            for platform, own in policy.roots.items()
            if own == root.spki_sha256
        )
    return replace(host, machine=replace(host.machine, policy=replace(policy, roots={})))


def cold(judge: Callable[[], object]) -> Callable[[], Times]:
    """Make the call that judges with nothing remembered."""
    once = timed(judge)

    def run() -> Times:
        forget()
        return once()

    return run


def beside_ocsp(judge: Callable[[], object]) -> Callable[[], Times]:
    """Make the call that judges with nothing remembered but OCSP answers."""
    once = timed(judge)

    def run() -> Times:
        judge()
        forget(but=ocsp.__name__)
        return once()

    return run


def again(judge: Callable[[], object]) -> Callable[[], Times]:
    """Make the call that judges what was judged just before."""
    once = timed(judge)

    def run() -> Times:
        judge()
        settle()
        return once()

    return run


def alone(way: Callable[[], Times]) -> Callable[[], Times]:
    """Make the same call on one core."""

    def run() -> Times:
        with one_core():
            return way()

    return run


def timed(way: Callable[[], object]) -> Callable[[], Times]:
    """Make a call that gives the seconds a way takes, by both clocks."""

    def run() -> Times:
        processor, wall = time.process_time(), time.perf_counter()
        way()
        judged = time.perf_counter()
        settle()
        return time.process_time() - processor, judged - wall

    return run


if __name__ == "__main__":
    gpus()
