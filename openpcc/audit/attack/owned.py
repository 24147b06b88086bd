"""Whose service may be attacked: one's own. Pure.

The attacks are harmless to a healthy service but for some dozens of requests; still nobody may be
handed a tool that fires at whatever address stands behind it. So it fires at this machine, and at
another only if its name is said twice.
"""

from urllib.parse import urlsplit

from openpcc.config import LOOPBACK
from openpcc.errors import ConfigurationError


def require_own(url: str, owned: str | None) -> str:
    """Give the address to attack, without a slash at its end.

    Args:
        url: of the relay.
        owned: the host that somebody says is their own; None: nobody did.

    Raises:
        ConfigurationError: no such address, or it is another's.
    """
    try:
        parts = urlsplit(url)
        host = parts.hostname or ""
        _ = parts.port
    except ValueError:
        parts, host = urlsplit(""), ""
    local = host in LOOPBACK
    extra = parts.username or parts.password or parts.query or parts.fragment
    if not host or extra or not (parts.scheme == "https" or (local and parts.scheme == "http")):
        raise ConfigurationError(
            f"{url[:200]}: name the relay of a service, https://HOST or http://127.0.0.1:PORT"
        )
    if owned is not None and owned.lower() != host:
        raise ConfigurationError(
            f"--i-own-this {owned[:64]}: the address is of {host[:64]}; name exactly that host, or "
            "nothing is sent"
        )
    if not local and owned is None:
        raise ConfigurationError(
            f"{host[:64]} is not this machine; this would look at that service some dozens of "
            "times and send its gateway and nodes about fifty requests, most of them forged, "
            f"replayed or cut. If it is yours, add --i-own-this {host[:64]}"
        )
    return url.rstrip("/")
