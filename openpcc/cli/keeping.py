"""Keeps receipts with the evidence they rest on, so that `openpcc verify receipt` can judge them.

Two files in a folder of the user's: `receipt-….json` for each reply, `evidence-….json` once for a
key epoch. The evidence is what this client verified before it sealed; nobody is asked for it, so
nobody learns whose receipts are kept. Neither file holds anything of prompt or reply.
"""

from collections.abc import Iterable
from pathlib import Path

from openpcc.errors import ConfigurationError
from openpcc.lookup import Snapshot
from openpcc.reply import Reply
from openpcc.trust import TrustedNode
from transparency_log.server.durable import write_file

SHORT = 16
"""Hex digits of a digest in a file's name."""


class Folder:
    """Where receipts are kept.

    Raises:
        ConfigurationError: there is no such folder.
    """

    def __init__(self, path: Path) -> None:
        if not path.is_dir():
            raise ConfigurationError(f"{path}: there is no such folder; make it, or name another")
        self._path = path

    def keep(self, reply: Reply, looks: Iterable[Snapshot | None]) -> str:
        """Write the receipt of a reply and the evidence beside it; say in words what was done.

        Args:
            reply: at its end.
            looks: what the client had established when it asked, and what it has now.

        Raises:
            ConfigurationError: a file cannot be written.
        """
        if reply.receipt is None or reply.node is None:
            return "no receipt was kept: the node signed none for this reply"
        name = f"receipt-{reply.receipt.request_digest.hex()[:SHORT]}.json"
        evidence = f"evidence-{reply.node.binding.hex()[:SHORT]}.json"
        bundle = _evidence(reply.node, looks)
        if bundle:
            self._write(evidence, bundle)
        self._write(name, reply.receipt_document)
        if not bundle:
            return f"kept {self._path / name}, without its evidence, which is no longer at hand"
        return f"kept {self._path / name} with {evidence}"

    def _write(self, name: str, data: bytes) -> None:
        try:
            write_file(self._path / name, data)
        except OSError as error:
            raise ConfigurationError(
                f"{self._path / name}: cannot be written ({error.strerror}); name another folder"
            ) from error


def _evidence(node: TrustedNode, looks: Iterable[Snapshot | None]) -> bytes:
    """Give the bundle that a node was trusted for; nothing if this client no longer has it."""
    for look in looks:
        rows = () if look is None else (row for rows in look.judged.values() for row in rows)
        for row in rows:
            if row.bundle and row.node is not None and row.node.leaf_hash == node.leaf_hash:
                return row.bundle
    return b""
