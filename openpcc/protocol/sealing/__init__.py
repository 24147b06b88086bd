"""Sealed requests and replies, version 1 (sealing sheet): the one format that holds content.

A request is one content sealed once, its secret wrapped for k nodes; everything around it is bound
in as HPKE info and salt. A reply is sealed by the one node that served. Bytes in, bytes out: no
clock, no replay set, no I/O; those are the node's, and `check_header` takes `now`.

    request    the client's side: `seal_request`, then `SealedRequest.open_reply`
    unsealing  the node's side: `Prefix.parse`, `Prefix.unwrap`, `Unwrapped.open_content`
    reply      replies, both ends         header      what a gateway may read
    content    what both ends derive      keys        node keys and their ids
    records    padding and buckets        pacing      ticks of a paced reply
    redemption proofs that pay
"""

from openpcc.protocol.sealing.header import (
    DEFAULT_CANDIDATES,
    EXPIRY_STEP,
    MAX_AHEAD,
    MAX_CANDIDATES,
    MAX_REQUEST,
    MIN_OUTPUT,
    Header,
    Wrap,
    check_header,
    check_size,
)
from openpcc.protocol.sealing.keys import NodeKey, NodePrivateKey, model_id
from openpcc.protocol.sealing.pacing import PacedQueue, Tick
from openpcc.protocol.sealing.redemption import (
    NO_TOKENS,
    check_proof,
    check_reclaim,
    holder_nonce,
    reclaim_proof,
    redemption_proof,
    token_digest,
)
from openpcc.protocol.sealing.reply import ReplyOpener, ReplySealer
from openpcc.protocol.sealing.request import SealedRequest, seal_request
from openpcc.protocol.sealing.unsealing import Prefix, Unwrapped

__all__ = [
    "DEFAULT_CANDIDATES",
    "EXPIRY_STEP",
    "MAX_AHEAD",
    "MAX_CANDIDATES",
    "MAX_REQUEST",
    "MIN_OUTPUT",
    "NO_TOKENS",
    "Header",
    "NodeKey",
    "NodePrivateKey",
    "PacedQueue",
    "Prefix",
    "ReplyOpener",
    "ReplySealer",
    "SealedRequest",
    "Tick",
    "Unwrapped",
    "Wrap",
    "check_header",
    "check_proof",
    "check_reclaim",
    "check_size",
    "holder_nonce",
    "model_id",
    "reclaim_proof",
    "redemption_proof",
    "seal_request",
    "token_digest",
]
