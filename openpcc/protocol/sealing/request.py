"""Sealing a request at the client: one content, its secret wrapped for k nodes (sealing sheet).

    1. content_secret   32 fresh bytes; request_id commits to it
    2. header           suite, expiry, budget, request_id, model, tokens, candidates
    3. wrap_i           SetupBaseS(pk_i, info = label ‖ header), then Seal(content_secret)
    4. request_digest   SHA-256(header ‖ wraps)
    5. chunks           records of the message under keys(request_digest, content_secret)

Each context seals once and exports once: the secret of a reply by that node.
"""

import secrets
from collections.abc import Sequence
from dataclasses import dataclass

from openpcc.protocol.errors import MalformedError, UnsupportedError
from openpcc.protocol.hpke import Encapsulation, SenderContext, Suite
from openpcc.protocol.sealing import content
from openpcc.protocol.sealing.header import (
    MAX_BUCKET,
    SECRET_SIZE,
    Header,
    Wrap,
    request_digest,
)
from openpcc.protocol.sealing.keys import NodeKey, model_id
from openpcc.protocol.sealing.records import bucket_for
from openpcc.protocol.sealing.redemption import NO_TOKENS
from openpcc.protocol.sealing.reply import SECRET_SIZE as REPLY_SECRET_SIZE
from openpcc.protocol.sealing.reply import ReplyOpener, ReplySecret, export_context

MEDIA_TYPE = "application/vnd.openpcc.sealed-req"


@dataclass(frozen=True, kw_only=True)
class Terms:
    """What a request says about itself in the open; bound to it, readable by the gateway."""

    model: str
    expires: int
    max_output: int
    token_digest: bytes = NO_TOKENS


class SealedRequest:
    """A sealed request and what opens its reply.

    `candidates` stand in the order of the header, so a reply's `index` is a position in them.
    """

    def __init__(
        self,
        *,
        body: bytes,
        header: Header,
        digest: bytes,
        candidates: tuple[NodeKey, ...],
        replies: tuple[ReplySecret, ...],
    ) -> None:
        self.body = body
        self.header = header
        self.request_digest = digest
        self.candidates = candidates
        self._replies = replies

    def open_reply(self) -> ReplyOpener:
        """Give what opens a reply. Another node may be tried, so it may be called again."""
        return ReplyOpener(self._replies)

    def wipe(self) -> None:
        """Drop what could open a reply."""
        self._replies = ()


def seal_request(
    candidates: Sequence[NodeKey],
    message: bytes,
    *,
    model: str,
    expires: int,
    max_output: int,
    token_digest: bytes = NO_TOKENS,
) -> SealedRequest:
    """Seal a Binary HTTP request to up to eight nodes.

    Args:
        candidates: keys of one suite, in the random order that the caller drew.
        message: the Binary HTTP request, without padding of its own.
        model: the model's name.
        expires: Unix seconds, a multiple of 60, at most 300 ahead.
        max_output: most tokens the reply may have: a power of two from 256, or 0 (open admission).
        token_digest: of the tokens that pay; zeros with open admission.

    Raises:
        TooLargeError: the message is larger than a sealed request may be.
        MalformedError: no candidates, the same one twice, or a term the header cannot say.
        UnsupportedError: candidates of different suites.
    """
    terms = Terms(model=model, expires=expires, max_output=max_output, token_digest=token_digest)
    bucket_for(len(message), limit=MAX_BUCKET)  # refuse by length before any cryptography
    made = [candidate.public.encapsulate() for candidate in candidates]
    return seal_with(candidates, made, message, terms, content_secret=secrets.token_bytes(32))


def seal_with(
    candidates: Sequence[NodeKey],
    made: Sequence[Encapsulation],
    message: bytes,
    terms: Terms,
    *,
    content_secret: bytes,
) -> SealedRequest:
    """Seal with given secret and encapsulations: for published vectors only, never twice."""
    if len(content_secret) != SECRET_SIZE:
        raise MalformedError("content secret: expected 32 bytes")
    header = _header(candidates, terms, content.request_id(content_secret))
    encoded = header.encode()
    bucket = bucket_for(len(message), limit=MAX_BUCKET)
    contexts = [header.suite.sender(one, content.INFO_LABEL + encoded) for one in made]
    wraps = [
        Wrap(enc=one.enc, sealed=context.seal(b"", content_secret))
        for one, context in zip(made, contexts, strict=True)
    ]
    prefix = encoded + b"".join(wrap.encode() for wrap in wraps)
    digest = request_digest(prefix)
    keys = content.content_keys(header.suite, content_secret, digest)
    return SealedRequest(
        body=b"".join((prefix, *content.seal_content(keys, message, bucket))),
        header=header,
        digest=digest,
        candidates=tuple(candidates),
        replies=tuple(
            _reply(header.suite, one, context, digest)
            for one, context in zip(made, contexts, strict=True)
        ),
    )


def _header(candidates: Sequence[NodeKey], terms: Terms, request_id: bytes) -> Header:
    if not candidates:
        raise MalformedError("a sealed request needs a candidate")
    suite = candidates[0].suite
    if any(candidate.suite != suite for candidate in candidates):
        raise UnsupportedError("one message has one suite: the candidates' keys differ")
    return Header(
        suite=suite,
        expires=terms.expires,
        max_output=terms.max_output,
        request_id=request_id,
        model_id=model_id(terms.model),
        token_digest=terms.token_digest,
        node_key_ids=tuple(candidate.id for candidate in candidates),
    )


def _reply(suite: Suite, made: Encapsulation, context: SenderContext, digest: bytes) -> ReplySecret:
    """Export the secret of this node's reply, and wipe the context: it has done both its tasks."""
    secret = context.export(export_context(digest), REPLY_SECRET_SIZE)
    context.wipe()
    return ReplySecret(suite=suite, enc=made.enc, secret=secret)
