"""Evidence from files: verdict in words, exit code, one thing on standard output."""

import io
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from contextlib import redirect_stdout
from pathlib import Path
from types import SimpleNamespace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from attestation.checks import CHECKS, OF_A_DEVICE, OF_A_QUOTE, Outcome
from attestation.parts import KINDS
from attestation.result import Report, Scope
from attestation.strict_json import b64encode
from openpcc.cli.main import main
from openpcc.cli.verify.missing import SOURCES
from tests.fakes import kept
from tests.fakes.amd import NOW as RAW_NOW
from tests.fakes.world import NOW, World
from transparency_log import prover
from transparency_log.checkpoint import Checkpoint
from transparency_log.note import format_note

AT = ["--at", str(NOW)]
RAW_AT = ["--at", str(RAW_NOW)]


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> World:
    return World(tmp_path_factory.mktemp("world"))


@pytest.fixture(scope="module")
def bundle(world: World, tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """The words that name a good bundle and its policy."""
    path, policy = kept.keep(world, tmp_path_factory.mktemp("kept"))
    return [str(path), "--policy", str(policy)]


class Said:
    """What one run printed."""

    def __init__(self, code: int, out: str, err: str) -> None:
        self.code, self.out, self.err = code, out, err

    @property
    def report(self) -> Report:
        return Report.parse(self.out.encode())

    @property
    def refused(self) -> list[str]:
        return [check.id for check in self.report.failed]


@pytest.fixture
def verify(capsys: pytest.CaptureFixture[str]):
    def run(*words: str) -> Said:
        code = main(["verify", "evidence", *words])
        return Said(code, *capsys.readouterr())

    return run


def process(words: Sequence[str], data: bytes = b"") -> Said:
    command = [sys.executable, "-m", "openpcc.cli.main", "verify", "evidence", *words]
    done = subprocess.run(command, input=data, capture_output=True, check=False, timeout=60)
    return Said(done.returncode, done.stdout.decode(), done.stderr.decode())


def test_a_good_bundle_is_accepted_and_the_scope_is_said(verify, bundle):
    said = verify(*bundle, *AT)
    first = said.out.splitlines()[0]
    assert (said.code, said.err) == (0, "")
    assert first.startswith("ACCEPTED, SIMULATED: this bundle alone, neither its place in")
    assert all(name in said.out for name in CHECKS)
    assert "expires" in said.out


def test_the_report_is_the_document_of_the_formats_page(verify, bundle, world):
    said = verify(*bundle, *AT, "--json")
    assert (said.code, said.report.scope, said.report.at) == (0, Scope.BUNDLE, NOW)
    assert said.report.machine is not None


def test_the_time_is_the_one_that_is_named(verify, bundle):
    late = verify(*bundle, "--at", "2027-06-15T08:00:00Z", "--json")
    assert late.code == 1
    assert {"4.epoch", "7.expiry"} <= set(late.refused)
    same = verify(*bundle, "--at", "2027-01-15T09:00:00+01:00", "--json")
    assert (same.code, same.report.at) == (0, NOW)


def test_without_a_time_it_is_now(verify, bundle, monkeypatch):
    monkeypatch.setattr("openpcc.clock.now", lambda: NOW + 7)
    assert verify(*bundle, "--json").report.at == NOW + 7


def test_a_bundle_comes_by_standard_input_too(verify, bundle, monkeypatch):
    data = Path(bundle[0]).read_bytes()
    monkeypatch.setattr(sys, "stdin", SimpleNamespace(buffer=io.BytesIO(data)))
    assert verify("-", *bundle[1:], *AT).code == 0


@pytest.mark.parametrize("data", [b"", b"{}", b"\xff" * 100, b'{"version":1', b"[" * 10**6])
def test_bytes_that_are_no_bundle_are_refused(bundle, tmp_path, verify, data):
    (tmp_path / "b").write_bytes(data)
    said = verify(str(tmp_path / "b"), *bundle[1:], *AT, "--json")
    assert (said.code, said.refused[0]) == (1, "1.parse")
    text = verify(str(tmp_path / "b"), *bundle[1:], *AT, "--explain").out
    assert text.startswith("REFUSED, SIMULATED: this bundle alone")
    assert "nothing of it could be read" in text


def test_an_endless_file_is_read_to_its_limit(verify, bundle):
    assert verify("/dev/zero", *bundle[1:], *AT, "--json").refused[0] == "1.parse"


def test_a_process_keeps_its_streams_apart(bundle):
    said = process(["-", *bundle[1:], *AT, "--json"], Path(bundle[0]).read_bytes())
    assert (said.code, said.err) == (0, "")
    assert said.report.scope is Scope.BUNDLE
    refused = process(["-", *bundle[1:], *AT, "--json"], b"{}")
    assert (refused.code, refused.err) == (1, "")
    wrong = process(["nowhere.json", *bundle[1:], *AT])
    assert (wrong.code, wrong.out) == (2, "")
    assert "nowhere.json: cannot be read (No such file or directory)" in wrong.err


def test_no_network_and_no_drawing_library_is_loaded(bundle):
    code = (
        "import sys\nfrom openpcc.cli.main import main\n"
        f"main({['verify', 'evidence', *bundle, *AT]!r})\n"
        "heavy = {'httpx', 'ssl', 'rich', 'jwt', 'uvicorn', 'openpcc.nodes'}\n"
        "sys.exit(','.join(heavy & set(sys.modules)) or 0)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_the_policy_is_that_of_the_configuration_unless_named(verify, bundle, tmp_path):
    config = tmp_path / "client.toml"
    config.write_text(
        f'version = 1\nrelay = "https://relay.example"\npolicy = "{bundle[2]}"\nstate = "s"\n'
    )
    said = verify(bundle[0], "--config", str(config), *AT)
    assert said.code == 0
    assert bundle[2] in said.out


def test_a_bundle_without_any_policy_is_an_error_with_its_remedy(
    verify, bundle, monkeypatch, tmp_path
):
    monkeypatch.delenv("OPENPCC_CONFIG", raising=False)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    said = verify(bundle[0], *AT)
    assert said.code == 2
    assert "name a policy file with --policy" in said.err


def test_a_bundle_needs_a_whole_policy(verify, bundle, tmp_path):
    kept.snp().words(tmp_path)
    said = verify(bundle[0], "--policy", str(tmp_path / "raw.toml"), *AT)
    assert said.code == 2
    assert "raw.toml: 'signers' is missing" in said.err


# --- the log that is known


@pytest.fixture(scope="module")
def later(world: World, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a later checkpoint of the same log, the proof to it, and a fork."""
    folder = tmp_path_factory.mktemp("later")
    old = len(world.log.entries)
    for _ in range(3):
        world.add_release()
    new = len(world.log.entries)
    note = world.log.note(times=(NOW + 400, NOW + 400))
    (folder / "note").write_bytes(note)
    proof = prover.consistency_proof(old, new, prover.memory_reader(world.log.leaves))
    (folder / "proof").write_text("".join(f"{b64encode(one)}\n" for one in proof))
    text = Checkpoint(origin=world.policy.log.origin, size=new, root=bytes(32)).encode()
    lines = [one.cosign(text, NOW) for one in world.log.witnesses]
    (folder / "fork").write_bytes(format_note(text, [world.log.log.sign(text), *lines]))
    return folder


def held(later: Path, name: str = "note", proof: str | None = "proof") -> list[str]:
    words = ["--known-checkpoint", str(later / name), "--json"]
    return words if proof is None else [*words, "--consistency", str(later / proof)]


def test_a_later_log_must_extend_the_bundles(verify, bundle, later):
    said = verify(*bundle, *AT, *held(later))
    assert (said.code, said.refused) == (0, [])
    outcomes = {check.id: check.outcome for check in said.report.checks}
    assert outcomes["5.consistency"] is Outcome.PASS
    assert outcomes["5.clock"] is Outcome.SKIP  # the time was chosen


def test_a_fork_is_refused(verify, bundle, later):
    assert verify(*bundle, *AT, *held(later, "fork")).refused == ["5.consistency"]


def test_without_a_proof_the_log_is_not_judged_and_the_remedy_is_said(verify, bundle, later):
    assert verify(*bundle, *AT, *held(later, proof=None)).refused == ["5.consistency"]
    text = verify(*bundle, *AT, "--known-checkpoint", str(later / "note")).out
    assert "--consistency" in text


def test_a_known_checkpoint_judges_the_clock_where_one_was_read(verify, bundle, later, monkeypatch):
    monkeypatch.setattr("openpcc.clock.now", lambda: NOW)
    assert "5.clock" in verify(*bundle, *held(later)).refused


@pytest.mark.parametrize("name", ["note", "proof"])
def test_what_is_no_checkpoint_or_proof_is_named(verify, bundle, later, tmp_path, name):
    (tmp_path / "note").write_bytes((later / "note").read_bytes())
    (tmp_path / "proof").write_bytes((later / "proof").read_bytes())
    (tmp_path / name).write_bytes(b"!" + (tmp_path / name).read_bytes())
    said = verify(*bundle, *AT, *held(tmp_path))
    assert said.code == 2
    assert str(tmp_path / name) in json.loads(said.out)["error"]["message"]


# --- raw evidence


@pytest.mark.parametrize("raw", [kept.snp, kept.tdx])
def test_raw_evidence_is_judged_for_what_it_shows(verify, tmp_path, raw):
    said = verify(*raw().words(tmp_path), *RAW_AT)
    first = said.out.splitlines()[0]
    assert said.code == 0, said.out
    assert first == "ACCEPTED, SIMULATED: these parts alone, nothing about what runs on the machine"
    assert all(name in said.out for name in OF_A_QUOTE)
    assert "3.binding" not in said.out
    report = verify(*raw().words(tmp_path), *RAW_AT, "--json").report
    assert report.scope is Scope.PARTS


@pytest.mark.parametrize(
    ("raw", "name"), [(kept.snp, "crl"), (kept.snp, "root"), (kept.tdx, "collateral")]
)
def test_what_is_missing_is_said_with_the_remedy(verify, tmp_path, raw, name):
    said = verify(*raw().words(tmp_path, name), *RAW_AT)
    assert said.code == 1
    assert said.out.startswith("REFUSED")
    assert f"not given: {name}" in said.out
    assert f"--file {name}=PATH" in said.out


def test_every_file_that_may_be_missing_has_a_source():
    assert set(SOURCES["sev-snp"]) == set(KINDS["sev-snp"].others)
    assert {*SOURCES["tdx"], "root"} == set(KINDS["tdx"].others)  # the quote carries its root
    assert {*SOURCES["nvidia"], "root"} == set(KINDS["nvidia"].others)  # the chain carries its root
    assert set(SOURCES["tpm"]) <= set(KINDS["tpm"].names)
    for name, sources in SOURCES.items():
        for source in sources.values():
            assert source.checks <= set(OF_A_DEVICE if name == "nvidia" else OF_A_QUOTE)


def test_without_a_policy_the_vendors_own_roots_count(verify, tmp_path):
    words = kept.snp().words(tmp_path)[:-2]
    said = verify(*words, *RAW_AT, "--json")
    assert (said.code, said.refused) == (1, ["2.chain"])
    assert not said.report.simulated
    text = verify(*words, *RAW_AT).out
    assert text.startswith("REFUSED: these parts alone")
    assert "as it says; nobody vouches for that" in text


def test_a_whole_policy_will_do_for_raw_evidence(verify, bundle, tmp_path):
    words = kept.snp().words(tmp_path)[:-2]
    said = verify(*words, *bundle[1:], *RAW_AT, "--json")
    assert "9.platform" in said.refused
    cut = tmp_path / "cut.toml"
    cut.write_text('version = 1\nservice = "x"\n[attestation]\nplatforms = ["sev-snp"]\n')
    said = verify(*words, "--policy", str(cut), *RAW_AT)
    assert said.code == 2
    assert "'signers' is missing" in said.err


@pytest.mark.parametrize("name", ["leaf", "crl", "root", "intermediates"])
def test_a_file_that_does_not_parse_is_refused_and_not_an_error(verify, tmp_path, name):
    said = verify(*kept.snp().words(tmp_path, **{name: b"\x30\x03\x02\x01"}), *RAW_AT, "--json")
    assert said.code == 1
    assert "2.revocation" in said.refused


@pytest.mark.parametrize("size", [0, 1, 1183, 2**20])
def test_a_report_of_another_size_is_refused(verify, tmp_path, size):
    said = verify(*kept.snp().words(tmp_path, report=bytes(size)), *RAW_AT, "--json")
    assert (said.code, said.refused[0]) == (1, "2.signature")


def test_a_changed_bit_is_refused_by_name(verify, tmp_path):
    report = bytearray(kept.snp().files["report"])
    report[0x50] ^= 1
    said = verify(*kept.snp().words(tmp_path, report=bytes(report)), *RAW_AT, "--json")
    assert (said.code, said.refused) == (1, ["2.signature"])


@given(
    st.sampled_from([(kept.snp, name) for name in kept.snp().files])
    | st.sampled_from([(kept.tdx, name) for name in kept.tdx().files]),
    st.binary(max_size=200),
    st.integers(0, 400),
)
@settings(max_examples=60, deadline=None)
def test_any_bytes_in_any_file_are_refused_in_a_readable_report(file, piece, place):
    """Any bytes: exit code 1 and a report that parses, or 0 where they change nothing signed."""
    make, name = file
    data = make().files[name]
    out = io.StringIO()
    with tempfile.TemporaryDirectory() as folder, redirect_stdout(out):
        changed = {name: data[:place] + piece + data[place + len(piece) :]}
        words = make().words(Path(folder), **changed)
        code = main(["verify", "evidence", *words, *RAW_AT, "--json", "--explain"])
    document = json.loads(out.getvalue())
    assert document.pop("grounds") is not None
    report = Report.parse(json.dumps(document).encode())
    assert code == (1 if report.failed else 0)
    assert report.failed or changed[name] == data or name != make().quote


# --- the bytes behind the checks


def test_explains_with_the_very_bytes(verify, tmp_path):
    words = [*kept.snp().words(tmp_path), *RAW_AT, "--explain"]
    report = kept.snp().files["report"]
    text = verify(*words).out
    assert "8.debug PASS: debug is off" in text
    assert "0x1a0" in text
    assert report[0x1A0:0x1E0].hex() in text
    assert report[:64].hex() + "… 672 bytes in all" in text
    document = json.loads(verify(*words, "--json").out)
    files = {"report": report, "certificate 0": kept.snp().files["leaf"]}
    grounds = document.pop("grounds")
    shown = [one for one in grounds if one["part"] in files]
    assert len(shown) > 20
    for one in shown:
        data = files[one["part"]][one["offset"] : one["offset"] + one["size"]]
        assert one["value"] == data.hex()
    assert {one["check"] for one in grounds} <= set(CHECKS)
    assert Report.parse(json.dumps(document).encode()).scope is Scope.PARTS


def test_explains_a_bundle(verify, bundle):
    grounds = json.loads(verify(*bundle, *AT, "--explain", "--json").out)["grounds"]
    shown = [(one["check"], one["part"]) for one in grounds]
    order = [list(CHECKS).index(check) for check, _part in shown]
    assert order == sorted(order)
    assert {("6.mode", "devices section"), ("3.binding", "quote")} <= set(shown)
    assert "grounds" not in json.loads(verify(*bundle, *AT, "--json").out)


# --- published evidence

SNP = [
    "--kind", "sev-snp", "--file", "report=genoa-v3-vcek/report.bin",
    "--file", "leaf=genoa-v3-vcek/vcek.pem", "--file", "intermediates=certs/genoa_ask.pem",
    "--file", "root=certs/genoa_ark.pem", "--file", "crl=certs/genoa_crl.der",
    "--at", "2025-05-20T18:31:36Z",
]  # fmt: skip
TDX = [
    "--kind", "tdx", "--file", "quote=tdx-v4-dstack/quote.bin",
    "--file", "root=certs/intel_sgx_root.pem",
    "--file", "collateral=collateral/90c06f-2026-03.json", "--at", "2026-03-16T23:34:05Z",
]  # fmt: skip


def test_a_real_report_is_accepted(verify, shared, monkeypatch):
    monkeypatch.chdir(shared / "vectors" / "sev-snp")
    said = verify(*SNP, "--json")
    assert (said.code, said.refused) == (0, [])


def test_a_real_report_with_a_list_of_another_time_says_so(verify, shared, monkeypatch):
    monkeypatch.chdir(shared / "vectors" / "sev-snp")
    said = verify(*SNP[:-1], "2026-01-01T00:00:00Z", "--json")
    assert (said.code, said.refused) == (1, ["2.recency"])
    assert not said.report.simulated


def test_a_real_quote_with_its_collateral_is_accepted(verify, shared, monkeypatch):
    monkeypatch.chdir(shared / "vectors" / "tdx")
    said = verify(*TDX)
    assert said.code == 0, said.out
    assert said.out.startswith("ACCEPTED: these parts alone")


def test_a_path_that_is_no_text_is_printed_all_the_same(bundle, tmp_path):
    path = os.fsencode(tmp_path) + b"/\xff.toml"
    with open(path, "wb") as file:
        file.write(Path(bundle[2]).read_bytes())
    said = process([bundle[0], "--policy", os.fsdecode(path), *AT])
    assert (said.code, said.err) == (0, "")
