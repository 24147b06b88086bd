"""A confidential guest's kernel, mounted: `python -m tests.standins.guest MOUNT --hardware amd`.

Mounts what a guest finds below `/` on an empty folder: configfs-tsm, and for TDX the registers and
the firmware's log. Prints a line when it is there, and serves until SIGTERM or SIGINT. README.md
says what else.
"""

import argparse
import errno
import importlib
import os
import signal
import stat
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.standins.guest_kernel import (
    REGISTER_SIZE,
    REGISTERS,
    Attribute,
    Faults,
    Hardware,
    KernelError,
    Report,
    register,
)
from tests.standins.hardware import HARDWARE

REPORTS = "sys/kernel/config/tsm/report"
MEASUREMENTS = "sys/class/misc/tdx_guest/measurements"
CCEL = "sys/firmware/acpi/tables/data/CCEL"

# Not imported by name: no other test needs them, and a user's machine may not have them.
pyfuse3: Any = importlib.import_module("pyfuse3")
trio: Any = importlib.import_module("trio")


@dataclass(kw_only=True)
class Folder:
    """A directory; in `entries` names to inodes."""

    entries: dict[bytes, int] = field(default_factory=dict)
    makes_reports: bool = False
    is_report: bool = False


@dataclass(kw_only=True)
class Opened:
    """An open file: what it read or is being written."""

    attribute: Attribute
    content: bytes | None = None
    written: bytes = b""


class Tree:
    """The files as FUSE asks for them, by inode."""

    def __init__(self, hardware: Hardware, faults: Faults, ccel: Path | None) -> None:
        self._hardware = hardware
        self._faults = faults
        self._nodes: dict[int, Folder | Attribute] = {pyfuse3.ROOT_INODE: Folder()}
        self._opened: dict[int, Opened] = {}
        self._next = int(pyfuse3.ROOT_INODE)
        self._folder(REPORTS).makes_reports = True
        if hardware.registers:
            registers = self._folder(MEASUREMENTS)
            for index in range(REGISTERS):
                file = register(hardware, index, faults)
                registers.entries[f"rtmr{index}:sha384".encode()] = self._add(file)
        if ccel is not None:
            folder, _, name = CCEL.rpartition("/")
            log = self._add(Attribute(read=ccel.read_bytes))
            self._folder(folder).entries[name.encode()] = log

    async def lookup(self, parent: int, name: bytes, _context: object = None) -> Any:
        inode = self._folder_at(parent).entries.get(name)
        if inode is None:
            raise pyfuse3.FUSEError(errno.ENOENT)
        return await self.getattr(inode)

    async def getattr(self, inode: int, _context: object = None) -> Any:
        node = self._nodes.get(inode)
        if node is None:
            raise pyfuse3.FUSEError(errno.ENOENT)
        entry = pyfuse3.EntryAttributes()
        entry.st_ino = inode
        entry.entry_timeout = entry.attr_timeout = 0
        entry.st_uid, entry.st_gid = os.getuid(), os.getgid()
        if isinstance(node, Folder):
            entry.st_mode, entry.st_size, entry.st_nlink = stat.S_IFDIR | 0o755, 0, 2
        else:
            entry.st_mode, entry.st_size, entry.st_nlink = stat.S_IFREG | node.mode, 4096, 1
        return entry

    async def setattr(self, inode: int, *_: object) -> Any:
        """Let a file be truncated, which does nothing, as in the kernel."""
        return await self.getattr(inode)

    async def opendir(self, inode: int, _context: object) -> int:
        self._folder_at(inode)
        return inode

    async def readdir(self, inode: int, start: int, token: Any) -> None:
        entries = list(self._folder_at(inode).entries.items())
        for number, (name, child) in enumerate(entries[start:], start + 1):
            if not pyfuse3.readdir_reply(token, name, await self.getattr(child), number):
                return

    async def mkdir(self, parent: int, name: bytes, _mode: int, _context: object) -> Any:
        folder = self._folder_at(parent)
        if not folder.makes_reports:
            raise pyfuse3.FUSEError(errno.EPERM)
        if name in folder.entries:
            raise pyfuse3.FUSEError(errno.EEXIST)
        with answering():
            self._faults.meet("mkdir")
        report = Report(hardware=self._hardware, faults=self._faults)
        files = {one.encode(): self._add(file) for one, file in report.attributes().items()}
        folder.entries[name] = self._add(Folder(entries=files, is_report=True))
        return await self.getattr(folder.entries[name])

    async def rmdir(self, parent: int, name: bytes, _context: object) -> None:
        folder = self._folder_at(parent)
        inode = folder.entries.get(name)
        entry = None if inode is None else self._nodes[inode]
        if inode is None:
            raise pyfuse3.FUSEError(errno.ENOENT)
        if not isinstance(entry, Folder) or not entry.is_report:
            raise pyfuse3.FUSEError(errno.EPERM)
        with answering():
            self._faults.meet("rmdir")
        for child in (*entry.entries.values(), inode):
            del self._nodes[child]
        del folder.entries[name]

    async def open(self, inode: int, flags: int, _context: object) -> Any:
        node = self._nodes.get(inode)
        if not isinstance(node, Attribute):
            raise pyfuse3.FUSEError(errno.EISDIR if node else errno.ENOENT)
        wants_write = flags & os.O_ACCMODE != os.O_RDONLY
        wants_read = flags & os.O_ACCMODE != os.O_WRONLY
        if (wants_write and not node.mode & 0o200) or (wants_read and not node.read):
            raise pyfuse3.FUSEError(errno.EACCES)
        handle = self._number()
        self._opened[handle] = Opened(attribute=node)
        # Sizes are not known before a read, so nothing may be cached by them.
        return pyfuse3.FileInfo(fh=handle, direct_io=True)

    async def read(self, handle: int, offset: int, size: int) -> bytes:
        opened = self._opened[handle]
        with answering():
            if opened.content is None:
                assert opened.attribute.read is not None
                opened.content = opened.attribute.read()
        return opened.content[offset : offset + size]

    async def write(self, handle: int, offset: int, data: bytes) -> int:
        opened = self._opened[handle]
        with answering():
            if opened.attribute.write is not None:
                if offset:
                    raise KernelError(errno.EINVAL)
                opened.attribute.write(data)
            else:
                opened.written = opened.written[:offset].ljust(offset, b"\0") + data
        return len(data)

    async def flush(self, handle: int) -> None:
        opened = self._opened[handle]
        data, opened.written = opened.written, b""
        if data and opened.attribute.write_closed is not None:
            try:
                opened.attribute.write_closed(data)
            except KernelError:
                pass  # as the kernel: closing does not fail

    async def release(self, handle: int) -> None:
        del self._opened[handle]

    def _folder_at(self, inode: int) -> Folder:
        node = self._nodes.get(inode)
        if not isinstance(node, Folder):
            raise pyfuse3.FUSEError(errno.ENOTDIR)
        return node

    def _folder(self, path: str) -> Folder:
        """Give the folder of a path, made where it is missing."""
        folder = self._folder_at(pyfuse3.ROOT_INODE)
        for part in path.encode().split(b"/"):
            if part not in folder.entries:
                folder.entries[part] = self._add(Folder())
            folder = self._folder_at(folder.entries[part])
        return folder

    def _add(self, node: Folder | Attribute) -> int:
        inode = self._number()
        self._nodes[inode] = node
        return inode

    def _number(self) -> int:
        self._next += 1
        return self._next


@contextmanager
def answering() -> Iterator[None]:
    """Give the kernel's errors to FUSE."""
    try:
        yield
    except KernelError as error:
        raise pyfuse3.FUSEError(error.number) from error


async def serve(hardware: Hardware) -> None:
    """Serve until a signal; SIGHUP starts the guest again, and says so."""
    with trio.open_signal_receiver(signal.SIGTERM, signal.SIGINT, signal.SIGHUP) as signals:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(pyfuse3.main)
            print("mounted", flush=True)
            async for number in signals:
                if number != signal.SIGHUP:
                    pyfuse3.terminate()
                    return
                hardware.registers[:] = [bytes(REGISTER_SIZE)] * len(hardware.registers)
                print("started again", flush=True)


def main() -> None:
    arguments = parse(sys.argv[1:])
    hardware = HARDWARE[arguments.hardware](arguments.out)
    operations = type("Operations", (Tree, pyfuse3.Operations), {})
    tree = operations(hardware, Faults(folder=arguments.faults), arguments.ccel)
    options = {*pyfuse3.default_options, "fsname=openpcc-guest", "auto_unmount"}
    pyfuse3.init(tree, str(arguments.mount), options)
    try:
        trio.run(serve, hardware)
    finally:
        pyfuse3.close()


def parse(argv: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="guest", description=__doc__)
    parser.add_argument("mount", type=Path, help="an empty folder")
    parser.add_argument("--hardware", choices=sorted(HARDWARE), default="none")
    parser.add_argument("--out", type=Path, help="folder for what a verifier needs")
    parser.add_argument("--ccel", type=Path, help="the firmware's log, for intel")
    parser.add_argument("--faults", type=Path, help="folder of what is to go wrong")
    return parser.parse_args(argv)


if __name__ == "__main__":
    main()
