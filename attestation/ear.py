"""EAR, the attestation result that others read. draft-ietf-rats-ear-03, sections 3 and 4.

    {"eat_profile":"tag:ietf.org,2026:rats/ear#03","iat":1666529184,
     "ear_verifier_id":{"developer":"https://example.org","build":"vts 0.0.1"},
     "submods":{"cpu":{"ear_status":"affirming"}}}

One appraisal per attester (submodule). An `Ear` cannot say more than its parts: making one with a
better status is refused, whoever makes it. Claims of others are ignored, as the draft demands, so
this reader is less strict than those of our own documents: it refuses what contradicts the draft,
and repeated members.

`attestation.ear_report` makes one of our reports; `attestation.ear_token` signs and verifies.
"""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Never, cast

from attestation.ear_appraisal import Appraisal, Tier, take_text, take_words
from attestation.errors import MalformedEvidenceError
from attestation.strict_json import Members, StrictJSONError, dumps

__all__ = ["Appraisal", "Ear", "Tier"]

PROFILE = "tag:ietf.org,2026:rats/ear#03"
"""The one profile that is read and written."""

REPORT_CLAIM = "ear_openpcc_report"
"""Our claim: what the result is about."""

MAX_EAR = 2**20
"""Bytes of a claims set; ours have about 3 KiB, others may carry raw evidence."""

MAX_SUBMODS = 64
"""Attesters of a result: as many as a machine may have devices."""

MAX_LISTED = 64
"""Nonces or audiences of a result."""

ONE_OR_MORE = frozenset({"aud", "eat_nonce"})
"""Claims that are a text, or a list of texts."""


@dataclass(frozen=True, kw_only=True)
class Ear:
    """An attestation result: claims of a verifier, as good as that one's signature.

    Attributes:
        developer: who made the verifier.
        build: which version of it.
        issued: Unix seconds.
        submods: label to appraisal; at least one.
        status: of the whole; no better than any appraisal. None: the verifier sums up nothing.
        not_before: Unix seconds; None: good from when it was issued.
        expires: Unix seconds at which it is no longer good; None: the verifier does not say.
        audience: for whom it was made.
        nonces: as the one who asked gave them, base64url.
        about: our own words on what the result is about; empty in results of others.

    Raises:
        MalformedEvidenceError: no appraisal, or a status that is too good.
    """

    developer: str
    build: str
    issued: int
    submods: Mapping[str, Appraisal]
    status: Tier | None = None
    not_before: int | None = None
    expires: int | None = None
    audience: tuple[str, ...] = ()
    nonces: tuple[str, ...] = ()
    about: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if not self.submods:
            raise MalformedEvidenceError("EAR: no submodule")
        if self.status is not None:
            self.status.check_sums_up(one.status for one in self.submods.values())

    @classmethod
    def parse(cls, claims: bytes | Mapping[str, object]) -> "Ear":
        """Read a claims set, as JSON or decoded; claims that are not ours to know are ignored.

        Raises:
            MalformedEvidenceError: another profile, a mandatory claim missing, a time that is no
                integer, a tier or number outside the draft's, or a status better than its parts.
        """
        try:
            decoded = _load(claims) if isinstance(claims, bytes) else claims
            return _read(Members(_with_lists(decoded), "EAR"))
        except StrictJSONError as error:
            raise MalformedEvidenceError(str(error)) from error

    def encode(self) -> bytes:
        """Write the claims set."""
        claims: dict[str, object] = {
            "eat_profile": PROFILE,
            "iat": self.issued,
            "nbf": self.not_before,
            "exp": self.expires,
            "aud": _one_or_list(self.audience),
            "eat_nonce": _one_or_list(self.nonces),
            "ear_verifier_id": {"developer": self.developer, "build": self.build},
            "ear_status": None if self.status is None else self.status.word,
            REPORT_CLAIM: dict(self.about) or None,
            "submods": {label: one.to_json() for label, one in self.submods.items()},
        }
        return dumps({name: value for name, value in claims.items() if value is not None})


def _one_or_list(texts: tuple[str, ...]) -> object:
    match texts:
        case ():
            return None
        case (text,):
            return text
        case _:
            return list(texts)


def _with_lists(claims: Mapping[str, object]) -> dict[str, object]:
    return {
        name: [value] if name in ONE_OR_MORE and isinstance(value, str) else value
        for name, value in claims.items()
    }


def _load(data: bytes) -> dict[str, object]:
    if len(data) > MAX_EAR:
        raise StrictJSONError(f"EAR: more than {MAX_EAR} bytes")
    try:
        value = json.loads(data.decode("utf-8"), object_pairs_hook=_object, parse_constant=_refuse)
    except StrictJSONError:
        raise
    except (ValueError, RecursionError) as error:
        raise StrictJSONError("EAR: not a JSON document") from error
    if not isinstance(value, dict):
        raise StrictJSONError("EAR: expected an object")
    return cast("dict[str, object]", value)


def _object(pairs: list[tuple[str, object]]) -> dict[str, object]:
    members = dict(pairs)
    if len(members) != len(pairs):
        raise StrictJSONError("EAR: a member is repeated")
    return members


def _refuse(text: str) -> Never:
    raise StrictJSONError(f"EAR: {text} is not JSON")


def _read(members: Members) -> Ear:
    members.choice("eat_profile", frozenset({PROFILE}))
    verifier = members.child("ear_verifier_id")
    _check_raw_evidence(members)
    return Ear(
        developer=take_text(verifier, "developer"),
        build=take_text(verifier, "build"),
        issued=members.integer("iat"),
        not_before=members.integer("nbf") if "nbf" in members else None,
        expires=members.integer("exp") if "exp" in members else None,
        audience=_texts(members, "aud"),
        nonces=_nonces(members),
        status=Tier.take(members) if "ear_status" in members else None,
        about=take_words(members, REPORT_CLAIM),
        submods=_submods(members.child("submods")),
    )


def _submods(members: Members) -> dict[str, Appraisal]:
    labels = members.names()
    if len(labels) > MAX_SUBMODS or not all(label.isprintable() for label in labels):
        raise StrictJSONError(f"EAR.submods: expected at most {MAX_SUBMODS} printable labels")
    return {label: Appraisal.read(members.child(label)) for label in labels}


def _check_raw_evidence(members: Members) -> None:
    """Check the spelling of evidence that comes along; what it says is for who appraises it."""
    if "ear_raw_evidence" in members:
        text = members.text("ear_raw_evidence", limit=MAX_EAR)
        if not re.fullmatch("[A-Za-z0-9_-]*={0,2}", text, re.ASCII):
            raise StrictJSONError("EAR.ear_raw_evidence: expected base64url")


def _nonces(members: Members) -> tuple[str, ...]:
    """Take the nonces: 8 to 88 letters of base64url each. RFC 9711, section 4.1."""
    nonces = _texts(members, "eat_nonce")
    for nonce in nonces:
        if not re.fullmatch("(?=.{8,88}$)[A-Za-z0-9_-]+={0,2}", nonce, re.ASCII):
            raise StrictJSONError("EAR.eat_nonce: expected 8 to 88 letters of base64url")
    return nonces


def _texts(members: Members, key: str) -> tuple[str, ...]:
    if key not in members:
        return ()
    texts = members.texts(key, limit=MAX_LISTED)
    if not texts or not all(text.isprintable() for text in texts):
        raise StrictJSONError(f"EAR.{key}: expected at least one printable text")
    return tuple(texts)
