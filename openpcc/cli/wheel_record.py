"""The RECORD of an installed distribution: which files it brought, with their digests.

Read from the text itself: `Distribution.files` leaves out what is not on the disk (since Python
3.12), and a file that is gone is just what is looked for. Binary distribution format, "The
.dist-info directory": CSV rows `path,digest,size`, for example

    openpcc/trust.py,sha256=47DEQpj8HBSa-_TImW-5JCeuQeRkm5NMpJWZG3hSuFU,0
"""

import csv
import re
from dataclasses import dataclass

DIGEST = re.compile(r"sha256=([A-Za-z0-9_-]{43})", re.ASCII)
"""SHA-256 in base64url without padding: what every installer of wheels writes."""

SIZE = re.compile(r"0|[1-9][0-9]{0,18}|", re.ASCII)


class MalformedRecordError(Exception):
    """A RECORD is not what the format says; the text names the line."""


@dataclass(frozen=True, kw_only=True)
class RecordedFile:
    """One row."""

    path: str
    """Relative to the folder of the packages; scripts have `..` in it."""
    digest: str | None
    """Base64url as in the row; None for RECORD itself and for what Python compiled."""


def parse(text: str) -> list[RecordedFile]:
    """Read a RECORD.

    Raises:
        MalformedRecordError: a row is not three columns of the right form, or names a file twice.
    """
    reader = csv.reader(text.splitlines(keepends=True), strict=True)
    found: dict[str, RecordedFile] = {}
    try:
        for row in reader:
            file = _file(row, reader.line_num)
            if file.path in found:
                raise MalformedRecordError(f"line {reader.line_num} names a file again")
            found[file.path] = file
    except csv.Error as error:
        raise MalformedRecordError(f"line {reader.line_num}: {error}") from error
    return list(found.values())


def _file(row: list[str], line: int) -> RecordedFile:
    if len(row) != 3 or not row[0] or not SIZE.fullmatch(row[2]):
        raise MalformedRecordError(f"line {line} is not path,digest,size")
    path, digest, _ = row
    if not digest:
        return RecordedFile(path=path, digest=None)
    match = DIGEST.fullmatch(digest)
    if match is None:
        raise MalformedRecordError(f"line {line} has no SHA-256 digest")
    return RecordedFile(path=path, digest=match[1])
