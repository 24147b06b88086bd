import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st

from openpcc.proxy.guard import Guard, NotAdmittedError, authorities

KEY = "sk-openpcc-0123456789abcdef0123456789abcdef"
NAMES = ("127.0.0.1", "localhost", "[::1]")
GUARD = Guard(key=KEY, scheme="http", authorities=authorities(NAMES, scheme="http", port=8419))
BEARER = b"Bearer " + KEY.encode()


def basic(password: str, user: str = "me") -> bytes:
    return b"Basic " + base64.b64encode(f"{user}:{password}".encode())


def fields(**changes: bytes | None) -> list[tuple[bytes, bytes]]:
    valid = {"host": b"127.0.0.1:8419", "authorization": BEARER} | changes
    return [
        (name.replace("_", "-").encode(), value)
        for name, value in valid.items()
        if value is not None
    ]


def refused(found: list[tuple[bytes, bytes]]) -> tuple[int, str]:
    with pytest.raises(NotAdmittedError) as caught:
        GUARD.admit_to_api(found)
    assert KEY not in str(caught.value)
    return caught.value.status, caught.value.code


@pytest.mark.parametrize(
    "host", [b"127.0.0.1:8419", b"localhost:8419", b"[::1]:8419", b"LocalHost:8419"]
)
def test_admits_the_key_on_every_name_of_its_own(host):
    GUARD.admit_to_api(fields(host=host))


@pytest.mark.parametrize(
    "host",
    [
        None,
        b"",
        b"evil.example",
        b"evil.example:8419",
        b"127.0.0.1",
        b"127.0.0.1:80",
        b"127.0.0.1:8419.evil.example",
        b"localhost:8419@evil.example",
        b"\xff",
    ],
)
def test_rejects_another_host(host):
    assert refused(fields(host=host)) == (403, "host")


def test_rejects_two_hosts():
    assert refused([*fields(), (b"host", b"127.0.0.1:8419")])[0] == 400


def test_admits_its_own_origin():
    GUARD.admit_to_api(fields(origin=b"http://127.0.0.1:8419"))


@pytest.mark.parametrize(
    "origin",
    [
        b"null",
        b"",
        b"https://evil.example",
        b"https://127.0.0.1:8419",
        b"http://localhost:8419",
        b"http://127.0.0.1:8420",
        b"http://127.0.0.1:8419.evil.example",
    ],
)
def test_rejects_another_origin(origin):
    assert refused(fields(origin=origin)) == (403, "origin")


def test_rejects_what_a_browser_marks_as_another_site():
    assert refused(fields(sec_fetch_site=b"cross-site")) == (403, "origin")
    assert refused(fields(sec_fetch_site=b"same-site")) == (403, "origin")
    GUARD.admit_to_api(fields(sec_fetch_site=b"same-origin"))


@pytest.mark.parametrize(
    "authorization",
    [
        None,
        b"",
        b"Bearer",
        b"Bearer ",
        b"Bearer " + KEY[:-1].encode(),
        b"Bearer " + KEY.encode() + b"x",
        b"Bearer " + KEY.upper().encode(),
        KEY.encode(),
        b"Bearer \xff\xfe",
    ],
)
def test_rejects_another_key(authorization):
    assert refused(fields(authorization=authorization)) == (401, "invalid_api_key")


def test_host_is_judged_before_the_key():
    assert refused(fields(host=b"evil.example", authorization=None)) == (403, "host")


def test_what_a_browser_sends_by_itself_does_not_open_the_api():
    assert refused(fields(authorization=basic(KEY))) == (401, "invalid_api_key")


def test_the_page_takes_the_key_as_password_of_any_user():
    GUARD.admit_to_page(fields(authorization=basic(KEY, user="")))
    GUARD.admit_to_page(fields(authorization=basic(KEY, user="anybody")))


@pytest.mark.parametrize(
    "authorization",
    [None, BEARER, basic("wrong"), b"Basic !!!", b"Basic " + base64.b64encode(KEY.encode())],
)
def test_the_page_rejects_anything_else(authorization):
    with pytest.raises(NotAdmittedError) as caught:
        GUARD.admit_to_page(fields(authorization=authorization))
    assert caught.value.status == 401


def test_the_page_checks_host_and_origin_too():
    for change in ({"host": b"evil.example"}, {"origin": b"null"}):
        with pytest.raises(NotAdmittedError) as caught:
            GUARD.admit_to_page(fields(authorization=basic(KEY), **change))
        assert caught.value.status == 403


def test_the_key_does_not_show():
    assert KEY not in repr(GUARD)


def test_the_default_port_may_be_left_out():
    assert authorities(["proxy.example"], scheme="https", port=443) == {
        "proxy.example",
        "proxy.example:443",
    }
    assert authorities(["localhost"], scheme="http", port=None) == {"localhost"}


@given(st.lists(st.tuples(st.sampled_from([b"host", b"origin", b"authorization"]), st.binary())))
def test_any_fields_are_turned_away_with_a_reason(found):
    for admit in (GUARD.admit_to_api, GUARD.admit_to_page):
        with pytest.raises(NotAdmittedError):
            admit(found)
