"""A quote by a real TPM 2.0 (swtpm, through tpm2-tools) is accepted, and an altered one refused.

The TPM makes a restricted AK, extends PCRs and quotes them with our qualifying data. What vouches
for the AK is the simulated hardware: simulated, but the TPM's own bytes are real.
"""

import os
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from attestation.binding import tpm_binding
from attestation.checks import refusing
from attestation.tcg_log import Bank
from attestation.tpm.document import Direct, TpmQuote
from attestation.tpm.evidence import PCRS, Attest
from attestation.tpm.hardware import ak_report_data
from attestation.tpm.public import AkKey, read_public
from attestation.tpm.signature import Signature
from attestation.verifier import JUDGED, Appraisal
from tests.fakes import simulated, tcg
from tests.fakes.real_bundles import Machine
from tests.fakes.vtpm_bundles import EVENTS, IMAGE, event_log, policy, registers
from tests.tools import requires

TOOLS = ("swtpm", "tpm2_createprimary", "tpm2_quote")
SECONDS = 30
"""Time for a TPM to start, or a tool to run."""


class Tpm:
    """A running swtpm, with an AK."""

    def __init__(self, folder: Path, port: int) -> None:
        self._folder = folder
        self._port = port
        self._scheme = ""

    def run(self, *words: str) -> bytes:
        """Run a tool in the TPM's folder; gives what it writes."""
        environment = {**os.environ, "TPM2TOOLS_TCTI": f"swtpm:host=127.0.0.1,port={self._port}"}
        done = subprocess.run(
            words, cwd=self._folder, env=environment, capture_output=True, timeout=SECONDS,
            check=False,
        )  # fmt: skip
        assert done.returncode == 0, (words, done.stderr.decode())
        return done.stdout

    def create_ak(self, algorithm: str, scheme: str) -> AkKey:
        """Make a restricted signing key; gives its public part."""
        for name in ("ek.ctx", "ak.ctx"):
            (self._folder / name).unlink(missing_ok=True)
        self.run("tpm2_createek", "-c", "ek.ctx", "-G", "rsa", "-u", "ek.pub")
        self.run(
            "tpm2_createak", "-C", "ek.ctx", "-c", "ak.ctx", "-G", algorithm, "-g", "sha256",
            "-s", scheme, "-u", "ak.pub",
        )  # fmt: skip
        self.run("tpm2_flushcontext", "-t")
        self._scheme = scheme
        return read_public((self._folder / "ak.pub").read_bytes())

    def extend(self, pcr: int, data: bytes) -> None:
        (self._folder / "event").write_bytes(data)
        self.run("tpm2_pcrevent", str(pcr), "event")

    def quote(self, extra_data: bytes, *, without: int | None = None) -> tuple[bytes, bytes]:
        """Give message and signature over all PCRs but one."""
        pcrs = ",".join(str(pcr) for pcr in range(PCRS) if pcr != without)
        self.run(
            "tpm2_quote", "-c", "ak.ctx", "-l", f"sha384:{pcrs}", "-q", extra_data.hex(),
            "-m", "message", "-s", "signature", "-g", "sha256", f"--scheme={self._scheme}",
        )  # fmt: skip
        self.run("tpm2_flushcontext", "-t")
        return (self._folder / "message").read_bytes(), (self._folder / "signature").read_bytes()

    def pcrs(self) -> dict[int, bytes]:
        self.run("tpm2_pcrread", "sha384:all", "-o", "values")
        data = (self._folder / "values").read_bytes()
        return {pcr: data[48 * pcr : 48 * (pcr + 1)] for pcr in range(PCRS)}


@pytest.fixture(scope="module")
def tpm(tmp_path_factory) -> Iterator[Tpm]:
    for tool in TOOLS:
        requires(tool)
    folder = tmp_path_factory.mktemp("tpm")
    port = _free_ports()
    process = subprocess.Popen(
        [
            shutil.which("swtpm") or "swtpm", "socket", "--tpm2", "--tpmstate", f"dir={folder}",
            "--server", f"type=tcp,port={port},bindaddr=127.0.0.1",
            "--ctrl", f"type=tcp,port={port + 1},bindaddr=127.0.0.1",
            "--flags", "not-need-init,startup-clear",
        ],
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    try:
        _wait(process, port)
        yield _measured(Tpm(folder, port))
    finally:
        process.terminate()
        process.wait(SECONDS)


def _free_ports() -> int:
    """Give a port that is free, and so is the next one: tools look for the TPM's control there."""
    for port in range(20000 + os.getpid() % 20000, 60000, 2):
        with socket.socket() as one, socket.socket() as other:
            try:
                one.bind(("127.0.0.1", port))
                other.bind(("127.0.0.1", port + 1))
            except OSError:
                continue
            return port
    raise OSError("no two free ports")


def _wait(process: subprocess.Popen[bytes], port: int) -> None:
    """Wait until the control port listens; a connection to the other would be the TPM's only."""
    for _ in range(SECONDS * 20):
        assert process.poll() is None, "swtpm has stopped"
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port + 1)) == 0:
                return
        time.sleep(0.05)
    raise TimeoutError("swtpm does not answer")


def _measured(tpm: Tpm) -> Tpm:
    for pcr, data in EVENTS:
        tpm.extend(pcr, data)
    return tpm


def machine(tpm: Tpm, ak: AkKey, *, without: int | None = None) -> Machine:
    """Give a machine whose TPM is this one; its hardware is simulated, and names the AK."""

    def quote(binding: bytes) -> bytes:
        message, signature = tpm.quote(tpm_binding(binding), without=without)
        hardware = simulated.machine().quote(
            ak_report_data(ak, tpm_binding(binding)),
            measurement=IMAGE,
            registers=(bytes(48),) * 4,
        )
        values = tpm.pcrs()
        selected = Attest.parse(message).selections[0].pcrs
        return TpmQuote(
            hardware=Direct(quote=hardware),
            ak=ak,
            ak_chain=None,
            message=message,
            signature=Signature.parse(signature),
            pcrs={Bank.SHA384: {pcr: values[pcr] for pcr in selected}},
        ).encode()

    return Machine(
        platform="simulated-vtpm",
        quote=quote,
        endorsements=simulated.machine().endorsements(),
        policy=policy("simulated-vtpm", simulated.vendor().root_spki_sha256),
        measurement=IMAGE,
        registers=registers(),
        event_log=event_log(),
    )


def refused(appraisal: Appraisal) -> list[str]:
    return [check.id for check in refusing(appraisal.checks, JUDGED)]


@pytest.mark.parametrize(
    ("algorithm", "scheme"),
    [("rsa", "rsassa"), ("rsa", "rsapss"), ("ecc", "ecdsa"), ("ecc384", "ecdsa")],
)
def test_a_real_quote_is_accepted(tpm: Tpm, algorithm: str, scheme: str):
    found = machine(tpm, tpm.create_ak(algorithm, scheme)).appraise()
    assert refused(found) == []
    assert found.keys is not None


def test_a_real_quote_reads_back_byte_for_byte(tpm: Tpm):
    tpm.create_ak("ecc", "ecdsa")
    message, signature = tpm.quote(b"\x01\x02")
    attest = Attest.parse(message)
    assert attest.encode() == message
    assert Signature.parse(signature).encode() == signature
    assert attest.extra_data == b"\x01\x02"
    assert [one.pcrs for one in attest.selections] == [tuple(range(PCRS))]


def test_the_pcrs_of_a_real_tpm_are_what_the_log_leads_to(tpm: Tpm):
    values = tpm.pcrs()
    for pcr, expected in registers().items():
        assert values[pcr] == expected
    assert values[17] == b"\xff" * 48
    assert values[8] == bytes(48)


def test_a_real_quote_with_one_pcr_missing_is_refused(tpm: Tpm):
    ak = tpm.create_ak("ecc", "ecdsa")
    assert refused(machine(tpm, ak, without=11).appraise()) == ["8.eventlog", "8.guest"]


def test_a_real_quote_under_another_ak_is_refused(tpm: Tpm):
    vouched = tpm.create_ak("ecc", "ecdsa")
    other = tpm.create_ak("rsa", "rsassa")
    assert refused(machine(tpm, vouched).appraise()) == ["2.signature"]
    assert refused(machine(tpm, other).appraise()) == []


def test_real_values_that_were_altered_are_refused(tpm: Tpm):
    honest = machine(tpm, tpm.create_ak("rsa", "rsassa"))
    bundle = honest.bundle()
    document = TpmQuote.parse(bundle.quote)
    values = {**document.pcrs[Bank.SHA384], 8: b"x" * 48}
    altered = replace(document, pcrs={Bank.SHA384: values})
    assert refused(honest.appraise(replace(bundle, quote=altered.encode())))[0] == "2.signature"


def test_what_is_measured_afterwards_is_refused(tpm: Tpm):
    """The last test: it leaves its mark in the TPM."""
    ak = tpm.create_ak("ecc", "ecdsa")
    tpm.extend(9, b"something else")
    later = machine(tpm, ak)
    assert refused(later.appraise()) == ["8.eventlog"]
    banks = (tcg.SHA256, tcg.SHA384)
    log = event_log() + tcg.record(9, b"something else", banks=banks)
    named = {**registers(), 9: tcg.replayed("sha384", b"something else")}
    assert replace(later, event_log=log, registers=named).appraise().accepted
