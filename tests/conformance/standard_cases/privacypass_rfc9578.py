"""privacypass-rfc9578: issuance and redemption of type 0x0002, challenges, and HTTP fields."""

import asyncio
import functools

from gateway.errors import RefusedError
from gateway.rsa_private import PrivateKey
from gateway.spent import MemorySpentStore, TokenName
from openpcc.protocol import privacypass
from openpcc.protocol.errors import ProtocolError, TokenTypeError, UnsupportedError
from openpcc.protocol.privacypass import IssuerKey, PendingToken, Token, TokenChallenge
from tests.conformance.standard_cases.contract import (
    CaseFile,
    MismatchError,
    RowData,
    flipped,
    listed,
    not_applicable,
    require_equal,
    require_expect,
    require_keys,
    require_refusal,
    unhex,
)
from tests.conformance.standard_cases.rsabssa_rfc9474 import number, octets

ISSUANCE_KEYS = (
    *("skS", "pkS", "token_challenge", "nonce", "blind", "salt"),
    *("token_request", "token_response", "token"),
)
CHALLENGE_KEYS = (
    *("token_type", "issuer_name", "redemption_context", "origin_info", "token_challenge"),
    *("nonce", "token_key_id", "token_authenticator_input"),
)
FIELD = "WWW-Authenticate"
FIELD_NAMES = ("token-type", "token-challenge", "token-key", "max-age")
GREASE = "grease: "

NOT_APPLICABLE = {
    "voprf.json": "token type 0x0001 is not used: only an issuer could verify",
    "public-metadata.json": "token type 0xDA7A is not used",
    "token-extensions.json": "token types 0xDA7A and 0xDA7B are not used",
}


def case_file(name: str) -> CaseFile | None:
    """Read the case files of type 0x0002; those of other types do not apply."""
    if name in NOT_APPLICABLE:
        return not_applicable(NOT_APPLICABLE[name])
    checks = {
        "blind-rsa.json": _check_issuance,
        "challenge.json": _check_challenge,
        "headers.json": _check_field,
    }
    return listed(checks[name]) if name in checks else None


def _check_issuance(row: RowData) -> None:
    require_expect(row, "pass")
    require_keys(row, *ISSUANCE_KEYS)
    if "token_type" in row:
        require_equal("token_type", number(row["token_type"]), privacypass.TOKEN_TYPE)
    signer, key = PrivateKey.load(octets(row["skS"])), IssuerKey.parse(octets(row["pkS"]))
    require_equal("pkS", octets(row["pkS"]), IssuerKey(n=signer.n, e=signer.e).spki)
    challenge = TokenChallenge.parse(octets(row["token_challenge"]))
    require_equal("token_challenge", octets(row["token_challenge"]), challenge.encode())
    pending = PendingToken.begin_with(
        key=key,
        challenge_digest=challenge.digest,
        nonce=octets(row["nonce"]),
        salt=octets(row["salt"]),
        r=number(row["blind"]),
    )
    token = _issue(row, signer, pending)
    require_equal("token", octets(row["token"]), token)
    _check_changed(token, key, challenge.digest)
    asyncio.run(_check_redemption(token, key, challenge.digest))


def _issue(row: RowData, signer: PrivateKey, pending: PendingToken) -> bytes:
    """Take the request through issuer and wallet, in the bytes that travel and are stored."""
    body = privacypass.encode_batch([pending.request])
    require_equal("token_request", octets(row["token_request"]), body)
    requests = privacypass.parse_batch(body)
    require_equal("truncated key id", pending.key.truncated_id, requests[0].truncated_key_id)
    signatures = [signer.blind_sign(request.blinded) for request in requests]
    answer = privacypass.encode_responses(signatures)
    require_equal("token_response", octets(row["token_response"]), answer)
    stored = PendingToken.parse(pending.encode())
    return stored.finalize(privacypass.parse_responses(answer, 1)[0])


def _check_changed(token: bytes, key: IssuerKey, digest: bytes) -> None:
    verify = functools.partial(
        privacypass.verify_token, keys={key.id: key}, challenge_digest=digest
    )
    for place in range(len(token)):
        changed = functools.partial(verify, flipped(token, place))
        require_refusal(ProtocolError, f"token with byte {place} changed", changed)


async def _check_redemption(token: bytes, key: IssuerKey, digest: bytes) -> None:
    """Spend it once; after that neither the same request nor another may."""
    verified = privacypass.verify_token(token, keys={key.id: key}, challenge_digest=digest)
    name = TokenName(key_id=verified.key_id, nonce=verified.nonce)
    store = MemorySpentStore(limit=8, clock=lambda: 0.0)
    await store.admit([name], bytes(32), 300)
    await store.begin([name], bytes(32))
    for again in (bytes(32), b"\x01" * 32):
        try:
            await store.admit([name], again, 300)
        except RefusedError as error:
            require_equal("refusal", "token-spent", error.code)
        else:
            raise MismatchError("a repeated nonce: accepted")


def _check_challenge(row: RowData) -> None:
    if str(row.get("expect")).startswith(GREASE):
        _check_grease(row)
        return
    require_expect(row, "pass")
    require_keys(row, *CHALLENGE_KEYS)
    origins = octets(row["origin_info"]).decode("ascii")
    challenge = TokenChallenge(
        token_type=number(row["token_type"]),
        issuer_name=octets(row["issuer_name"]).decode("ascii"),
        redemption_context=octets(row["redemption_context"]),
        origin_info=tuple(origins.split(",")) if origins else (),
    )
    require_equal("token_challenge", octets(row["token_challenge"]), challenge.encode())
    found = privacypass.token_input(
        token_type=challenge.token_type,
        nonce=octets(row["nonce"]),
        challenge_digest=challenge.digest,
        key_id=octets(row["token_key_id"]),
    )
    require_equal("token_authenticator_input", octets(row["token_authenticator_input"]), found)
    if challenge.token_type == privacypass.TOKEN_TYPE:
        require_equal("parsed", challenge, TokenChallenge.parse(challenge.encode()))


def _check_grease(row: RowData) -> None:
    """An unknown type is listed, and then passed over wherever it turns up."""
    require_keys(row, "token_type", "token_authenticator_input")
    data = octets(row["token_authenticator_input"])
    token_type = number(row["token_type"])
    require_equal("token_type", token_type, int.from_bytes(data[:2], "big"))
    offered = privacypass.AuthenticateChallenge(challenge=data)
    field = privacypass.format_www_authenticate([offered, offered])
    listed_types = [one.token_type for one in privacypass.parse_www_authenticate(field)]
    require_equal("listed types", [token_type, token_type], listed_types)
    require_refusal(UnsupportedError, "challenge", functools.partial(TokenChallenge.parse, data))
    require_refusal(TokenTypeError, "token", functools.partial(Token.parse, data))


def _check_field(row: RowData) -> None:
    require_expect(row, "pass")
    require_keys(row, FIELD, "token-type-0", "token-challenge-0")
    found = privacypass.parse_www_authenticate(row[FIELD])
    count = max(number for number in range(len(row)) if f"token-type-{number}" in row) + 1
    require_equal("challenges", count, len(found))
    for index, challenge in enumerate(found):
        actual = {
            "token-type": challenge.token_type,
            "token-challenge": challenge.challenge,
            "token-key": challenge.token_key,
            "max-age": challenge.max_age,
        }
        for name in FIELD_NAMES:
            if (expected := row.get(f"{name}-{index}")) is not None:
                expected = unhex(expected) if isinstance(expected, str) else expected
                require_equal(f"{name}-{index}", expected, actual[name])
    again = privacypass.parse_www_authenticate(privacypass.format_www_authenticate(found))
    require_equal("written and read again", found, again)
