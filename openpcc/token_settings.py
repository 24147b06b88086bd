"""`[tokens]` of a client configuration: who issues, and how many are kept. docs/formats.md, 6.

[tokens]
issuer = "https://issuer.example"
credential = "credential"
"""

import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from openpcc.errors import ConfigurationError
from openpcc.protocol.sealing import MIN_OUTPUT
from transparency_log.errors import PolicyError
from transparency_log.private_files import require_private

if TYPE_CHECKING:
    from openpcc.config import Table

STOCK, MAX_STOCK = 256, 4096
BUDGET, MAX_BUDGET = 4096, 1 << 24
EVERY, LEAST_EVERY, MOST_EVERY = 900, 10, 86400

MAX_CREDENTIAL = 16384
"""Bytes of a credential; an ID token with many claims has some thousand."""

NO_TOKENS = "the service asks for tokens; add [tokens] to the configuration (docs/wallet.md)"
"""What to do where a service wants to be paid and nothing says with what."""

PROTECTIONS = ("keystore", "file")


@dataclass(frozen=True, kw_only=True)
class TokenSettings:
    """Where tokens come from, and how many this client keeps.

    Attributes:
        issuer: URL of the issuer: https, or http on a loopback address.
        credential: file with what the issuer knows the account by: an API key or an OIDC ID token.
        stock: how many tokens the wallet is filled up to.
        budget: most output tokens of a reply where the request names no limit: a power of two.
        every: mean seconds between two looks at the stock, whose times are random.
        protection: `keystore` or `file`; None: the keystore where there is one.
        ca: extra root certificates for the issuer's TLS; None: the system's alone.
    """

    issuer: str
    credential: Path
    stock: int = STOCK
    budget: int = BUDGET
    every: int = EVERY
    protection: str | None = None
    ca: Path | None = None

    def read_credential(self) -> str:
        """Read the credential; anew for each use, because ID tokens are renewed in place.

        Raises:
            ConfigurationError: unreadable, readable by others, or no credential.
        """
        try:
            with self.credential.open("rb") as file:
                require_private(self.credential, os.fstat(file.fileno()))
                data = file.read(MAX_CREDENTIAL + 1)
        except PolicyError as error:
            raise ConfigurationError(str(error)) from error
        except OSError as error:
            raise ConfigurationError(
                f"{self.credential}: cannot read the credential ({error.strerror or 'unusable'}); "
                "set 'credential' in [tokens]"
            ) from error
        text = data.decode("ascii", "replace").rstrip("\r\n")
        # RFC 6750, section 2.1: what a bearer token is made of.
        if len(data) > MAX_CREDENTIAL or not re.fullmatch(r"[A-Za-z0-9._~+/-]+=*", text):
            raise ConfigurationError(
                f"{self.credential}: not a credential; write the API key or the ID token into it"
            )
        return text


def read_tokens(table: "Table", home: Path) -> TokenSettings:
    """Read the table; paths are relative to `home`.

    Raises:
        ConfigurationError: something is missing or wrong.
    """
    from openpcc.config import checked_url

    ca = table.optional_text("ca")
    settings = TokenSettings(
        issuer=checked_url(table.text("issuer"), f"{table.name}: 'issuer'"),
        credential=home / table.text("credential"),
        stock=_number(table, "stock", STOCK, low=1, high=MAX_STOCK),
        budget=_number(table, "budget", BUDGET, low=MIN_OUTPUT, high=MAX_BUDGET),
        every=_number(table, "every", EVERY, low=LEAST_EVERY, high=MOST_EVERY),
        protection=table.optional_text("protection"),
        ca=None if ca is None else home / ca,
    )
    table.end()
    if settings.budget.bit_count() != 1:
        raise ConfigurationError(f"{table.name}: 'budget' must be a power of two; correct it there")
    if settings.protection not in (None, *PROTECTIONS):
        raise ConfigurationError(
            f"{table.name}: 'protection' must be one of {', '.join(PROTECTIONS)}; correct it "
            "there, or leave it out"
        )
    return settings


def _number(table: "Table", key: str, default: int, *, low: int, high: int) -> int:
    return table.integer(key, low=low, high=high) if key in table else default
