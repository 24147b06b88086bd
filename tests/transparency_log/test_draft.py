"""Entries that are being signed: by listed keys alone, each once, and every word of it shown."""

import json
from collections.abc import Iterator
from dataclasses import fields, replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.transparency_log.memory_log import (
    NOW,
    key,
    release_statement,
    service_statement,
    status_statement,
)
from tests.transparency_log.test_rotation import document, parse
from transparency_log.cli import words
from transparency_log.draft import (
    Draft,
    Groups,
    countersign,
    groups_of,
    missing,
    new_draft,
    parse_draft,
    signed_by,
)
from transparency_log.entry import (
    EntrySigners,
    EntryStatement,
    Signer,
    sign_entry,
    verify_release,
    verify_rotation,
)
from transparency_log.errors import MalformedEntryError, NotSignedError

ONE, TWO, THREE, OTHER = (Signer(private_key=key(number)) for number in (1, 2, 3, 4))
TRUSTED = EntrySigners(keys=tuple(one.public_key for one in (ONE, TWO, THREE)), threshold=2)
GROUPS: Groups = {"release signers": TRUSTED}


def draft() -> Draft:
    return new_draft(release_statement())


def test_the_last_signature_makes_it_the_entry():
    first = countersign(draft(), [ONE], GROUPS)
    assert missing(signed_by(first, GROUPS), GROUPS) == ("release signers: 1 of 2 signatures",)
    with pytest.raises(NotSignedError):
        verify_release(first.encode(), TRUSTED)
    second = countersign(parse_draft(first.encode()), [THREE], GROUPS)
    assert missing(signed_by(second, GROUPS), GROUPS) == ()
    assert verify_release(second.encode(), TRUSTED).leaf_hash == second.leaf_hash
    assert second.encode() == sign_entry(release_statement(), [ONE, THREE])
    assert second.digest == draft().digest


def test_a_draft_without_signatures_reads_back_and_is_no_entry():
    assert parse_draft(draft().encode()) == draft()
    with pytest.raises(MalformedEntryError):
        verify_release(draft().encode(), TRUSTED)


@pytest.mark.parametrize("signers", [[OTHER], [ONE], [TWO, TWO]])
def test_strangers_and_repeats_sign_nothing(signers: list[Signer]):
    begun = countersign(draft(), [ONE], GROUPS)
    with pytest.raises(NotSignedError):
        countersign(begun, signers, GROUPS)


def test_a_signature_by_a_stranger_or_of_another_payload_refuses_the_file():
    other = new_draft(replace(release_statement(), version="9"))
    for file in (
        sign_entry(release_statement(), [ONE, OTHER]),
        replace(draft(), signatures=countersign(other, [ONE], GROUPS).signatures).encode(),
        replace(draft(), signatures=countersign(draft(), [ONE], GROUPS).signatures * 2).encode(),
    ):
        with pytest.raises(NotSignedError):
            signed_by(parse_draft(file), GROUPS)


def test_a_rotation_needs_old_and_new_keys():
    statement = parse(document())
    begun = new_draft(statement)
    old = EntrySigners(keys=(ONE.public_key,), threshold=1)
    groups = groups_of(begun, old)
    first = countersign(begun, [TWO], groups)
    assert missing(signed_by(first, groups), groups) == ("old keys: 0 of 1 signatures",)
    done = countersign(first, [ONE], groups)
    assert missing(signed_by(done, groups), groups) == ()
    assert verify_rotation(done.encode(), old).new == statement.new


def test_a_statement_nobody_would_read_is_not_begun():
    with pytest.raises(MalformedEntryError):
        new_draft(replace(status_statement(5), previous=None))


@given(st.binary(max_size=400))
def test_any_bytes_give_a_draft_or_a_refusal(data: bytes):
    with pytest.raises(MalformedEntryError):
        parse_draft(data)


ENVELOPE = json.loads(draft().encode())


@given(
    st.dictionaries(
        st.sampled_from(["payload", "payloadType", "signatures", "more"]),
        st.none() | st.text(max_size=20) | st.lists(st.integers(), max_size=2),
        min_size=1,
    )
)
def test_any_change_of_the_envelope_is_read_or_refused(changes: dict[str, object]):
    try:
        parse_draft(json.dumps(ENVELOPE | changes).encode())
    except MalformedEntryError:
        pass


# What is not shown could be signed unread.


def leaves(value: object) -> Iterator[str]:
    """Every value of a predicate, as text."""
    match value:
        case dict():
            for name, inner in value.items():
                yield str(name)
                yield from leaves(inner)
        case list():
            for inner in value:
                yield from leaves(inner)
        case None:
            pass
        case _:
            yield str(value)


NOT_NAMES = frozenset({field.name for one in (release_statement(), status_statement(),
    service_statement(), parse(document())) for field in fields(one)})  # fmt: skip
LABELS = NOT_NAMES | {"sha256", "digest", "commit", "uri", "count", "kinds", "crl", "number",
    "time", "tcb_evaluation", "minimum_tcb", "arguments", "keys", "threshold", "measurement",
    "registers", "devices"}  # fmt: skip


@pytest.mark.parametrize(
    "statement", [release_statement(), status_statement(7), parse(document())], ids=type
)
def test_every_value_that_is_signed_is_shown(statement: EntryStatement):
    shown = "\n".join(words.lines(statement, now=NOW))
    times = {str(NOW): "2027-01-15T08:00:00Z", str(NOW - 9): "2027-01-15T07:59:51Z"}
    times[str(NOW + 30 * 86400)] = "2027-02-14T08:00:00Z"
    for value in set(leaves(statement.predicate())) - LABELS:
        assert times.get(value, value) in shown, value
