"""What each cryptographic step of a request costs, against the bare primitives it needs.

A request to k = 3 nodes, sealed and put into Oblivious HTTP, X-Wing throughout; then one record
of a reply. Each step stands beside the library calls alone that any implementation would make:
X-Wing is ML-KEM-768 and X25519, a record is one AES-256-GCM call, each layer opened again.
"""

import os
import time

from cryptography.hazmat.primitives.asymmetric.mlkem import MLKEM768PrivateKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from bench import harness
from openpcc.protocol import bhttp, chunked_ohttp, messages
from openpcc.protocol.hpke import AEAD_AES_256_GCM, KDF_HKDF_SHA256, KEM_XWING
from openpcc.protocol.ohttp import GatewayKey
from openpcc.protocol.sealing import (
    NodePrivateKey,
    Prefix,
    ReplySealer,
    SealedRequest,
    seal_request,
)

K = 3
ROUNDS = 400
TOKEN_EVENT = b"x" * 240
"""One token's event, in bytes."""


class Step:
    """Everything a step needs, made beforehand."""

    def __init__(self) -> None:
        self.nodes = [NodePrivateKey.generate(kem_id=KEM_XWING, key_id=one) for one in range(K)]
        self.gateway = GatewayKey.generate(
            kem_id=KEM_XWING, key_id=1, algorithms=((KDF_HKDF_SHA256, AEAD_AES_256_GCM),)
        )
        request = bhttp.Request(
            method="POST",
            scheme="https",
            authority="demo.example",
            path="/v1/chat/completions",
            headers=(("content-type", "application/json"),),
            content=b"x" * 600,
        )
        self.message = bhttp.encode_request(request)
        self.expires = (int(time.time()) + 179) // 60 * 60
        self.body = self.seal().body
        outer = bhttp.Request(
            method="POST",
            scheme="https",
            authority="demo.example",
            path="/sealed",
            headers=(("content-type", messages.SEALED_REQUEST),),
            content=self.body,
        )
        self.outer = bhttp.encode_request(outer, pad_to=messages.OUTER_PADDING)
        self.encapsulated, _ = self.encapsulate()

    def seal(self) -> SealedRequest:
        keys = [node.node_key for node in self.nodes]
        return seal_request(keys, self.message, model="demo", expires=self.expires, max_output=0)

    def encapsulate(self) -> tuple[bytes, chunked_ohttp.ResponseOpener]:
        return chunked_ohttp.encapsulate(self.gateway.config, self.outer)

    def open_at_gateway(self) -> bytes:
        size = chunked_ohttp.GatewayRequest.head_size(self.gateway)
        request = chunked_ohttp.GatewayRequest.open(self.gateway, self.encapsulated[:size])
        parts = request.feed(self.encapsulated[size:]) + request.finish()
        request.seal_response()
        return b"".join(parts)

    def unwrap(self) -> bytes:
        prefix = Prefix.parse(self.body)
        unwrapped = prefix.unwrap(self.nodes[1])
        unwrapped.seal_reply()
        return unwrapped.open_content(self.body)

    def reply(self) -> ReplySealer:
        return Prefix.parse(self.body).unwrap(self.nodes[1]).seal_reply()


class Primitives:
    """The library's calls, with keys that are parsed already."""

    def __init__(self) -> None:
        self.mlkem, self.x25519 = MLKEM768PrivateKey.generate(), X25519PrivateKey.generate()
        self.public = self.mlkem.public_key()
        self.peer = X25519PrivateKey.generate().public_key()
        _, self.ciphertext = self.public.encapsulate()
        self.aead = AESGCM(os.urandom(32))
        self.nonce = bytes(12)
        self.record = self.aead.encrypt(self.nonce, bytes(512), b"")

    def encapsulate(self, times: int) -> None:
        for _ in range(times):
            self.public.encapsulate()
            X25519PrivateKey.generate().exchange(self.peer)

    def encapsulate_and_seal(self) -> None:
        self.encapsulate(1)
        self.seal(8192)

    def decapsulate(self) -> None:
        self.mlkem.decapsulate(self.ciphertext)
        self.x25519.exchange(self.peer)

    def seal(self, size: int) -> None:
        self.aead.encrypt(self.nonce, bytes(size), b"")

    def open(self) -> None:
        self.aead.decrypt(self.nonce, self.record, b"")


def records(step: Step, primitives: Primitives) -> str:
    """Measure one record of a reply, both ends."""
    sealer = step.reply()
    request = step.seal()
    reply = Prefix.parse(request.body).unwrap(step.nodes[0]).seal_reply()
    opener = request.open_reply()
    opener.feed(reply.head())
    sealed = iter([reply.record(TOKEN_EVENT) for _ in range(ROUNDS + 20)])
    samples = harness.compare(
        {
            "seal a record": lambda: sealer.record(TOKEN_EVENT),
            "open a record": lambda: opener.feed(next(sealed)),
            "bare: AES-256-GCM seal": lambda: primitives.seal(512),
            "bare: AES-256-GCM open": primitives.open,
        },
        rounds=ROUNDS,
    )
    return harness.report("one record of a reply", samples, unit="us", scale=1e6)


def main() -> None:
    """Measure and print."""
    step, primitives = Step(), Primitives()
    samples = harness.compare(
        {
            f"client: seal, k={K}": step.seal,
            f"bare: {K} encapsulations": lambda: primitives.encapsulate(K),
            "client: encapsulate": step.encapsulate,
            "bare: 1 encapsulation, seal 8 KiB": primitives.encapsulate_and_seal,
            "gateway: open": step.open_at_gateway,
            "node: unwrap, open": step.unwrap,
            "bare: 1 decapsulation": primitives.decapsulate,
        },
        rounds=ROUNDS,
    )
    sizes = {
        "message": len(step.message),
        "sealed": len(step.body),
        "encapsulated": len(step.encapsulated),
    }
    print(harness.report("one request", samples, unit="us", scale=1e6, derived={"bytes": sizes}))
    print(records(step, primitives))


if __name__ == "__main__":
    main()
