"""Five things that must not work, tried against the running service; six where requests are paid.

All but one are attacks of `openpcc audit attack`, which has many more; the last needs the status
signers' key. Where requests are paid these are too, from the wallet of the demonstration. An attack
that succeeds, or cannot be tried, raises `DemoFailedError`, and the demonstration ends with exit
code 1.
"""

import tempfile
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from openpcc import clock
from openpcc.audit.attack import evidence, replies, requests, tokens
from openpcc.audit.attack.attempt import Attack, Refused, SucceededError
from openpcc.audit.attack.stack_keys import StackKeys
from openpcc.audit.attack.target import Target
from openpcc.cli.demo.stack import DemoStack
from openpcc.client import OpenPCC
from openpcc.config import ClientConfig
from openpcc.errors import DirectoryError, OpenPCCError

MIRROR_AGE = 1.5
"""Seconds: the gateway copies the log's checkpoint for one, and a client asks the gateway."""

TRIED: Mapping[str, Attack[Target]] = {
    "one altered character in the evidence": evidence.QUOTE_EDIT,
    "the same bytes again": requests.REPLAY_GATEWAY,
    "the same sealed request in a new envelope": requests.REPLAY_NODE,
    "a stream cut before its end": replies.CUT_STREAM,
}

PAID: Mapping[str, Attack[Target]] = {
    "one altered character in the evidence": evidence.QUOTE_EDIT,
    "the same bytes again": requests.REPLAY_GATEWAY,
    "the same sealed request in a new envelope": tokens.SECOND_REPLY,
    "the same token for another request": tokens.REUSED,
    "a stream cut before its end": replies.CUT_STREAM,
}
"""The same where requests are paid: there the gateway knows a sealed request by its tokens."""


class DemoFailedError(OpenPCCError):
    """Something that must be refused was not."""


@dataclass(frozen=True, kw_only=True)
class Refusal:
    """What was tried, who refused it, and in which words."""

    tried: str
    by: str
    words: str


def attacks(stack: DemoStack) -> Iterator[Refusal]:
    """Try what anybody can try from outside."""
    config = ClientConfig.load(stack.client)
    with tempfile.TemporaryDirectory(dir=stack.folder) as scratch:
        target = Target(config, Path(scratch), StackKeys(None))
        try:
            for tried, one in (TRIED if stack.payment is None else PAID).items():
                yield Refusal(tried=tried, by=one.by, words=_refusal(one, target))
        finally:
            target.close()


def unlisted_release(stack: DemoStack) -> Refusal:
    """Log a status without the release, which revokes it for ever; look with a fresh client."""
    stack.publish_status([])
    time.sleep(MIRROR_AGE)
    try:
        with OpenPCC(stack.write_client("revocation", stack.relay.listening)) as client:
            client.transport.book.refresh(clock.now())
            raise DemoFailedError("nodes of a revoked release were accepted")
    except DirectoryError as error:
        if not error.reports:
            raise
        words = Refused.by_client(error).words
    return Refusal(tried="a release that is not listed any more", by="client", words=words)


def _refusal(one: Attack[Target], target: Target) -> str:
    try:
        refused = one.run(target)
    except SucceededError as error:
        raise DemoFailedError(f"{one.tried}: {error}") from error
    if not one.answers(refused):
        raise DemoFailedError(f"{one.tried}: refused for another reason: {refused.sentence}")
    return refused.words if refused.checks[0] in refused.words else refused.checks[0]
