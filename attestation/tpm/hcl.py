"""Azure's report of the paravisor (HCL), as a guest reads it from NV index 01400001h.

github.com/microsoft/openvmm, openhcl/openhcl_attestation_protocol, igvm_attest::get. Little endian:

    48434c41 02000000 84090000 02000000 00000000 <12 zeros>   HCLA, version, size, request, status
    <1184 bytes>                                              SNP report, or TDREPORT and zeros
    c4040000 01000000 02000000 01000000 b0040000              size, version, type, hash, JSON's size
    {"keys":[{"kid":"HCLAkPub","key_ops":["sign"],"kty":"RSA","e":"AQAB","n":"v5q3…"},…],
     "vm-configuration":{…},"user-data":"00…"}                runtime data; then zeros

The hardware signs a digest of the runtime data's exact bytes, as report data. So the runtime data
is as true as the code that asked for the report: the paravisor, which the launch measurement names.
Everything else in the frame is unsigned, and so has one spelling.
"""

import base64
import binascii
import hashlib
import json
import re
import struct
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import IntEnum

from attestation.errors import AppraisalError, MalformedEvidenceError
from attestation.strict_json import Members, StrictJSONError, parse_object
from attestation.tpm.public import AkKey, rsa_key

MAX_REPORT = 2**14
"""Bytes of a report; the NV index has 2600."""

MAX_RUNTIME = 2**13
"""Bytes of runtime data; about 1200 are usual."""

MAX_KEYS = 16
"""Keys in the runtime data; two are usual."""

HEADER = struct.Struct("<4sIIII12s")
RUNTIME_HEADER = struct.Struct("<IIIII")
HARDWARE_SIZE = 1184
"""Bytes for the hardware's report, whichever it is."""

RUNTIME_OFFSET = HEADER.size + HARDWARE_SIZE + RUNTIME_HEADER.size
"""Where the JSON begins."""

MAGIC = b"HCLA"
VERSIONS = (1, 2)
RUNTIME_VERSION = 1
AK_CERTIFICATE_REQUEST = 2
"""What the paravisor makes this report for: a certificate of its AK."""

AK_ID = "HCLAkPub"
"""Name of the AK among the keys."""

TD_REPORT_SIZE = 1024
TD_REPORT_DATA = slice(128, 192)
"""Where TDREPORT_STRUCT has its report data. Intel TDX Module ABI, TDREPORT_STRUCT."""

SNP_REPORT_DATA = slice(0x50, 0x90)
"""Where an SNP report has it."""

_B64URL = re.compile(r"[A-Za-z0-9_-]+")


class HardwareType(IntEnum):
    """Whose report is inside."""

    SNP = 2
    TDX = 4


class HashType(IntEnum):
    """Hash of the runtime data."""

    SHA256 = 1
    SHA384 = 2
    SHA512 = 3


@dataclass(frozen=True, kw_only=True)
class Runtime:
    """The runtime data; claims, not facts.

    Attributes:
        keys: name to members of each JWK, in order.
        vm_configuration: None if there is none.
        user_data: what the guest asked to have in it; None if there is none.
    """

    keys: Mapping[str, Mapping[str, object]]
    vm_configuration: Mapping[str, object] | None
    user_data: str | None

    @classmethod
    def parse(cls, data: bytes) -> "Runtime":
        """Read runtime data. Members that are not used may be there: the format is Microsoft's.

        Raises:
            MalformedEvidenceError: no JSON, a member repeated, or keys that are none.
        """
        try:
            members = parse_object(data, limit=MAX_RUNTIME, name="runtime data")
            return cls(
                keys=_keys(members),
                # Read again as a plain object: what it may hold is bounded by then.
                vm_configuration=json.loads(data).get("vm-configuration"),
                user_data=members.text("user-data") if "user-data" in members else None,
            )
        except StrictJSONError as error:
            raise MalformedEvidenceError(str(error)) from error

    def ak(self) -> AkKey:
        """Give the AK that the paravisor made.

        Raises:
            MalformedEvidenceError: there is none, or it is no RSA key.
        """
        key = self.keys.get(AK_ID)
        if key is None or key.get("kty") != "RSA":
            raise MalformedEvidenceError(f"runtime data: no RSA key {AK_ID}")
        exponent = int.from_bytes(_b64url(key.get("e")), "big")
        return rsa_key(_b64url(key.get("n")), exponent)


@dataclass(frozen=True, kw_only=True)
class HclReport:
    """A parsed report.

    Attributes:
        version: of the frame.
        report_type: whose report `hardware` is.
        hash_type: hash of `runtime_data`.
        hardware: 1184 bytes.
        runtime_data: exact bytes.
        runtime: the same, read.
        room: zeros that follow.
    """

    version: int
    report_type: HardwareType
    hash_type: HashType
    hardware: bytes = field(repr=False)
    runtime_data: bytes = field(repr=False)
    runtime: Runtime
    room: int

    @classmethod
    def parse(cls, data: bytes) -> "HclReport":
        """Read a report.

        Raises:
            MalformedEvidenceError: another magic, version or type, a length that is not that of
                what is inside, or a byte that must be zero is not.
        """
        if not RUNTIME_OFFSET < len(data) <= MAX_REPORT:
            raise MalformedEvidenceError(f"HCL report: {len(data)} bytes")
        kind, hashed, size = _frame(data)
        runtime_data = data[RUNTIME_OFFSET : RUNTIME_OFFSET + size]
        return cls(
            version=data[4],
            report_type=kind,
            hash_type=hashed,
            hardware=data[HEADER.size : HEADER.size + HARDWARE_SIZE],
            runtime_data=runtime_data,
            runtime=Runtime.parse(runtime_data),
            room=len(data) - RUNTIME_OFFSET - size,
        )

    def encode(self) -> bytes:
        """Write the report; it has one spelling."""
        size = len(self.runtime_data)
        header = HEADER.pack(
            MAGIC, self.version, RUNTIME_OFFSET + size, AK_CERTIFICATE_REQUEST, 0, bytes(12)
        )
        inner = (
            RUNTIME_HEADER.size + size,
            RUNTIME_VERSION,
            self.report_type,
            self.hash_type,
            size,
        )
        frame = header + self.hardware + RUNTIME_HEADER.pack(*inner)
        return frame + self.runtime_data + bytes(self.room)

    @property
    def report_data(self) -> bytes:
        """Give the report data of the hardware's report, read without trusting it."""
        is_snp = self.report_type is HardwareType.SNP
        return self.hardware[SNP_REPORT_DATA if is_snp else TD_REPORT_DATA]

    @property
    def runtime_digest(self) -> bytes:
        """Give the digest that report data begins with."""
        return hashlib.new(self.hash_type.name.lower(), self.runtime_data).digest()


def check_binds_runtime(report: HclReport, report_data: bytes) -> None:
    """Judge that report data begins with the digest of the runtime data.

    Args:
        report: with the runtime data.
        report_data: of the hardware's report inside, or of a quote over the same.

    Raises:
        AppraisalError: it begins otherwise.
    """
    digest = report.runtime_digest
    if report_data[: len(digest)] != digest:
        raise AppraisalError(
            "report data",
            expected=f"{report.hash_type.name} of the runtime data {digest.hex()}",
            actual=report_data.hex(),
        )


def _frame(data: bytes) -> tuple[HardwareType, HashType, int]:
    """Judge everything around the hardware's report and the runtime data."""
    magic, version, total, request, status, reserved = HEADER.unpack_from(data)
    inner = RUNTIME_HEADER.unpack_from(data, HEADER.size + HARDWARE_SIZE)
    length, runtime_version, kind, hashed, size = inner
    if magic != MAGIC or version not in VERSIONS or runtime_version != RUNTIME_VERSION:
        raise MalformedEvidenceError("HCL report: another magic or version")
    if (request, status, reserved) != (AK_CERTIFICATE_REQUEST, 0, bytes(12)):
        raise MalformedEvidenceError(f"HCL report: of request {request} with status {status}")
    if kind not in set(HardwareType) or hashed not in set(HashType):
        raise MalformedEvidenceError(f"HCL report: of type {kind} with hash {hashed}")
    if length != RUNTIME_HEADER.size + size or total != RUNTIME_OFFSET + size or total > len(data):
        raise MalformedEvidenceError(f"HCL report: sizes {total}, {length}, {size} do not fit")
    unused = TD_REPORT_SIZE if kind == HardwareType.TDX else HARDWARE_SIZE
    if any(data[HEADER.size + unused : HEADER.size + HARDWARE_SIZE]) or any(data[total:]):
        raise MalformedEvidenceError("HCL report: room that is not zero")
    return HardwareType(kind), HashType(hashed), size


def _keys(members: Members) -> dict[str, dict[str, object]]:
    found: dict[str, dict[str, object]] = {}
    for key in members.children("keys", limit=MAX_KEYS):
        name = key.text("kid", limit=64)
        if name in found:
            raise StrictJSONError(f"runtime data: two keys {name[:16]!r}")
        texts = ("kty", "e", "n")
        found[name] = {one: key.text(one) for one in texts if one in key}
    return found


def _b64url(text: object) -> bytes:
    """Read canonical base64url without padding. RFC 7515, section 2."""
    if not isinstance(text, str) or not _B64URL.fullmatch(text):
        raise MalformedEvidenceError("runtime data: a number that is not base64url")
    try:
        data = base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
    except binascii.Error as error:
        raise MalformedEvidenceError("runtime data: a number that is not base64url") from error
    if base64.urlsafe_b64encode(data).rstrip(b"=").decode() != text:
        raise MalformedEvidenceError("runtime data: a number in another spelling")
    return data
