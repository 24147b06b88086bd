"""The header of a sealed request: all that a gateway may read, and all that the seal binds.

    offset size
         0    1  version = 01
         1    6  kem_id(2) ‖ kdf_id(2) ‖ aead_id(2)
         7    1  k, 1..8
         8    8  expires, Unix seconds, a multiple of 60
        16    4  max_output, a power of two from 256, or 0 with open admission
        20   32  request_id
        52   32  model_id
        84   32  token_digest, zero with open admission
       116  32k  node_key_id_0 ‖ …, all different

A header in hex begins `01 647a00010002 02 000000006b49d278 00000400 …`. The prefix is the header
and one wrap for each candidate; its digest names the request and salts its content.
"""

import hashlib
from dataclasses import dataclass, field

from openpcc.protocol.errors import (
    ExpiredError,
    MalformedError,
    TooLargeError,
    TruncatedError,
    UnsupportedError,
)
from openpcc.protocol.hpke import Suite
from openpcc.protocol.hpke.aead import TAG_SIZE
from openpcc.protocol.sealing.keys import SUITES

VERSION = 1
MAX_CANDIDATES = 8
DEFAULT_CANDIDATES = 3
MAX_REQUEST = 64 << 20
"""Bytes of a sealed request unless configured: a long context with images, and no more."""

MAX_BUCKET = 48 << 20
"""Bytes of the largest content: with its prefix, the next bucket would pass the limit."""

EXPIRY_STEP = 60
"""Seconds: expiries are whole minutes, so that they tell little about a client's clock."""

MAX_AHEAD = 300
"""Seconds an expiry may lie ahead, which bounds how long a request must be remembered."""

MIN_OUTPUT = 256
"""Tokens of the smallest output budget."""

FIXED_SIZE = 116
DIGEST_SIZE = 32
SECRET_SIZE = 32
WRAP_SIZE = SECRET_SIZE + TAG_SIZE
"""Bytes of one sealed content secret, without its encapsulation."""


@dataclass(frozen=True, kw_only=True)
class Header:
    """The header's fields."""

    suite: Suite
    expires: int
    max_output: int
    request_id: bytes
    model_id: bytes
    token_digest: bytes
    node_key_ids: tuple[bytes, ...]

    @property
    def k(self) -> int:
        """Give the number of candidates."""
        return len(self.node_key_ids)

    @property
    def size(self) -> int:
        """Give the header's size in bytes."""
        return FIXED_SIZE + DIGEST_SIZE * self.k

    @property
    def prefix_size(self) -> int:
        """Give the size of header and wraps."""
        return self.size + self.k * (self.suite.kem.enc_size + WRAP_SIZE)

    def encode(self) -> bytes:
        """Write the header.

        Raises:
            MalformedError: a field cannot be sent.
        """
        self._check()
        ids = (self.suite.kem_id, self.suite.kdf_id, self.suite.aead_id)
        return b"".join(
            (
                bytes([VERSION]),
                *(number.to_bytes(2, "big") for number in ids),
                bytes([self.k]),
                self.expires.to_bytes(8, "big"),
                self.max_output.to_bytes(4, "big"),
                self.request_id,
                self.model_id,
                self.token_digest,
                *self.node_key_ids,
            )
        )

    @staticmethod
    def parse(body: bytes) -> "Header":
        """Read the header at the start of a sealed request.

        Raises:
            UnsupportedError: another version or suite.
            MalformedError: k, the ids, the expiry or the budget are not of this form.
            TruncatedError: the bytes end inside the header.
        """
        suite = _suite(body)
        k = body[7]
        if not 1 <= k <= MAX_CANDIDATES:
            raise MalformedError(f"header: expected 1 to {MAX_CANDIDATES} candidates")
        end = FIXED_SIZE + DIGEST_SIZE * k
        _need(body, end)
        header = Header(
            suite=suite,
            expires=int.from_bytes(body[8:16], "big"),
            max_output=int.from_bytes(body[16:20], "big"),
            request_id=body[20:52],
            model_id=body[52:84],
            token_digest=body[84:116],
            node_key_ids=tuple(
                body[at : at + DIGEST_SIZE] for at in range(FIXED_SIZE, end, DIGEST_SIZE)
            ),
        )
        header._check()
        return header

    def _check(self) -> None:
        """Refuse a header that no client of this version makes."""
        if not 1 <= self.k <= MAX_CANDIDATES or len(set(self.node_key_ids)) != self.k:
            raise MalformedError("header: 1 to 8 candidates, all different")
        if self.expires % EXPIRY_STEP or not 0 <= self.expires < 1 << 64:
            raise MalformedError("header: expires is a multiple of 60")
        budget = self.max_output
        if budget and (budget < MIN_OUTPUT or budget >> 32 or budget & (budget - 1)):
            raise MalformedError("header: max_output is 0 or a power of two from 256")
        digests = (self.request_id, self.model_id, self.token_digest, *self.node_key_ids)
        if any(len(digest) != DIGEST_SIZE for digest in digests):
            raise MalformedError("header: an id or digest is not 32 bytes")


def check_header(header: Header, now: float) -> None:
    """Refuse a request that is too old or expires too far ahead; `now` in Unix seconds.

    Raises:
        ExpiredError: unless now < expires <= now + 300.
    """
    if not now < header.expires <= now + MAX_AHEAD:
        raise ExpiredError("header: expires is not within the next 300 seconds")


def check_size(size: int, *, limit: int = MAX_REQUEST) -> None:
    """Refuse a sealed request by its length, before any cryptography.

    Raises:
        TooLargeError: more than `limit` bytes.
    """
    if size > limit:
        raise TooLargeError(f"sealed request: at most {limit} bytes are accepted")


def request_digest(prefix: bytes) -> bytes:
    """Give the digest that names a request."""
    return hashlib.sha256(prefix).digest()


@dataclass(frozen=True, kw_only=True)
class Wrap:
    """The content secret, sealed to one candidate."""

    enc: bytes
    sealed: bytes = field(repr=False)

    def encode(self) -> bytes:
        """Write the wrap."""
        return self.enc + self.sealed


def parse_wraps(header: Header, body: bytes) -> tuple[Wrap, ...]:
    """Read the wraps behind a header.

    Raises:
        TruncatedError: the bytes end inside them.
    """
    _need(body, header.prefix_size)
    enc_size = header.suite.kem.enc_size
    step = enc_size + WRAP_SIZE
    return tuple(
        Wrap(enc=body[at : at + enc_size], sealed=body[at + enc_size : at + step])
        for at in range(header.size, header.prefix_size, step)
    )


def _suite(body: bytes) -> Suite:
    """Read version and suite, as far as the bytes go."""
    _need(body, 1)
    if body[0] != VERSION:
        raise UnsupportedError("sealed request: another version")
    _need(body, 8)
    kem_id, kdf_id, aead_id = (int.from_bytes(body[at : at + 2], "big") for at in (1, 3, 5))
    suite = SUITES.get(kem_id)
    if suite is None or (kdf_id, aead_id) != (suite.kdf_id, suite.aead_id):
        raise UnsupportedError("sealed request: another suite")
    return suite


def _need(body: bytes, size: int) -> None:
    if len(body) < size:
        raise TruncatedError("sealed request: the bytes end inside header or wraps")
