"""What gateway, publisher and relay refuse or fail at, and the codes they answer with.

    GatewayError
      ConfigurationError   our own files or addresses are wrong: one line to stderr, exit 2
      ChainError           the publisher's state and the log disagree: it must not sign
      RefusedError         an answer with a code of docs/formats.md, section 9
      KeyRefusedError      the outer request names no key of ours, or does not open: 422
      StoreError           the shared store did not answer, or may not be used
      UpstreamError        the next hop did not answer, or not as documented
      NoConnectionError    the next hop was not reached, or went before the first reply byte
      BrokenReplyError     a reply broke off after its first byte: the stream is cut, never ended
      ClientGoneError      the client left; nothing is answered
      PrivateKeyError      the issuer's signing key cannot be used
      FaultError           a signature came out wrong: the process must not go on signing

The texts beside a code are fixed here. A text that came from another program is never passed on.
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import ClassVar

from openpcc.protocol.errors import ProtocolError


class GatewayError(Exception):
    """Root of everything this package raises on purpose."""


class ConfigurationError(GatewayError):
    """A setting, file or address of ours cannot be used; the text names it and the remedy."""


class ChainError(GatewayError):
    """The publisher's state does not fit the log; signing now could fork the chain."""


class StoreError(GatewayError):
    """The shared store did not answer in time, or is not set up to remember."""


class UpstreamError(GatewayError):
    """The next hop did not answer, or not as documented."""


class NoConnectionError(UpstreamError):
    """The next hop was not reached, or the connection went before the first byte of a reply."""


class BrokenReplyError(UpstreamError):
    """A reply broke off after its first byte; what follows must be a cut, not an end."""


class ClientGoneError(GatewayError):
    """The client closed its connection; nobody is there to be answered."""


class KeyRefusedError(GatewayError):
    """The outer request is to no key of ours, or does not open under it."""


class PrivateKeyError(GatewayError):
    """The signing key of tokens is not one that can be used; the text holds nothing of it."""


class FaultError(GatewayError):
    """A signature came out wrong; a process whose arithmetic fails must not go on signing."""


CODES: Mapping[str, tuple[int, str]] = MappingProxyType(
    {
        "malformed": (400, "not a message of this version"),
        "unsupported": (400, "version, suite or media type is not offered here"),
        "truncated": (400, "the message ends before its last byte"),
        "unknown-key": (422, "no listed key is live on a node of this service"),
        "expired": (422, "too old, or its expiry is too far ahead"),
        "unsealable": (422, "the message does not open"),
        "replayed": (409, "taken before"),
        "token-count": (401, "not the tokens that this budget costs"),
        "token-forged": (401, "a token is not the issuer's"),
        "token-key": (401, "a token's key is not listed"),
        "token-origin": (401, "a token was made for another issuer or service"),
        "token-proof": (401, "a proof is for another request, or not by the token's holder"),
        "token-spent": (409, "a token has paid already"),
        "token-store": (503, "the set of spent tokens does not answer; nothing is served"),
        "too-large": (413, "over the limit"),
        "busy": (503, "not taken, try again later"),
        "not-found": (404, "no such resource"),
        "method": (405, "the resource has no such method"),
        "upstream": (502, "the next hop did not answer"),
        "not-ready": (503, "starting, or without what is needed"),
    }
)
"""Every code these programs answer with (but `ohttp-key`, a problem document): status and text."""

TOKEN_CODES = frozenset(code for code in CODES if code.startswith("token-"))
"""Codes about tokens: the gateway's own."""

NODE_CODES = frozenset(CODES) - TOKEN_CODES - {"not-found", "method", "upstream"}
"""Codes of a node that are passed on. What else it says becomes `upstream`."""


class RefusedError(GatewayError):
    """An answer with a code.

    Attributes:
        code: one of `codes`, which are those of this program.
    """

    codes: ClassVar[Mapping[str, tuple[int, str]]] = CODES

    def __init__(self, code: str) -> None:
        super().__init__(code)
        self.code = code

    @property
    def status(self) -> int:
        """The HTTP status beside the code."""
        return self.codes[self.code][0]

    @property
    def text(self) -> str:
        """The fixed text beside the code."""
        return self.codes[self.code][1]


def refusal(error: ProtocolError) -> RefusedError:
    """Translate what the protocol refused; a misuse of ours is not the peer's to know."""
    return RefusedError(error.code if error.code in CODES else "malformed")
