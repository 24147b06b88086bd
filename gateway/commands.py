"""The commands `openpcc-gateway`, `-relay` and `-issuer`, as the installation knows them."""

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


def issuer() -> None:
    """Run `openpcc-issuer`."""
    with needs("issuer", command="openpcc-issuer"):
        import gmpy2  # noqa: F401 -- asked for first: without it there is nothing to start

        from gateway.issuer.main import main

        main()
