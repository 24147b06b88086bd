"""Key encapsulation: sizes, keys that are refused, implicit rejection."""

import pytest
from cryptography.hazmat.primitives import hashes
from hypothesis import given, settings
from hypothesis import strategies as st

from openpcc.protocol.errors import HPKEError, MalformedError, UnsupportedError
from openpcc.protocol.hpke import PrivateKey, PublicKey, groups, kdf, kem, registry
from openpcc.protocol.hpke.dhkem import DHKEM

# Nsecret, Nenc, Npk, Nsk: RFC 9180, section 7.1, and draft-ietf-hpke-pq.
SIZES = {
    kem.P256: (32, 65, 65, 32),
    kem.P384: (48, 97, 97, 48),
    kem.P521: (64, 133, 133, 66),
    kem.X25519: (32, 32, 32, 32),
    kem.X448: (64, 56, 56, 56),
    kem.MLKEM768: (32, 1088, 1184, 64),
    kem.MLKEM1024: (32, 1568, 1568, 64),
    kem.MLKEM768_P256: (32, 1153, 1249, 32),
    kem.MLKEM1024_P384: (32, 1665, 1665, 32),
    kem.XWING: (32, 1120, 1216, 32),
}


@pytest.mark.parametrize("kem_id", SIZES)
def test_sizes_are_those_of_the_registry(kem_id):
    found = registry.by_id(kem_id)
    pair = found.generate()
    made = PublicKey.load(kem_id, pair.public).encapsulate()
    real = (len(made.shared_secret), len(made.enc), len(pair.public), len(pair.private))
    declared = (found.secret_size, found.enc_size, found.public_size, found.private_size)
    assert real == declared == SIZES[kem_id]


@pytest.mark.parametrize("kem_id", SIZES)
def test_derives_the_same_pair_from_the_same_material(kem_id):
    found = registry.by_id(kem_id)
    one, two = found.derive_key_pair(b"i" * 66), found.derive_key_pair(b"i" * 66)
    assert one == two != found.derive_key_pair(b"j" * 66)
    assert found.load_private(one.private).public.raw == one.public


@pytest.mark.parametrize("kem_id", SIZES)
def test_refuses_keys_and_encapsulations_of_another_length(kem_id):
    found = registry.by_id(kem_id)
    pair = found.generate()
    private = PrivateKey.load(kem_id, pair.private)
    enc = private.public.encapsulate().enc
    for wrong in (b"", pair.public[:-1], pair.public + b"\0"):
        with pytest.raises(MalformedError):
            found.load_public(wrong)
    for wrong in (b"", pair.private[:-1], pair.private + b"\0"):
        with pytest.raises(MalformedError):
            found.load_private(wrong)
    for wrong in (b"", enc[:-1], enc + b"\0"):
        with pytest.raises(MalformedError):
            private.decapsulate(wrong)


@pytest.mark.parametrize("kem_id", [kem.MLKEM768, kem.MLKEM1024, kem.XWING])
def test_a_changed_ciphertext_gives_another_secret(kem_id):
    private = PrivateKey.load(kem_id, registry.generate_key_pair(kem_id).private)
    made = private.public.encapsulate()
    changed = bytes([made.enc[0] ^ 1]) + made.enc[1:]
    assert private.decapsulate(changed) != made.shared_secret


@pytest.mark.parametrize("group", [groups.P256, groups.P384, groups.P521])
def test_refuses_points_off_the_curve_compressed_or_at_infinity(group):
    point = group.public_bytes(group.generate())
    compressed = bytes([2]) + point[1 : group.scalar_size + 1]
    off = point[:-1] + bytes([point[-1] ^ 1])
    for wrong in (b"\0", compressed, off, b"\4" + bytes(len(point) - 1)):
        with pytest.raises(MalformedError):
            group.load_public(wrong)


@pytest.mark.parametrize("group", [groups.P256, groups.P384, groups.P521])
def test_refuses_scalars_out_of_range(group):
    order = group.curve.group_order
    for wrong in (0, order):
        with pytest.raises(MalformedError):
            group.load_private(wrong.to_bytes(group.scalar_size, "big"))
    for right in (1, order - 1):
        group.load_private(right.to_bytes(group.scalar_size, "big"))


@pytest.mark.parametrize("kem_id", [kem.X25519, kem.X448])
def test_refuses_an_all_zero_shared_secret(kem_id):
    private = PrivateKey.load(kem_id, registry.generate_key_pair(kem_id).private)
    with pytest.raises(MalformedError):
        private.decapsulate(bytes(len(private.public.raw)))


def test_refuses_ml_kem_keys_with_coefficients_out_of_range():
    with pytest.raises(MalformedError):
        PublicKey.load(kem.MLKEM768, b"\xff" * 1184)


def test_a_hybrid_key_is_both_of_its_halves():
    """X-Wing's public key is an ML-KEM-768 key, then an X25519 key (its draft, section 5.2)."""
    private = PrivateKey.load(kem.XWING, bytes(32))
    seed = hashes.Hash(hashes.SHAKE256(96))
    seed.update(bytes(32))
    expanded = seed.finalize()
    half = PrivateKey.load(kem.MLKEM768, expanded[:64]).public.raw
    other = PrivateKey.load(kem.X25519, expanded[64:]).public.raw
    assert private.public.raw == half + other


def test_a_derived_scalar_that_never_fits_is_an_error():
    """Candidates of 31 bytes are no scalars of P-256, so all 256 tries fail."""
    found = DHKEM(
        id=kem.P256,
        secret_size=32,
        enc_size=65,
        public_size=65,
        private_size=31,
        group=groups.P256,
        hkdf=kdf.SHA256,
    )
    with pytest.raises(HPKEError):
        found.derive_key_pair(b"ikm")


@pytest.mark.parametrize("kdf_id", [kdf.SHAKE128, kdf.SHAKE256])
def test_one_stage_functions_give_no_bare_hkdf(kdf_id):
    with pytest.raises(UnsupportedError):
        kdf.hkdf(kdf_id)


@settings(max_examples=60, deadline=None)
@given(st.sampled_from(sorted(SIZES)), st.binary(max_size=1700))
def test_any_bytes_are_a_key_or_this_error(kem_id, data):
    found = registry.by_id(kem_id)
    for load in (found.load_public, found.load_private):
        try:
            load(data)
        except MalformedError:
            continue


@settings(max_examples=60, deadline=None)
@given(st.sampled_from(sorted(SIZES)), st.randoms(use_true_random=False))
def test_any_encapsulation_of_the_right_length_gives_a_secret_or_this_error(kem_id, random):
    found = registry.by_id(kem_id)
    private = found.load_private(found.derive_key_pair(b"fixed").private)
    try:
        secret = private.decapsulate(random.randbytes(found.enc_size))
    except MalformedError:
        return
    assert len(secret) == found.secret_size
