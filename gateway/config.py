"""Settings of the three programs: one TOML file each, read into one frozen dataclass.

Unknown keys are errors, files are named by path relative to the configuration file, and nothing is
created because it is missing. `load` reads, the dataclasses document.
"""

import dataclasses
import ipaddress
import re
import tomllib
from dataclasses import dataclass
from pathlib import Path
from types import NoneType, UnionType
from typing import Any, TypeVar, get_args, get_origin, get_type_hints
from urllib.parse import urlsplit

from gateway.errors import ConfigurationError
from gateway.store_address import MEMORY, parse_store
from openpcc.protocol.messages import WINDOW
from transparency_log.service import LEAST_OUTPUT, MOST_OUTPUT

MAX_FILE = 1 << 20
"""Bytes of a configuration file: thousands of nodes fit."""

MAX_REQUEST = 64 << 20
"""Bytes of a sealed request (sealing sheet); around it come tokens, padding and chunk frames."""

MAX_PORT = 65535

MAX_NODES = 40_000
"""Nodes of a publisher: the nodes of three windows fit into a publication (`publication`)."""

MAX_URL = 1000
"""Characters of a URL: it stands in documents with a limit of their own."""

_HOST_NAME = re.compile(r"(?=.{1,253}\Z)[a-z0-9_-]{1,63}(\.[a-z0-9_-]{1,63})*", re.ASCII)

MAX_DNS_TIME = 30
"""Seconds of one look at DNS: rounds wait for it."""

Settings = TypeVar("Settings", bound="ServerConfig")


@dataclass(frozen=True, kw_only=True)
class ServerConfig:
    """What every program has."""

    # Address of the service, "host:port"; port 0 takes a free one, printed at start.
    listen: str
    # Address of /healthz, /readyz and /metrics; keep it off public networks.
    control: str = "127.0.0.1:0"
    # PEM files of this server's certificate chain and key; left out: plain HTTP.
    tls_certificate: Path | None = None
    tls_key: Path | None = None
    # PEM file of a further root for outgoing TLS; left out: the system's roots alone.
    ca: Path | None = None
    # Seconds after SIGTERM that requests are still taken, while /readyz says no: at least the
    # interval at which a load balancer looks at it. Left out: they are not.
    notice: float = 0.0
    # Seconds that open streams may go on after that.
    drain: float = 5.0
    # Seconds to reach the next hop.
    connect_timeout: float = 3.0
    # Seconds without a byte after which the next hop counts as gone.
    reply_timeout: float = 300.0

    def check(self) -> None:
        """Refuse values that fit their type and still cannot be used.

        Raises:
            ConfigurationError: names the setting and the remedy.
        """
        parse_address(self.listen, "listen")
        parse_address(self.control, "control")
        if (self.tls_certificate is None) != (self.tls_key is None):
            raise ConfigurationError("tls_certificate, tls_key: set both or neither")
        for name in ("drain", "connect_timeout", "reply_timeout"):
            check_positive(name, getattr(self, name))
        if self.notice < 0:
            raise ConfigurationError("notice: expected a number of seconds, or 0")


@dataclass(frozen=True, kw_only=True)
class RelayConfig(ServerConfig):
    """Settings of `openpcc-relay`."""

    # Where requests go; the one place they can go.
    gateway: str
    # Address of the service.
    listen: str = "127.0.0.1:8000"
    # Most bytes of one request.
    max_request: int = MAX_REQUEST + (1 << 20)
    # Seconds that the gateway's key configs are kept.
    keys_cache: float = 60.0

    def check(self) -> None:
        """See `ServerConfig.check`."""
        super().check()
        check_url("gateway", self.gateway)
        check_positive("max_request", self.max_request)


@dataclass(frozen=True, kw_only=True)
class GatewayConfig(ServerConfig):
    """Settings of `openpcc-gateway --role gateway`."""

    # Name of the service: the authority of every request inside OHTTP.
    service: str
    # Private OHTTP key files (`openpcc-gateway keys`). All are accepted; the publisher says which
    # pair is published, and a gateway that has not got it is not ready.
    ohttp_keys: tuple[Path, ...]
    # Where the publisher serves the publication, directories and bundles.
    publisher: str
    # Where the log serves its public files.
    log: str
    # Address of the service.
    listen: str = "127.0.0.1:8001"
    # Most bytes of one sealed request.
    max_request: int = MAX_REQUEST
    # Most bytes of requests held at one time; over it a request is refused as busy.
    max_buffered: int = 1 << 30
    # Most requests remembered against replay; over it a request is refused as busy.
    max_replay_entries: int = 1 << 20
    # Most bytes of copied directory, bundle and log files kept.
    max_cached: int = 64 << 20
    # Seconds between looks at the publisher.
    poll: float = 1.0
    # How requests are let in, "open" or by "tokens". A publication that says otherwise makes this
    # gateway not ready: neither of the two can open it, or close it, alone.
    admission: str = "open"
    # Where spent tokens are remembered: a Valkey or Redis server that all gateways of the service
    # share (docs/admission.md), or "memory", for one gateway whose restart forgets. No default.
    spent: str | None = None
    # Most tokens remembered in memory; over it requests are refused.
    max_spent: int = 1 << 22
    # Where requests are remembered against replay: "memory", or a server as above.
    replay: str = "memory"
    # File with the password of these servers; left out: they ask for none.
    store_password: Path | None = None
    # Seconds within which these servers must have done a step.
    store_timeout: float = 1.0

    def check(self) -> None:
        """See `ServerConfig.check`."""
        super().check()
        self._check_admission()
        check_service(self.service)
        check_url("publisher", self.publisher)
        check_url("log", self.log)
        if not self.ohttp_keys:
            raise ConfigurationError("ohttp_keys: name at least one file of `openpcc-gateway keys`")
        for name in ("max_request", "max_buffered", "max_replay_entries", "max_cached", "poll"):
            check_positive(name, getattr(self, name))

    def _check_admission(self) -> None:
        if self.admission not in ("open", "tokens"):
            raise ConfigurationError('admission: "open" or "tokens"')
        if (self.admission == "tokens") != (self.spent is not None):
            raise ConfigurationError(
                'spent: with admission = "tokens", and only then, name the server or "memory"'
            )
        for name, text in (("spent", self.spent), ("replay", self.replay)):
            if text is not None and text != MEMORY:
                parse_store(name, text)
        for name in ("max_spent", "store_timeout"):
            check_positive(name, getattr(self, name))


@dataclass(frozen=True, kw_only=True)
class NodeAddress:
    """One `[[nodes]]` table."""

    # Where gateways and this publisher reach the node.
    url: str


@dataclass(frozen=True, kw_only=True)
class DnsName:
    """One `[[dns]]` table: a name that stands for many nodes (docs/discovery.md)."""

    # The whole name, without a dot at its end; no search list is tried.
    name: str
    # "address": every address of the name is a node. "srv": every SRV record of it is one.
    kind: str
    # How nodes are reached; "https" with kind "srv" alone, whose nodes have names of their own.
    scheme: str = "http"
    # The nodes' port, for kind "address"; an SRV record brings its own.
    port: int = 0

    def check(self) -> None:
        """Refuse what cannot be asked or reached.

        Raises:
            ConfigurationError: names the setting and the remedy.
        """
        if not is_host_name(self.name) or _is_address(self.name):
            raise ConfigurationError(
                "dns.name: expected a whole name in lower case, like n.example"
            )
        match self.kind, self.scheme, self.port:
            case ("address", "http", port) if 0 < port <= MAX_PORT:
                pass
            case ("srv", "http" | "https", 0):
                pass
            case ("address", "https", _):
                raise ConfigurationError(
                    'dns.scheme: addresses have no names to check; use kind = "srv", or "http"'
                )
            case _:
                raise ConfigurationError(
                    'dns: kind = "address" with a port of 1 to 65535, or kind = "srv" without one'
                )


@dataclass(frozen=True, kw_only=True)
class TokenSettings:
    """The `[tokens]` table: what a request is paid with."""

    # Where the issuer serves its directory (docs/issuer.md).
    issuer: str
    # The issuer's name in token challenges; a token of another name does not pay here.
    name: str
    # Most output tokens of a model that one token buys: a power of two.
    output: int = 1024

    def check(self) -> None:
        """Refuse what a service entry cannot say.

        Raises:
            ConfigurationError: names the setting and the remedy.
        """
        check_url("tokens.issuer", self.issuer)
        parts = urlsplit(self.issuer)
        if parts.scheme != "https" and not _is_loopback(parts.hostname or ""):
            # Whoever can change what is read here mints tokens of his own.
            raise ConfigurationError("tokens.issuer: https, but on this machine itself")
        if not re.fullmatch(r"[!-~]{1,255}", self.name):
            raise ConfigurationError("tokens.name: expected the issuer's name, like i.example")
        if not LEAST_OUTPUT <= self.output <= MOST_OUTPUT or self.output.bit_count() != 1:
            raise ConfigurationError(f"tokens.output: a power of two from {LEAST_OUTPUT}")


@dataclass(frozen=True, kw_only=True)
class PublisherConfig(ServerConfig):
    """Settings of `openpcc-gateway --role publisher`."""

    # Name of the service, as in the clients' policy.
    service: str
    # Where the log takes entries and serves its public files.
    log: str
    # PEM file (PKCS #8, Ed25519) of the key that signs service entries.
    service_key: Path
    # Public keys (base64) of those whose status entries count.
    status_keys: tuple[str, ...]
    # The public OHTTP file (`ohttp-keys` of `openpcc-gateway keys`) that all gateways serve.
    ohttp_keys: Path
    # File of the entry chain and the directory slots, made by `openpcc-gateway publisher-init`.
    state: Path
    # Folder of the listed evidence bundles, kept 90 days; made with the state.
    archive: Path
    # The nodes that may be listed: by URL,
    nodes: tuple[NodeAddress, ...] = ()
    # and by names in DNS.
    dns: tuple[DnsName, ...] = ()
    # DNS servers, "address" or "address:port"; left out: those of the system.
    dns_servers: tuple[str, ...] = ()
    # Seconds that a look at one name may take.
    dns_time: float = 5.0
    # Most nodes that are known at one time; of more the newest are left out.
    max_nodes: int = 4096
    # Address of the service.
    listen: str = "127.0.0.1:8002"
    # File with the bearer token of the log's POST /add; left out: none is sent.
    log_token: Path | None = None
    # File of endorsements, `{"endorsements":[…]}`, put to every node; left out: none are put.
    endorsements: Path | None = None
    # Proof files of accepted releases (`openpcc-log publish --proof`), stapled to every node: a
    # client believes no release that is not. Left out: `endorsements` has them.
    proofs: tuple[Path, ...] = ()
    # Nodes that a client seals a request to.
    candidates: int = 3
    # Ways a reply may be paced; clients that choose none take the first (docs/pace.md).
    pace: tuple[str, ...] = ("latency", "paced")
    # What a request is paid with; left out: admission is open.
    tokens: TokenSettings | None = None
    # Seconds after start to wait for nodes without evidence before listing the others.
    wait: float = 30.0
    # Seconds between rounds of looking at log and nodes.
    poll: float = 5.0

    def check(self) -> None:
        """See `ServerConfig.check`."""
        super().check()
        check_service(self.service)
        check_url("log", self.log)
        urls = [node.url for node in self.nodes]
        for url in urls:
            check_url("nodes.url", url)
        if len(set(urls)) != len(urls) or not (urls or self.dns):
            raise ConfigurationError("nodes: list at least one node, and each once")
        for one in self.dns:
            one.check()
        for text in self.dns_servers:
            parse_server(text)
        if not 0 < self.dns_time <= MAX_DNS_TIME:
            raise ConfigurationError(f"dns_time: more than 0 and at most {MAX_DNS_TIME} seconds")
        if not max(1, len(urls)) <= self.max_nodes <= MAX_NODES:
            raise ConfigurationError(f"max_nodes: the listed ones at least, at most {MAX_NODES}")
        if self.tokens is not None:
            self.tokens.check()
        if not 1 <= self.candidates <= 8:
            raise ConfigurationError("candidates: a number of 1 to 8")
        if not self.pace or not set(self.pace) <= {"latency", "paced"}:
            raise ConfigurationError('pace: "latency", "paced" or both')
        if not 0 < self.poll <= WINDOW / 4:
            raise ConfigurationError(f"poll: more than 0 and at most {WINDOW // 4} seconds")


def load(path: Path, kind: type[Settings]) -> Settings:
    """Read a configuration file.

    Raises:
        ConfigurationError: missing, not TOML, an unknown or missing key, a wrong type or value.
    """
    settings: Settings = _build(_read(path), kind, path.parent, "")
    settings.check()
    return settings


def read_bounded(path: Path, limit: int) -> bytes:
    """Read one of our own files.

    Raises:
        ConfigurationError: it cannot be read, or is longer than such a file can be.
    """
    try:
        with path.open("rb") as file:
            data = file.read(limit + 1)
    except OSError as error:
        raise ConfigurationError(f"{path}: {error.strerror}; give the right path") from error
    if len(data) > limit:
        raise ConfigurationError(f"{path}: longer than {limit} bytes; is it the right file?")
    return data


def _read(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(read_bounded(path, MAX_FILE).decode())
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigurationError(f"{path}: not TOML ({error}); correct it") from error


def _build(table: dict[str, Any], kind: type[Any], base: Path, prefix: str) -> Any:
    types = get_type_hints(kind)
    fields = {field.name: field for field in dataclasses.fields(kind)}
    for key in table:
        if key not in fields:
            known = ", ".join(sorted(fields))
            raise ConfigurationError(f"{prefix}{key}: no such setting; known are {known}")
    for name, field in fields.items():
        if field.default is dataclasses.MISSING and name not in table:
            raise ConfigurationError(f"{prefix}{name}: missing; add it to the configuration file")
    values = {key: _value(value, types[key], base, prefix + key) for key, value in table.items()}
    return kind(**values)


def _value(value: Any, kind: Any, base: Path, name: str) -> Any:
    if isinstance(kind, UnionType):
        (kind,) = (one for one in get_args(kind) if one is not NoneType)
    if get_origin(kind) is tuple:
        if not isinstance(value, list):
            raise ConfigurationError(f"{name}: expected a list")
        return tuple(_value(one, get_args(kind)[0], base, name) for one in value)
    if dataclasses.is_dataclass(kind):
        if not isinstance(value, dict):
            raise ConfigurationError(f"{name}: expected a table")
        return _build(value, kind, base, f"{name}.")  # type: ignore[arg-type]
    return _scalar(value, kind, base, name)


def _scalar(value: Any, kind: Any, base: Path, name: str) -> Any:
    if kind is float and isinstance(value, int) and not isinstance(value, bool):
        value = float(value)
    expected = str if kind is Path else kind
    if type(value) is not expected:
        raise ConfigurationError(f"{name}: expected {_NAMES[kind]}")
    return base / value if kind is Path else value


_NAMES = {str: "a text", int: "an integer", float: "a number", Path: "a path", bool: "a boolean"}


def parse_address(text: str, name: str) -> tuple[str, int]:
    """Read "host:port" or "[address]:port".

    Raises:
        ConfigurationError: another form.
    """
    host, separator, port = text.rpartition(":")
    bare = host[1:-1] if host.startswith("[") and host.endswith("]") else host
    if not separator or not bare or (":" in bare and bare == host):
        raise ConfigurationError(f'{name}: write "host:port", an IPv6 address in brackets')
    if not (port.isascii() and port.isdecimal() and int(port) <= MAX_PORT):
        raise ConfigurationError(f"{name}: the port is a number of 0 to {MAX_PORT}")
    return bare, int(port)


def parse_server(text: str) -> tuple[str, int]:
    """Read a DNS server: an address, with a port or without.

    Raises:
        ConfigurationError: another form.
    """
    if _is_address(text):
        return text, 53
    host, port = parse_address(text, "dns_servers")
    if not _is_address(host) or not port:
        raise ConfigurationError('dns_servers: write addresses, "10.0.0.10" or "127.0.0.1:5353"')
    return host, port


def is_host_name(text: str) -> bool:
    """Say whether a text can stand in a URL as a host, and in DNS as a name."""
    return _HOST_NAME.fullmatch(text) is not None


def _is_loopback(host: str) -> bool:
    return host == "localhost" or (_is_address(host) and ipaddress.ip_address(host).is_loopback)


def _is_address(text: str) -> bool:
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
    parts = urlsplit(text)
    plain = not (parts.query or parts.fragment or parts.username or parts.password)
    if parts.scheme not in ("http", "https") or not parts.hostname or not plain:
        raise ConfigurationError(f"{name}: expected a URL like https://host:port")
    if len(text) > MAX_URL:
        raise ConfigurationError(f"{name}: longer than {MAX_URL} characters")
    if text.endswith("/"):
        raise ConfigurationError(f"{name}: leave out the last slash")


def check_service(text: str) -> None:
    """Refuse a service name that could not be the authority of a URL.

    Raises:
        ConfigurationError: see above.
    """
    if not 1 <= len(text) <= 255 or urlsplit(f"https://{text}").netloc != text or "@" in text:
        raise ConfigurationError("service: expected a host name, as in the clients' policy")


def check_positive(name: str, value: float) -> None:
    """Refuse zero and less.

    Raises:
        ConfigurationError: see above.
    """
    if value <= 0:
        raise ConfigurationError(f"{name}: expected a number above 0")
