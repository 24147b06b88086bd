"""Only one's own service is attacked."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from openpcc.audit.attack.owned import require_own
from openpcc.errors import ConfigurationError


@pytest.mark.parametrize(
    "url", ["http://127.0.0.1:8080", "http://localhost:1/", "http://[::1]:9", "https://127.0.0.1"]
)
def test_this_machine_may_be_attacked(url: str):
    assert require_own(url, None) == url.rstrip("/")


@pytest.mark.parametrize(
    "url",
    [
        "https://relay.example",
        "https://127.0.0.1.example",
        "https://localhost.example",
        "https://10.0.0.1",
        "https://127.0.0.2",
        "https://0.0.0.0",
    ],
)
def test_another_machine_is_refused_and_told_what_would_happen(url: str):
    with pytest.raises(ConfigurationError, match=r"about fifty requests.*--i-own-this"):
        require_own(url, None)


@pytest.mark.parametrize("owned", ["relay.example", "RELAY.example"])
def test_another_machine_whose_host_is_named_may_be_attacked(owned: str):
    assert require_own("https://relay.example/", owned) == "https://relay.example"


@pytest.mark.parametrize("owned", ["example", "relay.example.org", "relay.example:443", "", "*"])
def test_exactly_that_host_must_be_named(owned: str):
    with pytest.raises(ConfigurationError, match="nothing is sent"):
        require_own("https://relay.example", owned)


def test_another_host_than_this_machine_must_not_be_named_for_it():
    with pytest.raises(ConfigurationError, match="nothing is sent"):
        require_own("http://127.0.0.1:8080", "relay.example")


@pytest.mark.parametrize(
    "url",
    [
        "http://relay.example",
        "relay.example",
        "https://",
        "ftp://127.0.0.1",
        "http://127.0.0.1@relay.example",
        "https://relay.example@127.0.0.1",
        "http://127.0.0.1:99999",
        "http://127.0.0.1/?x",
        "",
    ],
)
def test_what_is_no_address_of_a_relay_is_refused(url: str):
    with pytest.raises(ConfigurationError, match="name the relay"):
        require_own(url, None)


@given(st.text(), st.none() | st.text())
def test_any_text_is_an_address_or_refused(url: str, owned: str | None):
    try:
        assert url.startswith(require_own(url, owned))
    except ConfigurationError:
        pass
