"""Settings of `openpcc-issuer`: one TOML file, read by `gateway.config.load`.

name = "issuer.example"
listen = "0.0.0.0:8443"
tls_certificate = "issuer.pem"
tls_key = "issuer.key"
keys = "keys"

[database]
kind = "sqlite"
path = "issuer.db"

[[providers]]
issuer = "https://accounts.example"
audience = "openpcc"
algorithms = ["ES256"]
jwks = "https://accounts.example/keys"
"""

import ipaddress
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from urllib.parse import urlsplit

from gateway.config import ServerConfig, check_positive, check_service
from gateway.errors import ConfigurationError
from gateway.issuer.errors import AccountsError
from gateway.issuer.id_tokens import ALGORITHMS, Provider

MAX_TEXT = 1024
"""Characters of a provider's issuer or audience."""


@dataclass(frozen=True, kw_only=True)
class DatabaseConfig:
    """`[database]`: where accounts, usage and charged batches stand."""

    # "sqlite", for issuers on one machine, or "postgres".
    kind: str
    # File of the SQLite database, made by `openpcc-issuer init`.
    path: Path | None = None
    # File with the connection string (libpq) of PostgreSQL, mode 0600; its schema is the issuer's.
    dsn: Path | None = None

    def check(self) -> None:
        """Refuse a table that names no database, or two.

        Raises:
            ConfigurationError: names the setting and the remedy.
        """
        given = (self.path is not None, self.dsn is not None)
        if given != {"sqlite": (True, False), "postgres": (False, True)}.get(self.kind):
            raise ConfigurationError('database: kind "sqlite" and path, or kind "postgres" and dsn')


@dataclass(frozen=True, kw_only=True)
class ProviderConfig:
    """One `[[providers]]`: an OIDC identity provider whose ID tokens are credentials."""

    # Its issuer identifier, exactly as it stands in the claim `iss`.
    issuer: str
    # Our client id there; an ID token must be for this audience and no other.
    audience: str
    # Signature algorithms that it uses; others are refused. Asymmetric ones only.
    algorithms: tuple[str, ...]
    # Address of its key set (the `jwks_uri` of its discovery document); https, or this machine.
    jwks: str | None = None
    # Or a file with the key set, looked at again when a key is not in it.
    jwks_file: Path | None = None
    # False: only people added with `account add --oidc-issuer … --subject …`. True: whoever the
    # provider vouches for gets an account and a quota. Not for providers where anyone can sign up.
    anyone: bool = False

    @property
    def provider(self) -> Provider:
        """What an ID token is held against."""
        return Provider(
            issuer=self.issuer, audience=self.audience, algorithms=frozenset(self.algorithms)
        )

    def check(self) -> None:
        """Refuse what could not tell people apart, or would believe a third party.

        Raises:
            ConfigurationError: names the setting and the remedy.
        """
        if not (1 <= len(self.issuer) <= MAX_TEXT and 1 <= len(self.audience) <= MAX_TEXT):
            raise ConfigurationError("providers: issuer and audience are the provider's texts")
        unknown = sorted(set(self.algorithms) - set(ALGORITHMS))
        if unknown or not self.algorithms:
            raise ConfigurationError(f"providers.algorithms: choose among {', '.join(ALGORITHMS)}")
        if (self.jwks is None) == (self.jwks_file is None):
            raise ConfigurationError("providers: set jwks or jwks_file")
        if self.jwks is not None:
            _check_jwks(self.jwks)


@dataclass(frozen=True, kw_only=True)
class IssuerConfig(ServerConfig):
    """Settings of `openpcc-issuer`."""

    # Name of the issuer, as in the publisher's `[tokens]`: part of every token's challenge.
    name: str
    # Folder of the signing keys (`openpcc-issuer keys`).
    keys: Path
    # See `DatabaseConfig`.
    database: DatabaseConfig
    # Address of the service.
    listen: str = "127.0.0.1:8003"
    # Tokens that an account may take in a day (UTC), where it has no quota of its own.
    quota: int = 1024
    # Identity providers; left out: API keys only.
    providers: tuple[ProviderConfig, ...] = ()
    # True: TLS ends in front of this server, on a network that credentials may cross in the clear.
    tls_in_front: bool = False
    # Batches taken and not answered yet; over it a request is refused as busy.
    max_waiting: int = 64
    # Days that usage is kept for billing.
    usage_days: int = 400

    def check(self) -> None:
        """See `ServerConfig.check`; here all problems are named, a line each."""
        steps: list[Callable[[], None]] = [
            super().check,
            partial(check_service, self.name),
            self.database.check,
            *(provider.check for provider in self.providers),
            self._check_numbers,
            self._check_privacy,
        ]
        if problems := [text for step in steps if (text := failure(step)) is not None]:
            raise ConfigurationError("\n".join(problems))

    def _check_numbers(self) -> None:
        for name in ("max_waiting", "usage_days"):
            check_positive(name, getattr(self, name))
        if self.quota < 0:
            raise ConfigurationError("quota: 0 or more tokens")
        if len({one.issuer for one in self.providers}) != len(self.providers):
            raise ConfigurationError("providers: two have one issuer; put them together")

    def _check_privacy(self) -> None:
        if self.tls_certificate is None and not self.tls_in_front and not self._loopback:
            raise ConfigurationError(
                "listen: credentials would travel in the clear; set tls_certificate and tls_key, "
                "or tls_in_front = true where a TLS proxy stands in front"
            )

    @property
    def _loopback(self) -> bool:
        return is_loopback(self.listen.rpartition(":")[0].strip("[]"))


def failure(step: Callable[[], None]) -> str | None:
    """Run a check; gives what it refuses, if it does."""
    try:
        step()
    except (ConfigurationError, AccountsError) as error:
        return str(error)
    return None


def is_loopback(host: str) -> bool:
    """Say whether an address or name means this machine."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _check_jwks(url: str) -> None:
    parts = urlsplit(url)
    private = parts.scheme == "https" or is_loopback(parts.hostname or "")
    if parts.scheme not in ("http", "https") or not parts.hostname or not private:
        raise ConfigurationError("providers.jwks: expected a URL like https://host/keys")
    if parts.username or parts.fragment:
        raise ConfigurationError("providers.jwks: neither user nor fragment")
