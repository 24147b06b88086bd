"""openpcc: talk to a model that nobody but attested, publicly logged software can listen to.

    from openpcc import OpenPCC
    client = OpenPCC(config="client.toml")
    client.chat.completions.create(model="demo", messages=[{"role": "user", "content": "Hello"}])

This module lists what users may rely on and loads nothing until it is asked for: a measured node
that imports `openpcc.protocol` loads neither the client nor its HTTP stack.
"""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from openpcc.client import AsyncOpenPCC, OpenPCC
    from openpcc.config import ClientConfig, ClientPolicy
    from openpcc.errors import (
        ConfigurationError,
        DirectoryError,
        EngineError,
        GatewayError,
        IssuerError,
        IssuerKeyError,
        OpenPCCError,
        ReceiptError,
        RefusedError,
        TokenError,
        TokenRefusedError,
        TooExpensiveError,
        TransportError,
        TruncatedReplyError,
        UnknownModelError,
        UnknownPaceError,
        WalletEmptyError,
        WalletError,
    )
    from openpcc.transport import AsyncTransport, Transport
    from openpcc.trust import TrustedNode

__version__ = "0.1.0"

_HOME = {
    "AsyncOpenPCC": "openpcc.client",
    "OpenPCC": "openpcc.client",
    "AsyncTransport": "openpcc.transport",
    "Transport": "openpcc.transport",
    "ClientConfig": "openpcc.config",
    "ClientPolicy": "openpcc.config",
    "TrustedNode": "openpcc.trust",
    "ConfigurationError": "openpcc.errors",
    "DirectoryError": "openpcc.errors",
    "EngineError": "openpcc.errors",
    "GatewayError": "openpcc.errors",
    "OpenPCCError": "openpcc.errors",
    "ReceiptError": "openpcc.errors",
    "RefusedError": "openpcc.errors",
    "TransportError": "openpcc.errors",
    "TruncatedReplyError": "openpcc.errors",
    "UnknownModelError": "openpcc.errors",
    "UnknownPaceError": "openpcc.errors",
    "IssuerError": "openpcc.errors",
    "IssuerKeyError": "openpcc.errors",
    "TokenError": "openpcc.errors",
    "TokenRefusedError": "openpcc.errors",
    "TooExpensiveError": "openpcc.errors",
    "WalletEmptyError": "openpcc.errors",
    "WalletError": "openpcc.errors",
}

__all__ = [
    "AsyncOpenPCC",
    "AsyncTransport",
    "ClientConfig",
    "ClientPolicy",
    "ConfigurationError",
    "DirectoryError",
    "EngineError",
    "GatewayError",
    "IssuerError",
    "IssuerKeyError",
    "OpenPCC",
    "OpenPCCError",
    "ReceiptError",
    "RefusedError",
    "TokenError",
    "TokenRefusedError",
    "TooExpensiveError",
    "Transport",
    "TransportError",
    "TruncatedReplyError",
    "TrustedNode",
    "UnknownModelError",
    "UnknownPaceError",
    "WalletEmptyError",
    "WalletError",
]


def __getattr__(name: str) -> object:
    """Load a public name on first use."""
    if name not in _HOME:
        raise AttributeError(f"module 'openpcc' has no attribute {name!r}")
    value: object = getattr(import_module(_HOME[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    """List the public names without loading them."""
    return sorted([*__all__, "__version__"])
