"""openpcc/cli/init/answers.py: what is decided, and everything wrong named at once."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from openpcc.cli.init.answers import Answers, decide
from openpcc.cli.init.places import Places
from openpcc.cli.init.questions import QUESTIONS, Kind
from openpcc.errors import ConfigurationError

SERVICE: dict[str, object] = {"service": "llm.example"}


def test_the_name_of_the_service_is_enough():
    found = decide(SERVICE)
    assert (found.kind, found.admission, found.platforms) == (Kind.LOCAL, "open", ("simulated",))
    assert (found.witnesses, found.quorum, found.nodes, found.candidates) == (3, 2, 2, 2)
    assert (found.release_signers, found.status_signers) == (1, 1)


def test_a_service_that_people_rely_on_has_more_release_signers_and_no_simulated_nodes():
    for kind in ("kubernetes", "machines"):
        found = decide({**SERVICE, "kind": kind})
        assert (found.release_signers, found.platforms) == (3, ("sev-snp",))


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({}, ["service: missing", "--service"]),
        ({"service": "https://llm.example"}, ["service", "host name"]),
        ({"service": "LLM.example"}, ["service", "lower case"]),
        ({"service": 7}, ["service", "a text"]),
        ({**SERVICE, "kind": "docker"}, ["kind", "compose", "'docker'"]),
        ({**SERVICE, "kindd": "local"}, ["kindd", "no such answer"]),
        ({**SERVICE, "nodes": 0}, ["nodes", "1 to 64", "found 0"]),
        ({**SERVICE, "nodes": True}, ["nodes", "whole number"]),
        ({**SERVICE, "nodes": 6}, ["nodes", "at most 5"]),
        ({**SERVICE, "platforms": []}, ["platforms", "list of texts"]),
        ({**SERVICE, "platforms": ["tdx", "tdx"]}, ["platforms", "twice"]),
        ({**SERVICE, "platforms": ["tdx", "simulated"]}, ["platforms", "alone"]),
        ({**SERVICE, "quorum": 4}, ["quorum", "at most 3"]),
        ({**SERVICE, "candidates": 3}, ["candidates", "at most 2"]),
        ({**SERVICE, "relay_urls": ["http://r.example"]}, ["relay_urls", "https://"]),
        ({**SERVICE, "relay_urls": ["https://r.example/"]}, ["relay_urls"]),
        ({**SERVICE, "relay_urls": ['https://r"x.example']}, ["relay_urls"]),
        ({**SERVICE, "witness_urls": ["http://w"], "witnesses": 2}, ["witness_urls", "expected 2"]),
        ({**SERVICE, "kind": "kubernetes", "admission": "tokens"}, ["store", "Valkey"]),
        ({**SERVICE, "database": "postgresql://pg.example/i"}, ["database", "USER@HOST"]),
        ({**SERVICE, "database": "postgresql://[pg"}, ["database", "USER@HOST"]),
        ({**SERVICE, "log_url": "https://[log"}, ["log_url", "HOST"]),
        ({**SERVICE, "database": "postgresql://i@pg.example"}, ["database", "DATABASE"]),
        ({**SERVICE, "gateway_cidrs": ["10.0.0.1/8"]}, ["gateway_cidrs", "10.1.0.0/24"]),
    ],
)  # fmt: skip
def test_a_mistake_is_named(given, words):
    with pytest.raises(ConfigurationError) as caught:
        decide(given)
    assert all(word in str(caught.value) for word in words), caught.value
    assert "\n" not in str(caught.value)


def test_all_mistakes_are_named_at_once():
    with pytest.raises(ConfigurationError) as caught:
        decide({"kind": "x", "nodes": -1, "admission": "x", "colour": "x", "log_url": "x"})
    said = str(caught.value).split("; ")
    assert {one.split(":")[0] for one in said} >= {
        "service", "kind", "nodes", "admission", "colour", "log_url"
    }  # fmt: skip


def test_a_password_is_refused_and_not_repeated():
    for name, url in (("store", "redis://u:hunter2@h"), ("database", "postgresql://u:hunter2@h/d")):
        with pytest.raises(ConfigurationError, match="without a password") as caught:
            decide({**SERVICE, name: url})
        assert "hunter2" not in str(caught.value)


@pytest.mark.parametrize("name", ["log_url", "issuer_url", "store"])
def test_no_url_means_anything_to_a_shell(name):
    for text in (";id", "$(id)", "a|b", "&", "`id`", "a>b", "a\tb", "(a)", "*", "~a;"):
        scheme = "rediss" if name == "store" else "https"
        with pytest.raises(ConfigurationError, match=name):
            decide({**SERVICE, name: f"{scheme}://h.example/{text}"})


def test_no_password_of_a_store_travels_between_machines_in_the_clear():
    with pytest.raises(ConfigurationError, match="rediss://HOST"):
        decide({**SERVICE, "kind": "machines", "store": "redis://gate@valkey.example"})


VALUES = st.none() | st.booleans() | st.integers(-3, 99999) | st.text(max_size=12) | st.lists(
    st.text(max_size=8) | st.integers() | st.sampled_from(["tdx", "simulated", "https://a"])
)  # fmt: skip
NAMES = st.sampled_from([one.name for one in QUESTIONS]) | st.text(max_size=6)


@given(
    st.dictionaries(NAMES, VALUES)
    | st.fixed_dictionaries(
        {"service": st.just("a.example"), "kind": st.sampled_from([k.value for k in Kind])},
        optional={
            "nodes": st.integers(1, 5), "witnesses": st.integers(1, 9),
            "admission": st.sampled_from(["open", "tokens"]), "store": st.just("redis://h"),
            "platforms": st.lists(st.sampled_from(["sev-snp", "tdx"]), min_size=1, unique=True),
            "first_port": st.integers(1024, 64000),
        },
    )
)  # fmt: skip
@settings(deadline=None)
def test_any_answers_are_decided_or_refused(given):
    try:
        found = decide(given)
    except ConfigurationError:
        return
    assert 1 <= found.quorum <= found.witnesses
    assert 1 <= found.candidates <= found.nodes
    assert len(set(addresses(found))) == len(addresses(found))


def addresses(answers: Answers) -> list[str]:
    """Give where everything listens; on one machine each must be another."""
    places = Places(answers=answers)
    if answers.kind is not Kind.LOCAL:
        return []
    parts = [places.of(one) for one in ("relay", "gateway", "publisher", "issuer", "log")]
    parts += [places.of("witness", n + 1) for n in range(answers.witnesses)]
    parts += [places.of("node", n + 1) for n in range(answers.nodes)]
    return [address for one in parts for address in (one.listen, one.control)]
