"""Values of settings: the one spelling of each, and what cannot be used is refused by its key."""

import ipaddress
import re
from urllib.parse import urlsplit

from gateway.errors import ConfigurationError
from transparency_log.server.problems import found, wrong

MAX_PORT = 65535

MAX_URL = 1000
"""Characters of a URL: it stands in documents with a limit of their own."""

_HOST_NAME = re.compile(r"(?=.{1,253}\Z)[a-z0-9_-]{1,63}(\.[a-z0-9_-]{1,63})*", re.ASCII)


def refused(
    key: str, *, expected: str, value: object, remedy: str = "correct it"
) -> ConfigurationError:
    """Give the error that says what is wrong with the value of a key."""
    return ConfigurationError(
        f"{key}: {wrong(expected=expected, found=found(value), remedy=remedy)}"
    )


def parse_address(text: str, name: str) -> tuple[str, int]:
    """Read "host:port" or "[address]:port".

    Raises:
        ConfigurationError: another form.
    """
    host, separator, port = text.rpartition(":")
    bare = host[1:-1] if host.startswith("[") and host.endswith("]") else host
    if not separator or not bare or (":" in bare and bare == host):
        raise refused(name, expected='"host:port", an IPv6 address in brackets', value=text)
    if not (port.isascii() and port.isdecimal() and len(port) <= 5 and int(port) <= MAX_PORT):
        raise refused(name, expected=f"a port of 0 to {MAX_PORT}", value=text)
    return bare, int(port)


def parse_server(text: str) -> tuple[str, int]:
    """Read a DNS server: an address, with a port or without.

    Raises:
        ConfigurationError: another form.
    """
    if is_address(text):
        return text, 53
    host, port = parse_address(text, "dns_servers")
    if not is_address(host) or not port:
        expected = 'addresses, like "10.0.0.10" or "127.0.0.1:5353"'
        raise refused("dns_servers", expected=expected, value=text)
    return host, port


def is_host_name(text: str) -> bool:
    """Say whether a text can stand in a URL as a host, and in DNS as a name."""
    return _HOST_NAME.fullmatch(text) is not None


def is_loopback(host: str) -> bool:
    """Say whether an address or name means this machine."""
    return host == "localhost" or (is_address(host) and ipaddress.ip_address(host).is_loopback)


def is_address(text: str) -> bool:
    """Say whether a text is an IP address."""
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True


def check_url(name: str, text: str) -> None:
    """Refuse anything but a bare http or https origin, with a path prefix at most.

    Raises:
        ConfigurationError: see above.
    """
    try:
        parts = urlsplit(text)
        nowhere = parts.port == 0
    except ValueError:
        raise refused(name, expected="a URL like https://host:port", value=text) from None
    plain = not (parts.query or parts.fragment or parts.username or parts.password or nowhere)
    if parts.scheme not in ("http", "https") or not parts.hostname or not plain:
        raise refused(name, expected="a URL like https://host:port", value=text)
    if len(text) > MAX_URL:
        raise refused(name, expected=f"at most {MAX_URL} characters", value=text)
    if text.endswith("/"):
        raise refused(name, expected="a URL without a last slash", value=text)


def check_service(name: str, text: str) -> None:
    """Refuse a service name that could not be the authority of a URL.

    Raises:
        ConfigurationError: see above.
    """
    if not 1 <= len(text) <= 255 or urlsplit(f"https://{text}").netloc != text or "@" in text:
        raise refused(name, expected="a host name, as in the clients' policy", value=text)


def check_positive(name: str, value: float) -> None:
    """Refuse zero and less.

    Raises:
        ConfigurationError: see above.
    """
    if not value > 0:
        raise refused(name, expected="a number above 0", value=value)


def check_choice(name: str, text: str, *allowed: str) -> None:
    """Refuse anything but one of a few words.

    Raises:
        ConfigurationError: see above.
    """
    if text not in allowed:
        raise refused(name, expected=" or ".join(f'"{one}"' for one in allowed), value=text)
