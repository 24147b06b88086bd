"""What clients, issuers and origins of tokens send each other: RFC 9577 and RFC 9578."""

from openpcc.protocol import privacypass
from openpcc.protocol.errors import (
    MalformedError,
    SignatureError,
    TokenError,
    TooLargeError,
    UnknownKeyError,
    UnsupportedError,
)
from openpcc.protocol.privacypass import (
    AuthenticateChallenge,
    DirectoryKey,
    IssuerDirectory,
    IssuerKey,
    PendingToken,
    Token,
    TokenChallenge,
    TokenRequest,
)
from openpcc.protocol.privacypass.authentication import base64url, parse_base64url
from tests.fakes import issuer_keys
from tests.fuzz.target import Bytes, reads_back, target, writes

REFUSALS = (MalformedError, TooLargeError, UnsupportedError)
KEY = issuer_keys.public()
PENDING = issuer_keys.begin(bytes(32))
GREASE = AuthenticateChallenge(challenge=b"\x5a\x5a\xff")


def challenges() -> Bytes:
    yield issuer_keys.CHALLENGE.encode()
    yield TokenChallenge(issuer_name="i", redemption_context=bytes(32)).encode()
    yield TokenChallenge(issuer_name="i", origin_info=("a", "b:1")).encode()


def keys() -> Bytes:
    return [KEY.spki, IssuerKey(n=KEY.n, e=2**32 - 1).spki]


def tokens() -> Bytes:
    return [issuer_keys.token(bytes(32)), issuer_keys.token(bytes(32), number=1)]


def batches() -> Bytes:
    request = TokenRequest(truncated_key_id=7, blinded=bytes(256))
    return [privacypass.encode_batch([request] * count) for count in (1, 2, 64)]


def answers() -> Bytes:
    return [bytes(256), bytes(512), issuer_keys.signer().blind_sign(PENDING.blinded)]


def pending() -> Bytes:
    return [PENDING.encode(), issuer_keys.begin(bytes(32), number=1).encode()]


def fields() -> Bytes:
    offered = AuthenticateChallenge(
        challenge=issuer_keys.CHALLENGE.encode(), token_key=KEY.spki, max_age=10
    )
    field = privacypass.format_www_authenticate([GREASE, offered])
    yield field.encode()
    yield field.replace('"', "").replace("=,", ",").encode()
    yield b'Basic realm="a, \\"b", PrivateToken x=y ,challenge = AAI, Negotiate YWJj=='


def authorizations() -> Bytes:
    for token in (b"t", next(iter(tokens()))):
        yield privacypass.format_authorization(token).encode()
    yield b'privatetoken extensions="AA==",\ttoken=dA'


def texts() -> Bytes:
    return [b"", b"AA==", b"AA", b"AAA=", b"-_-_", b"+/+/", b"AB=="]


def directories() -> Bytes:
    first = DirectoryKey(token_type=2, token_key=KEY.spki, not_before=7)
    other = DirectoryKey(token_type=0x5A5A, token_key=b"any")
    yield IssuerDirectory(request_uri="/token-request", keys=(other, first)).encode()
    yield b'{"issuer-request-uri":"https://a.example/","token-keys":[],"x":[{"y":1e9}]}'


@target(TokenChallenge.parse, TokenChallenge.check_origin, seeds=challenges, refusals=REFUSALS)
def token_challenge(data: bytes) -> None:
    """Any bytes give a challenge that writes the same bytes, or one of these refusals."""
    challenge = TokenChallenge.parse(data)
    writes(challenge, data)
    for origin in challenge.origin_info:
        challenge.check_origin(origin.upper())


@target(IssuerKey.parse, seeds=keys, refusals=REFUSALS)
def issuer_key(data: bytes) -> None:
    """Any bytes give a key that writes the same bytes and can verify, or one of these refusals."""
    key = IssuerKey.parse(data)
    assert key.spki == data
    forged = Token(
        nonce=bytes(32), challenge_digest=bytes(32), key_id=key.id, authenticator=bytes(256)
    )
    refused(forged.encode(), key)


def refused(token: bytes, key: IssuerKey) -> None:
    try:
        privacypass.verify_token(token, keys={key.id: key}, challenge_digest=bytes(32))
    except TokenError:
        return
    raise AssertionError("a forged token was accepted")


@target(Token.parse, privacypass.verify_token, seeds=tokens, refusals=(*REFUSALS, TokenError))
def token(data: bytes) -> None:
    """Any bytes but tokens we issued are refused; what parses writes the same bytes."""
    writes(Token.parse(data), data)
    accepted = {KEY.id: KEY}
    digest = issuer_keys.CHALLENGE.digest
    verified = privacypass.verify_token(data, keys=accepted, challenge_digest=digest)
    assert (verified.key_id, verified.nonce) == (KEY.id, bytes(32))


@target(privacypass.parse_batch, TokenRequest.parse, seeds=batches, refusals=REFUSALS,
        longest=2**15)  # fmt: skip
def token_requests(data: bytes) -> None:
    """Any bytes give requests that write the same bytes, or one of these refusals."""
    assert privacypass.encode_batch(privacypass.parse_batch(data)) == data


@target(
    privacypass.parse_responses, PendingToken.finalize, seeds=answers,
    refusals=(*REFUSALS, SignatureError),
)  # fmt: skip
def token_responses(data: bytes) -> None:
    """Any answer to our request gives a token that verifies, or one of these refusals."""
    answers = privacypass.parse_responses(data, max(1, len(data) // 256))
    assert privacypass.encode_responses(answers) == data
    made = PENDING.finalize(answers[-1])
    digest = issuer_keys.CHALLENGE.digest
    privacypass.verify_token(made, keys={KEY.id: KEY}, challenge_digest=digest)


@target(PendingToken.parse, seeds=pending, refusals=REFUSALS)
def pending_token(data: bytes) -> None:
    """Any bytes give a pending token that writes the same bytes, or one of these refusals."""
    read = PendingToken.parse(data)
    writes(read, data)
    assert len(read.request.encode()) == privacypass.REQUEST_SIZE


@target(privacypass.parse_www_authenticate, seeds=fields, refusals=REFUSALS)
def www_authenticate(data: bytes) -> None:
    """Any field gives challenges that are read again when written, or one of these refusals."""
    found = privacypass.parse_www_authenticate(data.decode("latin-1"))
    again = privacypass.format_www_authenticate(found)
    assert privacypass.parse_www_authenticate(again) == found


@target(privacypass.parse_authorization, seeds=authorizations, refusals=REFUSALS)
def authorization(data: bytes) -> None:
    """Any field gives a token that is read again when written, or one of these refusals."""
    found = privacypass.parse_authorization(data.decode("latin-1"))
    assert privacypass.parse_authorization(privacypass.format_authorization(found)) == found


@target(parse_base64url, seeds=texts, refusals=REFUSALS, longest=2**8)
def base64url_text(data: bytes) -> None:
    """Any text gives bytes of which it is one of the two spellings, or one of these refusals."""
    text = data.decode("utf-8", errors="surrogateescape")
    whole = base64url(parse_base64url(text, "text"))
    assert text in (whole, whole.rstrip("="))


@target(IssuerDirectory.parse, IssuerDirectory.issuer_keys, seeds=directories, refusals=REFUSALS)
def issuer_directory(data: bytes) -> None:
    """Any bytes give a directory that is read again when written, or one of these refusals."""
    reads_back(IssuerDirectory, data)
    read = IssuerDirectory.parse(data)
    try:
        assert read.pick(now=8) in read.issuer_keys()
    except UnknownKeyError:
        assert all(
            key.not_before and key.not_before > 8 for key in read.keys if key.token_type == 2
        )
