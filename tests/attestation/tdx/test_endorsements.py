"""A PCK certificate names its machine in one spelling, and certificates have their roles."""

import pytest
from cryptography.hazmat.primitives.serialization import Encoding
from hypothesis import given
from hypothesis import strategies as st

from attestation.errors import AppraisalError, AttestationError, MalformedEvidenceError
from attestation.tdx import endorsements
from attestation.tdx.endorsements import PckIdentity, check_roles, pck_identity, read_chain
from attestation.x509 import Certificate
from tests.fakes.intel import intel
from tests.fakes.intel_parts import (
    COMPONENTS,
    FMSPC,
    PCESVN,
    PPID,
    der_integer,
    entry,
    issue,
    sgx_extension,
    tlv,
)

VENDOR = intel()
EXTENSION = sgx_extension()


def read(extension: bytes) -> PckIdentity:
    return endorsements._pck_identity(extension)


def test_a_pck_certificate_names_its_machine():
    leaf = read_chain(VENDOR.machine.pem)[0]
    assert pck_identity(leaf) == PckIdentity(
        ppid=PPID,
        components=COMPONENTS,
        pcesvn=PCESVN,
        cpusvn=bytes(COMPONENTS),
        pce_id=bytes(2),
        fmspc=FMSPC,
    )


def test_members_nobody_reads_are_passed_over():
    more = [entry("6", tlv(0x04, bytes(16))), entry("7", tlv(0x30, entry("7.1", b"\x01\x01\xff")))]
    assert read(sgx_extension(more=more)) == read(EXTENSION)


@pytest.mark.parametrize(
    "extension",
    [
        b"",
        tlv(0x30, b""),
        EXTENSION + b"\0",
        tlv(0x31, EXTENSION[4:]),
        sgx_extension(ppid=bytes(15)),
        sgx_extension(fmspc=bytes(7)),
        sgx_extension(pce_id=b""),
        sgx_extension(cpusvn=bytes(17)),
        sgx_extension(components=COMPONENTS[:15]),
        sgx_extension(components=(*COMPONENTS[:15], 256), cpusvn=bytes(16)),
        sgx_extension(pcesvn=2**16),
        sgx_extension(more=[entry("1", tlv(0x04, PPID))]),
        sgx_extension(more=[tlv(0x30, tlv(0x06, b"\x55\x1d\x0f") + tlv(0x04, PPID))]),
        sgx_extension(more=[tlv(0x31, tlv(0x06, b"\x55\x1d\x0f") + tlv(0x04, PPID))]),
        sgx_extension(more=[tlv(0x30, b"")]),
        EXTENSION.replace(der_integer(PCESVN), b"\x02\x01\x8d"),
        EXTENSION.replace(der_integer(PCESVN), b"\x04\x01\x0d"),
        EXTENSION.replace(tlv(0x04, FMSPC), tlv(0x02, FMSPC)),
    ],
)
def test_refuses_another_spelling(extension: bytes):
    with pytest.raises(MalformedEvidenceError):
        read(extension)


def test_refuses_a_certificate_without_the_extension():
    leaf = Certificate.parse(issue("x", None).certificate.public_bytes(Encoding.DER))
    with pytest.raises(MalformedEvidenceError, match="no SGX extension"):
        pck_identity(leaf)


def test_roles_are_names_in_order():
    chain = read_chain(VENDOR.machine.pem)
    names = [(one.name,) for one in chain]
    check_roles(chain, *names)
    check_roles(chain, names[0], ("another", *names[1]), names[2])
    for wrong in (names[:2], [*names, ("x",)], [names[0], names[2], names[1]], []):
        with pytest.raises(AppraisalError):
            check_roles(chain, *wrong)


@given(st.binary(max_size=200))
def test_any_bytes_give_an_identity_or_this_packages_error(data: bytes):
    try:
        read(data)
    except AttestationError:
        return


@given(st.integers(0, len(EXTENSION) - 1), st.integers(0, 255))
def test_any_altered_extension_gives_an_identity_or_this_packages_error(at: int, value: int):
    altered = bytearray(EXTENSION)
    altered[at] = value
    try:
        read(bytes(altered))
    except MalformedEvidenceError:
        return
