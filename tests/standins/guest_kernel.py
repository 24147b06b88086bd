"""What Linux offers a confidential guest, as a tree of files: configfs-tsm and TDX's measurements.

The behaviour without the file system; `guest.py` mounts it. Written after the documented ABI and
the kernel's drivers, with their peculiarities:

- what was written to a binary attribute of configfs takes effect when the file is closed, and an
  error then reaches nobody; a text attribute answers at once
- a report is made when one of its blobs is first read after a write, and kept until the next write
- a file that was opened and read goes on to give what it gave, whatever is written meanwhile
- reading a blob before `inblob` was written is EINVAL
- `generation` counts every write; nothing else says whether it took place
- extending a register takes exactly its size in one write at offset 0, or is EINVAL

Faults are files in a folder, `outblob.EBUSY` or `mkdir.ENXIO.2`: the next such act fails with that
error, and the file is gone. `outblob.RACE` lets somebody else write in between, `outblob.ENDLESS`
never ends, `provider.WRONG` names another provider, `extend3.LOST` leaves a register as it was.
"""

import errno
import hashlib
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

INBLOB_MAX = 64
REGISTER_SIZE = 48
REGISTERS = 4
FAULT_WORDS = frozenset({"RACE", "ENDLESS", "WRONG", "LOST"})


class Hardware(Protocol):
    """What signs. `registers` are RTMRs, of which only TDX has any."""

    provider: str
    auxblob: bytes | None
    registers: list[bytes]

    def sign(self, inblob: bytes, privlevel: int) -> bytes: ...


class Endless(bytes):
    """Zeros wherever one looks."""

    def __getitem__(self, where: slice) -> bytes:  # type: ignore[override]
        return bytes(where.stop - where.start)


class KernelError(Exception):
    """An errno on its way to the caller."""

    def __init__(self, number: int) -> None:
        super().__init__(errno.errorcode[number])
        self.number = number


@dataclass(frozen=True, kw_only=True)
class Faults:
    """What is to go wrong next."""

    folder: Path | None

    def meet(self, act: str) -> str | None:
        """Raise the error that is due for an act, or give the word of another fault."""
        found = sorted(self.folder.glob(f"{act}.*")) if self.folder else []
        if not found:
            return None
        found[0].unlink()
        word = found[0].name.split(".")[1]
        if word in FAULT_WORDS:
            return word
        raise KernelError(getattr(errno, word))


@dataclass(kw_only=True)
class Report:
    """One entry of configfs-tsm."""

    hardware: Hardware
    faults: Faults
    inblob: bytes = b""
    privlevel: int = 0
    written: int = 0
    read: int | None = None
    blobs: dict[str, bytes] = field(default_factory=dict)

    def write_inblob(self, data: bytes) -> None:
        self.faults.meet("inblob")
        if not 0 < len(data) <= INBLOB_MAX:
            raise KernelError(errno.EINVAL)
        self.inblob = data
        self.written += 1

    def write_privlevel(self, data: bytes) -> None:
        self.faults.meet("privlevel")
        text = data.strip()
        if not text.isdigit() or int(text) > 3:
            raise KernelError(errno.EINVAL)
        self.privlevel = int(text)
        self.written += 1

    def blob(self, name: str) -> bytes:
        """Give a blob, made now if none is that old."""
        fault = self.faults.meet(name)
        if not self.inblob:
            raise KernelError(errno.EINVAL)
        if self.read != self.written:
            self.blobs = {
                "outblob": self.hardware.sign(self.inblob, self.privlevel),
                "auxblob": self.hardware.auxblob or b"",
            }
            self.read = self.written
        if fault == "RACE":
            self.written += 1
        return Endless() if fault == "ENDLESS" else self.blobs[name]

    def attributes(self) -> dict[str, "Attribute"]:
        """Give the files of the directory; TDX has fewer."""
        found = {
            "inblob": Attribute(write_closed=self.write_inblob),
            "outblob": Attribute(read=lambda: self.blob("outblob")),
            "provider": Attribute(read=self.provider),
            "generation": Attribute(read=self.generation),
        }
        if self.hardware.auxblob is not None:
            found["auxblob"] = Attribute(read=lambda: self.blob("auxblob"))
            found["privlevel"] = Attribute(write=self.write_privlevel)
            found["privlevel_floor"] = Attribute(read=lambda: b"0\n")
        return found

    def provider(self) -> bytes:
        fault = self.faults.meet("provider")
        return (f"{self.hardware.provider}2" if fault else self.hardware.provider).encode() + b"\n"

    def generation(self) -> bytes:
        fault = self.faults.meet("generation")
        return b"many\n" if fault else f"{self.written}\n".encode()


@dataclass(frozen=True, kw_only=True)
class Attribute:
    """One file.

    Attributes:
        read: gives all of it; None: write-only.
        write: takes what one write gives; None: read-only, or taken when closed.
        write_closed: takes all that was written, when the file is closed.
    """

    read: Callable[[], bytes] | None = None
    write: Callable[[bytes], None] | None = None
    write_closed: Callable[[bytes], None] | None = None

    @property
    def mode(self) -> int:
        return (0o444 if self.read else 0) | (0o200 if self.write or self.write_closed else 0)


def register(hardware: Hardware, index: int, faults: Faults) -> Attribute:
    """Give the file of an RTMR."""

    def read() -> bytes:
        faults.meet(f"rtmr{index}")
        return hardware.registers[index]

    def write(data: bytes) -> None:
        if len(data) != REGISTER_SIZE:
            raise KernelError(errno.EINVAL)
        if faults.meet(f"extend{index}") != "LOST":
            value = hashlib.sha384(hardware.registers[index] + data).digest()
            hardware.registers[index] = value

    return Attribute(read=read, write=write)
