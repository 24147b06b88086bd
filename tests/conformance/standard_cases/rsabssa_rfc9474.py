"""rsabssa-rfc9474: prepare, encode, blind, sign, finalize, verify, for every named variant."""

import functools
from dataclasses import dataclass

from cryptography.hazmat.primitives.asymmetric import rsa

from gateway.rsa_private import PrivateKey
from openpcc.protocol import blind_rsa
from openpcc.protocol.blind_rsa import PublicKey, Variant
from openpcc.protocol.errors import SignatureError
from tests.conformance.standard_cases.contract import (
    CaseFile,
    MismatchError,
    RowData,
    flipped,
    listed,
    require_equal,
    require_expect,
    require_keys,
    require_refusal,
    unhex,
)

KEYS = (
    *("name", "p", "q", "n", "e", "d", "msg", "msg_prefix", "salt", "inv"),
    *("blinded_msg", "blind_sig", "sig"),
)
PLACES = 16
"""Places of a signature where one bit is changed."""


@dataclass(frozen=True, kw_only=True)
class Case:
    """A row whose key and variant are read."""

    variant: Variant
    key: PublicKey
    signer: PrivateKey
    prepared: bytes


def case_file(name: str) -> CaseFile | None:
    """Read `vectors.json`."""
    return listed(_check) if name == "vectors.json" else None


def number(text: object) -> int:
    """Read a number in hex, with or without 0x."""
    if not isinstance(text, str) or not text:
        raise MismatchError("not a number in hex")
    return int(text.removeprefix("0x"), 16)


def octets(text: object) -> bytes:
    """Read bytes in hex, with or without 0x."""
    return unhex(text.removeprefix("0x") if isinstance(text, str) else text)


def _check(row: RowData) -> None:
    require_expect(row, "pass")
    require_keys(row, *KEYS)
    case = _case(row)
    _check_preparation(row, case)
    inverse = number(row["inv"])
    blinded = blind_rsa.blind_with(
        case.key, case.prepared, salt=octets(row["salt"]), r=pow(inverse, -1, case.key.n)
    )
    require_equal("inv", inverse, blinded.inverse)
    require_equal("blinded_msg", octets(row["blinded_msg"]), blinded.message)
    answer = case.signer.blind_sign(blinded.message)
    require_equal("blind_sig", octets(row["blind_sig"]), answer)
    signature = blind_rsa.finalize(case.variant, case.key, case.prepared, answer, blinded.inverse)
    require_equal("sig", octets(row["sig"]), signature)
    _check_verification(case, signature)


def _case(row: RowData) -> Case:
    if row["name"] not in blind_rsa.VARIANTS:
        raise MismatchError(f"unknown variant {row['name']!r}")
    variant = blind_rsa.VARIANTS[row["name"]]
    prefix = octets(row["msg_prefix"])
    require_equal("bytes of msg_prefix", variant.prefix_size, len(prefix))
    return Case(
        variant=variant,
        key=PublicKey(n=number(row["n"]), e=number(row["e"])),
        signer=_signer(row),
        prepared=blind_rsa.prepare_with(octets(row["msg"]), prefix=prefix),
    )


def _signer(row: RowData) -> PrivateKey:
    p, q, d = (number(row[name]) for name in ("p", "q", "d"))
    numbers = rsa.RSAPrivateNumbers(
        p=p,
        q=q,
        d=d,
        dmp1=rsa.rsa_crt_dmp1(d, p),
        dmq1=rsa.rsa_crt_dmq1(d, q),
        iqmp=rsa.rsa_crt_iqmp(p, q),
        public_numbers=rsa.RSAPublicNumbers(number(row["e"]), number(row["n"])),
    )
    return PrivateKey(numbers.private_key())


def _check_preparation(row: RowData, case: Case) -> None:
    salt = octets(row["salt"])
    require_equal("bytes of salt", case.variant.salt_size, len(salt))
    if "sLen" in row:
        require_equal("sLen", number(row["sLen"]), case.variant.salt_size)
    if "is_randomized" in row:
        require_equal("is_randomized", number(row["is_randomized"]), int(_randomized(case)))
    for name in ("input_msg", "prepared_msg"):
        if name in row:
            require_equal(name, octets(row[name]), case.prepared)
    encoded = blind_rsa.encode_pss(case.prepared, bits=case.key.n.bit_length() - 1, salt=salt)
    if "encoded_msg" in row:
        require_equal("encoded_msg", octets(row["encoded_msg"]), encoded)


def _randomized(case: Case) -> bool:
    return case.variant.prefix_size > 0


def _check_verification(case: Case, signature: bytes) -> None:
    verify = functools.partial(blind_rsa.verify, case.variant, case.key)
    verify(case.prepared, signature)
    for place in range(0, len(signature), max(1, len(signature) // PLACES)):
        changed = flipped(signature, place)
        require_refusal(
            SignatureError, "changed sig", functools.partial(verify, case.prepared, changed)
        )
    changed = flipped(case.prepared)
    require_refusal(
        SignatureError, "changed message", functools.partial(verify, changed, signature)
    )
