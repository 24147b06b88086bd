"""Issuer directories: unknown things ignored, wrong ones refused whole, the first due key used."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from openpcc.protocol.errors import (
    MalformedError,
    ProtocolError,
    TooLargeError,
    UnknownKeyError,
)
from openpcc.protocol.privacypass import DirectoryKey, IssuerDirectory
from openpcc.protocol.privacypass.authentication import base64url
from tests.fakes import issuer_keys

NEXT, NOW = issuer_keys.public(1), issuer_keys.public()
DIRECTORY = IssuerDirectory(
    request_uri="/token-request",
    keys=(
        DirectoryKey(token_type=1, token_key=b"a VOPRF key"),
        DirectoryKey(token_type=2, token_key=NEXT.spki, not_before=2000),
        DirectoryKey(token_type=2, token_key=NOW.spki, not_before=1000),
        DirectoryKey(token_type=2, token_key=NEXT.spki),
    ),
)
ENTRY = {"token-type": 2, "token-key": base64url(NOW.spki)}


def document(*entries, **members):
    whole = {"issuer-request-uri": "/token-request", "token-keys": list(entries), **members}
    return json.dumps(whole).encode()


def test_writes_the_members_of_the_rfc():
    written = json.loads(DIRECTORY.encode())
    assert written["issuer-request-uri"] == "/token-request"
    assert written["token-keys"][0] == {"token-type": 1, "token-key": "YSBWT1BSRiBrZXk="}
    assert written["token-keys"][1]["not-before"] == 2000


def test_reads_what_it_wrote():
    assert IssuerDirectory.parse(DIRECTORY.encode()) == DIRECTORY


@pytest.mark.parametrize(("now", "key"), [(2000, NEXT), (1999, NOW), (1000, NOW), (999, NEXT)])
def test_the_first_key_whose_time_has_come_is_used(now, key):
    assert DIRECTORY.pick(now=now) == key


@pytest.mark.parametrize("keys", [(), DIRECTORY.keys[:1], DIRECTORY.keys[:2]])
def test_without_a_key_in_use_none_is_made_up(keys):
    with pytest.raises(UnknownKeyError):
        IssuerDirectory(request_uri="/", keys=keys).pick(now=1999)


def test_gives_all_keys_of_our_type():
    assert DIRECTORY.issuer_keys() == (NEXT, NOW, NEXT)


def test_ignores_unknown_members_and_types():
    odd = {"token-type": 0x5A5A, "token-key": "AAAA", "anything": [None]}
    data = document(odd, {**ENTRY, "extra": {"a": 1.5}}, other="member")
    read = IssuerDirectory.parse(data)
    assert [key.token_type for key in read.keys] == [0x5A5A, 2]
    assert read.pick(now=0) == NOW


def test_a_key_may_come_without_padding():
    spki = base64url(NOW.spki)
    assert IssuerDirectory.parse(document({**ENTRY, "token-key": spki.rstrip("=")})).keys


@pytest.mark.parametrize(
    "entry",
    [
        None,
        [],
        {},
        {"token-type": 2},
        {"token-key": "AAAA"},
        {**ENTRY, "token-type": "2"},
        {**ENTRY, "token-type": True},
        {**ENTRY, "token-type": 2.0},
        {**ENTRY, "token-type": 2**16},
        {**ENTRY, "token-type": -1},
        {**ENTRY, "token-key": 7},
        {**ENTRY, "token-key": "AA!A"},
        {**ENTRY, "token-type": 1, "token-key": "A" * 4100},
        {**ENTRY, "token-key": base64url(NOW.spki[:-1])},
        {**ENTRY, "not-before": None},
        {**ENTRY, "not-before": "0"},
        {**ENTRY, "not-before": -1},
        {**ENTRY, "not-before": 2**53},
    ],
)
def test_one_wrong_key_refuses_the_directory(entry):
    with pytest.raises(MalformedError):
        IssuerDirectory.parse(document(ENTRY, entry))


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"[]",
        b"{}",
        b"\xff",
        b'{"token-keys": []}',
        b'{"issuer-request-uri": "/", "token-keys": {}}',
        b'{"issuer-request-uri": "", "token-keys": []}',
        b'{"issuer-request-uri": 1, "token-keys": []}',
        b'{"issuer-request-uri": "\\u00e9", "token-keys": []}',
        b'{"issuer-request-uri": "/", "token-keys": [], "token-keys": []}',
        b'{"issuer-request-uri": "/", "token-keys": [], "x": ' + b"9" * 5000 + b"}",
        b'{"issuer-request-uri": "/", "token-keys": [], "x": ' + b"[" * 30000,
        document(*[ENTRY] * 65),
        document() + b"x",
    ],
)
def test_refuses_what_is_no_directory(data):
    with pytest.raises(MalformedError):
        IssuerDirectory.parse(data)


def test_refuses_too_much():
    with pytest.raises(TooLargeError):
        IssuerDirectory.parse(document() + b" " * 2**16)


@given(st.binary(max_size=80), st.integers(0, 200))
def test_any_bytes_are_a_directory_or_this_packages_error(tail, cut):
    for data in (tail, DIRECTORY.encode()[:cut] + tail):
        try:
            IssuerDirectory.parse(data)
        except ProtocolError:
            continue
