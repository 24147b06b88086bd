"""A folder of a signer, a log behind HTTP, and the command line in this process."""

import json
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from tests.transparency_log.cli.served_log import (
    ServedLog,
    served,
    write_keys,
    write_manifest,
    write_policy,
)
from tests.transparency_log.memory_log import NOW, MemoryLog
from transparency_log.cli.main import main


@dataclass
class Desk:
    """Where somebody works: files, the log, the clock and the commands."""

    folder: Path
    served: ServedLog
    capture: pytest.CaptureFixture[str]
    now: list[int] = field(default_factory=lambda: [NOW])
    said: str = ""
    told: str = ""

    @property
    def policy(self) -> Path:
        return self.folder / "policy.toml"

    def key(self, kind: str, number: int) -> Path:
        return self.folder / f"{kind}-{number}" / "key"

    def run(self, command: str, *words: object) -> int:
        """Run a command; what it printed is in `said` and `told`."""
        policy = () if command == "signer" else ("--policy", self.policy)
        code = main([command, *map(str, (*words, *policy))])
        printed = self.capture.readouterr()
        self.said, self.told = printed.out, printed.err
        return code

    def json(self, command: str, *words: object, code: int = 0) -> dict[str, Any]:
        found = self.run(command, *words, "--json")
        assert found == code, self.told
        document: dict[str, Any] = json.loads(self.said)
        return document

    @property
    def sending(self) -> tuple[object, ...]:
        return ("--to", self.served.url, "--token-file", self.folder / "token")

    def publish(self, **changes: str) -> str:
        """Log a release by two signers; gives its leaf hash."""
        number = len(list(self.folder.glob("entry-*")))
        manifest = write_manifest(self.folder)
        for old, new in changes.items():
            manifest.write_text(manifest.read_text().replace(old, new))
        keys = ("--key", self.key("release", 0), "--key", self.key("release", 1))
        out = self.folder / f"entry-{number}.json"
        proof = self.folder / f"entry-{number}.proof"
        said = self.json(
            "publish", manifest, *keys, "--yes", "--out", out, *self.sending, "--proof", proof
        )
        return str(said["leaf_hash"])

    def status(
        self, *words: object, code: int = 0, keys: tuple[int, ...] = (0, 1)
    ) -> dict[str, Any]:
        """Make, sign and log the next status."""
        number = len(list(self.folder.glob("status-*.json")))
        named = [word for one in keys for word in ("--key", self.key("status", one))]
        out = self.folder / f"status-{number}.json"
        return self.json("status", *words, *named, "--yes", "--out", out, *self.sending, code=code)


@pytest.fixture
def now(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The clock of the commands."""
    found = [NOW]
    monkeypatch.setattr(time, "time", lambda: float(found[0]))
    return found


@pytest.fixture
def desk(tmp_path: Path, now: list[int], capsys: pytest.CaptureFixture[str]) -> Iterator[Desk]:
    log = MemoryLog()
    write_keys(tmp_path)
    write_policy(tmp_path, log)
    with served(log, now=NOW) as server:
        yield Desk(folder=tmp_path, served=server, capture=capsys, now=now)
