"""The commands `openpcc-gateway` and `openpcc-relay`, as the installation knows them."""

from transparency_log.server.needs import needs


def gateway() -> None:
    """Run `openpcc-gateway`."""
    with needs("gateway", command="openpcc-gateway"):
        from gateway.main import main

        main()


def relay() -> None:
    """Run `openpcc-relay`."""
    with needs("gateway", command="openpcc-relay"):
        from gateway.relay import main

        main()
