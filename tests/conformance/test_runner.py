"""The runner keeps its contract on tiny sets that are made up here."""

import importlib
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from openpcc.protocol import bhttp
from tests.conformance.report import Case, Outcome
from tests.conformance.standard_cases import (
    contract,
    hpke_pq,
    hpke_rfc9180,
    ohttp_chunked,
    ohttp_rows,
    sealing,
    wycheproof,
    xwing,
)
from tests.conformance.standards import CHECKERS, ROOT, load_checker, run

GOOD = {"id": "good", "hex": "0140c8", "expect": "valid"}
BAD = {"id": "bad", "hex": "0001", "expect": "valid"}


def make_set(folder: Path, rows: object, *, cases: object = 1, **index: object) -> Path:
    """Write a set of Binary HTTP with one case file."""
    folder.mkdir(parents=True)
    (folder / "vectors.json").write_text(json.dumps(rows))
    files = [{"file": "vectors.json", "cases": cases}]
    document = {"standard": "bhttp-rfc9292", "files": files, **index}
    (folder / "INDEX.json").write_text(json.dumps(document))
    return folder


def outcomes(folder: Path) -> dict[str, Outcome]:
    return {f"{case.set_name}/{case.name}": case.outcome for case in run(folder)}


def call(*arguments: object, cwd: Path) -> subprocess.CompletedProcess[str]:
    program = ROOT / "tests" / "conformance" / "standards.py"
    command = [sys.executable, str(program), *map(str, arguments)]
    return subprocess.run(command, cwd=cwd, capture_output=True, text=True, check=False)


def test_runs_from_any_folder_and_says_how_many_passed(tmp_path):
    make_set(tmp_path / "sets" / "one", [GOOD])
    done = call("sets", cwd=tmp_path)
    assert (done.returncode, done.stdout) == (0, "1 passed, 0 failed, 0 not applicable\n")


def test_names_each_failing_case_on_one_line(tmp_path):
    make_set(tmp_path / "one", [GOOD, BAD], cases=2)
    done = call(tmp_path, cwd=Path("/"))
    first, last = done.stdout.splitlines()
    assert first.startswith("FAIL one/bad: BHTTPError: ")
    assert last == "1 passed, 1 failed, 0 not applicable"
    assert done.returncode == 1


def test_writes_one_object_as_json(tmp_path):
    make_set(tmp_path / "one", [GOOD])
    done = call(tmp_path, "--json", cwd=tmp_path)
    assert json.loads(done.stdout) == {
        "passed": 1,
        "failed": 0,
        "not_applicable": 0,
        "cases": [{"set": "one", "case": "good", "outcome": "passed", "reason": None}],
    }
    assert done.stderr == "1 passed, 0 failed, 0 not applicable\n"


def test_nothing_passed_is_a_failure(tmp_path):
    assert call(tmp_path, cwd=tmp_path).returncode == 1
    make_set(tmp_path / "one", [], cases=0)
    done = call(tmp_path, cwd=tmp_path)
    assert (done.returncode, done.stdout) == (1, "0 passed, 0 failed, 0 not applicable\n")


def test_only_not_applicable_is_a_failure(tmp_path):
    folder = make_set(tmp_path / "one", [{"id": "a"}], standard="pbrsa-draft")
    assert outcomes(folder) == {"one/a": Outcome.NOT_APPLICABLE}
    assert call(tmp_path, cwd=tmp_path).returncode == 1


def test_visits_all_sets_in_order_and_passes_over_evidence(tmp_path):
    make_set(tmp_path / "b" / "two", [GOOD])
    make_set(tmp_path / "a" / "one", [GOOD])
    make_set(tmp_path / "c" / "three", [GOOD], kind="tdx")
    document = {"kind": "tdx", "cases": []}
    (tmp_path / "c" / "three" / "INDEX.json").write_text(json.dumps(document))
    assert list(outcomes(tmp_path)) == ["one/good", "two/good"]


def test_names_cases_by_file_where_there_are_several(tmp_path):
    folder = make_set(tmp_path / "two", [GOOD])
    files = [{"file": "vectors.json", "cases": 1}, {"file": "other.json", "cases": 1}]
    (folder / "other.json").write_text("[]")
    (folder / "INDEX.json").write_text(json.dumps({"standard": "bhttp-rfc9292", "files": files}))
    assert outcomes(folder) == {
        "two/vectors.json:good": Outcome.PASSED,
        "two/other.json": Outcome.FAILED,
    }


@pytest.mark.parametrize("cases", [0, 2, "1", None, True])
def test_a_wrong_number_of_rows_fails(tmp_path, cases):
    found = outcomes(make_set(tmp_path / "one", [GOOD], cases=cases))
    assert found == {"one/vectors.json": Outcome.FAILED, "one/good": Outcome.PASSED}


def test_a_file_that_nothing_names_fails(tmp_path):
    folder = make_set(tmp_path / "one", [GOOD])
    (folder / "deep").mkdir()
    (folder / "deep" / "stray.bin").write_bytes(b"x")
    (folder / "README.md").write_text("about")
    assert outcomes(folder)["one/deep/stray.bin"] is Outcome.FAILED
    assert "one/README.md" not in outcomes(folder)


def test_a_named_file_that_is_missing_fails(tmp_path):
    folder = make_set(tmp_path / "one", [GOOD], other_files={"gone.bin": "ab"})
    assert outcomes(folder)["one/gone.bin"] is Outcome.FAILED
    (folder / "vectors.json").unlink()
    assert outcomes(folder)["one/vectors.json"] is Outcome.FAILED


def test_a_file_named_by_the_index_is_not_stray(tmp_path):
    folder = make_set(tmp_path / "one", [GOOD], sha256={"raw.bin": "ab"})
    (folder / "raw.bin").write_bytes(b"x")
    assert outcomes(folder) == {"one/good": Outcome.PASSED}


def test_a_path_out_of_the_set_is_missing(tmp_path):
    (tmp_path / "outside.json").write_text("[]")
    folder = make_set(tmp_path / "one", [GOOD])
    files = [{"file": "../outside.json", "cases": 0}]
    (folder / "INDEX.json").write_text(json.dumps({"standard": "bhttp-rfc9292", "files": files}))
    assert outcomes(folder)["one/../outside.json"] is Outcome.FAILED


@pytest.mark.parametrize(
    "index",
    [
        "not json",
        "[]",
        "{}",
        '{"standard": "unheard-of", "files": []}',
        '{"standard": 7, "files": []}',
        '{"standard": "bhttp-rfc9292"}',
        '{"standard": "bhttp-rfc9292", "files": []}',
        '{"standard": "bhttp-rfc9292", "files": ["vectors.json"]}',
    ],
)
def test_an_index_that_is_not_described_fails(tmp_path, index):
    folder = tmp_path / "one"
    folder.mkdir()
    (folder / "INDEX.json").write_text(index)
    assert set(outcomes(folder).values()) == {Outcome.FAILED}


@pytest.mark.parametrize(
    "row",
    [
        {"id": "a", "expect": "valid"},
        {"id": "a", "hex": "0140c8", "expect": "perhaps"},
        {"id": "a", "hex": "0140c8"},
        {"id": "a", "hex": "0140C8", "expect": "valid"},
        {"id": "a", "hex": 5, "expect": "valid"},
        {"id": "a", "hex": "0140c8", "expect": "valid", "parsed": {"framing": 1}},
        {"id": "a", "hex": "0140c8", "expect": "invalid"},
        {"hex": "0140c8", "expect": "valid"},
        "not an object",
    ],
)
def test_an_unknown_row_fails(tmp_path, row):
    assert set(outcomes(make_set(tmp_path / "one", [row])).values()) == {Outcome.FAILED}


def test_rows_may_say_more(tmp_path):
    row = GOOD | {"comment": "text", "flags": [], "kem_id": 32}
    assert outcomes(make_set(tmp_path / "one", [row])) == {"one/good": Outcome.PASSED}


def test_an_exception_of_any_kind_fails_its_case_only(tmp_path, monkeypatch):
    def crash(data: bytes) -> bhttp.Parsed:
        raise SystemExit(0)

    folder = make_set(tmp_path / "one", [GOOD])
    monkeypatch.setattr(bhttp, "parse", crash)
    assert outcomes(folder) == {"one/good": Outcome.FAILED}


def test_a_standard_without_a_checker_fails(tmp_path, monkeypatch):
    monkeypatch.setitem(CHECKERS, "rats", "no_such_module")
    folder = make_set(tmp_path / "one", [GOOD], standard="rats")
    (case,) = run(folder)
    assert case == Case(
        set_name="one",
        name="INDEX.json",
        outcome=Outcome.FAILED,
        reason="no checker yet for rats",
    )


def test_a_checker_whose_own_import_fails_is_not_missing(monkeypatch):
    def broken(name: str) -> None:
        raise ModuleNotFoundError("no module", name="something_else")

    monkeypatch.setattr(importlib, "import_module", broken)
    with pytest.raises(ModuleNotFoundError):
        load_checker("rats")


def test_every_checker_knows_only_its_files():
    for module in CHECKERS.values():
        checker = load_checker(module)
        if checker is not None:
            assert checker.case_file("no-such-file.txt") is None


SHARED = ROOT / ".." / "shared" / "vectors" / "standards"


def shared_rows(path: str) -> list[dict[str, Any]]:
    file = SHARED / path
    if not file.is_file():
        pytest.skip("../shared is absent: optional published vectors")
    document = json.loads(file.read_bytes())
    return list(document if isinstance(document, list) else document["cases"])


def check_of(checker, document):
    (row, *_) = checker.case_file("vectors.json").rows(document, Path())
    return row.check


def changed(text: str) -> str:
    return ("1" if text[0] == "0" else "0") + text[1:]


@pytest.mark.parametrize(
    ("checker", "path", "keys"),
    [
        (hpke_rfc9180, "hpke-rfc9180/vectors.json", hpke_rfc9180.KEYS),
        (hpke_pq, "hpke-pq/vectors.json", hpke_pq.KEYS),
        (xwing, "xwing/vectors.json", ("seed", "sk", "pk", "ct", "ss")),
        (ohttp_chunked, "ohttp-chunked/vectors.json", ohttp_rows.KEYS),
        (sealing, "sealing/vectors.json", sealing.CASE_KEYS),
    ],
)
def test_every_listed_value_is_compared(checker, path, keys):
    """Change one value of a row that holds: the row must fail, for each value."""
    row = shared_rows(path)[-1]

    def document(row):
        return {"cases": [row]} if checker is sealing else [row]

    check_of(checker, document(row))()
    unused = {"ikmE"}  # the library draws ML-KEM's randomness itself
    for key in keys:
        if not isinstance(row[key], str) or not row[key] or key in unused:
            continue
        with pytest.raises(Exception):  # noqa: B017, PT011 - whatever it is, it is a failure
            check_of(checker, document(row | {key: changed(row[key])}))()


def exchange_rows():
    return shared_rows("ohttp-chunked/vectors.json")[0]


def mutation(**row):
    case_file = ohttp_chunked.case_file("mutations.json")
    assert case_file is not None
    (made,) = case_file.rows([{"id": "a", **row}], Path())
    return made.check


def test_mutations_open_with_the_keys_of_the_example():
    row = exchange_rows()
    for direction in ("request", "response"):
        wire = row[f"encapsulated_{direction}"]
        plaintext = row[f"{direction}_bhttp"]
        mutation(direction=direction, wire=wire, expect="accept", plaintext=plaintext)()
        mutation(direction=direction, wire=wire[:-2], expect="reject")()
        for wrong in (
            {"expect": "reject"},
            {"expect": "accept", "plaintext": plaintext + "00"},
            {"expect": "accept"},
            {"expect": "maybe"},
        ):
            with pytest.raises(contract.MismatchError):
                mutation(direction=direction, wire=wire, **wrong)()
    with pytest.raises(contract.MismatchError):
        mutation(direction="sideways", wire="", expect="reject")()


@pytest.mark.parametrize(
    ("group", "test"),
    [
        ({"type": "Unheard"}, {"result": "valid"}),
        ({"type": "HkdfTest"}, {"result": "perhaps"}),
    ],
)
def test_an_unknown_type_or_result_of_wycheproof_fails(group, test):
    document = {"algorithm": "HKDF-SHA-256", "testGroups": [group | {"tests": [test]}]}
    case_file = wycheproof.case_file("hkdf_test.json")
    assert case_file is not None
    (row,) = case_file.rows(document, Path())
    with pytest.raises(contract.MismatchError):
        row.check()


@pytest.mark.parametrize(
    ("result", "okm", "error"),
    [
        ("valid", "00", contract.MismatchError),
        ("invalid", None, contract.MismatchError),
        ("valid", None, None),
    ],
)
def test_wycheproof_results_mean_what_they_say(result, okm, error):
    derived = "8da4e775a563c18f715f802a063c5a31b8a11f5c5ee1879ec3454e5f3c738d2d"  # RFC 5869, A.3
    test = {"tcId": 1, "ikm": "0b" * 22, "salt": "", "info": "", "size": 32}
    test |= {"okm": okm or derived, "result": result}
    document = {
        "algorithm": "HKDF-SHA-256",
        "testGroups": [{"type": "HkdfTest", "tests": [test]}],
    }
    case_file = wycheproof.case_file("hkdf_test.json")
    assert case_file is not None
    (row,) = case_file.rows(document, Path())
    if error is None:
        row.check()
    else:
        with pytest.raises(error):
            row.check()
