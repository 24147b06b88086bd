"""Reports through a mounted kernel, signed by the throw-away AMD, are what the verifier accepts."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from attestation.configfs_tsm import TsmReport
from attestation.errors import AttesterError
from attestation.evidence import Endorsement
from attestation.policy import AppraisalPolicy
from attestation.sev_snp.collect import SevSnpAttester, chain_of
from attestation.sev_snp.evidence import Report
from attestation.verifier import verify_parts
from attestation.x509 import parse_chain
from tests.fakes.amd import NOW, Amd, Leaf
from tests.standins.hardware import certificate_table
from tests.standins.running import Guest, guest

BINDING = bytes(range(64))


@pytest.fixture(scope="module")
def machine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Guest]:
    with guest(tmp_path_factory.mktemp("guest"), "amd") as mounted:
        yield mounted


@pytest.fixture
def attester(machine: Guest) -> SevSnpAttester:
    return SevSnpAttester.open(machine.root, pause=lambda _: None)


def test_report_and_chain_are_authentic(machine: Guest, attester: SevSnpAttester):
    quote = attester.quote(BINDING)
    assert Report.parse(quote).report_data == BINDING
    appraisal = verify_parts(
        "sev-snp",
        quote,
        (*attester.endorsements(), *machine.endorsements),
        now=NOW,
        policy=AppraisalPolicy(platforms=("sev-snp",), roots={"sev-snp": machine.vendor_root}),
    )
    assert appraisal.accepted
    assert appraisal.machine == attester.machine


def test_nothing_is_measured_after_launch(attester: SevSnpAttester):
    assert attester.boot([("demo", bytes(32))], ["--flag"]) == b""
    assert attester.devices(bytes(32)) == ()


def test_says_whose_answer_it_is_where_it_is_another_guests(tmp_path: Path):
    said = "answered by tdx_guest, expected sev_guest"
    with guest(tmp_path, "intel") as mounted, pytest.raises(AttesterError, match=said):
        SevSnpAttester.open(mounted.root, pause=lambda _: None)


def test_refuses_what_is_no_report(tmp_path: Path):
    said = "this version reads other reports"
    with guest(tmp_path) as mounted, pytest.raises(AttesterError, match=said):
        SevSnpAttester.open(mounted.root, pause=lambda _: None)


def parts(leaf: Leaf, **changes) -> tuple[Report, bytes]:
    names = ("vlek" if leaf.signing_key else "vcek", "ask", "ark")
    table = certificate_table(dict(zip(names, leaf.chain, strict=True)))
    return Amd("Genoa").fields(leaf)._replace(**changes), table


def answer(auxblob: bytes) -> TsmReport:
    return TsmReport(outblob=b"", auxblob=auxblob, manifestblob=b"")


@pytest.mark.parametrize("leaf", [Amd("Genoa").vcek, Amd("Genoa").vlek], ids=["vcek", "vlek"])
def test_the_chain_begins_with_the_key_that_signs(leaf):
    made = leaf()
    report, table = parts(made)
    chain = chain_of(report, answer(table))
    assert chain is not None
    assert tuple(one.der for one in parse_chain(chain)) == made.chain


def test_half_a_chain_is_none():
    report, _ = parts(Amd("Genoa").vcek())
    chip = Amd("Genoa").vcek().chain[0]
    for table in (b"", bytes(24), certificate_table({"vcek": chip})):
        assert chain_of(report, answer(table)) is None
    unsigned, table = parts(Amd("Genoa").vcek(), signer_info=7 << 2)
    assert chain_of(unsigned, answer(table)) is None


def test_refuses_what_is_no_certificate_table():
    report, table = parts(Amd("Genoa").vcek())
    with pytest.raises(AttesterError, match="load the host's certificates again"):
        chain_of(report, answer(table[:-1]))


class TestWithoutMount:
    """A report put in place of the kernel's, for what no honest kernel answers."""

    def attester(self, monkeypatch: pytest.MonkeyPatch, report: bytes) -> SevSnpAttester:
        found = TsmReport(outblob=report, auxblob=b"", manifestblob=b"")
        monkeypatch.setattr("attestation.sev_snp.collect.read_report", lambda *_, **__: found)
        return SevSnpAttester.open(Path("/"), pause=lambda _: None)

    def test_a_masked_chip_is_no_machine(self, monkeypatch: pytest.MonkeyPatch):
        report = Amd("Genoa").fields(Amd("Genoa").vcek(), report_data=bytes(64), chip_id=bytes(64))
        attester = self.attester(monkeypatch, report.encode())
        assert attester.machine is None
        assert attester.endorsements() == ()

    def test_refuses_a_report_over_other_bytes(self, monkeypatch: pytest.MonkeyPatch):
        report = Amd("Genoa").fields(Amd("Genoa").vcek(), report_data=b"x" * 64)
        with pytest.raises(AttesterError, match="over other bytes"):
            self.attester(monkeypatch, report.encode())


def test_the_host_endorses_nothing_else(attester: SevSnpAttester):
    (chain,) = attester.endorsements()
    assert isinstance(chain, Endorsement)
    assert chain.type == "x509-chain"
