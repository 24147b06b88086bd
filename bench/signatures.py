"""Verifications of signatures: how many a call has, and what so many cost by themselves."""

import contextlib
import cProfile
import os
from collections.abc import Callable, Iterator

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519

VERIFICATIONS = ("verify_directly_issued_by", "is_signature_valid", "verify")
"""What the library calls them."""


def counted(way: Callable[[], object]) -> dict[str, int]:
    """Count the library's signature verifications of one call, by kind of key."""
    profile = cProfile.Profile()
    with one_core():  # a thread that verifies ahead would not be counted
        profile.enable()
        way()
        profile.disable()
    found = {"p384": 0, "ed25519": 0}
    for entry in profile.getstats():
        name = entry.code if isinstance(entry.code, str) else ""
        if any(f"'{one}' of 'cryptography" in name for one in VERIFICATIONS):
            found["ed25519" if "ed25519" in name else "p384"] += entry.callcount
    return found


@contextlib.contextmanager
def one_core() -> Iterator[None]:
    """Keep this thread, and those it starts, to one core: nothing is verified ahead."""
    cores = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {min(cores)})
    try:
        yield
    finally:
        os.sched_setaffinity(0, cores)


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
