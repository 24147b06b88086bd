"""The demonstration's issuer: one signing key, and an account for each client.

Its database is the issuer's own, its API keys are printed once and kept in files that nobody else
can read, as in a deployment.
"""

import tomllib
from dataclasses import dataclass
from pathlib import Path

from openpcc.cli import service_files, toml
from openpcc.cli.demo import keys as demo_keys
from openpcc.cli.demo.programs import Program, Programs
from openpcc.cli.installed import run
from openpcc.cli.service_files import Table

ISSUER = "issuer.demo.openpcc.invalid"
"""Its name in token challenges."""

OUTPUT = 256
"""Output tokens of the model that one token buys: so few that the demonstration pays with some."""


@dataclass(frozen=True, kw_only=True)
class Payment:
    """How requests are paid for: where spent tokens and accounts stand.

    Attributes:
        spent: the gateway's setting; in memory is enough for one gateway.
        database: the issuer's table, as TOML.
    """

    spent: str = "memory"
    database: str = 'kind = "sqlite"\npath = "issuer.db"'


class DemoIssuer:
    """A running issuer."""

    def __init__(self, folder: Path, programs: Programs, payment: Payment) -> None:
        """Make its database and its key, and start it.

        Raises:
            ConfigurationError: it did not start.
        """
        self._folder = folder
        self.config = folder / "issuer.toml"
        table = service_files.issuer(
            name=ISSUER, keys="issuer-keys", database=tomllib.loads(payment.database),
            where={"listen": "127.0.0.1:0"},
        )  # fmt: skip
        self.config.write_text(toml.write(table))
        (folder / "issuer-keys").mkdir(mode=0o700)
        self._run("init")
        self._run("keys", "new")
        self.program: Program = programs.start(
            "issuer", "openpcc-issuer", ["--config", str(self.config)]
        )

    def settings(self, client: str) -> Table:
        """Make an account for a client; give the `[tokens]` table of its configuration."""
        api_key = self._run("account", "add", client)
        demo_keys.write_secret(self._folder / f"{client}.credential", api_key.encode())
        return {
            "issuer": self.program.listening,
            "credential": f"{client}.credential",
            "budget": 512,
            "protection": "file",
        }

    def terms(self) -> Table:
        """Give the `[tokens]` table of the publisher's configuration."""
        return {"issuer": self.program.listening, "name": ISSUER, "output": OUTPUT}

    def _run(self, *arguments: str) -> str:
        return run("openpcc-issuer", [*arguments, "--config", str(self.config)])
