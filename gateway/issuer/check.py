"""Looks at everything that a configuration names, and says all that is wrong at once."""

import ssl
from collections.abc import Callable, Iterator
from contextlib import closing
from functools import partial
from pathlib import Path

from gateway.config import read_bounded
from gateway.errors import ConfigurationError
from gateway.issuer import keys
from gateway.issuer.config import IssuerConfig, failure
from gateway.issuer.connections import open_accounts
from gateway.issuer.errors import KeySetError
from gateway.issuer.id_tokens import MAX_KEY_SET, parse_key_set
from gateway.outbound import client_tls


def problems(config: IssuerConfig) -> list[str]:
    """List what keeps an issuer from starting; nobody but files and database is asked."""
    return [text for step in _steps(config) if (text := failure(step)) is not None]


def _steps(config: IssuerConfig) -> Iterator[Callable[[], None]]:
    for check in (_check_tls, _check_keys, _check_database):
        yield partial(check, config)
    for one in config.providers:
        if one.jwks_file is not None:
            yield partial(_check_key_set, one.jwks_file)


def _check_tls(config: IssuerConfig) -> None:
    client_tls(config.ca)
    if config.tls_certificate is not None:
        try:
            ssl.create_default_context(ssl.Purpose.CLIENT_AUTH).load_cert_chain(
                config.tls_certificate, config.tls_key
            )
        except (OSError, ssl.SSLError) as error:
            raise ConfigurationError(
                "tls_certificate, tls_key: not a certificate and its key in PEM; give both files"
            ) from error


def _check_keys(config: IssuerConfig) -> None:
    if not keys.load(config.keys).keys:
        raise ConfigurationError(f"{config.keys}: no key; make one with `openpcc-issuer keys new`")


def _check_database(config: IssuerConfig) -> None:
    with closing(open_accounts(config.database)) as accounts:
        accounts.check()


def _check_key_set(path: Path) -> None:
    try:
        parse_key_set(read_bounded(path, MAX_KEY_SET))
    except KeySetError as error:
        raise ConfigurationError(f"{path}: {error}; give the provider's key set") from error
