"""Guests of Azure: the paravisor's report out of the TPM, a TD's quote from the host."""

import base64
import json
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from attestation.errors import AttesterError
from attestation.evidence import MAX_QUOTE, Endorsement
from attestation.simulated.collect import SimulatedAttester
from attestation.tpm import azure
from attestation.tpm.collect import VtpmAttester
from attestation.tpm.device import Tpm
from attestation.tpm.document import Azure, TpmQuote
from attestation.verifier import verify_parts
from tests.fakes import simulated
from tests.fakes import tpm as fakes
from tests.fakes.intel import intel
from tests.fakes.real_bundles import amd
from tests.fakes.vtpm_bundles import policy
from tests.standins import paravisor
from tests.standins.paravisor import Host, Paravisor
from tests.standins.running import tpm as running_tpm

BINDING = bytes(range(64))
MODELS = (("demo", b"d" * 32),)


@pytest.fixture
def machine(tmp_path: Path) -> Iterator[Path]:
    """A root with a TPM in which nothing was measured yet."""
    with running_tpm(tmp_path):
        yield tmp_path


@pytest.fixture
def host() -> Iterator[str]:
    with paravisor.host() as address:
        yield address


def on_azure(machine: Path, host: str = "no.host.invalid") -> VtpmAttester:
    def refuse() -> SimulatedAttester:
        raise AssertionError("a guest of Azure cannot ask the hardware")

    return VtpmAttester(Tpm.below(machine), None, refuse, host)


def judged(platform: str, root: bytes, quote: bytes, *endorsements: Endorsement):
    return verify_parts(
        platform, quote, endorsements, now=simulated.NOW, policy=policy(platform, root)
    )


def test_a_guest_of_azure_on_snp_is_authentic(machine: Path):
    Paravisor(machine).store_snp()
    attester = on_azure(machine)
    attester.boot(MODELS, ())
    quote = attester.quote(BINDING)
    assert isinstance(TpmQuote.parse(quote).hardware, Azure)
    stapled = amd().endorsements(amd().vcek())
    appraisal = judged("sev-snp-vtpm", amd().root_spki_sha256, quote, *stapled)
    assert appraisal.accepted
    assert appraisal.machine == attester.machine
    assert attester.devices(bytes(32)) == ()
    assert attester.endorsements() == ()


def test_a_masked_chip_is_no_machine(machine: Path):
    Paravisor(machine).store_snp(chip_id=bytes(64))
    assert on_azure(machine).machine is None


def test_refuses_a_report_that_names_another_key(machine: Path):
    made = Paravisor(machine)
    made.runtime = fakes.runtime_data(fakes.rsa_ak("other"), keys=[fakes.rsa_ak("other").jwk()])
    made.store_snp()
    with pytest.raises(AttesterError, match="names another AK"):
        on_azure(machine)


def test_refuses_what_is_no_paravisors_report(machine: Path):
    Paravisor(machine).store(b"HCLB" + bytes(1300))
    with pytest.raises(AttesterError, match="this version reads other reports"):
        on_azure(machine)


def test_a_guest_of_azure_on_tdx_is_authentic(machine: Path, host: str):
    binds = Paravisor(machine).store_tdx()
    body = {"report_data": binds, "td_attributes": bytes(8)}
    paravisor.answer_with(intel().quote(body=body, trailing=bytes(100)))
    attester = on_azure(machine, host)
    attester.boot(MODELS, ())
    quote = attester.quote(BINDING)
    ((path, asked),) = Host.asked
    assert path == "/acc/tdquote"
    report = base64.urlsafe_b64decode(json.loads(asked)["report"] + "==")
    assert (len(report), report[128:192]) == (1024, binds)
    stapled = Endorsement(type="tdx-collateral", data=intel().collateral())
    found = judged("tdx-vtpm", intel().root.spki_sha256, quote, stapled)
    # Azure starts its TDs so; whether a paravisor is there, the release's measurement tells.
    assert found.accepted
    assert found.machine == attester.machine


@pytest.mark.parametrize(
    ("status", "answer", "said"),
    [
        (503, b"", "status 503"),
        (200, b"", "answer"),
        (200, b"x" * (2 * MAX_QUOTE + 1), "answer"),
        (200, b'{"quote": "a+b="}', "expected base64url"),
        (200, b'{"quote": "abcde"}', "expected base64url"),
        (200, b'{"quote": "AAAA"}', "quote"),
    ],
)
def test_refuses_an_answer_that_is_no_quote(host: str, status: int, answer: bytes, said: str):
    Host.status, Host.answer = status, answer
    runtime = fakes.runtime_data(fakes.rsa_ak())
    td = fakes.td_report(fakes.runtime_report_data(runtime))
    with pytest.raises(AttesterError, match=rf"acc/tdquote: .*{said}"):
        azure.read_hardware(fakes.hcl_report(td, runtime, kind=fakes.TDX), host)


def test_says_that_the_host_does_not_answer():
    runtime = fakes.runtime_data(fakes.rsa_ak())
    td = fakes.td_report(fakes.runtime_report_data(runtime))
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        host = f"127.0.0.1:{bound.getsockname()[1]}"
        with pytest.raises(AttesterError, match="no answer; let the agent"):
            azure.read_hardware(fakes.hcl_report(td, runtime, kind=fakes.TDX), host)
