"""A valid request that the sealing tests start from, and a client that breaks the rules."""

from typing import Any

from openpcc.protocol import sealing, varint
from openpcc.protocol.hpke import KEM_X25519, KEM_XWING
from openpcc.protocol.sealing import content
from openpcc.protocol.sealing.header import Wrap, request_digest

NOW = 1_800_000_000
TERMS: dict[str, Any] = {"model": "demo", "expires": NOW + 120, "max_output": 1024}
MESSAGE = b"a binary http message" * 20

KEYS = tuple(sealing.NodePrivateKey.generate(kem_id=KEM_X25519, key_id=i) for i in range(3))
HYBRID_KEYS = tuple(sealing.NodePrivateKey.generate(kem_id=KEM_XWING, key_id=i) for i in range(3))


def seal(keys=KEYS, message=MESSAGE, **terms):
    """Seal to all of the keys, in order."""
    return sealing.seal_request([key.node_key for key in keys], message, **(TERMS | terms))


def unwrap(body, key=KEYS[0]):
    """Do a node's steps up to the content."""
    prefix = sealing.Prefix.parse(body)
    return prefix.unwrap(prefix.select({key.id: key}))


def open_request(body, key=KEYS[0]):
    """Do all of a node's steps on the bytes."""
    return unwrap(body, key).open_content(body)


def seal_dishonestly(key, records, *, request_id=None, last_final=True):
    """Seal to one node what an honest client would not: any records, any request id."""
    secret = b"s" * 32
    suite = key.node_key.suite
    header = sealing.Header(
        suite=suite,
        expires=TERMS["expires"],
        max_output=1024,
        request_id=request_id or content.request_id(secret),
        model_id=sealing.model_id("demo"),
        token_digest=bytes(32),
        node_key_ids=(key.id,),
    ).encode()
    enc, context = suite.setup_base_s(key.node_key.public, content.INFO_LABEL + header)
    prefix = header + Wrap(enc=enc, sealed=context.seal(b"", secret)).encode()
    sealer = content.content_keys(suite, secret, request_digest(prefix)).sealer()
    *first, last = records
    chunks = [_chunk(sealer.seal(b"", record)) for record in first]
    chunks.append(
        b"\0" + sealer.seal(b"final", last) if last_final else _chunk(sealer.seal(b"", last))
    )
    return prefix + b"".join(chunks)


def _chunk(sealed):
    return varint.encode(len(sealed)) + sealed
