"""What it costs to judge one evidence bundle, and to look at it again.

    cold       `trust.establish`: quote, vendor chain, CRLs, one GPU with its RIM, release, beacon
    kept       a second look with the judgement kept, as `Lookup` does within a directory window
    bare       the same signature verifications and nothing else: same keys' kinds, same number

The number of verifications is counted, not assumed: the profiler sees each call into the library.
"""

import cProfile
import tempfile
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519

from bench import harness
from openpcc import trust
from openpcc.lookup import Judgement, Lookup
from openpcc.protocol.messages import DirectoryLeaf
from tests.fakes.world import NOW, World

ROUNDS = 150
VERIFICATIONS = ("verify_directly_issued_by", "is_signature_valid", "verify")
BARS = {"cold_ms": 15.0, "kept_ms": 0.2}


def counted(way: Callable[[], object]) -> dict[str, int]:
    """Count the library's signature verifications of one call, by kind of key."""
    profile = cProfile.Profile()
    profile.enable()
    way()
    profile.disable()
    found = {"p384": 0, "ed25519": 0}
    for entry in profile.getstats():
        name = entry.code if isinstance(entry.code, str) else ""
        if any(f"'{one}' of 'cryptography" in name for one in VERIFICATIONS):
            found["ed25519" if "ed25519" in name else "p384"] += entry.callcount
    return found


def bare(count: dict[str, int]) -> Callable[[], None]:
    """Make a call that verifies so many signatures."""
    p384, edwards = ec.generate_private_key(ec.SECP384R1()), ed25519.Ed25519PrivateKey.generate()
    message, algorithm = bytes(512), ec.ECDSA(hashes.SHA384())
    by_p384, by_edwards = p384.sign(message, algorithm), edwards.sign(message)
    p384_public, edwards_public = p384.public_key(), edwards.public_key()

    def verify() -> None:
        for _ in range(count["p384"]):
            p384_public.verify(by_p384, message, algorithm)
        for _ in range(count["ed25519"]):
            edwards_public.verify(by_edwards, message)

    return verify


def kept(
    leaf: DirectoryLeaf, view: trust.LogView, data: bytes, node: trust.TrustedNode
) -> Callable[[], None]:
    """Make the second look: the lookup's own decision, with the first judgement in its memory."""
    nothing: Any = None  # nothing is fetched and no state is read while the judgement stands
    lookup = Lookup(nothing_but_a_policy(), nothing, nothing)
    judgement = Judgement(
        leaf=leaf, node=node, report=node.report, bundle=data, status=view.status.payload_digest
    )
    lookup._kept[leaf.leaf_hash()] = judgement

    def look() -> None:
        assert lookup._judge(nothing, nothing, leaf, view, NOW + 60) is judgement

    return look


def nothing_but_a_policy() -> Any:
    """Stand in for a configuration of which a kept judgement needs nothing."""
    return SimpleNamespace(policy=None)


def main() -> None:
    """Measure and print."""
    with tempfile.TemporaryDirectory(prefix="openpcc-bench-") as folder:
        world = World(Path(folder))
        bundle = world.bundle()
        data, leaf, view = bundle.encode(), world.leaf(bundle), world.view()
        policy, consistency = world.policy, world.consistency()

        def cold() -> trust.TrustedNode:
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

        count = counted(cold)
        ways = {"cold": cold, "kept": kept(leaf, view, data, cold()), "bare": bare(count)}
        samples = harness.compare(ways, rounds=ROUNDS)
    derived = {"bundle_bytes": len(data), "verifications": count, "bars": BARS}
    print(harness.report("appraise one bundle", samples, unit="ms", scale=1e3, derived=derived))


if __name__ == "__main__":
    main()
