"""A row passes for one reason alone: what was to refuse the attack did."""

import pytest

from openpcc.audit.attack.attempt import (
    Attack,
    NotAskedError,
    NotTriedError,
    Refused,
    SucceededError,
    attempt,
)
from openpcc.audit.report import Outcome
from openpcc.errors import DirectoryError, TransportError, TruncatedReplyError
from openpcc.protocol.errors import MalformedError
from transparency_log.errors import FetchError


def row(found: Refused | Exception):
    def run(_: None) -> Refused:
        if isinstance(found, Exception):
            raise found
        return found

    one = Attack(name="example", tried="it is tried", by="node", checks=("replayed",), run=run)
    return attempt(one, None)


def test_a_refusal_by_what_is_to_refuse_passes():
    found = row(Refused(checks=("replayed",), words="answered with 409"))
    assert found.outcome is Outcome.PASS
    assert found.actual == "node: replayed: answered with 409"
    assert found.required


def test_a_refusal_that_says_so_in_words_passes():
    found = row(Refused(checks=("directory.stale",), words="it was replayed"))
    assert found.outcome is Outcome.PASS


def test_a_refusal_for_another_reason_shows_nothing():
    found = row(Refused(checks=("busy",), words="answered with 503"))
    assert found.outcome is Outcome.SKIP
    assert found.actual == "refused for another reason: busy: answered with 503"


def test_an_attack_that_succeeds_fails_with_a_remedy():
    found = row(SucceededError("it got the prompt"))
    assert found.outcome is Outcome.FAIL
    assert found.actual == "it succeeded: it got the prompt"
    assert found.remedy


@pytest.mark.parametrize(
    "error",
    [
        NotTriedError("it needs two nodes"),
        TransportError("the relay said nothing"),
        TruncatedReplyError("the reply ended"),
        FetchError("log file"),
        MalformedError("replayed"),
    ],
)
def test_whatever_goes_wrong_shows_nothing_and_is_told(error: Exception):
    found = row(error)
    assert found.outcome is Outcome.SKIP
    assert found.required
    assert str(error) in (found.actual or "")


def test_what_a_service_does_not_have_nobody_asks_for():
    found = row(NotAskedError("nothing is paid"))
    assert (found.outcome, found.required) == (Outcome.SKIP, False)
    assert found.actual == "nothing is paid"


def test_where_proofs_were_kept_for_a_moment_is_left_out():
    error = DirectoryError("equivocation", "two trees; both are kept in /tmp/x")
    assert Refused.by_client(error).words == "directory.equivocation: two trees"


def test_what_refused_first_stands_first():
    assert Refused(checks=("a", "b"), words="a failed").sentence == "a failed; also b"
    assert Refused(checks=("a", "b"), words="no").sentence == "a, b: no"
