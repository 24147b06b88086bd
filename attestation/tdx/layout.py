"""The table of fields: where everything of fixed place lies in a quote, and how long it is.

Intel TDX DCAP Quoting Library API, appendix A (quote formats 4 and 5); Intel SGX ECDSA Quote
Library API, appendix A (format 3 and the enclave report). A structure's class is its table: each
attribute names offset and size, `read` cuts by them and `write` puts together by them, and
`explain` and the tests take them from `table`. Whatever has no meaning is a field too, so no byte
is nobody's.
"""

import dataclasses
from dataclasses import dataclass
from typing import Any, TypeVar

Structure = TypeVar("Structure", bound="FixedFields")

REGISTER_SIZE = 48
"""Bytes of a measurement: SHA-384."""


@dataclass(frozen=True, kw_only=True)
class Field:
    """One field: its name, first byte and number of bytes."""

    name: str
    offset: int
    size: int


def at(offset: int, size: int) -> Any:
    """Place an attribute of a structure; of type int it is a little-endian number."""
    return dataclasses.field(metadata={"offset": offset, "size": size})


@dataclass(frozen=True, kw_only=True)
class FixedFields:
    """A structure whose attributes are all placed with `at`."""

    @classmethod
    def table(cls) -> tuple[Field, ...]:
        """List the fields in order."""
        return tuple(
            Field(name=one.name, offset=one.metadata["offset"], size=one.metadata["size"])
            for one in dataclasses.fields(cls)
        )

    @classmethod
    def size(cls) -> int:
        """Give the number of bytes."""
        last = cls.table()[-1]
        return last.offset + last.size

    @classmethod
    def read(cls: type[Structure], data: bytes) -> Structure:
        """Cut the structure out of exactly `size()` bytes."""
        values: dict[str, Any] = {}
        for one in dataclasses.fields(cls):
            offset = one.metadata["offset"]
            value = data[offset : offset + one.metadata["size"]]
            values[one.name] = int.from_bytes(value, "little") if one.type is int else value
        return cls(**values)

    def write(self) -> bytes:
        """Put the structure together."""
        return b"".join(
            value if isinstance(value, bytes) else value.to_bytes(one.size, "little")
            for one in self.table()
            for value in [getattr(self, one.name)]
        )


@dataclass(frozen=True, kw_only=True)
class Header(FixedFields):
    """What a quote begins with, in every version.

    Attributes:
        tee_type: 0x81 TDX, 0 SGX; reserved in version 3, which knows only SGX.
        qe_svn: of version 3; the other versions reserve these bytes.
        pce_svn: as `qe_svn`.
        user_data: its first 16 bytes are an id of the platform, chosen by its host.
    """

    version: int = at(0, 2)
    att_key_type: int = at(2, 2)
    tee_type: int = at(4, 4)
    qe_svn: int = at(8, 2)
    pce_svn: int = at(10, 2)
    qe_vendor_id: bytes = at(12, 16)
    user_data: bytes = at(28, 20)


@dataclass(frozen=True, kw_only=True)
class TdReport10(FixedFields):
    """What the TDX module 1.0 reports of a TD.

    Attributes:
        tee_tcb_svn: TDX components; byte 0 is the module's SVN, byte 1 its major version.
        mr_signer_seam: who signed the TDX module; zero is Intel.
        td_attributes: little-endian bits, see `TdAttribute`.
        xfam: little-endian bits: which extended features of the processor the TD may use.
        mr_config_id: chosen by the host and not measured, as are the owner fields.
    """

    tee_tcb_svn: bytes = at(0x000, 16)
    mr_seam: bytes = at(0x010, REGISTER_SIZE)
    mr_signer_seam: bytes = at(0x040, REGISTER_SIZE)
    seam_attributes: bytes = at(0x070, 8)
    td_attributes: bytes = at(0x078, 8)
    xfam: bytes = at(0x080, 8)
    mr_td: bytes = at(0x088, REGISTER_SIZE)
    mr_config_id: bytes = at(0x0B8, REGISTER_SIZE)
    mr_owner: bytes = at(0x0E8, REGISTER_SIZE)
    mr_owner_config: bytes = at(0x118, REGISTER_SIZE)
    rt_mr0: bytes = at(0x148, REGISTER_SIZE)
    rt_mr1: bytes = at(0x178, REGISTER_SIZE)
    rt_mr2: bytes = at(0x1A8, REGISTER_SIZE)
    rt_mr3: bytes = at(0x1D8, REGISTER_SIZE)
    report_data: bytes = at(0x208, 64)


@dataclass(frozen=True, kw_only=True)
class TdReport15(TdReport10):
    """What the TDX module 1.5 reports.

    Attributes:
        tee_tcb_svn2: TDX components now; those above are of the TD's launch.
        mr_service_td: digest over the service TDs bound to this one; zero: there is none.
    """

    tee_tcb_svn2: bytes = at(0x248, 16)
    mr_service_td: bytes = at(0x258, REGISTER_SIZE)


@dataclass(frozen=True, kw_only=True)
class EnclaveReport(FixedFields):
    """What SGX reports of an enclave: the quoting enclave in every quote, the subject of SGX's."""

    cpu_svn: bytes = at(0, 16)
    misc_select: bytes = at(16, 4)
    reserved_1: bytes = at(20, 28)
    attributes: bytes = at(48, 16)
    mr_enclave: bytes = at(64, 32)
    reserved_2: bytes = at(96, 32)
    mr_signer: bytes = at(128, 32)
    reserved_3: bytes = at(160, 96)
    isv_prod_id: int = at(256, 2)
    isv_svn: int = at(258, 2)
    reserved_4: bytes = at(260, 60)
    report_data: bytes = at(320, 64)
