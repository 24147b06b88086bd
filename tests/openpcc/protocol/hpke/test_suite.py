"""HPKE setup, contexts and modes against the library's own one-shot suite and their rules."""

from typing import Any

import pytest
from cryptography.hazmat.primitives import hpke as library
from cryptography.hazmat.primitives.asymmetric import ec, mlkem, x25519

from openpcc.protocol.errors import (
    HPKEError,
    MalformedError,
    UnsealableError,
    UnsupportedError,
)
from openpcc.protocol.hpke import PrivateKey, PublicKey, Suite, aead, generate_key_pair, kdf, kem

ALL_KEMS = [
    *(kem.P256, kem.P384, kem.P521, kem.X25519, kem.X448),
    *(kem.MLKEM768, kem.MLKEM1024, kem.MLKEM768_P256, kem.MLKEM1024_P384, kem.XWING),
]
AUTH_KEMS = [kem.P256, kem.P384, kem.P521, kem.X25519, kem.X448]
KDFS = [kdf.HKDF_SHA256, kdf.HKDF_SHA384, kdf.HKDF_SHA512, kdf.SHAKE128, kdf.SHAKE256]
CIPHERS = [aead.AES_128_GCM, aead.AES_256_GCM, aead.CHACHA20_POLY1305]
PSK = b"k" * 32


def pair_of(kem_id):
    pair = generate_key_pair(kem_id)
    return pair.public, PrivateKey.load(kem_id, pair.private)


def channel(suite, info=b"info"):
    public, private = pair_of(suite.kem_id)
    enc, sender = suite.setup_base_s(public, info)
    return sender, suite.setup_base_r(enc, private, info)


@pytest.mark.parametrize("kem_id", ALL_KEMS)
def test_both_ends_agree_in_base_mode(kem_id):
    suite = Suite(kem_id, kdf.HKDF_SHA256, aead.AES_256_GCM)
    sender, recipient = channel(suite)
    for number in range(3):
        assert recipient.open(b"a", sender.seal(b"a", b"m%d" % number)) == b"m%d" % number
    assert sender.export(b"c", 40) == recipient.export(b"c", 40)


@pytest.mark.parametrize("kdf_id", KDFS)
@pytest.mark.parametrize("aead_id", CIPHERS)
def test_both_ends_agree_in_every_kdf_and_cipher(kdf_id, aead_id):
    sender, recipient = channel(Suite(kem.X25519, kdf_id, aead_id))
    assert recipient.open(b"", sender.seal(b"", b"m")) == b"m"


def library_keys(kem_id, private):
    loaded = PrivateKey.load(kem_id, private).loaded
    key: Any
    match kem_id:
        case kem.XWING:
            key = library.MLKEM768X25519PrivateKey(loaded.mlkem, loaded.group)
            return library.KEM.MLKEM768_X25519, key
        case kem.MLKEM1024_P384:
            key = library.MLKEM1024P384PrivateKey(loaded.mlkem, loaded.group)
            return library.KEM.MLKEM1024_P384, key
        case kem.X25519:
            return library.KEM.X25519, x25519.X25519PrivateKey.from_private_bytes(private)
        case kem.P256:
            key = ec.derive_private_key(int.from_bytes(private, "big"), ec.SECP256R1())
            return library.KEM.P256, key
        case kem.P521:
            key = ec.derive_private_key(int.from_bytes(private, "big"), ec.SECP521R1())
            return library.KEM.P521, key
        case kem.MLKEM768:
            return library.KEM.MLKEM768, mlkem.MLKEM768PrivateKey.from_seed_bytes(private)
        case _:
            return library.KEM.MLKEM1024, mlkem.MLKEM1024PrivateKey.from_seed_bytes(private)


@pytest.mark.parametrize(
    "kem_id",
    [
        *(kem.X25519, kem.P256, kem.P521),
        *(kem.MLKEM768, kem.MLKEM1024, kem.XWING, kem.MLKEM1024_P384),
    ],
)
def test_agrees_with_the_library_in_both_directions(kem_id):
    suite = Suite(kem_id, kdf.HKDF_SHA256, aead.AES_128_GCM)
    pair = generate_key_pair(kem_id)
    known, private = library_keys(kem_id, pair.private)
    other = library.Suite(known, library.KDF.HKDF_SHA256, library.AEAD.AES_128_GCM)

    sealed = other.encrypt(b"message", private.public_key(), b"info")
    size = suite.kem.enc_size
    ours = suite.setup_base_r(sealed[:size], PrivateKey.load(kem_id, pair.private), b"info")
    assert ours.open(b"", sealed[size:]) == b"message"

    enc, sender = suite.setup_base_s(pair.public, b"info")
    assert other.decrypt(enc + sender.seal(b"", b"message"), private, b"info") == b"message"


@pytest.mark.parametrize("kem_id", AUTH_KEMS)
def test_authenticated_modes_bind_key_and_psk(kem_id):
    suite = Suite(kem_id, kdf.HKDF_SHA512, aead.AES_256_GCM)
    public, private = pair_of(kem_id)
    known, own = pair_of(kem_id)
    psk = {"psk": PSK, "psk_id": b"id"}

    enc, sender = suite.setup_auth_s(public, b"", own)
    assert suite.setup_auth_r(enc, private, b"", known).open(b"", sender.seal(b"", b"m")) == b"m"
    enc, sender = suite.setup_auth_psk_s(public, b"", own, **psk)
    sealed = sender.seal(b"", b"m")
    assert suite.setup_auth_psk_r(enc, private, b"", known, **psk).open(b"", sealed) == b"m"
    with pytest.raises(UnsealableError):
        suite.setup_auth_psk_r(enc, private, b"", public, **psk).open(b"", sealed)
    with pytest.raises(UnsealableError):
        suite.setup_auth_r(enc, private, b"", known).open(b"", sealed)


def test_psk_mode_binds_the_psk():
    suite = Suite(kem.X25519, kdf.HKDF_SHA256, aead.AES_256_GCM)
    public, private = pair_of(kem.X25519)
    enc, sender = suite.setup_psk_s(public, b"", psk=PSK, psk_id=b"id")
    sealed = sender.seal(b"", b"m")
    assert suite.setup_psk_r(enc, private, b"", psk=PSK, psk_id=b"id").open(b"", sealed) == b"m"
    for psk, psk_id in ((b"l" * 32, b"id"), (PSK, b"other")):
        with pytest.raises(UnsealableError):
            suite.setup_psk_r(enc, private, b"", psk=psk, psk_id=psk_id).open(b"", sealed)


@pytest.mark.parametrize(("psk", "psk_id"), [(b"", b"id"), (PSK, b""), (b"short", b"id")])
def test_refuses_an_incomplete_or_short_psk(psk, psk_id):
    suite = Suite(kem.X25519, kdf.HKDF_SHA256, aead.AES_256_GCM)
    with pytest.raises(HPKEError):
        suite.setup_psk_s(pair_of(kem.X25519)[0], b"", psk=psk, psk_id=psk_id)


def test_post_quantum_kems_have_no_authenticated_mode():
    suite = Suite(kem.XWING, kdf.HKDF_SHA256, aead.AES_256_GCM)
    public, own = pair_of(kem.XWING)
    with pytest.raises(UnsupportedError):
        suite.setup_auth_s(public, b"", own)


def test_another_info_gives_another_key():
    suite = Suite(kem.X25519, kdf.HKDF_SHA256, aead.AES_256_GCM)
    public, private = pair_of(kem.X25519)
    enc, sender = suite.setup_base_s(public, b"one")
    with pytest.raises(UnsealableError):
        suite.setup_base_r(enc, private, b"two").open(b"", sender.seal(b"", b"m"))


def test_a_failed_open_does_not_advance():
    sender, recipient = channel(Suite(kem.X25519, kdf.HKDF_SHA256, aead.AES_128_GCM))
    sealed = sender.seal(b"", b"m")
    for broken in (sealed[:-1], sealed + b"\0", b"", b"\0" * 16):
        with pytest.raises(UnsealableError):
            recipient.open(b"", broken)
    assert recipient.open(b"", sealed) == b"m"
    with pytest.raises(UnsealableError):
        recipient.open(b"", sealed)


def test_a_used_up_context_seals_nothing():
    sender, _ = channel(Suite(kem.X25519, kdf.HKDF_SHA256, aead.AES_128_GCM))
    sender.sealer._sequence = aead.MAX_SEQUENCE
    with pytest.raises(HPKEError):
        sender.seal(b"", b"m")


def test_an_export_only_suite_exports_only():
    sender, recipient = channel(Suite(kem.X25519, kdf.HKDF_SHA256, aead.EXPORT_ONLY))
    assert sender.export(b"", 32) == recipient.export(b"", 32)
    with pytest.raises(HPKEError):
        sender.seal(b"", b"m")


def test_a_wiped_context_does_nothing():
    sender, recipient = channel(Suite(kem.X25519, kdf.HKDF_SHA256, aead.AES_128_GCM))
    sealed = sender.seal(b"", b"m")
    sender.wipe()
    recipient.wipe()
    for use in (
        lambda: sender.seal(b"", b"m"),
        lambda: recipient.open(b"", sealed),
        lambda: sender.export(b"", 32),
    ):
        with pytest.raises(HPKEError):
            use()


@pytest.mark.parametrize("size", [-1, 255 * 32 + 1, 1 << 16])
def test_exports_no_more_than_hkdf_gives(size):
    sender, _ = channel(Suite(kem.X25519, kdf.HKDF_SHA256, aead.AES_128_GCM))
    with pytest.raises(HPKEError):
        sender.export(b"", size)


@pytest.mark.parametrize("size", [0, 1 << 16])
def test_exports_no_more_than_shake_gives(size):
    sender, _ = channel(Suite(kem.X25519, kdf.SHAKE128, aead.AES_128_GCM))
    with pytest.raises(HPKEError):
        sender.export(b"", size)


@pytest.mark.parametrize("ids", [(0x40, 1, 1), (0x30, 1, 1), (0x20, 0x12, 1), (0x20, 1, 4)])
def test_refuses_algorithms_it_has_not(ids):
    with pytest.raises(UnsupportedError):
        Suite(*ids)


def test_refuses_a_key_of_another_kem():
    suite = Suite(kem.X25519, kdf.HKDF_SHA256, aead.AES_128_GCM)
    public, private = pair_of(kem.XWING)
    with pytest.raises(HPKEError):
        suite.setup_base_r(bytes(32), private, b"")
    with pytest.raises(HPKEError):
        suite.setup_base_s(PublicKey.load(kem.XWING, public), b"")
    with pytest.raises(MalformedError):
        suite.setup_base_s(public, b"")


def test_keys_do_not_show_in_texts():
    pair = generate_key_pair(kem.X25519)
    private = PrivateKey.load(kem.X25519, pair.private)
    assert pair.private.hex() not in repr(pair) + repr(private)
    assert repr(pair.private) not in repr(pair) + repr(private)
