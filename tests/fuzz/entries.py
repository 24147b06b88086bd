"""What somebody else has begun to sign, and what a log says it did with it."""

from tests.fuzz.target import Bytes, target
from tests.transparency_log.memory_log import (
    NOW,
    key,
    release_statement,
    service_statement,
    status_statement,
)
from tests.transparency_log.test_rotation import document, parse
from transparency_log.cli import output, words
from transparency_log.cli.connection import parse_acknowledgement
from transparency_log.draft import groups_of, new_draft, parse_draft, signed_by
from transparency_log.entry import EntrySigners, Signer, parse_entry, sign_entry
from transparency_log.errors import MalformedError, UntrustedError
from transparency_log.payload import EntryStatement, encode_payload, read_payload

REFUSALS = (MalformedError, UntrustedError)
SIGNERS = [Signer(private_key=key(number)) for number in (1, 2)]
TRUSTED = EntrySigners(keys=tuple(one.public_key for one in SIGNERS), threshold=2)
STATEMENTS: list[EntryStatement] = [
    release_statement(),
    status_statement(),
    status_statement(7),
    service_statement(7),
    parse(document()),
]


def drafts() -> Bytes:
    for statement in STATEMENTS:
        yield new_draft(statement).encode()
        yield sign_entry(statement, SIGNERS[:1])
        yield sign_entry(statement, SIGNERS)


def payloads() -> Bytes:
    return [encode_payload(statement) for statement in STATEMENTS]


@target(parse_draft, signed_by, parse_entry, seeds=drafts, refusals=REFUSALS, longest=2**13)
def draft_file(data: bytes) -> None:
    """Any bytes give an entry that reads back alike and can be shown, or the log's errors."""
    draft = parse_draft(data)
    assert parse_draft(draft.encode()) == draft
    shown = "\n".join(words.lines(draft.statement, now=NOW))
    assert output.clean(shown.replace("\n", "")).isprintable()
    signed_by(draft, groups_of(draft, TRUSTED))
    parse_entry(data)


@target(read_payload, seeds=payloads, refusals=REFUSALS, longest=2**13)
def entry_payload(data: bytes) -> None:
    """Any bytes give a statement that writes what reads back alike, or the log's errors."""
    statement = read_payload(data)
    assert read_payload(encode_payload(statement)) == statement


@target(
    parse_acknowledgement,
    seeds=lambda: [b'{"index":7,"leaf_hash":"' + b"0" * 64 + b'"}'],
    refusals=REFUSALS,
)
def acknowledgement(data: bytes) -> None:
    """Any bytes give an index and a leaf hash, or the log's errors."""
    index, leaf = parse_acknowledgement(data)
    assert (index >= 0, len(leaf)) == (True, 32)
