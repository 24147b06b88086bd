"""What `audit gateway` tests. docs/audit.md. Finding ids are stable."""

from openpcc.audit.tested import Tested, Tests

OPERATOR = "ask the operator of the service"
AGAIN = f"run it again; if it fails again, {OPERATOR}"
SHOWN_APART = (
    "run it again in two minutes (a relay keeps a copy for one); if it stays, somebody on one of "
    "these ways shows its users something of their own: keep this report, and tell both operators"
)

GATEWAY = Tests(
    table={
        "gateway.answer": Tested(
            text="everything that was asked for came along this way, in time and within its size",
            remedy=AGAIN,
        ),
        "gateway.keys-split": Tested(
            text="the OHTTP keys are the same on every way", remedy=SHOWN_APART
        ),
        "gateway.keys": Tested(
            text="the OHTTP keys are those of the logged service entry",
            remedy="clients refuse these keys; run it again in two minutes (a relay keeps a copy "
            f"for one); if it stays, {OPERATOR}",
        ),
        "gateway.record": Tested(
            text="checkpoint, service entry and status come along this way: witnessed, signed, "
            "recent, and of one history with what was seen before",
            remedy=f"see whether this machine's clock is right; then {OPERATOR} and of the log",
        ),
        "gateway.lapsed": Tested(
            text="the newest service entry is valid now",
            remedy=f"clients find no nodes now; {OPERATOR}",
        ),
        "gateway.equivocation": Tested(
            text="no two signed statements contradict each other",
            remedy="do not use the service; give both statements to the log's witnesses",
        ),
        "gateway.tail-split": Tested(
            text="service entry and status are the same on every way", remedy=SHOWN_APART
        ),
        "gateway.admission": Tested(
            text="how the service lets people in, at what price, and where that changed"
        ),
        "gateway.issuer-keys": Tested(
            text="all service entries of a window list the same issuer keys",
            remedy="tokens of such a window can tell who bought them: use none of them, keep this "
            "report, and tell whoever uses the service",
        ),
        "gateway.issuer-rotation": Tested(text="issuer keys that came, took over or went"),
        "gateway.issuer-directory": Tested(
            text="the issuer offers the issuer keys of the newest service entry and no other",
            remedy="somebody may be given a key of his own, by which his tokens are known; clients "
            f"refuse it: keep this report, and {OPERATOR}",
        ),
        "gateway.shard": Tested(
            text="every shard of every directory is served, and proved to the root in the log",
            remedy=AGAIN,
        ),
        "gateway.shard-stale": Tested(
            text="no shard is of an earlier window", remedy=f"clients refuse it; {AGAIN}"
        ),
        "gateway.shard-split": Tested(
            text="every shard is the same on every way", remedy=SHOWN_APART
        ),
        "gateway.bundle": Tested(
            text="the evidence of every listed leaf is served on every way",
            remedy=f"nobody can judge these nodes; {OPERATOR}",
        ),
        "gateway.attested": Tested(
            text="the evidence of every leaf attests the keys that the leaf lists",
            remedy="somebody listed keys that no machine has shown: keep this report, and tell "
            "whoever uses the service",
        ),
        "gateway.node": Tested(
            text="every listed node passes every check that a client makes",
            remedy=f"each refused node has a section of its own here; {OPERATOR}",
        ),
        "gateway.release": Tested(
            text="the release of every node is signed, logged and witnessed",
            remedy="rely on no machine that runs this release, and ask its signers",
        ),
        "gateway.moved": Tested(
            text="no machine changed its place in a directory from one window to the next",
            remedy="who moves machines can move one into a client's shard: ask the operator why",
        ),
        "gateway.machines": Tested(text="different machines behind the listed nodes"),
    }
)
