"""The digests are those of docs/formats.md, and no two inputs share one."""

import hashlib
from itertools import product

from attestation.binding import device_nonce, evidence_binding, lp, tpm_binding


def test_the_binding_is_the_documented_digest():
    written = (
        b"openpcc evidence v1\x00"
        b"\x00\x00\x00\x00\x00\x00\x00\x01k"
        b"\x00\x00\x00\x00\x00\x00\x00\x02fr"
        b"\x00\x00\x00\x00\x00\x00\x00\x00"
        b"\x00\x00\x00\x00\x00\x00\x00\x01s"
    )
    assert evidence_binding(b"k", b"fr", None, b"s") == hashlib.sha512(written).digest()


def test_nonce_and_tpm_binding_are_the_documented_digests():
    nonce = hashlib.sha256(b"openpcc device nonce v1\x00" + lp(b"k") + lp(b"f")).digest()
    assert device_nonce(b"k", b"f") == nonce
    assert (
        tpm_binding(bytes(64)) == hashlib.sha256(b"openpcc tpm binding v1\x00" + bytes(64)).digest()
    )


def test_bytes_cannot_move_between_sections():
    cuts = [(b"ab", b"", b"c", b""), (b"a", b"b", b"c", b""), (b"", b"ab", b"", b"c")]
    assert len({evidence_binding(*cut) for cut in cuts}) == len(cuts)


def test_every_section_counts():
    choices = list(product([b"", b"x"], repeat=4))
    assert len({evidence_binding(*choice) for choice in choices}) == len(choices)
