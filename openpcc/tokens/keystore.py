"""The operating system's keystore, through `keyring`, where it is a real one.

Backends are taken from a closed list, by class: what `keyring` would choose by itself may be a file
in the clear, a module named in somebody's environment, or nothing at all.
"""

import base64
import binascii
import sys
from importlib import import_module
from importlib.util import find_spec
from typing import Protocol

from openpcc.errors import WalletError

SERVICE = "openpcc wallet"

BACKENDS = (
    ("keyring.backends.SecretService", "Keyring"),
    ("keyring.backends.macOS", "Keyring"),
    ("keyring.backends.Windows", "WinVaultKeyring"),
    ("keyring.backends.kwallet", "DBusKeyring"),
)
"""Keystores that are bound to the user's login: Secret Service, Keychain, Credential Locker,
KWallet. Module and class; the first that is usable here is taken."""


ERRORS = (
    ("keyring.errors", "KeyringError"),
    ("secretstorage.exceptions", "SecretStorageException"),
    ("jeepney.wrappers", "DBusErrorResponse"),
)
"""What backends raise beside `OSError`, where these are loaded: they do not wrap all of it."""


class Keystore(Protocol):
    """What the wallet needs of it."""

    def get(self, name: str) -> bytes | None:
        """Give the key of that name; None: there is none.

        Raises:
            WalletError: `keystore`: it is locked, or does not answer.
        """
        ...

    def put(self, name: str, key: bytes) -> None:
        """Keep a key. Raises as `get`."""
        ...


def find() -> Keystore | None:
    """Give this user's keystore; None: there is none, or the extra `keystore` is not installed."""
    if find_spec("keyring") is None:
        return None
    for module, name in BACKENDS:
        backend = getattr(import_module(module), name)
        if backend.viable:
            return _Keystore(backend())
    return None


class _Backend(Protocol):
    def get_password(self, service: str, username: str) -> str | None: ...

    def set_password(self, service: str, username: str, password: str) -> None: ...


class _Keystore:
    def __init__(self, backend: _Backend) -> None:
        self._backend = backend

    def get(self, name: str) -> bytes | None:
        try:
            text = self._backend.get_password(SERVICE, name)
        except _errors() as error:
            raise _locked() from error
        if text is None:
            return None
        try:
            return base64.b64decode(text, validate=True)
        except (binascii.Error, ValueError) as error:
            raise WalletError("keystore", f"the keystore's entry {name} is no key") from error

    def put(self, name: str, key: bytes) -> None:
        try:
            self._backend.set_password(SERVICE, name, base64.b64encode(key).decode())
        except _errors() as error:
            raise _locked() from error


def _errors() -> tuple[type[BaseException], ...]:
    loaded = [(sys.modules.get(module), name) for module, name in ERRORS]
    return (OSError, *(getattr(module, name) for module, name in loaded if module is not None))


def _locked() -> WalletError:
    return WalletError(
        "keystore",
        "the keystore is locked or does not answer; unlock it, or for a new wallet set "
        'protection = "file" in [tokens]',
    )
