"""The words of an event count only if they are what was measured."""

import hashlib
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from attestation.eventlog import UNTOUCHED, Event, extend, text_digest


def test_a_register_is_extended_as_the_sheet_says():
    digest = text_digest("one")
    assert extend(UNTOUCHED, digest) == hashlib.sha384(bytes(48) + digest).digest()


def test_gives_the_words_that_were_measured():
    assert Event.of(3, "model demo").text == "model demo"


@pytest.mark.parametrize("name", ["sha256", "sha384", "sha512"])
def test_checks_the_words_with_the_hash_of_the_bank(name: str):
    data = b"Exit Boot Services Invocation"
    digest = hashlib.new(name, data).digest()
    assert Event(register=1, digest=digest, data=data).text == data.decode()


@pytest.mark.parametrize(
    "changes",
    [
        {"data": b"model another"},
        {"data": b""},
        {"digest": bytes(48)},
        {"digest": b""},
        {"digest": hashlib.sha1(b"model demo").digest()},
    ],
)
def test_gives_no_words_that_were_not_measured(changes):
    assert replace(Event.of(3, "model demo"), **changes).text is None


@pytest.mark.parametrize("data", [b"\xff\xfe", b"two\nlines", b"nul\0", b""])
def test_gives_no_words_where_other_bytes_were_measured(data: bytes):
    digest = hashlib.sha384(data).digest()
    assert Event(register=0, digest=digest, data=data).text is None


@given(st.binary(max_size=80), st.binary(max_size=80))
def test_any_bytes_give_words_or_none(digest: bytes, data: bytes):
    text = Event(register=0, digest=digest, data=data).text
    assert text is None or text_digest(text) == digest
