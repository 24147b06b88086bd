from dataclasses import replace

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.mldsa import MLDSA44PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from hypothesis import given
from hypothesis import strategies as st

from tests.transparency_log.memory_log import NOW, ORIGIN, MemoryLog, key
from transparency_log.checkpoint import Checkpoint, parse_checkpoint
from transparency_log.cosignature import (
    MLDSACosignatureSigner,
    parse_cosignature,
    parse_log_verifier,
    parse_verifier,
)
from transparency_log.errors import (
    MalformedCheckpointError,
    MalformedError,
    MalformedKeyError,
    MalformedNoteError,
    NotSignedError,
)
from transparency_log.note import (
    NoteSigner,
    SignatureLine,
    format_note,
    open_note,
    parse_note,
    parse_signature_line,
)
from transparency_log.vkey import MAX_NAME, SignatureType, VerifierKey, parse_vkey

TEXT = b"some text\nwith lines\n"
SIGNER = NoteSigner(name="signer.example", private_key=key(1))
OTHER = NoteSigner(name="other.example", private_key=key(2))


def test_note_opens_under_its_key() -> None:
    note = format_note(TEXT, [SIGNER.sign(TEXT)])
    opened = open_note(note, [parse_verifier(str(SIGNER.key))])
    assert opened.text == TEXT
    assert [line.name for line in opened.signed_by] == ["signer.example"]


def test_text_may_hold_blank_lines_and_what_looks_like_signatures() -> None:
    text = format_note(TEXT, [SIGNER.sign(TEXT)]) + b"\nmore\n"
    opened = open_note(format_note(text, [OTHER.sign(text)]), [parse_verifier(str(OTHER.key))])
    assert opened.text == text


def test_unknown_signers_are_ignored() -> None:
    note = format_note(TEXT, [OTHER.sign(TEXT), SIGNER.sign(TEXT)])
    opened = open_note(note, [parse_verifier(str(SIGNER.key))])
    assert len(opened.signed_by) == 1


def test_refuses_a_note_without_a_known_signer() -> None:
    with pytest.raises(NotSignedError):
        open_note(format_note(TEXT, [OTHER.sign(TEXT)]), [parse_verifier(str(SIGNER.key))])


def test_one_bad_signature_by_a_known_key_refuses_the_note() -> None:
    bad = SIGNER.sign(b"another text\n")
    verifiers = [parse_verifier(str(SIGNER.key)), parse_verifier(str(OTHER.key))]
    with pytest.raises(NotSignedError):
        open_note(format_note(TEXT, [OTHER.sign(TEXT), bad]), verifiers)


def test_signature_counts_for_its_own_name_only() -> None:
    line = SIGNER.sign(TEXT)
    renamed = SignatureLine(name="other.example", key_id=line.key_id, signature=line.signature)
    with pytest.raises(NotSignedError):
        open_note(format_note(TEXT, [renamed]), [parse_verifier(str(SIGNER.key))])


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\n\n",
        b"text\n",
        b"text\n\n",
        b"text\n\n\n",
        b"text\n\nno dash\n",
        "text\n\n— name AAAAAAAA".encode(),
        "text\n\n— name\n".encode(),
        "text\n\n— name AAAA\n".encode(),
        "text\n\n— na+me AAAAAAAA\n".encode(),
        "text\n\n— na\u00a0me AAAAAAAA\n".encode(),
        "text\n\n— name AAAAAAB=\n".encode(),
        "text\n\n— name AAAAAAAA \n".encode(),
        "text\n\n—  name AAAAAAAA\n".encode(),
        "te\rxt\n\n— name AAAAAAAA\n".encode(),
        b"te\xffxt\n\n" + "— name AAAAAAAA\n".encode(),
        b"text\n\n" + "— name AAAAAAAA\n".encode() * 65,
    ],
)
def test_refuses_malformed_notes(data: bytes) -> None:
    with pytest.raises(MalformedNoteError):
        parse_note(data)


def test_refuses_a_note_over_the_limit() -> None:
    with pytest.raises(MalformedNoteError):
        parse_note(b"a" * 600_000 + b"\n\n" + "— name AAAAAAAA\n".encode())


@given(st.binary(max_size=300))
def test_any_bytes_give_a_note_or_the_own_error(data: bytes) -> None:
    try:
        note = parse_note(data)
    except MalformedNoteError:
        return
    assert format_note(note.unverified_text, note.signatures) == data


@given(st.text(max_size=100))
def test_any_text_gives_a_line_or_the_own_error(text: str) -> None:
    try:
        assert str(parse_signature_line("— " + text)) == "— " + text
    except MalformedNoteError:
        pass


@given(st.text(max_size=120))
def test_any_text_gives_a_key_or_the_own_error(text: str) -> None:
    with pytest.raises(MalformedKeyError):
        parse_vkey(text)


@pytest.mark.parametrize(
    "change",
    [
        lambda vkey: vkey.upper(),
        lambda vkey: vkey + "=",
        lambda vkey: " " + vkey,
        lambda vkey: vkey.replace("signer", "singer"),
        lambda vkey: vkey[:-4],
        lambda vkey: "x" * (MAX_NAME + 1) + vkey,
        lambda vkey: "\ud800" + vkey,
    ],
)
def test_refuses_changed_keys(change) -> None:
    with pytest.raises(MalformedKeyError):
        parse_vkey(change(str(SIGNER.key)))


@pytest.mark.parametrize("signature_type", [SignatureType.ED25519, SignatureType.COSIGNATURE])
def test_key_types_have_separate_ids(signature_type: SignatureType) -> None:
    one = VerifierKey(name="n", type=signature_type, public_key=bytes(32))
    assert parse_vkey(str(one)) == one
    others = set(SignatureType) - {signature_type}
    assert all(
        VerifierKey(name="n", type=other, public_key=bytes(32)).key_id != one.key_id
        for other in others
    )


def test_ecdsa_notes_of_older_logs_open() -> None:
    private_key = ec.generate_private_key(ec.SECP256R1())
    spki = private_key.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    vkey = VerifierKey(name="old.example", type=SignatureType.ECDSA, public_key=spki)
    signature = private_key.sign(TEXT, ec.ECDSA(hashes.SHA256()))
    line = SignatureLine(name="old.example", key_id=vkey.key_id, signature=signature)
    verifier = parse_verifier(str(vkey))
    assert open_note(format_note(TEXT, [line]), [verifier]).text == TEXT
    with pytest.raises(NotSignedError):
        open_note(format_note(b"x" + TEXT, [line]), [verifier])


def test_cosignature_holds_its_time_and_text(memory_log: MemoryLog) -> None:
    witness = memory_log.witnesses[0]
    text = memory_log.text()
    line = witness.cosign(text, NOW)
    assert parse_cosignature(line.signature).timestamp == NOW
    verifier = parse_verifier(str(witness.key))
    verifier.verify(text, line.signature)
    later = (NOW + 1).to_bytes(8, "big") + line.signature[8:]
    with pytest.raises(NotSignedError):
        verifier.verify(text, later)
    with pytest.raises(NotSignedError):
        verifier.verify(text, bytes(8) + line.signature[8:])
    with pytest.raises(NotSignedError):
        verifier.verify(text, line.signature[:-1])


def test_ml_dsa_cosignature_covers_name_time_origin_size_and_root(memory_log: MemoryLog) -> None:
    private_key = MLDSA44PrivateKey.from_seed_bytes(bytes(32))
    witness = MLDSACosignatureSigner(name="pq.example", private_key=private_key)
    text = memory_log.text()
    line = witness.cosign(text, NOW)
    assert len(line.key_id + line.signature) == 2432
    verifier = parse_verifier(str(witness.key))
    verifier.verify(text, line.signature)
    checkpoint = parse_checkpoint(text)
    changes = [
        Checkpoint(origin="x", size=checkpoint.size, root=checkpoint.root),
        Checkpoint(origin=checkpoint.origin, size=9, root=checkpoint.root),
        Checkpoint(origin=checkpoint.origin, size=checkpoint.size, root=bytes(32)),
    ]
    for changed in changes:
        with pytest.raises(NotSignedError):
            verifier.verify(changed.encode(), line.signature)
    extended = replace(checkpoint, extensions=("nobody's word",)).encode()
    verifier.verify(extended, line.signature)  # tlog-cosignature: it says nothing about them
    renamed = MLDSACosignatureSigner(name="qp.example", private_key=private_key)
    with pytest.raises(NotSignedError):
        parse_verifier(str(renamed.key)).verify(text, line.signature)


def test_a_log_that_signs_with_ml_dsa_states_no_time_and_no_extension(
    memory_log: MemoryLog,
) -> None:
    private_key = MLDSA44PrivateKey.from_seed_bytes(bytes(32))
    log = MLDSACosignatureSigner(name=ORIGIN, private_key=private_key)
    text, verifier = memory_log.text(), parse_log_verifier(str(log.key))
    for time in (0, NOW):
        verifier.verify(text, log.cosign(text, time).signature)
    with pytest.raises(NotSignedError):  # a witness must state one
        parse_verifier(str(log.key)).verify(text, log.cosign(text, 0).signature)
    extended = replace(parse_checkpoint(text), extensions=("x",)).encode()
    with pytest.raises(NotSignedError):
        verifier.verify(extended, log.cosign(extended, NOW).signature)
    with pytest.raises(MalformedKeyError):
        parse_log_verifier(str(memory_log.witnesses[0].key))


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b"origin\n1\n",
        b"\n1\n" + b"A" * 43 + b"=\n",
        b"origin\n01\n" + b"A" * 43 + b"=\n",
        b"origin\n+1\n" + b"A" * 43 + b"=\n",
        b"origin\n 1\n" + b"A" * 43 + b"=\n",
        b"origin\n1_0\n" + b"A" * 43 + b"=\n",
        "origin\n٣\n".encode() + b"A" * 43 + b"=\n",
        b"origin\n9223372036854775808\n" + b"A" * 43 + b"=\n",
        b"origin\n1\n" + b"A" * 42 + b"B=\n",
        b"origin\n1\nAAAA\n",
        b"origin\n1\n" + b"A" * 43 + b"=",
        b"origin\n1\n" + b"A" * 43 + b"=\n\n",
    ],
)
def test_refuses_other_spellings_of_checkpoints(text: bytes) -> None:
    with pytest.raises(MalformedCheckpointError):
        parse_checkpoint(text)


@given(
    origin=st.text(st.characters(categories=["L", "N"]), min_size=1, max_size=20),
    size=st.integers(0, 2**63 - 1),
    root=st.binary(min_size=32, max_size=32),
    extensions=st.lists(st.text(st.characters(categories=["L"]), min_size=1), max_size=3),
)
def test_checkpoint_reads_back(origin: str, size: int, root: bytes, extensions: list[str]) -> None:
    one = Checkpoint(origin=origin, size=size, root=root, extensions=tuple(extensions))
    assert parse_checkpoint(one.encode()) == one


@given(st.binary(max_size=120))
def test_any_bytes_give_a_checkpoint_or_the_own_error(data: bytes) -> None:
    try:
        assert parse_checkpoint(data).encode() == data
    except MalformedError:
        pass
