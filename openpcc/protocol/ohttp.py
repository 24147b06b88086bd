"""Oblivious HTTP (RFC 9458): the request header, one-shot requests and responses.

    enc_request  = hdr ‖ enc ‖ ct       hdr = key_id(1) ‖ kem_id(2) ‖ kdf_id(2) ‖ aead_id(2)
    enc_response = response_nonce ‖ ct

The service itself speaks the chunked form (`chunked_ohttp`), which shares everything here but the
labels and the framing. The one-shot form stays for its published vectors and for other peers.
"""

import secrets
from dataclasses import dataclass, field

from openpcc.protocol import message_keys
from openpcc.protocol.errors import (
    MalformedError,
    TruncatedError,
    UnknownKeyError,
    UnsupportedError,
)
from openpcc.protocol.hpke import (
    Encapsulation,
    PrivateKey,
    RecipientContext,
    SenderContext,
    Suite,
    registry,
)
from openpcc.protocol.hpke import aead as aeads
from openpcc.protocol.hpke import kdf as kdfs
from openpcc.protocol.key_config import KeyConfig, encode_configs, parse_configs
from openpcc.protocol.message_keys import MessageKeys

__all__ = [
    "ClientContext",
    "GatewayContext",
    "GatewayKey",
    "KeyConfig",
    "Labels",
    "RequestHeader",
    "encapsulate_request",
    "encode_configs",
    "open_request",
    "parse_configs",
]

REQUEST_MEDIA_TYPE = "message/ohttp-req"
RESPONSE_MEDIA_TYPE = "message/ohttp-res"

HEADER_SIZE = 7


@dataclass(frozen=True, kw_only=True)
class Labels:
    """The two labels of a format: of the request's info and of the response's export."""

    request: bytes
    response: bytes


PLAIN = Labels(request=b"message/bhttp request", response=b"message/bhttp response")


@dataclass(frozen=True, kw_only=True)
class RequestHeader:
    """The seven bytes that select key and algorithms; they are part of HPKE's info."""

    key_id: int
    kem_id: int
    kdf_id: int
    aead_id: int

    def encode(self) -> bytes:
        """Write the header."""
        ids = (self.kem_id, self.kdf_id, self.aead_id)
        return bytes([self.key_id]) + b"".join(number.to_bytes(2, "big") for number in ids)

    @staticmethod
    def parse(data: bytes) -> "RequestHeader":
        """Read the header at the start of a request.

        Raises:
            TruncatedError: fewer than seven bytes.
        """
        if len(data) < HEADER_SIZE:
            raise TruncatedError("OHTTP request: shorter than its header")
        kem_id, kdf_id, aead_id = (int.from_bytes(data[at : at + 2], "big") for at in (1, 3, 5))
        return RequestHeader(key_id=data[0], kem_id=kem_id, kdf_id=kdf_id, aead_id=aead_id)

    @property
    def suite(self) -> Suite:
        """Give the HPKE suite; it must have Extract and Expand for the response.

        Raises:
            UnsupportedError: an algorithm is not offered here, or cannot carry a response.
        """
        kdfs.hkdf(self.kdf_id)
        suite = Suite(self.kem_id, self.kdf_id, self.aead_id)
        if suite.aead.cipher is None:
            raise UnsupportedError("Oblivious HTTP needs a cipher")
        return suite

    def info(self, labels: Labels) -> bytes:
        """Give HPKE's info for a request under this header."""
        return labels.request + b"\x00" + self.encode()


@dataclass(frozen=True, kw_only=True)
class GatewayKey:
    """A key config with its private half, parsed once."""

    config: KeyConfig
    private: PrivateKey = field(repr=False)

    @staticmethod
    def load(config: KeyConfig, private: bytes) -> "GatewayKey":
        """Parse a serialised private key.

        Raises:
            MalformedError: it is none, or belongs to another public key.
        """
        loaded = PrivateKey.load(config.kem_id, private)
        if loaded.public.raw != config.public_key:
            raise MalformedError("the private key does not belong to this key config")
        return GatewayKey(config=config, private=loaded)

    @staticmethod
    def generate(
        *, kem_id: int, key_id: int, algorithms: tuple[tuple[int, int], ...]
    ) -> "GatewayKey":
        """Make a fresh key."""
        pair = registry.generate_key_pair(kem_id)
        config = KeyConfig(
            key_id=key_id, kem_id=kem_id, public_key=pair.public, algorithms=algorithms
        )
        return GatewayKey.load(config, pair.private)

    def accept(self, header: RequestHeader) -> Suite:
        """Give the suite of a request that is addressed to this key.

        Raises:
            UnknownKeyError: another key id.
            UnsupportedError: a KEM or pair that the config does not list.
        """
        if header.key_id != self.config.key_id:
            raise UnknownKeyError("OHTTP request: no key of this id")
        pair = (header.kdf_id, header.aead_id)
        if header.kem_id != self.config.kem_id or pair not in self.config.algorithms:
            raise UnsupportedError("OHTTP request: algorithms that the key config does not list")
        return header.suite


def client_header(config: KeyConfig, *, kdf_id: int | None, aead_id: int | None) -> RequestHeader:
    """Choose a pair of the config: the first that fits what is asked for and works here.

    Raises:
        UnsupportedError: there is none.
    """
    for kdf, aead in config.algorithms:
        header = RequestHeader(key_id=config.key_id, kem_id=config.kem_id, kdf_id=kdf, aead_id=aead)
        if kdf_id not in (None, kdf) or aead_id not in (None, aead):
            continue
        try:
            _ = header.suite
        except UnsupportedError:
            continue
        return header
    raise UnsupportedError("key config: no pair of algorithms that is supported here")


def nonce_size(suite: Suite) -> int:
    """Give the size of the response nonce and of the exported secret: max(Nn, Nk)."""
    return max(suite.aead.nonce_size, suite.aead.key_size)


def response_keys(suite: Suite, *, enc: bytes, nonce: bytes, secret: bytes) -> MessageKeys:
    """Derive the response's keys (RFC 9458, section 4.4)."""
    hkdf = kdfs.hkdf(suite.kdf_id)
    return message_keys.derive(hkdf, suite.aead, salt=enc + nonce, secret=secret)


@dataclass(frozen=True, kw_only=True)
class ClientContext:
    """What a client keeps between request and response."""

    suite: Suite
    enc: bytes
    secret: bytes = field(repr=False)

    def open_response(self, data: bytes) -> bytes:
        """Open a one-shot response.

        Raises:
            TruncatedError: shorter than nonce and tag.
            UnsealableError: it does not open.
        """
        size = nonce_size(self.suite)
        if len(data) < size + aeads.TAG_SIZE:
            raise TruncatedError("OHTTP response: shorter than its nonce and tag")
        keys = response_keys(self.suite, enc=self.enc, nonce=data[:size], secret=self.secret)
        return keys.opener().open(b"", memoryview(data)[size:])


@dataclass(frozen=True, kw_only=True)
class GatewayContext:
    """What a gateway keeps between request and response; `enc` is for its replay store."""

    suite: Suite
    enc: bytes
    secret: bytes = field(repr=False)

    def seal_response(self, message: bytes) -> bytes:
        """Seal a one-shot response under a fresh nonce."""
        return self.seal_response_with(secrets.token_bytes(nonce_size(self.suite)), message)

    def seal_response_with(self, nonce: bytes, message: bytes) -> bytes:
        """Seal under a given nonce: for published vectors only, never twice."""
        keys = response_keys(self.suite, enc=self.enc, nonce=nonce, secret=self.secret)
        return nonce + keys.sealer().seal(b"", message)


def encapsulate_request(
    config: KeyConfig, message: bytes, *, kdf_id: int | None = None, aead_id: int | None = None
) -> tuple[bytes, ClientContext]:
    """Seal a one-shot request; give its bytes and what opens the response."""
    header = client_header(config, kdf_id=kdf_id, aead_id=aead_id)
    made = header.suite.kem.load_public(config.public_key).encapsulate()
    return encapsulate_request_with(header, made, message)


def encapsulate_request_with(
    header: RequestHeader, made: Encapsulation, message: bytes
) -> tuple[bytes, ClientContext]:
    """Seal with an encapsulation that exists already: for published vectors only, never twice."""
    suite = header.suite
    sender = suite.sender(made, header.info(PLAIN))
    body = header.encode() + made.enc + sender.seal(b"", message)
    secret = response_secret(suite, sender, PLAIN)
    return body, ClientContext(suite=suite, enc=made.enc, secret=secret)


def open_request(key: GatewayKey, data: bytes) -> tuple[bytes, GatewayContext]:
    """Open a one-shot request; give the message and what seals the response.

    Raises:
        TruncatedError: shorter than header, encapsulation and tag.
        UnknownKeyError: addressed to another key.
        UnsupportedError: algorithms the key does not list.
        UnsealableError: it does not open.
    """
    header = RequestHeader.parse(data)
    suite = key.accept(header)
    start = HEADER_SIZE + suite.kem.enc_size
    if len(data) < start + aeads.TAG_SIZE:
        raise TruncatedError("OHTTP request: shorter than its encapsulation and tag")
    enc = data[HEADER_SIZE:start]
    recipient = suite.setup_base_r(enc, key.private, header.info(PLAIN))
    message = recipient.open(b"", memoryview(data)[start:])
    secret = response_secret(suite, recipient, PLAIN)
    return message, GatewayContext(suite=suite, enc=enc, secret=secret)


def response_secret(
    suite: Suite, context: SenderContext | RecipientContext, labels: Labels
) -> bytes:
    """Export the secret that the response's keys are derived from."""
    return context.export(labels.response, nonce_size(suite))
