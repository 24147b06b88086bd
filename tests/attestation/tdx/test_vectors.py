"""Published evidence: fields, checks, verdict and TCB status as FORMAT.md, 2.5, says them."""

import calendar
import json
import time
from collections.abc import Callable, Mapping
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from attestation.certificates import Certificate, check_issued, parse_certificate
from attestation.checks import Checks
from attestation.claims import Context
from attestation.errors import AttestationError, MalformedEvidenceError
from attestation.evidence import Endorsement
from attestation.policy import AppraisalPolicy, Floors, NewestAccepted
from attestation.tdx.authenticate import authenticate, check_pck_chain
from attestation.tdx.documents import Collateral
from attestation.tdx.endorsements import pck_identity, read_chain
from attestation.tdx.evidence import Quote
from attestation.tdx.fields import fields
from attestation.tdx.guest import is_debug
from attestation.tdx.layout import TdReport10
from attestation.tdx.signatures import (
    check_qe_binds_key,
    check_qe_report_signature,
    check_quote_signature,
)
from attestation.tdx.tcb import tcb_status

AUTHENTIC = ("2.signature", "2.chain", "2.identity", "2.revocation", "2.collateral")
"""What their verdict covers; statuses and recency are policy there."""

Case = Mapping[str, Any]


@pytest.fixture(scope="session")
def folder(shared: Path) -> Path:
    return shared / "vectors" / "tdx"


def cases(folder: Path, *, parsing: bool = True) -> list[Case]:
    found = json.loads((folder / "INDEX.json").read_bytes())["cases"]
    return [one for one in found if parsing == ("parse_error" not in one["expected"])]


def quote_of(folder: Path, case: Case) -> bytes:
    return folder.joinpath(case["files"]["quote"]).read_bytes()


def context_of(folder: Path, case: Case) -> Context:
    stapled = [case["files"]["collateral"]] if "collateral" in case["files"] else []
    return Context(
        now=calendar.timegm(time.strptime(case["at"], "%Y-%m-%dT%H:%M:%SZ")),
        endorsements=tuple(
            Endorsement(type="tdx-collateral", data=(folder / one).read_bytes()) for one in stapled
        ),
        policy=AppraisalPolicy(platforms=("tdx",)),
        floors=Floors(),
        newest=NewestAccepted(),
    )


def holds(check: Callable[..., object], *arguments: object) -> bool:
    try:
        check(*arguments)
    except AttestationError:
        return False
    return True


def test_every_field_is_found(folder: Path):
    for case in cases(folder):
        found = fields(Quote.parse(quote_of(folder, case)))
        assert {name: found.get(name) for name in case["fields"]} == case["fields"], case["id"]


def test_what_must_not_parse_does_not(folder: Path):
    for case in cases(folder, parsing=False):
        with pytest.raises(MalformedEvidenceError):
            Quote.parse(quote_of(folder, case))


def test_every_rule_holds_where_it_should(folder: Path):
    for case in cases(folder):
        quote, context = Quote.parse(quote_of(folder, case)), context_of(folder, case)
        chain = read_chain(quote.certificates)
        root = parse_certificate((folder / case["files"]["root"]).read_bytes())
        found = {
            "chain": holds(check_all_issued, chain),
            "root_is_intel": chain[-1] == root,
            "openssl_chain": holds(check_pck_chain, chain, context),
            "qe_report_signature": holds(check_qe_report_signature, quote, chain[0]),
            "quote_signature": holds(check_quote_signature, quote),
            "qe_binds_key": holds(check_qe_binds_key, quote),
            "not_debug": not is_debug(quote),
        }
        assert found == case["expected"]["checks"], case["id"]


def check_all_issued(chain: tuple[Certificate, ...]) -> None:
    for certificate, issuer in pairwise(chain):
        check_issued(certificate, issuer)


def test_the_verdict_is_theirs(folder: Path):
    for case in [*cases(folder), *cases(folder, parsing=False)]:
        checks = Checks()
        authenticate(quote_of(folder, case), context_of(folder, case), checks)
        valid = all(checks.passed(one) for one in AUTHENTIC)
        assert valid == (case["expected"]["verdict"] == "valid"), case["id"]


def test_the_tcb_status_is_theirs(folder: Path):
    for case in [one for one in cases(folder) if "tcb" in one["expected"]]:
        quote = Quote.parse(quote_of(folder, case))
        collateral = Collateral.parse((folder / case["files"]["collateral"]).read_bytes())
        status = tcb_status(
            collateral.tcb_info.content,
            collateral.qe_identity.content,
            pck_identity(read_chain(quote.certificates)[0]),
            quote.body,
            quote.qe_report,
        )
        assert status.report() == case["expected"]["tcb"], case["id"]


def test_the_default_policy_refuses_what_theirs_refuses(folder: Path):
    for case in [one for one in cases(folder) if "policy_default" in one["expected"]]:
        checks = Checks()
        claims = authenticate(quote_of(folder, case), context_of(folder, case), checks).claims
        assert claims is not None
        debug = case["expected"]["policy_default"].startswith("invalid: debug")
        assert claims.debug if debug else not checks.passed("2.tcb"), case["id"]


def test_real_quotes_are_written_back_the_same(folder: Path):
    for case in cases(folder):
        quote = Quote.parse(quote_of(folder, case))
        for part, structure in (("header", quote.header), ("body", quote.body)):
            assert structure.write() == quote.bytes_of(part)
        assert quote.qe_report.write() == quote.qe_report_bytes


def test_the_second_set_of_quotes_is_authentic_too(shared: Path):
    other = shared / "vectors" / "standards" / "hardware-evidence"
    rows = [row for row in json.loads((other / "parsed.json").read_bytes()) if "quote" in row]
    for row in rows:
        quote = Quote.parse((other / row["quote"]).read_bytes())
        check_quote_signature(quote)
        check_qe_binds_key(quote)
        assert isinstance(quote.body, TdReport10)
        for name, value in row["parsed"]["body"].items():
            attribute = name.replace("rtmr", "rt_mr").replace("svn_2", "svn2")
            assert getattr(quote.body, attribute).hex() == value, name
