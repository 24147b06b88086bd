"""Every byte of a TPM quote's parts counts: flip it, and the bundle is refused, or it is listed.

The parts are those of the document: whole, or every few bytes where the platform below has its own
test of the same kind.
"""

import base64
import json
import random
from collections.abc import Iterator
from dataclasses import replace

import pytest

from attestation.tpm.document import TpmQuote
from tests.fakes.real_bundles import Machine
from tests.fakes.tpm import b64, cloud, rsa_ak
from tests.fakes.vtpm_bundles import azure_snp, azure_tdx, direct_simulated

PLACES = 2000
"""Random places of each machine's document that are changed."""

CHAIN = cloud().chain(rsa_ak())
STEPS = {"ak_certificates": 23, "hcl_report": 5, "td_quote": 29, "pcrs": 2}
"""Part to every how many bytes are flipped; the others whole."""

TD_REPORT = frozenset(range(32, 32 + 1024)) - frozenset(range(32 + 128, 32 + 192))
"""An Azure report's TDREPORT but for its report data. It can be checked on its own machine alone;
what counts is the TD quote over the same report data, and nobody reads the rest."""

MACHINES = {
    "azure sev-snp": azure_snp(chain=CHAIN),
    "azure tdx": azure_tdx(),
    "simulated": direct_simulated(),
}
TOLERATED: dict[str, dict[str, frozenset[int]]] = {"azure tdx": {"hcl_report": TD_REPORT}}


def parts(document: bytes) -> Iterator[tuple[str, bytes]]:
    """Give every member that is bytes, and all PCR values as one."""
    whole = json.loads(document)
    for name, text in {**whole["hardware"], **whole}.items():
        if isinstance(text, str):
            yield name, base64.b64decode(text)
    yield "pcrs", b"".join(bytes.fromhex(one) for one in whole["pcrs"]["sha384"].values())


def with_part(document: bytes, name: str, data: bytes) -> bytes:
    whole = json.loads(document)
    if name == "pcrs":
        values = (data[at : at + 48].hex() for at in range(0, len(data), 48))
        whole["pcrs"]["sha384"] = dict(zip(whole["pcrs"]["sha384"], values, strict=True))
    else:
        (whole["hardware"] if name in whole["hardware"] else whole)[name] = b64(data)
    return json.dumps(whole, separators=(",", ":")).encode()


def altered(document: bytes) -> Iterator[tuple[str, int, bytes]]:
    for name, data in parts(document):
        for offset in range(0, len(data), STEPS.get(name, 1)):
            flipped = bytearray(data)
            flipped[offset] ^= 1
            yield name, offset, with_part(document, name, bytes(flipped))


class Subject:
    """A bundle whose quote is replaced."""

    def __init__(self, machine: Machine) -> None:
        self._machine = machine
        self._bundle = machine.bundle()
        self.quote = self._bundle.quote

    def accepts(self, quote: bytes) -> bool:
        return self._machine.appraise(replace(self._bundle, quote=quote)).accepted

    def accepts_part(self, name: str, data: bytes) -> bool:
        return self.accepts(with_part(self.quote, name, data))


@pytest.mark.parametrize("name", MACHINES)
def test_the_quote_is_accepted_as_it_is(name: str):
    subject = Subject(MACHINES[name])
    assert TpmQuote.parse(subject.quote).encode() == subject.quote
    assert all(subject.accepts_part(part, data) for part, data in parts(subject.quote))


@pytest.mark.parametrize("name", MACHINES)
def test_every_flipped_byte_is_refused_or_listed(name: str):
    subject = Subject(MACHINES[name])
    accepted: dict[str, set[int]] = {}
    for part, offset, document in altered(subject.quote):
        if subject.accepts(document):
            accepted.setdefault(part, set()).add(offset)
    tolerated = TOLERATED.get(name, {})
    assert accepted.keys() == tolerated.keys()
    assert all(accepted[part] <= tolerated[part] for part in accepted)


def drawn(document: bytes, name: str) -> Iterator[tuple[str, int, bytes]]:
    """Give 2,000 different places of all parts, and the document with another byte there.

    The same at every run: a flipped bit, or any other byte. A document of fewer bytes gives all.
    """
    whole = dict(parts(document))
    places = [(part, at) for part, data in whole.items() for at in range(len(data))]
    chance = random.Random(name)
    for number, (part, at) in enumerate(chance.sample(places, min(PLACES, len(places)))):
        data = whole[part]
        other = 1 << chance.randrange(8) if number % 2 else chance.randrange(1, 256)
        changed = data[:at] + bytes((data[at] ^ other,)) + data[at + 1 :]
        yield part, at, with_part(document, part, changed)


def is_line_end(data: bytes, changed: bytes, offset: int) -> bool:
    """Say whether LF became CR behind a certificate: both end a line of PEM (RFC 7468)."""
    behind = data[:offset].endswith(b"-----END CERTIFICATE-----")
    return behind and data[offset : offset + 1] == b"\n" and changed[offset : offset + 1] == b"\r"


@pytest.mark.parametrize("name", MACHINES)
def test_of_2000_changed_bytes_all_are_refused_or_listed(name: str):
    subject = Subject(MACHINES[name])
    tried, accepted = set(), set()
    whole = dict(parts(subject.quote))
    for part, offset, document in drawn(subject.quote, name):
        tried.add((part, offset))
        changed = dict(parts(document))[part]
        if subject.accepts(document) and not is_line_end(whole[part], changed, offset):
            accepted.add((part, offset))
    listed = {(part, one) for part, offsets in TOLERATED.get(name, {}).items() for one in offsets}
    assert accepted == tried & listed
    size = sum(len(data) for _part, data in parts(subject.quote))
    assert len(tried) == min(PLACES, size)
    assert {part for part, _offset in tried} == {part for part, _data in parts(subject.quote)}


def test_thousands_of_bytes_are_flipped():
    tried = {name: sum(1 for _ in altered(one.bundle().quote)) for name, one in MACHINES.items()}
    assert min(tried.values()) > 1000
    assert sum(tried.values()) > 4000


@pytest.mark.parametrize("name", MACHINES)
def test_every_missing_tail_is_refused(name: str):
    subject = Subject(MACHINES[name])
    for part, data in parts(subject.quote):
        if part != "pcrs":
            data = data.rstrip(b"\0\n")
            for size in (0, 1, len(data) // 2, len(data) - 1):
                assert not subject.accepts_part(part, data[:size]), part


def test_room_behind_an_azure_report_is_free_to_be_less():
    """The NV index has more room than the report needs; how much of it was read says nothing."""
    subject = Subject(MACHINES["azure sev-snp"])
    report = dict(parts(subject.quote))["hcl_report"]
    assert subject.accepts_part("hcl_report", report.rstrip(b"\0"))
    assert subject.accepts_part("hcl_report", report + bytes(8))
    assert not subject.accepts_part("hcl_report", report + b"\1")
