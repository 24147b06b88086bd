"""Admission, price and issuer keys of a chain of entries; what an issuer offers beside them."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from openpcc.audit.report import Finding, Outcome
from openpcc.audit.token_terms import directory_finding, terms_findings
from openpcc.protocol.privacypass import DirectoryKey, IssuerDirectory
from tests.fakes.issuer_keys import public
from tests.fakes.world import NOW
from tests.transparency_log.memory_log import service_statement
from transparency_log.service import Parameters, ServiceStatement, TokenTerms

ONE, TWO, THREE = b"1" * 32, b"2" * 32, b"3" * 32
TERMS = TokenTerms(issuer="issuer.example", output=1024)


def entry(
    number: int, *keys: bytes, window: int | None = None, terms: TokenTerms = TERMS
) -> ServiceStatement:
    """Give an entry; without keys, of open admission."""
    parameters = Parameters(candidates=1, pace=("latency",), tokens=terms if keys else None)
    start = 1_800_000_000 + 600 * (number if window is None else window)
    made = service_statement(number, not_before=start)
    return replace(made, issuer_keys=keys, parameters=parameters)


def found(*chain: ServiceStatement) -> dict[str, Finding]:
    return {one.id.removeprefix("gateway."): one for one in terms_findings(chain)}


def said(finding: Finding) -> str:
    return finding.actual or ""


def test_of_a_service_with_open_admission_nothing_more_is_asked():
    rows = found(entry(4), entry(5))
    assert said(rows["admission"]) == "open; since entry 4 or longer"
    for name in ("issuer-keys", "issuer-rotation"):
        assert (rows[name].outcome, rows[name].required) == (Outcome.SKIP, False)


def test_a_chain_that_stays_as_it_is():
    rows = found(entry(4, ONE), entry(5, ONE))
    assert said(rows["admission"]).startswith("tokens of issuer.example for 1024 output tokens; ")
    assert rows["issuer-keys"].outcome is Outcome.PASS
    assert said(rows["issuer-rotation"]) == "none in the 2 entries from 4 on"


def test_a_rotation_is_reported_step_by_step_and_judged_by_nobody():
    rows = found(entry(1, ONE), entry(2, ONE, TWO), entry(3, TWO, ONE), entry(4, TWO))
    assert rows["issuer-rotation"].outcome is Outcome.INFO
    assert said(rows["issuer-rotation"]) == (
        f"entry 2: key {TWO.hex()[:16]}… comes; entry 3: key {TWO.hex()[:16]}… is the one in use; "
        f"entry 4: key {ONE.hex()[:16]}… goes"
    )
    assert rows["issuer-keys"].outcome is Outcome.PASS


def test_a_window_with_two_sets_of_keys_fails():
    rows = found(entry(1, ONE), entry(2, TWO, window=1), entry(3, TWO))
    assert rows["issuer-keys"].outcome is Outcome.FAIL
    assert said(rows["issuer-keys"]) == ("entries 1, 2 are of one window and list different keys")


def test_a_window_that_lists_its_keys_in_another_order_fails():
    """Clients blind to the first one."""
    rows = found(entry(1, ONE, TWO), entry(2, TWO, ONE, window=1))
    assert rows["issuer-keys"].outcome is Outcome.FAIL


def test_admission_that_opens_or_closes_is_reported():
    rows = found(entry(1), entry(2, ONE), entry(3))
    assert rows["admission"].outcome is Outcome.INFO
    assert said(rows["admission"]) == (
        "open; entry 2: open, then tokens of issuer.example for 1024 output tokens; "
        "entry 3: tokens of issuer.example for 1024 output tokens, then open"
    )


@pytest.mark.parametrize(
    "changed", [replace(TERMS, output=256), replace(TERMS, issuer="dear.example")]
)
def test_another_price_or_issuer_is_reported(changed: TokenTerms):
    rows = found(entry(1, ONE), entry(2, ONE, terms=changed))
    assert f"then tokens of {changed.issuer} for {changed.output} output" in said(rows["admission"])


@given(
    st.lists(
        st.tuples(
            st.integers(0, 3),
            st.lists(st.sampled_from([ONE, TWO, THREE]), max_size=2, unique=True),
        ),
        min_size=1,
        max_size=12,
    )
)
def test_windows_with_one_set_of_keys_pass_and_others_fail(
    drawn: list[tuple[int, list[bytes]]],
):
    rows = found(*(entry(n, *keys, window=window) for n, (window, keys) in enumerate(drawn)))
    sets: dict[int, set[tuple[bytes, ...]]] = {}
    for window, keys in drawn:
        sets.setdefault(window, set()).add(tuple(keys))
    apart = any(len(one) > 1 for one in sets.values())
    expected = Outcome.FAIL if apart else Outcome.PASS
    if not any(keys for _, keys in drawn):
        expected = Outcome.SKIP
    assert rows["issuer-keys"].outcome is expected


def offered(*keys: tuple[int, int | None]) -> IssuerDirectory:
    return IssuerDirectory(
        request_uri="/token-request",
        keys=tuple(
            DirectoryKey(token_type=2, token_key=public(number).spki, not_before=begins)
            for number, begins in keys
        ),
    )


def judged(listed: list[int], *keys: tuple[int, int | None]) -> Finding:
    ids = [public(number).id for number in listed]
    return directory_finding(entry(7, *ids), offered(*keys), now=NOW)


def test_an_issuer_that_offers_what_is_listed_passes():
    assert judged([0, 1], (0, None), (1, NOW + 3600)).outcome is Outcome.PASS


def test_a_key_in_use_that_is_not_listed_fails():
    finding = judged([0], (0, None), (1, NOW))
    assert finding.outcome is Outcome.FAIL
    assert said(finding) == f"key {public(1).id.hex()[:16]}… is offered and not in entry 7"


def test_an_issuer_that_offers_another_key_than_the_one_in_use_fails_twice():
    finding = judged([0], (1, None))
    assert finding.outcome is Outcome.FAIL
    assert "is offered and not in entry 7" in said(finding)
    assert f"key {public(0).id.hex()[:16]}…, which clients use, is not offered" in said(finding)


def test_a_key_whose_time_has_not_come_may_not_be_listed_yet():
    finding = judged([0], (0, None), (1, NOW + 1))
    assert finding.outcome is Outcome.PASS
    assert "later, not listed yet" in said(finding)


def test_a_key_that_is_on_its_way_out_may_be_offered_no_more():
    finding = judged([0, 1], (0, None))
    assert finding.outcome is Outcome.PASS
    assert said(finding).endswith(f"key {public(1).id.hex()[:16]}… no more")


def test_keys_of_other_token_types_are_nobody_s_affair():
    directory = replace(
        offered((0, None)),
        keys=(
            *offered((0, None)).keys,
            DirectoryKey(token_type=1, token_key=b"of another kind"),
        ),
    )
    finding = directory_finding(entry(7, public(0).id), directory, now=NOW)
    assert finding.outcome is Outcome.PASS
