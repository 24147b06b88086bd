"""The demonstration's issuer: one signing key, and an account for each client.

Its database is the issuer's own, its API keys are printed once and kept in files that nobody else
can read, as in a deployment.
"""

from dataclasses import dataclass
from pathlib import Path

from openpcc.cli.demo import keys as demo_keys
from openpcc.cli.demo.programs import Program, Programs
from openpcc.cli.installed import run

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
        self.config.write_text(
            f'name = "{ISSUER}"\nkeys = "issuer-keys"\nlisten = "127.0.0.1:0"\n\n'
            f"[database]\n{payment.database}\n"
        )
        (folder / "issuer-keys").mkdir(mode=0o700)
        self._run("init")
        self._run("keys", "new")
        self.program: Program = programs.start(
            "issuer", "openpcc-issuer", ["--config", str(self.config)]
        )

    def settings(self, client: str) -> str:
        """Make an account for a client; give the `[tokens]` table of its configuration."""
        api_key = self._run("account", "add", client)
        demo_keys.write_secret(self._folder / f"{client}.credential", api_key.encode())
        return (
            f'\n[tokens]\nissuer = "{self.program.listening}"\n'
            f'credential = "{client}.credential"\nbudget = 512\nprotection = "file"\n'
        )

    def publisher_settings(self) -> str:
        """Give the `[tokens]` table of the publisher's configuration."""
        issuer = self.program.listening
        return f'\n[tokens]\nissuer = "{issuer}"\nname = "{ISSUER}"\noutput = {OUTPUT}\n'

    def _run(self, *arguments: str) -> str:
        return run("openpcc-issuer", [*arguments, "--config", str(self.config)])
