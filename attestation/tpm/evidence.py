"""The message of a TPM quote, byte by byte. TPM 2.0 Part 2, section 10.12 (TPMS_ATTEST).

    ff544347 8018                          magic (FFh, then TCG), type: a quote
    0022 000b…                             qualified signer: the AK, named with its parents
    0020 …                                 extra data: what whoever asked wanted signed
    00000000359bae00 00000002 00000000 01  clock, resets, restarts, whether the clock is certain
    2020031200120003                       firmware version
    00000001 000c 03ffffff                 one selection: SHA-384, PCR 0 to 23
    0030 …                                 digest over the selected PCRs

The magic is what makes the message the TPM's own: a restricted key signs nothing else that begins
with it. Beside the message stand the PCR values, which count only as far as its digest covers them.
"""

import hashlib
import hmac
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import reduce

from attestation.errors import AppraisalError, MalformedEvidenceError
from attestation.tcg_log import Bank
from attestation.tpm.wire import Reader, sized, whole

GENERATED = 0xFF544347
"""TPM_GENERATED_VALUE: the TPM made this message, nobody gave it to be signed."""

QUOTE = 0x8018
"""TPM_ST_ATTEST_QUOTE; the type of no other attestation has PCRs."""

MAX_NAME = 66
"""Bytes of a TPM2B_NAME: the id of a hash, and a digest."""

MAX_EXTRA = 66
"""Bytes of a TPM2B_DATA: as large as a TPMT_HA."""

MAX_DIGEST = 64
"""Bytes of a TPM2B_DIGEST."""

MAX_SELECTIONS = 16
"""Selections of a TPML_PCR_SELECTION: TPM_NUM_PCR_BANKS of the reference code."""

MAX_BITMAP = 4
"""Bytes of a bitmap of PCRs: 32 of them; PC clients have 24."""

PCRS = 24
"""PCRs of a PC client's TPM."""

Pcrs = Mapping[Bank, Mapping[int, bytes]]
"""Values as somebody says they are: bank to PCR to value."""


@dataclass(frozen=True, kw_only=True)
class Selection:
    """PCRs of one bank.

    Attributes:
        algorithm: of the bank, by its TCG id.
        bitmap: PCR 0 is the lowest bit of the first byte.
    """

    algorithm: int
    bitmap: bytes

    @classmethod
    def of(cls, bank: Bank, pcrs: tuple[int, ...]) -> "Selection":
        """Select PCRs."""
        bits = reduce(lambda found, pcr: found | 1 << pcr, pcrs, 0)
        return cls(algorithm=bank, bitmap=bits.to_bytes(3, "little"))

    @property
    def pcrs(self) -> tuple[int, ...]:
        """Give the selected PCRs in the order of their numbers, which is that of the digest."""
        bits = int.from_bytes(self.bitmap, "little")
        return tuple(pcr for pcr in range(8 * len(self.bitmap)) if bits >> pcr & 1)


@dataclass(frozen=True, kw_only=True)
class Attest:
    """A parsed message; claims, not facts.

    Attributes:
        qualified_signer: name of the key that signs, by its place in the TPM.
        extra_data: qualifying data of whoever asked.
        clock: milliseconds the TPM has been running.
        reset_count: starts of the TPM.
        restart_count: wakings of the TPM since then.
        safe: whether `clock` never showed this or a later value before.
        firmware_version: as the TPM's maker counts.
        selections: which PCRs are quoted.
        pcr_digest: over their values, by the hash of the signature.
    """

    qualified_signer: bytes
    extra_data: bytes
    clock: int
    reset_count: int
    restart_count: int
    safe: bool
    firmware_version: int
    selections: tuple[Selection, ...]
    pcr_digest: bytes = field(repr=False)

    @classmethod
    def parse(cls, data: bytes) -> "Attest":
        """Read a message that is all of these bytes.

        Raises:
            MalformedEvidenceError: not made by a TPM, no quote, or a wrong length.
        """
        return whole(data, "quote message", _attest)

    @classmethod
    def read(cls, data: bytes) -> tuple["Attest", int]:
        """Read a message that bytes may follow, as in a buffer; give also its length.

        Raises:
            MalformedEvidenceError: as for `parse`.
        """
        reader = Reader(data, "quote message")
        return _attest(reader), reader.offset

    @property
    def extra_data_offset(self) -> int:
        """Give where the extra data lies in the message."""
        return 6 + 2 + len(self.qualified_signer) + 2

    @property
    def selections_offset(self) -> int:
        """Give where the selections lie: behind clock, counters and firmware version."""
        return self.extra_data_offset + len(self.extra_data) + 17 + 8

    def encode(self) -> bytes:
        """Write the message; it has one spelling."""
        return (
            GENERATED.to_bytes(4, "big")
            + QUOTE.to_bytes(2, "big")
            + sized(self.qualified_signer)
            + sized(self.extra_data)
            + self.clock.to_bytes(8, "big")
            + self.reset_count.to_bytes(4, "big")
            + self.restart_count.to_bytes(4, "big")
            + bytes((self.safe,))
            + self.firmware_version.to_bytes(8, "big")
            + len(self.selections).to_bytes(4, "big")
            + b"".join(map(_written, self.selections))
            + sized(self.pcr_digest)
        )


def composite(selections: tuple[Selection, ...], pcrs: Pcrs, hashed: Bank) -> bytes:
    """Give the digest over the selected values, in the order of the selections.

    Raises:
        AppraisalError: a value is missing, or one is there that nothing selects.
    """
    digest = hashlib.new(hashed.name.lower())
    unused = {(bank, pcr) for bank, values in pcrs.items() for pcr in values}
    for selection in selections:
        for pcr in selection.pcrs:
            place = (_bank(selection), pcr)
            value = pcrs.get(place[0], {}).get(pcr)
            if value is None:
                raise AppraisalError("PCRs", expected=_named(*place), actual="no value")
            digest.update(value)
            unused.discard(place)
    for place in sorted(unused):
        raise AppraisalError("PCRs", expected="quoted ones alone", actual=_named(*place))
    return digest.digest()


def check_pcr_digest(attest: Attest, pcrs: Pcrs, hashed: Bank) -> None:
    """Judge that the quoted digest is that of these values, exactly as many as are selected.

    Args:
        attest: the message.
        pcrs: the values.
        hashed: hash of the message's signature; the TPM uses the same for the digest.

    Raises:
        AppraisalError: it is not.
    """
    expected = composite(attest.selections, pcrs, hashed)
    if not hmac.compare_digest(attest.pcr_digest, expected):
        raise AppraisalError(
            "PCR digest", expected=expected.hex(), actual=f"quoted {attest.pcr_digest.hex()}"
        )


def _attest(reader: Reader) -> Attest:
    if reader.number(4) != GENERATED:
        raise reader.malformed("not made by a TPM: another magic")
    kind = reader.number(2)
    if kind != QUOTE:
        raise reader.malformed(f"of type {kind:#06x}, no quote")
    return Attest(
        qualified_signer=reader.sized(MAX_NAME, "qualified signer"),
        extra_data=reader.sized(MAX_EXTRA, "extra data"),
        clock=reader.number(8),
        reset_count=reader.number(4),
        restart_count=reader.number(4),
        safe=_yes_or_no(reader),
        firmware_version=reader.number(8),
        selections=_selections(reader),
        pcr_digest=reader.sized(MAX_DIGEST, "PCR digest"),
    )


def _yes_or_no(reader: Reader) -> bool:
    """Read a TPMI_YES_NO."""
    value = reader.number(1)
    if value > 1:
        raise reader.malformed(f"neither yes nor no, but {value}")
    return bool(value)


def _selections(reader: Reader) -> tuple[Selection, ...]:
    count = reader.number(4)
    if count > MAX_SELECTIONS:
        raise reader.malformed(f"{count} selections, at most {MAX_SELECTIONS}")
    return tuple(_selection(reader) for _ in range(count))


def _selection(reader: Reader) -> Selection:
    algorithm, size = reader.number(2), reader.number(1)
    if not 1 <= size <= MAX_BITMAP:
        raise reader.malformed(f"a bitmap of {size} bytes, 1 to {MAX_BITMAP} are accepted")
    return Selection(algorithm=algorithm, bitmap=reader.take(size))


def _written(selection: Selection) -> bytes:
    head = selection.algorithm.to_bytes(2, "big") + bytes((len(selection.bitmap),))
    return head + selection.bitmap


def _bank(selection: Selection) -> Bank:
    if selection.algorithm not in set(Bank):
        raise AppraisalError(
            "PCRs",
            expected=f"a bank of {', '.join(one.name for one in Bank)}",
            actual=f"algorithm {selection.algorithm:#06x}",
        )
    return Bank(selection.algorithm)


def _named(bank: Bank, pcr: int) -> str:
    return f"PCR {pcr} of {bank.name}"


def bank_named(name: str) -> Bank:
    """Give the bank by its name in documents, as `sha384`.

    Raises:
        MalformedEvidenceError: there is none.
    """
    for bank in Bank:
        if bank.name.lower() == name:
            return bank
    raise MalformedEvidenceError(f"PCRs: no bank {name[:16]!r}")
