"""Intel's quotes as they arrive: bytes become fields, nothing is trusted yet.

Intel TDX DCAP Quoting Library API, appendix A. In order, numbers little endian:

    0400 0200 81000000 ...    header, 48 bytes: version 4, ECDSA P-256, TDX
    0300 88020000             only in version 5: body type 3, 648 bytes
    07010300 ...              body: 584, 648 (TDX) or 384 (SGX) bytes
    cc100000                  size of the rest, which is not signed by the attestation key
    <signature> <attestation key> 0600 <size>                version 3 goes on without the last two
    <QE report> <its signature> 2000 <QE auth> 0500 <size> -----BEGIN CERTIFICATE-----

Every length must be exactly that of what is inside. Only after the declared end may bytes follow;
they are counted and ignored, because guests hand out quotes in buffers of fixed size. Versions 4
and 5 are read for TDX and SGX, version 3 for SGX; what a policy accepts is judged elsewhere.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TypeVar

from attestation.errors import MalformedEvidenceError
from attestation.evidence import MAX_QUOTE
from attestation.tdx.layout import (
    EnclaveReport,
    Field,
    FixedFields,
    Header,
    TdReport10,
    TdReport15,
)

ECDSA_P256 = 2
"""The attestation key type that is in use; 3 is defined for P-384 and issued by nobody."""

TDX = 0x81
"""TEE type of a trust domain."""

SGX = 0
"""TEE type of an enclave."""

QE_REPORT = 6
"""Certification data that holds the quoting enclave's report and, inside, a chain."""

PCK_CHAIN = 5
"""Certification data that is the chain of the PCK certificate, PEM."""

SIGNATURE_SIZE = 64
"""Bytes of a signature r ‖ s, and of a public key x ‖ y, big endian, of ECDSA P-256."""

BODIES: Mapping[int, tuple[int, type[TdReport10] | type[EnclaveReport]]] = {
    1: (SGX, EnclaveReport),
    2: (TDX, TdReport10),
    3: (TDX, TdReport15),
}
"""Body type of version 5 to TEE type and structure."""

IMPLIED: Mapping[tuple[int, int], int] = {(3, SGX): 1, (4, SGX): 1, (4, TDX): 2}
"""Version and TEE type to body type, where the version does not say it."""

Structure = TypeVar("Structure", bound=FixedFields)


@dataclass(frozen=True, kw_only=True)
class Quote:
    """A parsed quote.

    Attributes:
        data: all its bytes up to the declared end.
        trailing_bytes: how many followed.
        parts: name to place of everything in `data`, gapless and in order.
        body_type: only in version 5.
        signature: over `signed`, by the attestation key.
        attestation_key: x ‖ y of the key that the quoting enclave made.
        outer_cert_type: only from version 4 on.
        qe_report: SGX's report of the quoting enclave.
        qe_report_signature: over that report, by the PCK key.
        qe_auth: data of the quoting enclave that its report covers beside the key.
        certificates: chain of the PCK certificate, PEM, leaf first, without final NULs.
    """

    data: bytes = field(repr=False)
    trailing_bytes: int
    parts: Mapping[str, Field] = field(repr=False)
    header: Header
    body_type: int | None
    body: TdReport10 | EnclaveReport
    signature: bytes
    attestation_key: bytes
    outer_cert_type: int | None
    qe_report: EnclaveReport
    qe_report_signature: bytes
    qe_auth: bytes
    cert_type: int
    certificates: bytes = field(repr=False)

    @classmethod
    def parse(cls, data: bytes) -> "Quote":
        """Read a quote.

        Raises:
            MalformedEvidenceError: an unknown version, key, TEE or certification data, or a length
                that is not that of what is inside.
        """
        if len(data) > MAX_QUOTE:
            raise MalformedEvidenceError(f"quote: {len(data)} bytes, at most {MAX_QUOTE}")
        return _quote(data)

    @property
    def signed(self) -> bytes:
        """Give the bytes that the quote's signature covers: all before the size of the rest."""
        return self.data[: self.parts["signature_data_size"].offset]

    @property
    def qe_report_bytes(self) -> bytes:
        """Give the bytes that the PCK key signed."""
        return self.bytes_of("qe_report")

    @property
    def signed_length(self) -> int:
        """Give the declared end."""
        return len(self.data)

    @property
    def td(self) -> TdReport10 | None:
        """Give the report of a trust domain; None for an enclave's."""
        return self.body if isinstance(self.body, TdReport10) else None

    @property
    def measurement(self) -> bytes:
        """Give the launch measurement; an enclave's is of another length."""
        return self.body.mr_td if isinstance(self.body, TdReport10) else self.body.mr_enclave

    @property
    def registers(self) -> tuple[bytes, ...]:
        """Give RTMR0 to RTMR3; an enclave has none."""
        td = self.td
        return () if td is None else (td.rt_mr0, td.rt_mr1, td.rt_mr2, td.rt_mr3)

    def bytes_of(self, part: str) -> bytes:
        """Give the bytes of one part."""
        place = self.parts[part]
        return self.data[place.offset : place.offset + place.size]

    def table(self) -> tuple[Field, ...]:
        """Name every byte of `data`: the parts, structures by their fields."""
        structures: Mapping[str, FixedFields] = {
            "header": self.header,
            "body": self.body,
            "qe_report": self.qe_report,
        }
        found: list[Field] = []
        for part in self.parts.values():
            inside = structures[part.name].table() if part.name in structures else (None,)
            found.extend(part if one is None else _placed(one, part) for one in inside)
        return tuple(found)


class _Cursor:
    """Cuts data from front to end; refuses to cut what is not there."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._at = 0
        self._end = len(data)
        self.parts: dict[str, Field] = {}

    @property
    def left(self) -> int:
        """Give the number of bytes not yet cut."""
        return self._end - self._at

    def end_after(self, size: int, name: str) -> None:
        """Let the data end `size` bytes from here."""
        if size > self.left:
            raise MalformedEvidenceError(f"quote: {name} is cut")
        self._end = self._at + size

    def take(self, name: str, size: int) -> bytes:
        if size > self.left:
            raise MalformedEvidenceError(f"quote: {name} is cut")
        self.parts[name] = Field(name=name, offset=self._at, size=size)
        self._at += size
        return self._data[self._at - size : self._at]

    def number(self, name: str, size: int) -> int:
        return int.from_bytes(self.take(name, size), "little")

    def structure(self, name: str, kind: type[Structure]) -> Structure:
        return kind.read(self.take(name, kind.size()))

    def exactly(self, name: str, size: int) -> None:
        """Read a length that must be that of everything up to the end."""
        declared = self.number(name, size)
        if declared != self.left:
            raise MalformedEvidenceError(
                f"quote: {name} says {declared} bytes, {self.left} are there"
            )


def _quote(data: bytes) -> Quote:
    cursor = _Cursor(data)
    header = cursor.structure("header", Header)
    body_type, body = _body(cursor, header)
    cursor.end_after(cursor.number("signature_data_size", 4), "the signature data")
    signature = cursor.take("signature", SIGNATURE_SIZE)
    attestation_key = cursor.take("attestation_key", SIGNATURE_SIZE)
    outer_cert_type = None
    if header.version > 3:
        outer_cert_type = _one_of(cursor.number("outer_cert_type", 2), QE_REPORT)
        cursor.exactly("outer_cert_size", 4)
    qe_report = cursor.structure("qe_report", EnclaveReport)
    qe_report_signature = cursor.take("qe_report_signature", SIGNATURE_SIZE)
    qe_auth = cursor.take("qe_auth", cursor.number("qe_auth_size", 2))
    cert_type = _one_of(cursor.number("cert_type", 2), PCK_CHAIN)
    cursor.exactly("cert_size", 4)
    certificates = cursor.take("certificates", cursor.left)
    end = cursor.parts["certificates"].offset + len(certificates)
    return Quote(
        data=data[:end],
        trailing_bytes=len(data) - end,
        parts=cursor.parts,
        header=header,
        body_type=body_type,
        body=body,
        signature=signature,
        attestation_key=attestation_key,
        outer_cert_type=outer_cert_type,
        qe_report=qe_report,
        qe_report_signature=qe_report_signature,
        qe_auth=qe_auth,
        cert_type=cert_type,
        certificates=certificates.rstrip(b"\0"),
    )


def _body(cursor: _Cursor, header: Header) -> tuple[int | None, TdReport10 | EnclaveReport]:
    """Read the body, and its type where the quote states one."""
    if header.att_key_type != ECDSA_P256:
        raise MalformedEvidenceError(f"quote: attestation key type {header.att_key_type}, not 2")
    stated = cursor.number("body_type", 2) if header.version == 5 else None
    implied = IMPLIED.get((header.version, header.tee_type))
    tee_type, kind = BODIES.get(stated or implied or 0, (None, None))
    if kind is None or tee_type != header.tee_type:
        raise MalformedEvidenceError(
            f"quote: no known body in version {header.version}, TEE type {header.tee_type:#x}"
        )
    if stated is not None and cursor.number("body_size", 4) != kind.size():
        raise MalformedEvidenceError(f"quote: a body of type {stated} has {kind.size()} bytes")
    return stated, cursor.structure("body", kind)


def _one_of(found: int, wanted: int) -> int:
    if found != wanted:
        raise MalformedEvidenceError(f"quote: certification data of type {found}, not {wanted}")
    return found


def _placed(one: Field, part: Field) -> Field:
    return Field(name=f"{part.name}.{one.name}", offset=part.offset + one.offset, size=one.size)
