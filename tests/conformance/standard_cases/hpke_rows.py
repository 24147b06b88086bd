"""What rows of hpke-rfc9180 and hpke-pq have in common: keys, schedule, messages, exports."""

from collections.abc import Callable
from dataclasses import dataclass

from openpcc.protocol.errors import UnsealableError
from openpcc.protocol.hpke import Encapsulation, PrivateKey, RecipientContext, SenderContext, Suite
from tests.conformance.standard_cases.contract import (
    MismatchError,
    RowData,
    flipped,
    require_equal,
    require_keys,
    require_refusal,
    unhex,
)

MAX_SEQUENCE = 1 << 12
"""Rows name sequence numbers we reach by sealing; the published ones end at 256."""


@dataclass(frozen=True, kw_only=True)
class Message:
    """One of a row's `encryptions`."""

    sequence: int
    aad: bytes
    plaintext: bytes
    nonce: bytes
    sealed: bytes


def derived(suite: Suite, row: RowData, ikm: str, private: str, public: str) -> PrivateKey:
    """Derive a key pair, compare it with the row's, and load the row's private key."""
    pair = suite.kem.derive_key_pair(unhex(row[ikm]))
    require_equal(private, unhex(row[private]), pair.private)
    require_equal(public, unhex(row[public]), pair.public)
    loaded = suite.kem.load_private(unhex(row[private]))
    require_equal(f"public half of {private}", unhex(row[public]), loaded.public.raw)
    return loaded


def psk_of(row: RowData) -> tuple[bytes, bytes]:
    """Give psk and psk_id; both empty where the mode has none."""
    return unhex(row.get("psk", "")), unhex(row.get("psk_id", ""))


def check_messages(suite: Suite, row: RowData, made: Encapsulation) -> None:
    """Compare keys, messages and exports; then change one thing at a time."""
    psk, psk_id = psk_of(row)
    info, secret = unhex(row["info"]), made.shared_secret
    schedule = suite.schedule(secret, info, mode=row["mode"], psk=psk, psk_id=psk_id)
    require_equal("key", unhex(row["key"]), schedule.key)
    require_equal("base_nonce", unhex(row["base_nonce"]), schedule.base_nonce)
    require_equal("exporter_secret", unhex(row["exporter_secret"]), schedule.exporter_secret)

    def sender() -> SenderContext:
        return suite.sender(made, info, mode=row["mode"], psk=psk, psk_id=psk_id)

    def recipient(*, info: bytes = info, psk: bytes = psk) -> RecipientContext:
        return suite.recipient(secret, info, mode=row["mode"], psk=psk, psk_id=psk_id)

    _check_exports(row, sender(), recipient())
    messages = _messages(row)
    if not suite.aead.cipher:
        require_equal("encryptions of an export-only suite", [], messages)
    for message in messages:
        _check_nonce(schedule.base_nonce, message)
    _check_stream(messages, sender(), recipient())
    _check_wrong_position(messages, recipient)
    if messages and messages[0].sequence == 0:
        first = messages[0]
        _must_not_open("info", recipient(info=flipped(info)), first)
        if psk:
            _must_not_open("psk", recipient(psk=flipped(psk)), first)


def _messages(row: RowData) -> list[Message]:
    messages = []
    for position, entry in enumerate(row["encryptions"]):
        require_keys(entry, "aad", "pt", "ct", "nonce")
        message = Message(
            sequence=entry.get("seq", position),
            aad=unhex(entry["aad"]),
            plaintext=unhex(entry["pt"]),
            nonce=unhex(entry["nonce"]),
            sealed=unhex(entry["ct"]),
        )
        if not 0 <= message.sequence <= MAX_SEQUENCE:
            raise MismatchError("a sequence number is out of reach")
        messages.append(message)
    return sorted(messages, key=lambda message: message.sequence)


def _check_nonce(base_nonce: bytes, message: Message) -> None:
    number = int.from_bytes(base_nonce, "big") ^ message.sequence
    require_equal("nonce", message.nonce, number.to_bytes(len(base_nonce), "big"))


def _check_stream(
    messages: list[Message], sender: SenderContext, recipient: RecipientContext
) -> None:
    """Seal up to every listed position, and open along; a changed message must not advance."""
    for message in messages:
        while sender.sealer.sequence < message.sequence:
            recipient.open(b"", sender.seal(b"", b""))
        require_equal("ct", message.sealed, sender.seal(message.aad, message.plaintext))
        for index in (0, len(message.sealed) - 1):
            changed = flipped(message.sealed, index)
            _refuses("changed ct", recipient, message.aad, changed)
        _refuses("changed aad", recipient, flipped(message.aad), message.sealed)
        _refuses("cut ct", recipient, message.aad, message.sealed[:-1])
        opened = recipient.open(message.aad, message.sealed)
        require_equal("pt", message.plaintext, opened)
        _refuses("the same message again", recipient, message.aad, message.sealed)


def _check_wrong_position(
    messages: list[Message], recipient: Callable[[], RecipientContext]
) -> None:
    for message in messages:
        if message.sequence:
            _must_not_open("seq", recipient(), message)


def _check_exports(row: RowData, sender: SenderContext, recipient: RecipientContext) -> None:
    for entry in row["exports"]:
        require_keys(entry, "exporter_context", "L", "exported_value")
        expected = unhex(entry["exported_value"])
        for side in (sender, recipient):
            found = side.export(unhex(entry["exporter_context"]), entry["L"])
            require_equal("exported_value", expected, found)


def _must_not_open(name: str, recipient: RecipientContext, message: Message) -> None:
    _refuses(f"changed {name}", recipient, message.aad, message.sealed)


def _refuses(name: str, recipient: RecipientContext, aad: bytes, sealed: bytes) -> None:
    require_refusal(UnsealableError, name, lambda: recipient.open(aad, sealed))
