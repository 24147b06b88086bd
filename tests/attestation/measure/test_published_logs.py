"""Logs of real cloud machines: what we hash is what their firmware and kernels hashed."""

import hashlib
from collections.abc import Callable
from pathlib import Path

import pytest

from attestation import ccel
from attestation.errors import AppraisalError
from attestation.event_rules import judge
from attestation.eventlog import Event
from attestation.measure import boot, gpt, tdx
from attestation.measure.observed import HostEvents, observe
from attestation.tcg_log import Bank, TcgLog
from attestation.tpm import pcrs

GPT_EVENT = 0x80000006
TPM = ["eventlog-cos101-sev", "eventlog-ubuntu2404-sevsnp", "gce-cos85-nonce"]
TDX = "gce-tdx-ccel"
OPEN = frozenset(HostEvents)


@pytest.fixture
def log(shared: Path) -> Callable[[str], bytes]:
    def read(name: str) -> bytes:
        file = "ccel_data.bin" if name == TDX else "event_log.bin"
        return (shared / "vectors" / "tpm" / name / file).read_bytes()

    return read


def digests(data: bytes, register: int) -> list[bytes]:
    return [
        one.digest for one in TcgLog.parse(data).of_bank(Bank.SHA384) if one.register == register
    ]


def sha384(data: bytes) -> bytes:
    return hashlib.sha384(data).digest()


@pytest.mark.parametrize("name", [*TPM, TDX])
def test_firmware_measures_a_partition_table_as_we_do(
    name: str, log: Callable[[str], bytes]
) -> None:
    (event,) = [one for one in TcgLog.parse(log(name)).events if one.type == GPT_EVENT]
    data = event.data
    (count,) = (int.from_bytes(data[gpt.HEADER : gpt.HEADER + 8], "little"),)
    assert len(data) == gpt.HEADER + 8 + count * gpt.ENTRY
    assert all(any(data[at : at + 16]) for at in range(gpt.HEADER + 8, len(data), gpt.ENTRY))
    assert event.digests[Bank.SHA384] == sha384(data)


@pytest.mark.parametrize("name", TPM)
def test_firmware_measures_words_and_lines_as_we_do(name: str, log: Callable[[str], bytes]) -> None:
    data = log(name)
    begin = [sha384(boot.CALLING), sha384(boot.SEPARATOR)]
    assert digests(data, boot.BOOT_MANAGER)[:2] == begin
    end = [sha384(boot.EXITING), sha384(boot.EXITED)]
    assert digests(data, boot.BOOT_CONFIGURATION)[-2:] == end
    for pcr in boot.LINED:
        assert digests(data, pcr).count(sha384(boot.SEPARATOR)) == 1


def test_a_td_draws_one_line_in_rtmr1_and_orders_events_as_we_do(
    log: Callable[[str], bytes],
) -> None:
    found = [one.digest for one in ccel.ccel_events(log(TDX)) if one.register == 1]
    events = TcgLog.parse(log(TDX)).events
    (table,) = [sha384(one.data) for one in events if one.type == GPT_EVENT]
    assert found[:3] == [sha384(boot.CALLING), sha384(boot.SEPARATOR), table]
    assert found[-2:] == [sha384(boot.EXITING), sha384(boot.EXITED)]
    assert set(tdx.RTMR_OF_PCR.values()) == {0, 1, 2}


def test_linux_measures_its_command_line_as_we_do(log: Callable[[str], bytes]) -> None:
    """GRUB hands on one word more than it logs, and no NUL behind, where systemd-stub has one."""
    events = TcgLog.parse(log("eventlog-ubuntu2404-sevsnp")).events
    (logged,) = [one.data for one in events if one.data.startswith(b"kernel_cmdline: ")]
    line = "BOOT_IMAGE=" + logged.removeprefix(b"kernel_cmdline: ").rstrip(b"\0").decode()
    (measured,) = [one for one in events if b"LOADED_IMAGE::LoadOptions" in one.data]
    assert measured.register == boot.KERNEL
    assert measured.digests[Bank.SHA384] == sha384(line.encode("utf-16-le"))


def read(name: str, data: bytes) -> tuple[tuple[Event, ...], dict[int, bytes]]:
    if name == TDX:
        return ccel.ccel_events(data), dict(ccel.replay_ccel(data))
    return pcrs.pcr_events(data), dict(pcrs.replay_pcrs(data))


@pytest.mark.parametrize("name", [*TPM, TDX])
def test_rules_from_a_real_log_accept_it_and_no_log_without_one_of_its_events(
    name: str, log: Callable[[str], bytes]
) -> None:
    events, replayed = read(name, log(name))
    seen = observe(events, replayed, known=frozenset(), open_to_host=OPEN)
    assert seen.events
    judge(events, seen.events)
    asked = {rule.type for rules in seen.events.values() for rule in rules if rule.digests}
    for place, event in enumerate(events):
        if event.register in seen.events and event.type in asked:
            with pytest.raises(AppraisalError):
                judge([*events[:place], *events[place + 1 :]], seen.events)
