"""Privacy Pass with token type 0x0002, publicly verifiable blind RSA (RFC 9576, 9577, 9578).

Bytes in, bytes out: no clock, no store, no private key. The signing is gateway/rsa_private.py, the
spent set and the holder's proof are the gateway's, keeping tokens is the wallet's.

    challenge         what a token is made for
    issuer_key        the issuer's public key and its id
    issuance          requests and answers, in batches
    pending           a token between the two, as the wallet stores it
    token             the token, and `verify_token`
    authentication    the HTTP fields of RFC 9577
    issuer_directory  the issuer's published keys
"""

from openpcc.protocol.privacypass.authentication import (
    AuthenticateChallenge,
    format_authorization,
    format_www_authenticate,
    parse_authorization,
    parse_www_authenticate,
)
from openpcc.protocol.privacypass.challenge import TOKEN_TYPE, TokenChallenge
from openpcc.protocol.privacypass.issuance import (
    BATCH_REQUEST_MEDIA_TYPE,
    BATCH_RESPONSE_MEDIA_TYPE,
    MAX_BATCH,
    REQUEST_MEDIA_TYPE,
    REQUEST_SIZE,
    RESPONSE_MEDIA_TYPE,
    RESPONSE_SIZE,
    TokenRequest,
    encode_batch,
    encode_responses,
    parse_batch,
    parse_responses,
)
from openpcc.protocol.privacypass.issuer_directory import (
    DIRECTORY_MEDIA_TYPE,
    DIRECTORY_PATH,
    MAX_DIRECTORY,
    DirectoryKey,
    IssuerDirectory,
)
from openpcc.protocol.privacypass.issuer_key import IssuerKey
from openpcc.protocol.privacypass.pending import PendingToken
from openpcc.protocol.privacypass.token import (
    NONCE_SIZE,
    TOKEN_SIZE,
    Token,
    VerifiedToken,
    token_input,
    verify_token,
)

__all__ = [
    "BATCH_REQUEST_MEDIA_TYPE",
    "BATCH_RESPONSE_MEDIA_TYPE",
    "DIRECTORY_MEDIA_TYPE",
    "DIRECTORY_PATH",
    "MAX_BATCH",
    "MAX_DIRECTORY",
    "NONCE_SIZE",
    "REQUEST_MEDIA_TYPE",
    "REQUEST_SIZE",
    "RESPONSE_MEDIA_TYPE",
    "RESPONSE_SIZE",
    "TOKEN_SIZE",
    "TOKEN_TYPE",
    "AuthenticateChallenge",
    "DirectoryKey",
    "IssuerDirectory",
    "IssuerKey",
    "PendingToken",
    "Token",
    "TokenChallenge",
    "TokenRequest",
    "VerifiedToken",
    "encode_batch",
    "encode_responses",
    "format_authorization",
    "format_www_authenticate",
    "parse_authorization",
    "parse_batch",
    "parse_responses",
    "parse_www_authenticate",
    "token_input",
    "verify_token",
]
