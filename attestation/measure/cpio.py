"""The small archive that systemd-stub adds to the initrd.

Documentation/driver-api/early-userspace/buffer-format.rst of Linux ("newc"): fields of eight hex
digits, a name that ends with NUL, both padded to four bytes. The stub writes `.extra` and one file
in it, owned by nobody in particular, of no time.
"""

DIRECTORY = 0o040555
FILE = 0o100444


def one_file(folder: str, name: str, content: bytes) -> bytes:
    """Give the archive of one file in one folder, as the stub writes it."""
    return (
        _entry(1, DIRECTORY, folder, b"")
        + _entry(2, FILE, f"{folder}/{name}", content)
        + _entry(0, 0, "TRAILER!!!", b"")
    )


def padded(data: bytes) -> bytes:
    """Pad to four bytes with zeros."""
    return data + bytes(-len(data) % 4)


def _entry(inode: int, mode: int, name: str, content: bytes) -> bytes:
    fields = (inode, mode, 0, 0, 1, 0, len(content), 0, 0, 0, 0, len(name) + 1, 0)
    # The trailer's one letter among its digits is a capital in the stub; no other field has any.
    digits = "".join(f"{field:08X}" if not inode else f"{field:08x}" for field in fields)
    return padded(f"070701{digits}{name}\0".encode()) + padded(content)
