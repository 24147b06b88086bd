"""Wycheproof groups about signatures: verify each under the group's key."""

from typing import Any

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec, ed448, ed25519, mldsa, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature
from cryptography.hazmat.primitives.serialization import load_der_public_key

from tests.conformance.standard_cases.contract import MismatchError, unhex
from tests.conformance.standard_cases.wycheproof_rows import (
    Check,
    InexpressibleError,
    WycheproofRow,
    hash_named,
)

CURVES: dict[str, ec.EllipticCurve] = {
    curve.name: curve
    for curve in (
        ec.SECP224R1(),
        ec.SECP256R1(),
        ec.SECP384R1(),
        ec.SECP521R1(),
        ec.SECP256K1(),
        ec.BrainpoolP256R1(),
        ec.BrainpoolP384R1(),
        ec.BrainpoolP512R1(),
    )
}

ML_DSA: dict[str, Any] = {
    "ML-DSA-44": mldsa.MLDSA44PublicKey,
    "ML-DSA-65": mldsa.MLDSA65PublicKey,
    "ML-DSA-87": mldsa.MLDSA87PublicKey,
}

EDDSA: dict[str, Any] = {
    "edwards25519": ed25519.Ed25519PublicKey,
    "edwards448": ed448.Ed448PublicKey,
}


def _ecdsa(row: WycheproofRow) -> None:
    key = _der_key(row) or _curve_key(row)
    key.verify(row.data("sig"), row.data("msg"), ec.ECDSA(hash_named(row.group["sha"])))


def _ecdsa_p1363(row: WycheproofRow) -> None:
    """The signature is r ‖ s, each as long as the order of the curve."""
    key = _der_key(row) or _curve_key(row)
    size = (key.curve.group_order.bit_length() + 7) // 8
    raw = row.data("sig")
    if len(raw) != 2 * size:
        raise InvalidSignature
    r, s = (int.from_bytes(raw[at : at + size], "big") for at in (0, size))
    algorithm = ec.ECDSA(hash_named(row.group["sha"]))
    key.verify(encode_dss_signature(r, s), row.data("msg"), algorithm)


def _eddsa(row: WycheproofRow) -> None:
    key = _der_key(row)
    if key is None:
        public = row.group["publicKey"]
        key = EDDSA[public["curve"]].from_public_bytes(unhex(public["pk"]))
    key.verify(row.data("sig"), row.data("msg"))


def _rsa_pss(row: WycheproofRow) -> None:
    key = _der_key(row) or _modulus_key(row)
    digest = hash_named(row.group["sha"])
    mgf = padding.MGF1(hash_named(row.group.get("mgfSha", row.group["sha"])))
    pss = padding.PSS(mgf=mgf, salt_length=row.group["sLen"])
    key.verify(row.data("sig"), row.data("msg"), pss, digest)


def _ml_dsa(row: WycheproofRow) -> None:
    if row.algorithm not in ML_DSA:
        raise InexpressibleError(f"the crypto library has no {row.algorithm}")
    key = _der_key(row)
    if key is None:
        key = ML_DSA[row.algorithm].from_public_bytes(unhex(row.group["publicKey"]))
    context = row.data("ctx") if "ctx" in row.test else None
    key.verify(row.data("sig"), row.data("msg"), context)


def _der_key(row: WycheproofRow) -> Any:
    """Load `publicKeyDer`; None where it is absent or the library cannot read it."""
    der = row.group.get("publicKeyDer")
    if not der:
        return None
    try:
        return load_der_public_key(unhex(der))
    except (ValueError, UnsupportedAlgorithm):
        return None


def _curve_key(row: WycheproofRow) -> ec.EllipticCurvePublicKey:
    public = row.group["publicKey"]
    if public["curve"] not in CURVES:
        raise InexpressibleError(f"the crypto library has no {public['curve']}")
    point = unhex(public["uncompressed"])
    return ec.EllipticCurvePublicKey.from_encoded_point(CURVES[public["curve"]], point)


def _modulus_key(row: WycheproofRow) -> rsa.RSAPublicKey:
    public = row.group["publicKey"]
    if not isinstance(public, dict):
        raise MismatchError("unknown shape of an RSA key")
    modulus, exponent = int(public["modulus"], 16), int(public["publicExponent"], 16)
    return rsa.RSAPublicNumbers(exponent, modulus).public_key()


CHECKS: dict[str, Check] = {
    "EcdsaVerify": _ecdsa,
    "EcdsaP1363Verify": _ecdsa_p1363,
    "EddsaVerify": _eddsa,
    "RsassaPssVerify": _rsa_pss,
    "MlDsaVerify": _ml_dsa,
}
"""Check by the type of the group; it returns for a good signature and raises for another."""
