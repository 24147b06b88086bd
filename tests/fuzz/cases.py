"""A quote with its endorsements, a time and a root, as one input."""

from collections.abc import Iterable

from attestation import verifier
from attestation.evidence import Endorsement
from attestation.policy import AppraisalPolicy
from tests.fuzz.pieces import joined, named, numbered, pieces

TYPES = ("x509-chain", "x509-crl", "tdx-collateral", "rim", "other")
ROOTS = {"vendor": b"v", "fake": b"f"}


def case(root: str, now: int, quote: bytes, stapled: Iterable[Endorsement]) -> bytes:
    """Write a case."""
    found = numbered(TYPES, [(one.type, one.data) for one in stapled])
    return joined([ROOTS[root] + now.to_bytes(4, "big"), quote, found])


def judge(platform: str, data: bytes, fake: AppraisalPolicy) -> None:
    """Judge a case, under the vendor's roots or a policy that pins a fake one."""
    head, quote, *stapled = [*pieces(data), b"", b""]
    found = tuple(Endorsement(type=kind, data=one) for kind, one in named(stapled, TYPES))
    own = AppraisalPolicy(platforms=(platform,), optional=frozenset({"2.recency"}))
    policy = own if head[:1] == ROOTS["vendor"] else fake
    now = int.from_bytes(head[1:5], "big")
    verifier.verify_parts(platform, quote, found, now=now, policy=policy)
    verifier.explain(platform, quote, found, policy)
