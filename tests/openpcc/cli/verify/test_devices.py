"""Raw evidence of a GPU, a RIM or a TPM: the verdict is about that alone, and says so."""

import io
import json
import tempfile
from collections.abc import Mapping
from contextlib import redirect_stdout
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from attestation.checks import OF_A_DEVICE, OF_A_QUOTE, OF_A_RIM, OF_A_TPM, Outcome
from attestation.errors import MalformedEvidenceError
from attestation.parts import KINDS
from attestation.result import OUTSIDE, Report, Scope
from openpcc.cli.main import main
from tests.conformance.evidence import load_checker
from tests.fakes import kept, vtpm_bundles
from tests.fakes.amd import NOW
from tests.fakes.nvidia import nvidia
from tests.fakes.tpm import ec_ak

ALL = {"gpu": kept.gpu, "rim": kept.rim, "tpm": kept.tpm_alone, "azure": kept.azure}
SIGNED = frozenset({"report", "quote_message"})
"""Files of which every byte is signed; what comes after is no part of them."""

each = pytest.mark.parametrize("name", ALL)


@pytest.fixture
def verify(capsys: pytest.CaptureFixture[str]):
    def run(*words: str) -> tuple[int, str]:
        code = main(["verify", "evidence", *words, "--at", str(NOW)])
        return code, capsys.readouterr().out

    return run


@pytest.fixture
def judge(verify, tmp_path: Path):
    def run(raw: kept.Raw, *left_out: str, **instead: bytes | tuple[bytes, ...]) -> Report:
        code, out = verify(*raw.words(tmp_path, *left_out, **instead), "--json")
        report = Report.parse(out.encode())
        assert code == (1 if report.failed else 0)
        return report

    return run


def refused(report: Report) -> list[str]:
    return [check.id for check in report.failed]


@pytest.mark.parametrize(
    ("name", "scope", "platform", "checks"),
    [
        ("gpu", Scope.DEVICE, "nvidia", OF_A_DEVICE),
        ("rim", Scope.RIM, "nvidia", OF_A_RIM),
        ("tpm", Scope.TPM, "tpm", OF_A_TPM),
        ("azure", Scope.PARTS, "sev-snp-vtpm", OF_A_QUOTE),
    ],
)
def test_what_is_good_is_accepted_for_what_it_shows(judge, name, scope, platform, checks):
    report = judge(ALL[name]())
    assert (report.scope, report.platform, refused(report)) == (scope, platform, [])
    passed = {one.id for one in report.checks if one.outcome is Outcome.PASS}
    assert passed <= set(checks)
    assert passed >= set(checks) - {"2.collateral", "2.floors", "9.machine"}
    assert report.simulated
    assert report.expires is not None
    assert report.expires > NOW


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("gpu", "this device alone, neither whose machine it is in nor when it was asked"),
        ("rim", "this RIM alone, no device"),
        ("tpm", "this TPM alone, nothing about the machine that runs it"),
        ("azure", "these parts alone, nothing about what runs on the machine"),
    ],
)
def test_the_verdict_says_what_it_is_about(verify, tmp_path, name, words):
    _code, out = verify(*ALL[name]().words(tmp_path))
    assert out.splitlines()[0] == f"ACCEPTED, SIMULATED: {words}"
    assert "3.binding" not in out
    assert ("\n  machine" in out) == (name == "azure")


@each
def test_the_vendors_own_roots_vouch_for_none_of_it(verify, tmp_path, name):
    code, out = verify(*ALL[name]().words(tmp_path)[:-2], "--json")
    report = Report.parse(out.encode())
    assert code == 1
    assert not report.simulated
    assert set(refused(report)) & {"2.chain", "6.authentic", "6.measurements"}


@pytest.mark.parametrize(
    ("name", "lacking", "checks"),
    [
        ("gpu", "chain", ["6.authentic", "6.measurements"]),
        ("gpu", "rims", ["6.measurements"]),
        ("gpu", "ocsp", ["6.authentic", "6.measurements"]),
        ("rim", "ocsp", ["6.measurements"]),
        ("tpm", "quote_message", ["2.signature"]),
        ("tpm", "quote_signature", ["2.signature"]),
        ("tpm", "pcrs", ["2.signature"]),
        ("tpm", "ak_cert", ["2.chain", "2.identity"]),
    ],
)
def test_what_is_missing_cannot_be_judged_and_is_named(
    verify, judge, tmp_path, name, lacking, checks
):
    report = judge(ALL[name](), lacking)
    assert refused(report) == checks
    assert {one.outcome for one in report.failed} == {Outcome.SKIP}
    _code, out = verify(*ALL[name]().words(tmp_path, lacking))
    missing = [line for line in out.splitlines() if line.startswith("not given: ")]
    assert [line.split()[2].rstrip(",") for line in missing] == [lacking]
    assert f"--file {lacking}=PATH ({', '.join(checks)})" in missing[0]


def test_files_of_one_name_are_many_and_in_their_order(judge):
    rims = kept.gpu().lists["rims"]
    assert refused(judge(kept.gpu(), rims=rims[:1])) == ["6.measurements"]
    assert refused(judge(kept.gpu(), rims=rims[::-1])) == []


def test_refuses_a_gpu_that_measured_something_else(judge):
    vendor = nvidia()
    chip = vendor.device()
    changed = vendor.report(chip, blocks={5: bytes(48)})
    assert refused(judge(kept.gpu(), report=changed)) == ["6.measurements"]


def test_refuses_a_report_that_another_gpu_signed(judge):
    vendor = nvidia()
    other = vendor.report(vendor.device("second"))
    assert "6.authentic" in refused(judge(kept.gpu(), report=other))


def test_refuses_another_root_than_the_chains(judge):
    report = judge(kept.gpu(), root=nvidia().device().holders[-2].der)
    assert "not the certificate that the chain ends in" in str(report.failed[0].actual)


def test_bytes_after_a_report_are_not_part_of_it(judge):
    report = kept.gpu().files["report"]
    assert refused(judge(kept.gpu(), report=report + bytes(40))) == []


def test_a_switch_is_known_by_its_chain(judge):
    vendor = nvidia("LS_10")
    switch = vendor.device()
    files = {
        "report": vendor.report(switch),
        "chain": switch.pem,
        "root": switch.holders[-1].der,
        "rims": vendor.rims(),
        "ocsp": vendor.answers(switch),
    }
    assert refused(judge(kept.gpu(), **files)) == []


def test_a_rim_stands_alone_or_beside_a_report(judge):
    rim = kept.rim().files["rim"]
    report = judge(kept.gpu(), rim=rim)
    assert refused(report) == ["6.measurements"]
    assert "stands alone" in str(report.failed[0].actual)


def test_refuses_a_rim_that_was_edited(judge):
    rim = kept.rim().files["rim"]
    at = rim.index(b"Hash0=") + 7
    other = b"1" if rim[at : at + 1] == b"0" else b"0"
    report = judge(kept.rim(), rim=rim[:at] + other + rim[at + 1 :])
    assert [one.outcome for one in report.failed] == [Outcome.FAIL]


def test_refuses_a_quote_that_another_key_signed(judge):
    message = kept.tpm_alone().files["quote_message"]
    report = judge(kept.tpm_alone(), quote_signature=ec_ak("other").sign(message))
    assert refused(report) == ["2.signature"]


def test_refuses_a_key_that_the_certificate_is_not_of(judge):
    other = ec_ak("other")
    message = kept.tpm_alone().files["quote_message"]
    report = judge(kept.tpm_alone(), ak_public=other.spki, quote_signature=other.sign(message))
    assert refused(report) == ["2.identity"]


def test_the_certificate_alone_names_the_key_too(judge):
    assert refused(judge(kept.tpm_alone(), "ak_public")) == []


@pytest.mark.parametrize("name", ["tpm", "azure"])
def test_a_log_that_leads_elsewhere_refuses_and_one_that_fits_passes_nothing(judge, name):
    kept_log = vtpm_bundles.event_log()
    checks = {one.id: one for one in judge(ALL[name]()).checks}
    assert checks["8.eventlog"].outcome is Outcome.SKIP  # no release to compare with
    assert "leads to the quoted values" in str(checks["8.eventlog"].actual)
    changed = kept_log.replace(b"kernel", b"carnal")
    assert refused(judge(ALL[name](), event_log=changed)) == []  # data is no digest
    digest = kept_log.index(b"kernel") - 4 - 48
    broken = kept_log[:digest] + bytes(48) + kept_log[digest + 48 :]
    assert refused(judge(ALL[name](), event_log=broken)) == ["8.eventlog"]
    assert refused(judge(ALL[name](), "event_log")) == []


def test_the_log_is_shown_to_people(verify, tmp_path):
    _code, out = verify(*kept.tpm_alone().words(tmp_path))
    assert "the log leads to the quoted values; no release is known" in out


def test_beside_an_hcl_report_the_aks_own_file_must_be_of_its_key(judge):
    report = judge(kept.azure(), ak_public=ec_ak("other").spki)
    assert "another key" in str(report.failed[0].actual)


def test_hardware_without_a_report_that_names_the_key_is_not_judged(judge):
    leaf = kept.azure().files["leaf"]
    report = judge(kept.tpm_alone(), leaf=leaf)
    assert refused(report) == list(OF_A_TPM)
    assert "needs an hcl_report" in str(report.failed[0].actual)


@pytest.mark.parametrize(
    ("name", "checks"),
    [
        ("gpu", {"6.authentic", "6.nonce", "6.measurements"}),
        ("rim", {"6.measurements"}),
        ("tpm", {"2.signature", "2.chain", "2.identity", "3.binding"}),
    ],
)
def test_explains_with_the_very_bytes(verify, tmp_path, name, checks):
    raw = ALL[name]()
    words = [*raw.words(tmp_path), "--explain"]
    grounds = json.loads(verify(*words, "--json")[1])["grounds"]
    assert {one["check"] for one in grounds} >= checks
    rims = raw.lists.get("rims", ())
    files = {
        "report": raw.files.get("report", b""),
        "quote message": raw.files.get("quote_message", b""),
        "rim 0": raw.files.get("rim", rims[0] if rims else b""),
    }
    shown = [one for one in grounds if files.get(one["part"], b"")]
    assert len(shown) > 4
    for one in shown:
        data = files[one["part"]][one["offset"] : one["offset"] + one["size"]]
        assert data.hex() == one["value"]
    assert shown[0]["value"][:32] in verify(*words)[1]


@pytest.mark.parametrize("word", ["kind nvidia", "kind tpm"])
def test_the_names_are_those_of_the_kind(capsys, word):
    kind = word.split()[1]
    assert main(["verify", "evidence", "--kind", kind, "--file", "quote=q"]) == 2
    err = capsys.readouterr().err
    assert f"{kind} has the files {', '.join(KINDS[kind].names)}" in err
    assert main(["verify", "evidence", "--kind", kind, "--file", "root=r"]) == 2
    assert "must be given" in capsys.readouterr().err


@each
def test_a_report_on_less_is_not_read_as_one_on_a_node(verify, tmp_path, name):
    _code, out = verify(*ALL[name]().words(tmp_path), "--json")
    document = json.loads(out)
    scope = document["scope"]
    for other in {"node", "bundle", "parts"} - {scope}:
        changed = json.dumps({**document, "scope": other}).encode()
        with pytest.raises(MalformedEvidenceError):
            Report.parse(changed)


def test_an_ear_of_a_gpu_is_about_the_gpu(tmp_path, capsys, monkeypatch):
    from attestation import ear_token
    from tests.openpcc.cli.verify.test_ear import KEY, save

    monkeypatch.setattr("openpcc.clock.now", lambda: NOW)
    words = [*kept.gpu().words(tmp_path), "--ear", str(save(tmp_path, KEY))]
    assert main(["verify", "evidence", *words, "--ear-audience", "me"]) == 0
    token = capsys.readouterr().out.strip()
    found = ear_token.verify(token, KEY.public_key(), audience="me", now=NOW)
    assert set(found.submods) == {"gpu"}
    assert found.about["scope"] == "device"


@given(
    st.sampled_from([(raw, name) for raw in ALL.values() for name in raw().names]),
    st.binary(max_size=100),
    st.integers(0, 400),
)
@settings(max_examples=80, deadline=None)
def test_any_bytes_in_any_file_are_refused_in_a_readable_report(file, piece, place):
    """Any bytes: a report that parses; an exit code 0 only where nothing signed has changed."""
    make, name = file
    lists = make().lists
    first, *rest = lists[name] if name in lists else (make().files[name],)
    changed = first[:place] + piece + first[place + len(piece) :]
    out = io.StringIO()
    with tempfile.TemporaryDirectory() as folder, redirect_stdout(out):
        words = make().words(Path(folder), **{name: (changed, *rest)})
        code = main(["verify", "evidence", *words, "--at", str(NOW), "--json", "--explain"])
    document = json.loads(out.getvalue())
    assert document.pop("grounds") is not None
    report = Report.parse(json.dumps(document).encode())
    assert code == (1 if report.failed else 0)
    assert report.failed or changed.startswith(first) or name not in SIGNED


# --- published evidence


@pytest.mark.parametrize("kind", ["nvidia", "tpm"])
def test_published_cases_come_as_far_as_their_files(kind, shared, capsys):
    """No case has OCSP answers or lists of its day, so none is accepted; what is broken fails.

    What holds passes, or lacks something: a check is a SKIP then, never a FAIL.
    """
    folder = shared / "vectors" / kind
    for case in json.loads((folder / "INDEX.json").read_bytes())["cases"]:
        words = ["--kind", kind, "--at", case["at"], "--json"]
        for name, paths in case["files"].items():
            for path in [paths] if isinstance(paths, str) else paths:
                words += ["--file", f"{name}={folder / path}"]
        assert main(["verify", "evidence", *words]) == 1, case["id"]
        report = Report.parse(capsys.readouterr().out.encode())
        outcomes = {check.id: check.outcome for check in report.checks}
        checker = load_checker(kind)
        assert checker is not None
        # Of a RIM there is one check, which its chain is part of.
        only = "6.measurements" if report.scope is Scope.RIM else None
        for check, held in expected(case["expected"], checker.CHECKS, only).items():
            if check not in OUTSIDE[report.scope]:
                wrong = Outcome.FAIL if held else Outcome.PASS
                assert outcomes[check] is not wrong, (case["id"], check)


def expected(
    words: Mapping[str, Any], table: Mapping[str, str], only: str | None
) -> dict[str, bool]:
    """Give our check to whether all of the case's checks that are part of it hold."""
    found: dict[str, bool] = {}
    for name, value in words.get("checks", {}).items():
        if value is not None:
            check = only or table[name]
            found[check] = found.get(check, True) and value
    return found


def test_a_published_gpu_lacks_nothing_but_answers(shared, capsys):
    folder = shared / "vectors" / "nvidia"
    case = next(
        one
        for one in json.loads((folder / "INDEX.json").read_bytes())["cases"]
        if one["id"] == "hopper-550.90.07-full"
    )
    words = ["--kind", "nvidia", "--at", case["at"], "--json"]
    for name in ("report", "chain", "root"):
        words += ["--file", f"{name}={folder / case['files'][name]}"]
    for path in case["files"]["rims"]:
        words += ["--file", f"rims={folder / path}"]
    assert main(["verify", "evidence", *words]) == 1
    report = Report.parse(capsys.readouterr().out.encode())
    assert refused(report) == ["6.authentic", "6.measurements"]
    assert all("there is no OCSP answer" in str(one.actual) for one in report.failed)
    assert not report.simulated
