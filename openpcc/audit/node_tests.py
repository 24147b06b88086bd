"""What `audit node` tests, beside what `gateway_tests` has. docs/audit.md. Ids are stable."""

from openpcc.audit.tested import Tested, Tests

TELL = "send nothing to this node; keep this report, and ask the operator of the service"

NODE = Tests(
    table={
        "node.listed": Tested(
            text="the node is in a directory that the log names",
            remedy="name a leaf as `openpcc nodes` or `openpcc audit gateway` shows it",
        ),
        "node.answer": Tested(
            text="the node answered a challenge through the gateway",
            remedy="run it again in a minute; if it fails again, ask the operator of the service",
        ),
        "node.challenge": Tested(
            text="its evidence was made for this challenge: it carries the nonce", remedy=TELL
        ),
        "node.keys": Tested(
            text="its evidence attests the very keys that the directory lists", remedy=TELL
        ),
        "node.machine": Tested(
            text="the machine that answered is the one that the directory lists", remedy=TELL
        ),
        "node.evidence": Tested(
            text="its evidence passes every check that a client makes, but that of its place in "
            "the directory",
            remedy=f"its section names the checks; {TELL}",
        ),
    }
)
