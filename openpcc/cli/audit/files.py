"""Files that an audit writes: the page, the signed result. Light: others than audits write pages.

A file is written whole or not at all, so that a run that a timer started never leaves half a page
where somebody reads the last one.
"""

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from openpcc.errors import ConfigurationError

if TYPE_CHECKING:
    from openpcc.audit.report import AuditReport


def add_page(parser: argparse.ArgumentParser) -> None:
    """Declare the page."""
    parser.add_argument(
        "--report",
        type=Path,
        metavar="FILE.html",
        help="write the report as one page for a browser, without script",
    )


def check_folder(path: Path | None) -> None:
    """Check that there is a folder for a file, before anything is judged.

    Raises:
        ConfigurationError: there is none.
    """
    if path is not None and not path.parent.is_dir():
        raise ConfigurationError(f"{path}: there is no such folder; make it, or name another")


def write_page(report: "AuditReport", path: Path) -> None:
    """Write the page.

    Raises:
        ConfigurationError: it cannot be written.
    """
    from openpcc.audit.page import render  # few ask

    write(path, render(report))


def write(path: Path, data: bytes) -> None:
    """Write or replace a file, whole or not at all.

    Raises:
        ConfigurationError: it cannot be written.
    """
    from transparency_log.server.durable import write_file

    try:
        write_file(path, data)
    except (OSError, ValueError) as error:  # ValueError: a path with a NUL
        reason = getattr(error, "strerror", None) or "no such path"
        raise ConfigurationError(
            f"{path}: cannot be written ({reason}); name another file"
        ) from error
