"""What the protocol refuses, one class per code of the sealing sheet.

    ProtocolError
      MalformedError      malformed    400  bytes are not a message of this version
        BHTTPError                          not a Binary HTTP message (RFC 9292)
      UnsupportedError    unsupported  400  another version, suite or algorithm
      TruncatedError      truncated    400  the message ends before its last byte
      UnknownKeyError     unknown-key  422  no key of ours is addressed
      ExpiredError        expired      422  too old, or too far ahead
      UnsealableError     unsealable   422  a tag or the commitment failed; which one is not said
      ReplayedError       replayed     409  taken before
      TooLargeError       too-large    413  over the limit
      BusyError           busy         503  not taken, another node may be tried
      SignatureError      signature    422  a blind signature does not verify (RFC 9474)
      TokenError          token        401  this token does not pay (RFC 9577)
        TokenTypeError      unsupported  400  it is of another token type
        TokenChallengeError token-origin 401  it was made for another issuer, origin or context
        TokenKeyError       token-key    401  its issuer key is not accepted, or no longer
        TokenForgedError    token-forged 401  its authenticator does not verify
      MisuseError         misuse       500  our own code used this package against its rules
        HPKEError                           … HPKE against its rules

`code` is what travels, `status` the HTTP status beside it. Texts name a field and what was
expected, never content, tokens or keys.
"""

from typing import ClassVar


class ProtocolError(Exception):
    """Anything this package refuses."""

    code: ClassVar[str] = "protocol"
    status: ClassVar[int] = 400


class MalformedError(ProtocolError):
    """The bytes are not a message of this version and suite."""

    code = "malformed"


class BHTTPError(MalformedError):
    """The bytes are not a Binary HTTP message, or a message cannot be written as one."""


class UnsupportedError(ProtocolError):
    """A version, suite or algorithm that is not offered here."""

    code = "unsupported"


class TruncatedError(ProtocolError):
    """The message ended before its final chunk; what was delivered is partial."""

    code = "truncated"


class UnknownKeyError(ProtocolError):
    """The message names no key that is live here."""

    code = "unknown-key"
    status = 422


class ExpiredError(ProtocolError):
    """The message is too old, or its expiry too far ahead."""

    code = "expired"
    status = 422


class UnsealableError(ProtocolError):
    """A tag or the commitment failed. One text, so that a peer learns nothing about the step."""

    code = "unsealable"
    status = 422

    def __init__(self) -> None:
        super().__init__("the message does not open")


class ReplayedError(ProtocolError):
    """This node has taken this request before."""

    code = "replayed"
    status = 409


class TooLargeError(ProtocolError):
    """The message is over the limit; nothing was computed on it."""

    code = "too-large"
    status = 413


class BusyError(ProtocolError):
    """Not taken; the same bytes may go to the next candidate."""

    code = "busy"
    status = 503


class SignatureError(ProtocolError):
    """A blind signature does not verify; a pending token is as good as before."""

    code = "signature"
    status = 422

    def __init__(self) -> None:
        super().__init__("the signature does not verify")


class TokenError(ProtocolError):
    """A well-formed token that does not pay; the subclasses say why."""

    code = "token"
    status = 401


class TokenTypeError(TokenError):
    """The token is of a type that is not used here."""

    code = "unsupported"
    status = 400


class TokenChallengeError(TokenError):
    """The token was made for another challenge: another origin, issuer or context."""

    code = "token-origin"


class TokenKeyError(TokenError):
    """The token's issuer key is not among those accepted now."""

    code = "token-key"


class TokenForgedError(TokenError):
    """The token's authenticator is no signature of the key it names."""

    code = "token-forged"

    def __init__(self) -> None:
        super().__init__("the authenticator does not verify")


class MisuseError(ProtocolError):
    """The caller asked for what the rules forbid; no input from a peer leads here."""

    code = "misuse"
    status = 500


class HPKEError(MisuseError):
    """The caller used HPKE against its rules: a context used up or wiped, a wrong kind of key."""


_BY_CODE = {
    error.code: error
    for error in (
        MalformedError,
        UnsupportedError,
        TruncatedError,
        UnknownKeyError,
        ExpiredError,
        UnsealableError,
        ReplayedError,
        TooLargeError,
        BusyError,
    )
}


def by_code(code: str) -> type[ProtocolError]:
    """Give the class of a code that arrived in an error document.

    Raises:
        UnsupportedError: the code is not one of the sheet's.
    """
    try:
        return _BY_CODE[code]
    except KeyError as error:
        raise UnsupportedError("the error code is not one of this protocol") from error
