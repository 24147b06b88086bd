"""Raw files find their place in any spelling, and a wrong one is named."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from attestation.certificates import parse_chain
from attestation.errors import MalformedEvidenceError
from attestation.parts import KINDS, read_parts
from attestation.verifier import verify_parts
from attestation.x509 import armored
from tests.fakes.amd import NOW
from tests.fakes.intel import intel
from tests.fakes.real_bundles import amd, snp_machine, tdx_machine


def snp_files() -> list[tuple[str, bytes]]:
    bundle = snp_machine().bundle()
    chain, crl = (one.data for one in bundle.endorsements)
    leaf, ask, ark = parse_chain(chain)
    return [
        ("report", bundle.quote),
        ("leaf", leaf.der),
        ("intermediates", armored(ask.der)),
        ("root", ark.der),
        ("crl", crl),
    ]


def tdx_files() -> list[tuple[str, bytes]]:
    bundle = tdx_machine().bundle()
    root = parse_chain(intel().root.pem)[0]
    return [
        ("quote", bundle.quote),
        ("root", root.der),
        ("collateral", bundle.endorsements[0].data),
    ]


@pytest.mark.parametrize(
    ("kind", "files", "policy"),
    [("sev-snp", snp_files, lambda: amd().policy()), ("tdx", tdx_files, lambda: intel().policy)],
)
def test_files_are_judged_as_what_they_are(kind: str, files, policy):
    parts = read_parts(kind, files())
    appraisal = verify_parts(
        parts.platform, parts.quote, parts.endorsements, now=NOW, policy=policy()
    )
    assert appraisal.accepted


def test_order_of_files_matters_only_within_the_chain():
    files = snp_files()
    assert read_parts("sev-snp", files[::-1]) == read_parts("sev-snp", files)


def test_one_file_may_hold_the_whole_chain():
    whole = snp_files()
    files = dict(whole)
    chain = b"".join(
        data if data.startswith(b"-") else armored(data)
        for data in (files["leaf"], files["intermediates"], files["root"])
    )
    together = read_parts("sev-snp", [("report", files["report"]), ("leaf", chain)])
    apart = read_parts("sev-snp", [one for one in whole if one[0] != "crl"])
    assert together == apart


def test_a_report_alone_is_read():
    assert read_parts("sev-snp", [("report", b"r")]).endorsements == ()
    assert read_parts("tdx", [("quote", b"q")]).quote == b"q"


@pytest.mark.parametrize(
    ("kind", "files", "reason"),
    [
        ("sgx", [("quote", b"")], "expected one of sev-snp, tdx"),
        ("sev-snp", [], "file report: must be given"),
        ("sev-snp", [("quote", b"")], "file quote: expected one of report"),
        ("sev-snp", [("report", b""), ("report", b"")], "file report: given twice"),
        ("sev-snp", [("report", b""), ("leaf", b"no")], "DER"),
        ("sev-snp", [("report", b""), ("crl", b"-----BEGIN X509 CRL-----\n")], "file crl"),
        ("tdx", [("quote", bytes(2**16 + 1))], "larger than 65536"),
        ("tdx", [("quote", b""), ("collateral", bytes(2**20 + 1))], "larger than 1048576"),
        ("tdx", [("quote", b""), ("root", b"no")], "DER"),
    ],
)
def test_names_what_is_wrong(kind: str, files, reason: str):
    with pytest.raises(MalformedEvidenceError, match=reason):
        read_parts(kind, files)


NAMES = sorted({name for kind in KINDS.values() for name in kind.names})


@given(
    st.sampled_from(sorted(KINDS)),
    st.lists(st.tuples(st.sampled_from(NAMES), st.binary(max_size=200)), max_size=6),
)
@settings(max_examples=100)
def test_any_files_are_read_or_refused_and_never_accepted(kind: str, files):
    try:
        parts = read_parts(kind, files)
    except MalformedEvidenceError:
        return
    policy = amd().policy() if kind == "sev-snp" else intel().policy
    assert not verify_parts(
        parts.platform, parts.quote, parts.endorsements, now=NOW, policy=policy
    ).accepted
