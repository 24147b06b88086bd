"""Wycheproof groups about shared secrets, ciphers and derivation, through our wrappers."""

from typing import Any

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import (
    AESCCM,
    AESGCM,
    AESGCMSIV,
    ChaCha20Poly1305,
)

from openpcc.protocol.hpke import groups, mlkem
from openpcc.protocol.hpke.kdf import HKDFStages
from tests.conformance.standard_cases.contract import require_equal, unhex
from tests.conformance.standard_cases.wycheproof_rows import (
    Check,
    InexpressibleError,
    WycheproofRow,
    hash_named,
)
from tests.conformance.standard_cases.wycheproof_signatures import CURVES

XDH = {"curve25519": groups.X25519, "curve448": groups.X448}
ML_KEM = {"ML-KEM-768": mlkem.MLKEM768, "ML-KEM-1024": mlkem.MLKEM1024}
CIPHERS: dict[str, Any] = {
    "AES-GCM": AESGCM,
    "AES-GCM-SIV": AESGCMSIV,
    "AES-CCM": AESCCM,
    "CHACHA20-POLY1305": ChaCha20Poly1305,
}
FULL_TAG = 128
"""Bits of a tag: the library cuts none."""


def _xdh(row: WycheproofRow) -> None:
    group = XDH[row.group["curve"]]
    private = group.load_private(row.data("private"))
    shared = group.exchange(private, group.load_public(row.data("public")))
    require_equal("shared", row.data("shared"), shared)


def _ecdh(row: WycheproofRow) -> None:
    if row.group["curve"] not in CURVES:
        raise InexpressibleError(f"the crypto library has no {row.group['curve']}")
    curve = CURVES[row.group["curve"]]
    size = (curve.key_size + 7) // 8
    group = groups.NISTCurve(curve, size, 1 + 2 * size)
    scalar = int(row.test["private"], 16)
    private = group.load_private(scalar.to_bytes(size, "big"))
    shared = group.exchange(private, group.load_public(row.data("public")))
    require_equal("shared", row.data("shared"), shared)


def _aead(row: WycheproofRow) -> None:
    if row.algorithm not in CIPHERS:
        raise InexpressibleError(f"the crypto library has no {row.algorithm}")
    nonce, aad = row.data("iv"), row.data("aad")
    sealed = row.data("ct") + row.data("tag")
    cipher = CIPHERS[row.algorithm](row.data("key"))
    try:
        opened = cipher.decrypt(nonce, sealed, aad)
    except (InvalidTag, ValueError) as error:
        whole = isinstance(error, InvalidTag) and row.group["tagSize"] == FULL_TAG
        if row.test["result"] == "valid" and not whole:
            raise InexpressibleError("the library takes no such nonce or tag") from error
        raise  # an invalid row that cannot be said is refused all the same
    require_equal("msg", row.data("msg"), opened)
    require_equal("ct and tag", sealed, cipher.encrypt(nonce, opened, aad))


def _hkdf(row: WycheproofRow) -> None:
    hkdf = HKDFStages(algorithm=hash_named(row.algorithm.removeprefix("HKDF-")))
    prk = hkdf.extract(row.data("salt"), row.data("ikm"))
    okm = hkdf.expand(prk, row.data("info"), row.test["size"])
    require_equal("okm", row.data("okm"), okm)


def _ml_kem(row: WycheproofRow) -> None:
    parameters = _parameters(row)
    private = parameters.load_private(row.data("seed"))
    if row.test.get("ek"):
        require_equal("ek", row.data("ek"), private.public_key().public_bytes_raw())
    require_equal("K", row.data("K"), parameters.decapsulate(private, row.data("c")))


def _ml_kem_keygen(row: WycheproofRow) -> None:
    private = _parameters(row).load_private(row.data("seed"))
    require_equal("ek", row.data("ek"), private.public_key().public_bytes_raw())


def _ml_kem_encaps(row: WycheproofRow) -> None:
    """Only the key can be judged: the library draws the randomness itself."""
    _parameters(row).load_public(row.data("ek"))
    raise InexpressibleError("the crypto library takes no given randomness")


def _ml_kem_expanded(row: WycheproofRow) -> None:
    _parameters(row)
    unhex(row.test["dk"])
    raise InexpressibleError("the crypto library takes no expanded key")


def _parameters(row: WycheproofRow) -> mlkem.ParameterSet:
    name = row.group["parameterSet"]
    if name not in ML_KEM:
        raise InexpressibleError(f"the crypto library has no {name}")
    return ML_KEM[name]


CHECKS: dict[str, Check] = {
    "XdhComp": _xdh,
    "EcdhEcpointTest": _ecdh,
    "AeadTest": _aead,
    "HkdfTest": _hkdf,
    "MLKEMTest": _ml_kem,
    "MLKEMKeyGen": _ml_kem_keygen,
    "MLKEMEncapsTest": _ml_kem_encaps,
    "MLKEMDecapsValidationTest": _ml_kem_expanded,
}
"""Check by the type of the group; it returns if every listed value is reproduced."""
