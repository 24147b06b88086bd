"""The commands `openpcc-log` and `openpcc-witness`, as the installation knows them."""

from transparency_log.server.needs import needs


def log() -> None:
    """Run `openpcc-log`."""
    with needs("log", command="openpcc-log"):
        from transparency_log.server.main import main

        main()


def witness() -> None:
    """Run `openpcc-witness`."""
    with needs("log", command="openpcc-witness"):
        from transparency_log.server.main import witness_main

        witness_main()
