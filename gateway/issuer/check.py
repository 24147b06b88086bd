"""What lies behind the paths of an issuer; nobody but files and database is asked."""

from contextlib import closing
from functools import partial
from pathlib import Path

from gateway import tls_files
from gateway.config_file import read_bounded
from gateway.errors import ConfigurationError
from gateway.issuer import keys
from gateway.issuer.config import IssuerConfig
from gateway.issuer.connections import open_accounts
from gateway.issuer.errors import AccountsError, KeySetError
from gateway.issuer.id_tokens import MAX_KEY_SET, parse_key_set
from transparency_log.server.problems import Problems


def behind(config: IssuerConfig, problems: Problems) -> None:
    """Note what keeps an issuer from starting."""
    tls_files.server(config, problems)
    problems.check(lambda: _check_keys(config.keys), "keys")
    problems.check(lambda: _check_database(config), "database")
    for number, one in enumerate(config.providers):
        if one.jwks_file is not None:
            problems.check(partial(_check_key_set, one.jwks_file), f"providers[{number}].jwks_file")


def _check_keys(folder: Path) -> None:
    if not keys.load(folder).keys:
        raise ConfigurationError(f"{folder}: no key; make one with `openpcc-issuer keys new`")


def _check_database(config: IssuerConfig) -> None:
    try:
        with closing(open_accounts(config.database)) as accounts:
            accounts.check()
    except AccountsError as error:
        raise ConfigurationError(str(error)) from error


def _check_key_set(path: Path) -> None:
    try:
        parse_key_set(read_bounded(path, MAX_KEY_SET))
    except KeySetError as error:
        raise ConfigurationError(f"{path}: {error}; give the provider's key set") from error
