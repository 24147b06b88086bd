"""TPM evidence as people and other programs read it: every field by name, in text and numbers.

For reports and for comparison with other readers; no decision rests on it.
"""

import hashlib
from collections.abc import Mapping

from attestation.tcg_log import Bank, TcgLog, replay
from attestation.tpm.evidence import Attest
from attestation.tpm.hcl import MAGIC, HclReport


def hcl_fields(report: HclReport) -> dict[str, object]:
    """Give the fields around the hardware's report, trusted or not."""
    return {
        "hcl": {
            "magic": MAGIC.decode(),
            "version": report.version,
            "report_type": report.report_type.name,
            "hash_type": report.hash_type.name,
        },
        "runtime_data_sha256": hashlib.sha256(report.runtime_data).hexdigest(),
        "runtime_key_ids": list(report.runtime.keys),
        "vm_configuration": report.runtime.vm_configuration,
        "user_data": report.runtime.user_data,
    }


def quote_fields(attest: Attest, length: int) -> dict[str, object]:
    """Give the fields of a quote's message.

    Args:
        attest: trusted or not.
        length: bytes of the message.
    """
    return {
        "qualified_signer": attest.qualified_signer.hex(),
        "extra_data": attest.extra_data.hex(),
        "clock": attest.clock,
        "reset_count": attest.reset_count,
        "restart_count": attest.restart_count,
        "safe": attest.safe,
        "firmware_version": f"{attest.firmware_version:016x}",
        "selection": [
            {"alg": hex(one.algorithm), "pcrs": list(one.pcrs)} for one in attest.selections
        ],
        "pcr_digest": attest.pcr_digest.hex(),
        "length": length,
    }


def event_log_fields(log: TcgLog) -> dict[str, object]:
    """Give the fields of an event log: its records, and what each bank replays to.

    The header counts as a record. A log of the older form has none; there the records that extend
    are counted, and one more.

    Raises:
        MalformedEvidenceError: it does not replay.
    """
    counted = [event for event in log.events if event.extends or not log.legacy]
    return {
        "events": 1 + len(counted),
        "banks": {
            bank.name.lower(): {
                str(register): value.hex() for register, value in sorted(replay(log, bank).items())
            }
            for bank in Bank
            if bank in log.banks
        },
    }


def compare_pcrs(
    log: Mapping[str, Mapping[str, str]], pcrs: Mapping[str, Mapping[str, str]]
) -> tuple[list[str], list[str]]:
    """Give which registers of a replay equal given values, and which differ: `bank:number`.

    Args:
        log: `banks` of `event_log_fields`.
        pcrs: bank to number to hex.
    """
    matches: list[str] = []
    mismatches: list[str] = []
    for bank, values in log.items():
        for register in values.keys() & pcrs.get(bank, {}).keys():
            same = values[register] == pcrs[bank][register]
            (matches if same else mismatches).append(f"{bank}:{register}")
    return sorted(matches), sorted(mismatches)
