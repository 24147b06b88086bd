"""The commands `openpcc-log` and `openpcc-witness`, as the installation knows them."""

import sys

from transparency_log.cli import COMMANDS
from transparency_log.server.needs import needs


def log() -> None:
    """Run `openpcc-log`: a command about entries, which needs no extra, or the server."""
    if sys.argv[1:2] and sys.argv[1] in COMMANDS:
        from transparency_log.cli.main import main as commands

        sys.exit(commands(sys.argv[1:]))
    with needs("log", command="openpcc-log"):
        from transparency_log.server.main import main

        main()


def witness() -> None:
    """Run `openpcc-witness`."""
    with needs("log", command="openpcc-witness"):
        from transparency_log.server.main import witness_main

        witness_main()
