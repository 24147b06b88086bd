"""A file of an image, read within its bounds.

Everything here comes from whoever published the image, and is read by whoever audits it. So no
offset or length is believed: a read beyond the end is an error that names the file and the field.
"""

import struct
from dataclasses import dataclass, field
from typing import Never

from attestation.errors import ArtifactError


@dataclass(frozen=True, kw_only=True)
class Artifact:
    """Bytes with the name that errors use."""

    name: str
    data: bytes = field(repr=False)

    def cut(self, offset: int, size: int, what: str) -> bytes:
        """Take exactly these bytes.

        Raises:
            ArtifactError: they are not all inside the file.
        """
        if not 0 <= offset <= len(self.data) or not 0 <= size <= len(self.data) - offset:
            self.refuse(f"{what}: {size} bytes at {offset} are not inside its {len(self.data)}")
        return self.data[offset : offset + size]

    def integers(self, form: str, offset: int, what: str) -> tuple[int, ...]:
        """Take little-endian integers, spelled as `struct` does. Raises: ArtifactError."""
        taken = self.cut(offset, struct.calcsize("<" + form), what)
        return struct.unpack("<" + form, taken)

    def refuse(self, text: str) -> Never:
        """Raise: ArtifactError, with the file's name in front."""
        raise ArtifactError(f"{self.name}: {text}")
