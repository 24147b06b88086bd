"""Settings of `openpcc-issuer`: one TOML file, read by `gateway.config_file.load`.

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

from dataclasses import dataclass
from functools import partial
from pathlib import Path
from urllib.parse import urlsplit

from gateway.config import ServerConfig
from gateway.issuer.id_tokens import ALGORITHMS, Provider
from gateway.values import check_positive, check_service, is_loopback, refused
from transparency_log.server.problems import Problems

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
            raise refused(
                "database", expected='kind "sqlite" and path, or kind "postgres" and dsn',
                value=self.kind,
            )  # fmt: skip


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

    def judge(self, problems: Problems, prefix: str) -> None:
        """Note what could not tell people apart, or would believe a third party."""
        for name in ("issuer", "audience"):
            problems.check(partial(self._check_text, prefix, name), prefix + name)
        problems.check(partial(self._check_algorithms, prefix), f"{prefix}algorithms")
        problems.check(partial(self._check_source, prefix), f"{prefix}jwks", f"{prefix}jwks_file")
        if self.jwks is not None:
            key = f"{prefix}jwks"
            problems.check(partial(_check_jwks, key, self.jwks), key)

    def _check_text(self, prefix: str, name: str) -> None:
        text: str = getattr(self, name)
        if not 1 <= len(text) <= MAX_TEXT:
            expected = f"the provider's text of 1 to {MAX_TEXT} characters"
            raise refused(prefix + name, expected=expected, value=text)

    def _check_algorithms(self, prefix: str) -> None:
        if not self.algorithms or not set(self.algorithms) <= set(ALGORITHMS):
            expected = f"some of {', '.join(ALGORITHMS)}"
            wrong = next((one for one in self.algorithms if one not in ALGORITHMS), None)
            raise refused(f"{prefix}algorithms", expected=expected, value=wrong)

    def _check_source(self, prefix: str) -> None:
        if (self.jwks is None) == (self.jwks_file is None):
            value = "neither" if self.jwks is None else "both"
            raise refused(f"{prefix}jwks", expected="jwks or jwks_file", value=value)


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

    def judge(self, problems: Problems) -> None:
        """See `ServerConfig.judge`."""
        super().judge(problems)
        check = problems.check
        check(lambda: check_service("name", self.name), "name")
        check(self.database.check, "database")
        for number, provider in enumerate(self.providers):
            provider.judge(problems, f"providers[{number}].")
        check(self._check_issuers, "providers")
        for name in ("max_waiting", "usage_days"):
            check(partial(check_positive, name, getattr(self, name)), name)
        check(self._check_quota, "quota")
        check(self._check_privacy, "listen", "tls_certificate")

    def _check_issuers(self) -> None:
        names = [one.issuer for one in self.providers]
        if len(set(names)) != len(names):
            raise refused(
                "providers", expected="each issuer once", value=names,
                remedy="put those of one issuer together",
            )  # fmt: skip

    def _check_quota(self) -> None:
        if self.quota < 0:
            raise refused("quota", expected="0 or more tokens", value=self.quota)

    def _check_privacy(self) -> None:
        if self.tls_certificate is None and not self.tls_in_front and not self._loopback:
            raise refused(
                "listen", expected="TLS, or an address of this machine alone", value=self.listen,
                remedy="credentials would travel in the clear: set tls_certificate and tls_key, "
                "or tls_in_front = true where a TLS proxy stands in front",
            )  # fmt: skip

    @property
    def _loopback(self) -> bool:
        return is_loopback(self.listen.rpartition(":")[0].strip("[]"))


def _check_jwks(key: str, url: str) -> None:
    parts = urlsplit(url)
    private = parts.scheme == "https" or is_loopback(parts.hostname or "")
    if parts.scheme not in ("http", "https") or not parts.hostname or not private:
        raise refused(key, expected="a URL like https://host/keys", value=url)
    if parts.username or parts.fragment:
        raise refused(key, expected="a URL without user and fragment", value=url)
