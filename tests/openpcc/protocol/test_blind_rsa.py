"""RFC 9474 at the client: what was blinded and signed verifies, and nothing else comes out."""

import json

import pytest
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.hazmat.primitives.hashes import SHA384
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.rsa_private import PrivateKey
from openpcc.protocol import blind_rsa
from openpcc.protocol.blind_rsa import PublicKey, encode_pss
from openpcc.protocol.errors import MalformedError, MisuseError, SignatureError

SIGNERS = {bits: PrivateKey(rsa.generate_private_key(65537, bits)) for bits in (1024, 1025, 1031)}
SIGNER = SIGNERS[1024]
KEY = PublicKey(n=SIGNER.n, e=SIGNER.e)
VARIANT = blind_rsa.PSS_DETERMINISTIC

EVERY_VARIANT = pytest.mark.parametrize(
    "variant", blind_rsa.VARIANTS.values(), ids=lambda v: v.name
)


def signed(variant, signer, message):
    key = PublicKey(n=signer.n, e=signer.e)
    prepared = blind_rsa.prepare(variant, message)
    blinded = blind_rsa.blind(variant, key, prepared)
    answer = signer.blind_sign(blinded.message)
    return prepared, blind_rsa.finalize(variant, key, prepared, answer, blinded.inverse)


def number(data):
    return int.from_bytes(data, "big")


@EVERY_VARIANT
@pytest.mark.parametrize("bits", SIGNERS)
def test_a_signature_is_an_ordinary_pss_signature(variant, bits):
    signer = SIGNERS[bits]
    prepared, signature = signed(variant, signer, b"a message")
    assert len(signature) == (bits + 7) // 8
    ordinary = rsa.RSAPublicNumbers(signer.e, signer.n).public_key()
    scheme = padding.PSS(mgf=padding.MGF1(SHA384()), salt_length=variant.salt_size)
    ordinary.verify(signature, prepared, scheme, SHA384())
    other = padding.PSS(mgf=padding.MGF1(SHA384()), salt_length=48 - variant.salt_size)
    with pytest.raises(InvalidSignature):
        ordinary.verify(signature, prepared, other, SHA384())


@EVERY_VARIANT
def test_only_randomized_variants_change_the_message(variant):
    prepared = blind_rsa.prepare(variant, b"a message")
    assert prepared.endswith(b"a message")
    assert len(prepared) - len(b"a message") == (32 if "-Randomized" in variant.name else 0)
    again = blind_rsa.prepare(variant, b"a message")
    assert (again == prepared) == ("-Deterministic" in variant.name)


@pytest.mark.parametrize("bits", range(1024, 1034))
@pytest.mark.parametrize("salt", [b"", b"s" * 48])
def test_the_encoding_is_the_one_the_crypto_library_undoes(bits, salt):
    """Sign the encoding of any length raw, and let OpenSSL take the result for a PSS signature."""
    private = rsa.generate_private_key(65537, bits)
    numbers = private.private_numbers()
    n = numbers.public_numbers.n
    encoded = encode_pss(b"a message", bits=bits - 1, salt=salt)
    assert len(encoded) == (bits + 6) // 8
    assert number(encoded) < 2 ** (bits - 1)
    signature = pow(number(encoded), numbers.d, n).to_bytes((bits + 7) // 8, "big")
    scheme = padding.PSS(mgf=padding.MGF1(SHA384()), salt_length=len(salt))
    private.public_key().verify(signature, b"a message", scheme, SHA384())


def test_refuses_a_modulus_too_short_for_hash_and_salt():
    encode_pss(b"", bits=8 * 98, salt=b"s" * 48)
    with pytest.raises(MisuseError):
        encode_pss(b"", bits=8 * 97, salt=b"s" * 48)


@pytest.mark.parametrize(
    "variant", [blind_rsa.PSS_DETERMINISTIC, blind_rsa.PSSZERO_DETERMINISTIC], ids=lambda v: v.name
)
def test_every_salt_is_fresh(variant):
    first, second = (signed(variant, SIGNER, b"a message")[1] for _ in range(2))
    assert (first != second) == (variant.salt_size > 0)


def test_every_blinding_is_fresh():
    first, second = (blind_rsa.blind(VARIANT, KEY, b"a message") for _ in range(2))
    assert first.message != second.message
    assert first.inverse != second.inverse


def test_what_the_signer_sees_fits_every_signature_it_ever_made():
    """For any two runs there is an r that leads from one's signature to the other's blinding."""
    prepared, signature = signed(VARIANT, SIGNER, b"one")
    foreign = blind_rsa.blind(VARIANT, KEY, b"two")
    answer = number(SIGNER.blind_sign(foreign.message))
    r = answer * pow(number(signature), -1, KEY.n) % KEY.n
    encoded = pow(number(signature), KEY.e, KEY.n)
    assert encoded * pow(r, KEY.e, KEY.n) % KEY.n == number(foreign.message)
    blind_rsa.verify(VARIANT, KEY, prepared, signature)


def test_the_inverse_is_not_shown():
    blinded = blind_rsa.blind(VARIANT, KEY, b"a message")
    assert str(blinded.inverse) not in repr(blinded)


@pytest.mark.parametrize("size", [0, 127, 129])
def test_refuses_an_answer_of_another_length(size):
    with pytest.raises(MalformedError):
        blind_rsa.finalize(VARIANT, KEY, b"a message", bytes(size), 1)


@given(st.binary(min_size=128, max_size=128))
def test_an_answer_that_is_no_signature_gives_nothing(answer):
    blinded = blind_rsa.blind(VARIANT, KEY, b"a message")
    with pytest.raises(SignatureError):
        blind_rsa.finalize(VARIANT, KEY, b"a message", answer, blinded.inverse)


def test_an_answer_to_another_request_gives_nothing():
    mine, other = (blind_rsa.blind(VARIANT, KEY, b"a message") for _ in range(2))
    answer = SIGNER.blind_sign(other.message)
    with pytest.raises(SignatureError):
        blind_rsa.finalize(VARIANT, KEY, b"a message", answer, mine.inverse)


@EVERY_VARIANT
def test_one_changed_bit_does_not_verify(variant):
    prepared, signature = signed(variant, SIGNER, b"a message")
    for place in range(0, len(signature) * 8, 37):
        changed = (number(signature) ^ (1 << place)).to_bytes(len(signature), "big")
        with pytest.raises(SignatureError):
            blind_rsa.verify(variant, KEY, prepared, changed)
    with pytest.raises(SignatureError):
        blind_rsa.verify(variant, KEY, prepared + b"!", signature)


@pytest.mark.parametrize("grown", [b"", b"\0", b"s"])
def test_a_signature_plus_the_modulus_or_of_another_length_does_not_verify(grown):
    prepared, signature = signed(VARIANT, SIGNER, b"a message")
    with pytest.raises(SignatureError):
        blind_rsa.verify(VARIANT, KEY, prepared, (number(signature) + KEY.n).to_bytes(129, "big"))
    with pytest.raises(SignatureError):
        blind_rsa.verify(VARIANT, KEY, prepared, grown + signature[:-1])
    with pytest.raises(SignatureError):
        blind_rsa.verify(VARIANT, KEY, prepared, grown + b"\0" + signature)


@settings(max_examples=25)
@given(st.binary(max_size=200))
def test_any_message_can_be_signed(message):
    for variant in blind_rsa.VARIANTS.values():
        prepared, signature = signed(variant, SIGNER, message)
        blind_rsa.verify(variant, KEY, prepared, signature)


@pytest.mark.parametrize(
    ("n", "e"),
    [
        (KEY.n - 1, KEY.e),
        (KEY.n >> 1, KEY.e),
        (0, KEY.e),
        (-KEY.n, KEY.e),
        (2**8192 + 1, KEY.e),
        (KEY.n, 65536),
        (KEY.n, 1),
        (KEY.n, 0),
        (KEY.n, -1),
        (KEY.n, 2**32 + 1),
    ],
    ids=range(10),  # the numbers are drawn at random
)
def test_refuses_numbers_that_are_no_key(n, e):
    with pytest.raises(MalformedError):
        PublicKey(n=n, e=e)


def test_refuses_a_message_that_shares_a_factor_with_the_modulus():
    weak = PublicKey(n=3 * KEY.n, e=3)
    bits = weak.n.bit_length() - 1
    messages = (bytes([i]) for i in range(99))
    message = next(m for m in messages if number(encode_pss(m, bits=bits, salt=b"")) % 3 == 0)
    with pytest.raises(MalformedError):
        blind_rsa.blind_with(weak, message, salt=b"", r=2)


def test_refuses_an_r_that_shares_a_factor():
    p = SIGNER._key.private_numbers().p
    with pytest.raises(MalformedError):
        blind_rsa.blind_with(KEY, b"a message", salt=b"", r=p)


@pytest.mark.parametrize("bits", [2048, 4096])
def test_judges_ordinary_signatures_as_wycheproof_does(shared, bits):
    name = f"rsa_pss_{bits}_sha384_mgf1_48_test.json"
    document = json.loads((shared / "vectors" / "standards" / "wycheproof" / name).read_bytes())
    for group in document["testGroups"]:
        numbers = group["publicKey"]
        key = PublicKey(n=int(numbers["modulus"], 16), e=int(numbers["publicExponent"], 16))
        for case in group["tests"]:
            message, signature = bytes.fromhex(case["msg"]), bytes.fromhex(case["sig"])
            try:
                blind_rsa.verify(VARIANT, key, message, signature)
                found = "valid"
            except SignatureError:
                found = "invalid"
            assert case["result"] in (found, "acceptable"), case["tcId"]
