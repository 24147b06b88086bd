"""The node's image, booted: what it measures to, what it serves, and what leaves it.

In an emulator, so nothing here is confidential; firmware, kernel, root file system, TPM protocol,
agent and engine are the ones of a node. Four boots:

    watched   the image, one word of its command line changed by the host, which so gets a probe
              in: it says what the firewall holds back, and gives the firmware's event log
    node      the image as it is, in a whole service
    damaged   one bit of the root file system flipped
    bare      no TPM
"""

import json
import subprocess
import sys
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest

from attestation.checks import CHECKS, ONLY_WHERE_ASKED
from attestation.evidence import EvidenceBundle, FreshnessSection, SoftwareSection
from attestation.measure.recompute import Values
from attestation.result import Outcome
from attestation.tpm.document import TpmQuote
from attestation.tpm.pcrs import BANK
from openpcc import OpenPCC, clock
from openpcc.protocol import messages
from tests.journeys.test_service import files_with, spellings
from tests.node_image.build import intruder
from tests.node_image.build.conftest import Built
from tests.node_image.build.guest import Boot, Guest
from tests.node_image.build.image_service import (
    ImageService,
    chat,
    measured,
    with_machine,
)
from tests.node_image.build.packets import TCP, after_firmware, sent
from tests.node_image.build.watched import Watched, watch
from tests.tools import requires

pytestmark = [pytest.mark.long, pytest.mark.timeout(300)]

FIRMWARE = Path("/usr/share/ovmf/OVMF.fd")
OF_DEVICES = {"6.authentic", "6.nonce", "6.measurements", "6.mode"}

CANARY = "quokka-8361-\N{SNOWMAN}"


@pytest.fixture(scope="module")
def image(built: Built) -> Path:
    for tool in ("qemu-system-x86_64", "swtpm"):
        requires(tool)
    if not FIRMWARE.is_file():
        pytest.skip("ovmf is not installed")
    return built.image


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("boot")


@pytest.fixture(scope="module")
def service(folder: Path) -> Iterator[ImageService]:
    (folder / "service").mkdir()
    found = ImageService(folder / "service")
    try:
        found.start()
        yield found
    finally:
        found.close()


@pytest.fixture(scope="module")
def watched(image: Path, folder: Path, service: ImageService) -> Watched:
    return watch(image, folder, service)


@pytest.fixture(scope="module")
def known(image: Path, folder: Path, watched: Watched) -> Path:
    """An image folder that knows the machine: its log comes from the guest that was watched."""
    log = SoftwareSection.parse(watched.bundle.software).event_log
    with_machine(image, folder / "image", log)
    return folder / "image"


@pytest.fixture(scope="module")
def values(known: Path) -> Values:
    return measured(known)


@dataclass(frozen=True, kw_only=True)
class Node:
    """The image in a service; `before` is what it answered before anybody brought a beacon."""

    guest: Guest
    service: ImageService
    before: Mapping[str, httpx.Response]


@pytest.fixture(scope="module")
def node(image: Path, folder: Path, service: ImageService, known: Path) -> Iterator[Node]:
    service.sign(known)
    host = service.host_disk("node.disk", service.release)
    with Boot(image=image, host=host, options=("--net", "open")).up(folder / "node") as guest:
        before = guest.answers()
        service.serve(guest)
        yield Node(guest=guest, service=service, before=before)


@pytest.fixture(scope="module")
def halted(image: Path, folder: Path, service: ImageService) -> Mapping[str, str]:
    """Boots that must end by themselves, to their consoles; both at once, for they wait a lot."""
    disk = folder / "damaged.raw"
    intruder.with_flipped_bit(image, disk)
    host = service.host_disk("halted.disk", bytes(32))
    options = {"damaged": ("--disk", str(disk)), "bare": ("--tpm", "none")}
    with ThreadPoolExecutor() as pool:
        ended = {
            name: pool.submit(Boot(image=image, host=host, options=words).ended, folder / name)
            for name, words in options.items()
        }
    disk.unlink()
    return {name: one.result().console for name, one in ended.items()}


# What leaves the guest


@pytest.mark.parametrize("phase", ["agent", "engine"])
def test_nothing_that_a_node_tries_to_send_leaves_it(watched: Watched, phase: str):
    tried = watched.said(phase)
    assert {"tcp", "udp", "dns", "frame"} <= set(tried)
    assert not {"reached", "sent"} & set(tried.values())
    assert watched.left(phase) == set()
    assert watched.ears.heard[phase] == set()


def test_it_is_the_firewall_that_holds_back_the_agent(watched: Watched):
    """The same unit, the same sandbox, the same words: only the rules are gone."""
    assert watched.left("unguarded") == {"tcp", "udp", "dns"}
    assert watched.ears.heard["unguarded"] == {"tcp", "udp"}


def test_what_gets_out_is_seen(watched: Watched):
    assert watched.left("root") == {"tcp", "udp", "dns", "frame"}
    assert watched.ears.heard["root"] == {"tcp", "udp"}
    assert not all(one.asked_for for one in after_firmware(watched.frames))


def test_the_kernel_is_closed_when_the_agent_runs(watched: Watched):
    said = watched.said("agent")
    assert said["modules"] == "1"
    assert "[confidentiality]" in said["lockdown"]


# What stops it


def test_one_flipped_bit_of_the_root_does_not_boot(halted: Mapping[str, str]):
    assert "verity: " in halted["damaged"]
    assert "is corrupted" in halted["damaged"]
    assert "listening" not in halted["damaged"]


def test_a_missing_tpm_stops_the_node_and_is_named(halted: Mapping[str, str]):
    assert "tpmrm0" in halted["bare"]
    assert "listening" not in halted["bare"]


# What it measures to


def registers(bundle: EvidenceBundle) -> Mapping[int, bytes]:
    return TpmQuote.parse(bundle.quote).pcrs[BANK]


def test_a_quote_from_inside_is_what_the_files_say(node: Node, values: Values):
    found = registers(EvidenceBundle.parse(node.guest.wait_for(f"{node.guest.service}/evidence")))
    expected = values.registers
    assert {4, 5, 9, 11, 15} <= set(expected)
    assert {index: found[index].hex() for index in expected} == {
        index: value.hex() for index, value in expected.items()
    }
    empty = set(range(16)) - set(expected) - set(values.events)
    assert {found[index] for index in empty} == {bytes(48)}


def test_one_word_of_the_command_line_is_another_measurement(watched: Watched, values: Values):
    found, expected = registers(watched.bundle), values.registers
    assert {index for index in expected if found[index] != expected[index]} == {4, 9, 11}


def test_the_client_accepts_it_after_every_check(node: Node):
    with OpenPCC(node.service.client) as client:
        client.transport.book.refresh(clock.now())
        (found,) = client.transport.book.view().nodes
    assert found.accepted, found.problem
    assert found.report is not None
    outcomes = {check.id: check.outcome for check in found.report.checks}
    assert list(outcomes) == list(CHECKS)
    assert Outcome.FAIL not in outcomes.values()
    skipped = {name for name, outcome in outcomes.items() if outcome is Outcome.SKIP}
    assert skipped <= ONLY_WHERE_ASKED - OF_DEVICES


def test_beacon_and_endorsements_come_by_push(node: Node, known: Path):
    assert node.before["evidence"].status_code == 503
    bundle = EvidenceBundle.parse(node.guest.wait_for(f"{node.guest.service}/evidence"))
    proof = (known / "release.proof").read_bytes()
    assert [one.data for one in bundle.endorsements if one.type == "log-entry"] == [proof]
    assert FreshnessSection.parse(bundle.freshness).checkpoint.startswith(b"log.demo.")


def test_the_audit_of_the_image_passes(node: Node, known: Path):
    openpcc = Path(sys.executable).with_name("openpcc")
    done = subprocess.run(
        [openpcc, "audit", "release", "--image", known, "--policy",
         node.service.folder / "policy.toml", "--log", node.service.log.listening],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr


# What it does


def test_nothing_is_taken_before_there_are_keys(node: Node):
    assert node.before["readyz"].status_code == 503
    assert node.before["readyz"].text.partition("waiting for ")[2]
    assert messages.decode_error(node.before["sealed"].content) == "busy"


def test_a_sealed_request_is_answered_and_stands_on_no_console(node: Node):
    with OpenPCC(node.service.client) as client:
        response = client.http.post(
            "/v1/chat/completions", json=chat(f"Please repeat {CANARY} twice.", max_tokens=16)
        )
    assert response.status_code == 200, response.text
    (choice,) = response.json()["choices"]
    reply = choice["message"]["content"]
    assert len(reply) > 8
    receipt = response.extensions["openpcc"].receipt
    assert receipt.release == node.service.release
    assert reply not in node.guest.console
    needles = spellings(CANARY)
    assert files_with([node.guest.state, node.service.folder], needles) == []


def test_a_node_sends_nothing_that_nobody_asked_for(node: Node):
    frames = after_firmware(sent(node.guest.packets))
    assert [one for one in frames if not one.asked_for] == []
    assert {one.source for one in frames if one.protocol == TCP} == {8080, 8081}


def test_the_console_says_what_the_node_does(node: Node):
    lines = [line for line in node.guest.console.splitlines() if '"event"' in line]
    told = [json.loads(line[line.index("{") :])["event"] for line in lines]
    assert set(told) == {"started", "epoch made", "engine ready"}
    assert told[0] == "started"
