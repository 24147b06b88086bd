"""Takes checks out of the client in this process, one at a time; no part of the product.

Each function here makes a test's client careless in one way; `monkeypatch` undoes it.
"""

import hashlib
from collections.abc import Callable
from contextlib import suppress
from types import SimpleNamespace
from weakref import WeakKeyDictionary

import httpx
import pytest
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

from attestation import checks
from openpcc import clock, directory, lookup, record, release_checks, reply, transport, trust
from openpcc.errors import GatewayError, TransportError
from openpcc.exchange import SealedExchange
from openpcc.protocol import bhttp, sealing
from openpcc.protocol.errors import ProtocolError, UnsealableError
from openpcc.protocol.hpke import aead
from openpcc.protocol.hpke.suite import Suite
from openpcc.protocol.sealing import content, request
from openpcc.protocol.sealing.reply import HEAD_SIZE, ReplyOpener
from openpcc.protocol.sealing.request import SealedRequest
from openpcc.tokens import issuance
from transparency_log import client as log_client
from transparency_log import scan
from transparency_log.checkpoint import parse_checkpoint
from transparency_log.note import parse_note
from transparency_log.witness_policy import WitnessedCheckpoint

Weaken = Callable[[pytest.MonkeyPatch], None]


def checks_out(*ids: str) -> Weaken:
    """Let these checks of the trust decision pass, whatever they found."""

    def weaken(patch: pytest.MonkeyPatch) -> None:
        genuine = checks.Checks._record

        def passing(self, check) -> None:
            genuine(self, checks.PASSED[check.id] if check.id in ids else check)

        patch.setattr(checks.Checks, "_record", passing)

    return weaken


def both(*every: Weaken) -> Weaken:
    def weaken(patch: pytest.MonkeyPatch) -> None:
        for one in every:
            one(patch)

    return weaken


def any_suite(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(trust, "choose_suite", lambda keys, _: sealing.NodeKey.parse(keys.hpke[0]))


def _unwitnessed(note: bytes, _policy) -> WitnessedCheckpoint:
    found = parse_checkpoint(parse_note(note).unverified_text)
    return WitnessedCheckpoint(checkpoint=found, time=clock.now(), witnesses=(), note=note)


def no_witnesses(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(release_checks, "verify_checkpoint", _unwitnessed)
    patch.setattr(log_client, "verify_checkpoint", _unwitnessed)


class _Any:
    def digest(self) -> "_Any":
        return self

    def __eq__(self, _other: object) -> bool:
        return True

    def __ne__(self, _other: object) -> bool:
        return False


def any_gateway_keys(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(lookup, "hashlib", SimpleNamespace(sha256=lambda _: _Any()))


def any_directory(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(directory, "_prove", lambda *_args, **_kwargs: None)


def any_age(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(record, "CHECKPOINT_AGE", 2**40)
    patch.setattr(record, "_require_current", lambda _service, _now: None)


def any_sequence(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(record, "_never_back", lambda *_: None)


def any_history(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(record.RecordReader, "_extends", lambda *_: None)


def any_twin(patch: pytest.MonkeyPatch) -> None:
    def chain(entries, verify, belongs):
        found = [one for one in scan._signed(entries, verify) if belongs(one.entry)]
        return sorted(found, key=lambda one: one.entry.sequence)[:1]

    patch.setattr(scan, "_chain", chain)


def any_wire_end(patch: pytest.MonkeyPatch) -> None:
    def content(fed, chunks):
        try:
            for chunk in chunks:
                yield from fed.feed(chunk)
        except TransportError:
            return

    patch.setattr(transport, "_content", content)


def any_reply_end(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(ReplyOpener, "finish", lambda _: [])
    patch.setattr(bhttp.ResponseDecoder, "finish", lambda _: [])


def any_tag(patch: pytest.MonkeyPatch) -> None:
    genuine = aead._Counter.__init__

    def init(self, kind, key, base_nonce) -> None:
        genuine(self, kind, key, base_nonce)
        self.key = key

    def opened(self, _aad, sealed) -> bytes:
        _, nonce = self._next()
        self._sequence += 1
        counter = modes.CTR(nonce + (2).to_bytes(4, "big"))
        body = bytes(sealed)[: -aead.TAG_SIZE]
        return Cipher(algorithms.AES(self.key), counter).decryptor().update(body)

    patch.setattr(aead._Counter, "__init__", init)
    patch.setattr(aead.Opener, "open", opened)


def no_seal(patch: pytest.MonkeyPatch) -> None:
    """Take what is not sealed as it comes; a nonce of zeros marks it."""
    genuine_feed, genuine_finish = ReplyOpener.feed, ReplyOpener.finish
    came: WeakKeyDictionary[ReplyOpener, bytes] = WeakKeyDictionary()

    def plain(self) -> bool:
        return came[self].startswith(bytes(HEAD_SIZE))

    def feed(self, data: bytes) -> list[bytes]:
        came[self] = came.get(self, b"") + data
        return [] if plain(self) else genuine_feed(self, data)

    def finish(self) -> list[bytes]:
        return [came[self][HEAD_SIZE:]] if plain(self) else genuine_finish(self)

    patch.setattr(ReplyOpener, "feed", feed)
    patch.setattr(ReplyOpener, "finish", finish)


def any_request(patch: pytest.MonkeyPatch) -> None:
    """Open a reply with the secrets of whatever request there was, and mind no receipt."""
    secrets = []

    def open_reply(self) -> ReplyOpener:
        secrets.append(self._replies)
        return ReplyOpener(self._replies)

    genuine = ReplyOpener.feed

    def feed(self, data: bytes) -> list[bytes]:
        with suppress(ProtocolError):
            return genuine(self, data)
        for older in secrets:
            self.__dict__.update(ReplyOpener(older).__dict__)
            with suppress(ProtocolError):
                return genuine(self, data)
        raise UnsealableError

    patch.setattr(SealedRequest, "open_reply", open_reply)
    patch.setattr(ReplyOpener, "feed", feed)
    patch.setattr(reply.Reply, "_trailers", lambda *_: None)


def any_gateway_code(patch: pytest.MonkeyPatch) -> None:
    """Hand on what the gateway says as if a node had said it."""
    genuine = SealedExchange.finish

    def finish(self):
        try:
            return genuine(self)
        except GatewayError as error:
            return [bhttp.Head(status=error.status, headers=())]

    patch.setattr(SealedExchange, "finish", finish)


def any_relay_code(patch: pytest.MonkeyPatch) -> None:
    """Hand on what the relay says as if a node had said it."""
    genuine = transport.Transport.handle_request

    def handle(self, request: httpx.Request) -> httpx.Response:
        try:
            return genuine(self, request)
        except GatewayError as error:
            return httpx.Response(error.status, request=request)

    patch.setattr(transport.Transport, "handle_request", handle)


def any_issuer_key(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(issuance, "choose_key", lambda offered, _terms: offered.issuer_keys()[0])


def no_header(patch: pytest.MonkeyPatch) -> None:
    """Bind no header, as the weakened nodes expect of a client."""

    def bare(self, made, info: bytes):
        label = content.INFO_LABEL
        return genuine(self, made, label if info.startswith(label) else info)

    genuine = Suite.sender
    patch.setattr(Suite, "sender", bare)
    patch.setattr(
        request,
        "request_digest",
        lambda prefix: hashlib.sha256(prefix[116 + 32 * prefix[7] :]).digest(),
    )
