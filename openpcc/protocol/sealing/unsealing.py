"""Opening a sealed request at a node (sealing sheet, What the node does).

    1. Prefix.parse     lengths, version, suite, form: nothing is trusted yet
       select           one id is a live key of this node
    2. unwrap           decapsulate, open the wrap, recompute request_id: one error for all of it
    3. (the caller inserts request_id into its replay set)
    4. open_content     all chunks, and only then the message

From there on every answer, also an error, is a sealed reply.
"""

import hmac
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field

from openpcc.protocol.errors import (
    MisuseError,
    ProtocolError,
    UnknownKeyError,
    UnsealableError,
)
from openpcc.protocol.hpke import RecipientContext
from openpcc.protocol.sealing import content
from openpcc.protocol.sealing.header import (
    MAX_REQUEST,
    Header,
    Wrap,
    check_size,
    parse_wraps,
    request_digest,
)
from openpcc.protocol.sealing.keys import NodePrivateKey
from openpcc.protocol.sealing.reply import (
    NONCE_SIZE,
    ReplySealer,
    ReplySecret,
    export_context,
)
from openpcc.protocol.sealing.reply import SECRET_SIZE as REPLY_SECRET_SIZE


class Unwrapped:
    """A request whose content secret this node holds, bound to this node's reply."""

    def __init__(
        self, prefix: "Prefix", index: int, context: RecipientContext, content_secret: bytes
    ) -> None:
        self.header = prefix.header
        self.request_digest = prefix.request_digest
        self.index = index
        self._prefix_size = prefix.size
        self._content_secret = content_secret
        self._answered = False
        self._reply = ReplySecret(
            suite=prefix.header.suite,
            enc=prefix.wraps[index].enc,
            secret=context.export(export_context(prefix.request_digest), REPLY_SECRET_SIZE),
        )

    @property
    def request_id(self) -> bytes:
        """Give the id for the replay set; it commits to the content secret."""
        return self.header.request_id

    def open_content(self, body: bytes) -> bytes:
        """Open the content of the whole body; give the Binary HTTP request.

        Raises:
            MalformedError: a chunk's length or a record is not of this form.
            UnsealableError: a chunk does not open.
            TruncatedError: the final chunk is missing.
        """
        keys = content.content_keys(self.header.suite, self._content_secret, self.request_digest)
        return content.open_content(keys, body[self._prefix_size :])

    def seal_reply(self) -> ReplySealer:
        """Give what seals the reply, under a fresh nonce.

        Raises:
            MisuseError: called twice; one request has one reply.
        """
        return self.seal_reply_with(secrets.token_bytes(NONCE_SIZE))

    def seal_reply_with(self, nonce: bytes) -> ReplySealer:
        """Seal under a given nonce: for published vectors only, never twice."""
        if self._answered:
            raise MisuseError("one request has one reply")
        self._answered = True
        return ReplySealer(self._reply, index=self.index, nonce=nonce)


@dataclass(frozen=True, kw_only=True)
class Prefix:
    """Header and wraps of a sealed request, parsed but not opened."""

    header: Header
    wraps: tuple[Wrap, ...]
    request_digest: bytes
    encoded_header: bytes = field(repr=False)

    @property
    def size(self) -> int:
        """Give the prefix's size in bytes; the chunks follow."""
        return self.header.prefix_size

    @staticmethod
    def parse(body: bytes, *, limit: int = MAX_REQUEST) -> "Prefix":
        """Read the prefix of a sealed request.

        Args:
            body: the whole body, or its beginning up to at least the end of the prefix.
            limit: most bytes accepted.

        Raises:
            TooLargeError: more than `limit` bytes.
            UnsupportedError: another version or suite.
            MalformedError: k, the ids, the expiry or the budget are not of this form.
            TruncatedError: the bytes end inside the prefix.
        """
        check_size(len(body), limit=limit)
        header = Header.parse(body)
        return Prefix(
            header=header,
            wraps=parse_wraps(header, body),
            request_digest=request_digest(body[: header.prefix_size]),
            encoded_header=body[: header.size],
        )

    def select(self, live: Mapping[bytes, NodePrivateKey]) -> NodePrivateKey:
        """Give the first of our live keys, by id, that the request is addressed to.

        Raises:
            UnknownKeyError: none is.
        """
        for key_id in self.header.node_key_ids:
            if key_id in live:
                return live[key_id]
        raise UnknownKeyError("sealed request: addressed to no live key of this node")

    def unwrap(self, key: NodePrivateKey) -> Unwrapped:
        """Recover the content secret with one candidate's key.

        Raises:
            UnknownKeyError: the request is not addressed to this key, or the key was erased.
            UnsealableError: anything else, in one text.
        """
        if key.id not in self.header.node_key_ids:
            raise UnknownKeyError("sealed request: not addressed to this key")
        index = self.header.node_key_ids.index(key.id)
        private = key.private
        info = content.INFO_LABEL + self.encoded_header
        wrap = self.wraps[index]
        try:
            context = self.header.suite.setup_base_r(wrap.enc, private, info)
            content_secret = context.open(b"", wrap.sealed)
        except ProtocolError as error:
            raise UnsealableError from error
        if not hmac.compare_digest(content.request_id(content_secret), self.header.request_id):
            raise UnsealableError
        return Unwrapped(self, index, context, content_secret)
