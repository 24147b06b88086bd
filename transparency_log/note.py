"""Signed notes: a text and the signatures below it (C2SP signed-note v1.0.0).

    example.com/log
    5
    gy5gl3aksFyiCO95a/1vLXz88A3dRq+0l9Sxte8ZqZQ=

    — example.com/log M9e0lmn5eDHyHP10zJObZdFAX2y1V8fdDKBi4IiHbDYf…

A note is parsed into `UnverifiedNote`, which names its text for what it is; `open_note` alone gives
a `Note`. Signatures by keys nobody gave are ignored, a failing signature by a given key refuses the
note. What the text means is left to `checkpoint`.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Protocol

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import load_der_public_key

from transparency_log.errors import (
    MalformedKeyError,
    MalformedNoteError,
    NotSignedError,
)
from transparency_log.strict_json import StrictJSONError, b64decode, b64encode
from transparency_log.vkey import SignatureType, VerifierKey, check_name

MAX_NOTE = 512 * 1024
"""Bytes of a note: 64 ML-DSA cosignatures and room for the text."""

MAX_SIGNATURES = 64
"""Signature lines read; the specification asks for at least 16."""

SIGNATURE_PREFIX = "— "
"""A signature line begins with U+2014 and a space."""


@dataclass(frozen=True, kw_only=True)
class SignatureLine:
    """One line below the text: who is said to have signed, and with what."""

    name: str
    key_id: bytes
    signature: bytes

    def __str__(self) -> str:
        """Write the line without its newline."""
        return f"{SIGNATURE_PREFIX}{self.name} {b64encode(self.key_id + self.signature)}"


class Verifier(Protocol):
    """Somebody whose signature on a note can be checked."""

    @property
    def key(self) -> VerifierKey:
        """Name, type and public key."""
        ...

    def verify(self, text: bytes, signature: bytes) -> None:
        """Return if `signature` (without the key id) is this key's over `text`.

        Raises:
            NotSignedError: it is not.
        """
        ...


@dataclass(frozen=True, kw_only=True)
class UnverifiedNote:
    """A note that parses. Nobody has vouched for its text."""

    unverified_text: bytes
    signatures: tuple[SignatureLine, ...]


@dataclass(frozen=True, kw_only=True)
class Note:
    """A text with at least one good signature by a given key, and no bad one; made by `open_note`.

    `signed_by` holds the lines that verified, in their order.
    """

    text: bytes
    signed_by: tuple[SignatureLine, ...]


def parse_note(data: bytes) -> UnverifiedNote:
    """Read a note; nothing is trusted yet.

    Raises:
        MalformedNoteError: not UTF-8, a control character, no blank line, or a bad signature line.
    """
    text, lines = split_note(data)
    signatures = tuple(parse_signature_line(line) for line in lines)
    return UnverifiedNote(unverified_text=text, signatures=signatures)


def split_note(data: bytes) -> tuple[bytes, list[str]]:
    """Split a note at its last blank line into its text and its signature lines, both unverified.

    Raises:
        MalformedNoteError: not UTF-8, a control character, no blank line, or too long.
    """
    if len(data) > MAX_NOTE:
        raise MalformedNoteError(f"note: {len(data)} bytes, at most {MAX_NOTE} are accepted")
    if any(byte < 0x20 and byte != 0x0A for byte in data):
        raise MalformedNoteError("note has a control character")
    split = data.rfind(b"\n\n")
    if split < 1 or not data.endswith(b"\n") or split + 2 == len(data):
        raise MalformedNoteError("note has no text, blank line and signatures")
    try:
        data[: split + 1].decode()
        lines = data[split + 2 : -1].decode().split("\n")
    except UnicodeDecodeError as error:
        raise MalformedNoteError("note is not UTF-8") from error
    if len(lines) > MAX_SIGNATURES:
        raise MalformedNoteError(f"note has more than {MAX_SIGNATURES} signatures")
    return data[: split + 1], lines


def parse_signature_line(line: str) -> SignatureLine:
    """Read one signature line, without its newline.

    Raises:
        MalformedNoteError: another spelling.
    """
    name, separator, encoded = line.removeprefix(SIGNATURE_PREFIX).partition(" ")
    if not line.startswith(SIGNATURE_PREFIX) or not separator:
        raise MalformedNoteError("signature line is not a dash, a name and a signature")
    try:
        check_name(name)
        signature = b64decode(encoded)
    except (MalformedKeyError, StrictJSONError) as error:
        raise MalformedNoteError("signature line: bad name or base64") from error
    if len(signature) < 5:
        raise MalformedNoteError("signature line holds no signature after the key id")
    return SignatureLine(name=name, key_id=signature[:4], signature=signature[4:])


def open_note(data: bytes, verifiers: Sequence[Verifier]) -> Note:
    """Read a note and check every signature by the given keys.

    Raises:
        MalformedNoteError: see `parse_note`.
        NotSignedError: none of the keys has signed, or a signature by one of them is bad.
    """
    return verify_note(parse_note(data), verifiers)


def verify_note(note: UnverifiedNote, verifiers: Sequence[Verifier]) -> Note:
    """Check every signature by the given keys.

    Raises:
        NotSignedError: none of the keys has signed, or a signature by one of them is bad.
    """
    good = []
    for line in note.signatures:
        for verifier in verifiers:
            if (line.name, line.key_id) == (verifier.key.name, verifier.key.key_id):
                verifier.verify(note.unverified_text, line.signature)
                good.append(line)
                break
    if not good:
        raise NotSignedError("no signature by a trusted key")
    return Note(text=note.unverified_text, signed_by=tuple(good))


def format_note(text: bytes, signatures: Sequence[SignatureLine]) -> bytes:
    """Write a note; `text` ends with a newline."""
    return text + b"\n" + "".join(f"{line}\n" for line in signatures).encode()


@dataclass(frozen=True, kw_only=True)
class Ed25519Verifier:
    """Checks plain Ed25519 note signatures (type 0x01): over the text with its last newline."""

    key: VerifierKey

    def verify(self, text: bytes, signature: bytes) -> None:
        """See `Verifier`."""
        try:
            Ed25519PublicKey.from_public_bytes(self.key.public_key).verify(signature, text)
        except (InvalidSignature, ValueError) as error:
            raise NotSignedError(f"invalid signature by {self.key.name}") from error


@dataclass(frozen=True, kw_only=True)
class EcdsaVerifier:
    """Checks ECDSA note signatures (type 0x02, older logs): DER, SHA-256, key as SPKI."""

    key: VerifierKey

    def verify(self, text: bytes, signature: bytes) -> None:
        """See `Verifier`."""
        try:
            public_key = load_der_public_key(self.key.public_key)
            if not isinstance(public_key, ec.EllipticCurvePublicKey):
                raise NotSignedError(f"the key of {self.key.name} is not an ECDSA key")
            public_key.verify(signature, text, ec.ECDSA(hashes.SHA256()))
        except (InvalidSignature, ValueError) as error:
            raise NotSignedError(f"invalid signature by {self.key.name}") from error


@dataclass(frozen=True, kw_only=True)
class NoteSigner:
    """Signs notes with Ed25519 (type 0x01), as a log does."""

    name: str
    private_key: Ed25519PrivateKey = field(repr=False)

    @property
    def key(self) -> VerifierKey:
        """The verifier key to publish."""
        return VerifierKey(
            name=self.name,
            type=SignatureType.ED25519,
            public_key=self.private_key.public_key().public_bytes_raw(),
        )

    def sign(self, text: bytes) -> SignatureLine:
        """Sign a text that ends with a newline."""
        return SignatureLine(
            name=self.name, key_id=self.key.key_id, signature=self.private_key.sign(text)
        )
