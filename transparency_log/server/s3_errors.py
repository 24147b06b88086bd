"""What a failure of an S3-compatible store means to an operator, in our own words alone.

The texts of boto3's errors may carry an address or a proxy's password, and those of a store are a
stranger's. Of both only the error code and the HTTP status are repeated. (An answer that carries no
file is read whole by the SDK before it comes here; only what `S3Bucket.get` reads is bounded.)
"""

import re

from botocore.exceptions import (
    ClientError,
    CredentialRetrievalError,
    HTTPClientError,
    InvalidRegionError,
    NoCredentialsError,
    NoRegionError,
    PartialCredentialsError,
    ProfileNotFound,
    SSLError,
)
from botocore.exceptions import ConnectionError as EndpointError

_CODE = re.compile(r"[A-Za-z0-9.]{1,64}", re.ASCII)

REMEDIES = {
    "NoSuchBucket": "there is no such bucket; make it, or mend `bucket` and `endpoint`",
    "AccessDenied": "access denied; allow s3:GetObject, s3:PutObject and s3:DeleteObject on the "
    "log's files and s3:ListBucket on the bucket (without it a missing file reads as denied)",
    "InvalidAccessKeyId": "the credentials are not known there; mend or renew them",
    "SignatureDoesNotMatch": "the credentials are refused; mend the secret key",
    "ExpiredToken": "the credentials have expired; renew them",
    "InvalidToken": "the credentials are refused; renew the session token",
    "RequestTimeTooSkewed": "the clocks differ too much; set this machine's clock",
    "PermanentRedirect": "the bucket is in another region; set `region`",
    "AuthorizationHeaderMalformed": "the bucket is in another region; set `region`",
    "IllegalLocationConstraintException": "the bucket is in another region; set `region`",
    "NotImplemented": "the store does not know conditional writes; use one that does",
    "QuotaExceeded": "the store is full; make room",
    "InsufficientStorage": "the store is full; make room",
    "XMinioStorageFull": "the store is full; make room",
    "SlowDown": "the store asks for fewer requests; try again later",
    "ServiceUnavailable": "the store is not available; try again later",
    "InternalError": "the store failed; try again later",
}
"""What a store's error code asks the operator to do."""

CREDENTIALS = (
    "no usable credentials; name their file by AWS_SHARED_CREDENTIALS_FILE, set AWS_ACCESS_KEY_ID "
    "and AWS_SECRET_ACCESS_KEY, or give the machine a role"
)
"""What is asked for where the SDK finds no credentials."""


def code(error: ClientError) -> str:
    """Give the store's error code; "unknown" if it is none."""
    found = error.response.get("Error", {}).get("Code", "")
    return found if _CODE.fullmatch(found) else "unknown"


def status(error: ClientError) -> int:
    """Give the HTTP status; 0 if there is none."""
    found: int = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
    return found


def explain(error: Exception) -> str:
    """Say what happened and what to do about it."""
    match error:
        case ClientError():
            default = "AccessDenied" if status(error) == 403 else ""
            remedy = REMEDIES.get(code(error)) or REMEDIES.get(
                default, "the store refuses the request"
            )
            return f"{remedy} ({status(error)} {code(error)})"
        case NoCredentialsError() | PartialCredentialsError() | CredentialRetrievalError():
            return CREDENTIALS
        case ProfileNotFound():
            return "AWS_PROFILE names no profile; mend it"
        case NoRegionError() | InvalidRegionError():
            return "no usable region; set `region`"
        case SSLError():
            return "the store's certificate is not accepted; name its issuer by AWS_CA_BUNDLE"
        case HTTPClientError() | EndpointError():
            return "the store does not answer; check `endpoint`, the network and the store"
        case _:
            return f"the store or its answer cannot be used ({type(error).__name__})"
