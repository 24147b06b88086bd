"""The commands `openpcc-node` and `openpcc-embedded-engine`, as the installation knows them."""

from transparency_log.server.needs import needs


def node() -> None:
    """Run `openpcc-node`."""
    with needs("node", command="openpcc-node"):
        from node_image.agent.main import main

        main()


def embedded_engine() -> None:
    """Run `openpcc-embedded-engine`."""
    with needs("embedded", command="openpcc-embedded-engine"):
        from node_image.embedded.main import main

        main()
