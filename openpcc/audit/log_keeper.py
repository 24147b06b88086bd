"""Keeps statements that contradict each other beside what is remembered, and says where."""

from pathlib import Path

from openpcc.state import StateFile


class Keeper:
    """Keeps pairs in a state folder, as a client does (docs/formats.md, 6); None: nowhere."""

    def __init__(self, folder: Path | None) -> None:
        self._states = None if folder is None else StateFile(folder)

    def proof(self, first: bytes | None, second: bytes) -> str:
        """Keep a pair that proves something; `first` None: the log serves it no more."""
        if self._states is None:
            return "not kept: name a folder with --state"
        return f"kept in {self._states.save_proof(first or b'', second).name}"

    def suspicion(self, first: bytes, second: bytes) -> str:
        """Keep a pair that proves nothing by itself."""
        folder = None if self._states is None else self._states.save_suspicion(first, second)
        return (
            "not kept: there are enough such pairs" if folder is None else f"kept in {folder.name}"
        )
