"""Settings of the three programs: one TOML file each, read into one frozen dataclass.

The dataclasses document; `gateway.config_file.load` reads.
"""

import re
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from urllib.parse import urlsplit

from gateway.store_address import MEMORY, parse_store
from gateway.values import (
    MAX_PORT,
    check_choice,
    check_positive,
    check_service,
    check_url,
    is_address,
    is_host_name,
    is_loopback,
    parse_address,
    parse_server,
    refused,
)
from openpcc.protocol.messages import WINDOW
from transparency_log.server.problems import Problems
from transparency_log.service import LEAST_OUTPUT, MOST_OUTPUT

MAX_REQUEST = 64 << 20
"""Bytes of a sealed request (sealing sheet); around it come tokens, padding and chunk frames."""

MAX_NODES = 40_000
"""Nodes of a publisher: the nodes of three windows fit into a publication (`publication`)."""

MAX_DNS_TIME = 30
"""Seconds of one look at DNS: rounds wait for it."""

PACES = ("latency", "paced")


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

    def judge(self, problems: Problems) -> None:
        """Note what fits its type and still cannot be used."""
        check = problems.check
        check(lambda: parse_address(self.listen, "listen"), "listen")
        check(lambda: parse_address(self.control, "control"), "control")
        check(self._check_pair, "tls_certificate", "tls_key")
        for name in ("drain", "connect_timeout", "reply_timeout"):
            check(partial(check_positive, name, getattr(self, name)), name)
        check(self._check_notice, "notice")

    def _check_pair(self) -> None:
        if (self.tls_certificate is None) != (self.tls_key is None):
            one = self.tls_certificate or self.tls_key
            raise refused(
                "tls_certificate, tls_key", expected="both or neither", value=str(one),
                remedy="set both or neither",
            )  # fmt: skip

    def _check_notice(self) -> None:
        if not self.notice >= 0:
            raise refused("notice", expected="a number of seconds, or 0", value=self.notice)


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

    def judge(self, problems: Problems) -> None:
        """See `ServerConfig.judge`."""
        super().judge(problems)
        problems.check(lambda: check_url("gateway", self.gateway), "gateway")
        for name in ("max_request", "keys_cache"):
            problems.check(partial(check_positive, name, getattr(self, name)), name)


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

    def judge(self, problems: Problems) -> None:
        """See `ServerConfig.judge`."""
        super().judge(problems)
        check = problems.check
        check(lambda: check_service("service", self.service), "service")
        check(lambda: check_url("publisher", self.publisher), "publisher")
        check(lambda: check_url("log", self.log), "log")
        check(self._check_keys, "ohttp_keys")
        check(lambda: check_choice("admission", self.admission, "open", "tokens"), "admission")
        check(self._check_spent, "spent", "admission")
        for name in ("spent", "replay"):
            check(partial(self._check_store, name), name)
        for name in (
            "max_request", "max_buffered", "max_replay_entries", "max_cached", "poll", "max_spent",
            "store_timeout",
        ):  # fmt: skip
            check(partial(check_positive, name, getattr(self, name)), name)

    def _check_keys(self) -> None:
        if not self.ohttp_keys:
            raise refused(
                "ohttp_keys", expected="at least one file", value=[],
                remedy="name that of `openpcc-gateway keys`",
            )  # fmt: skip

    def _check_spent(self) -> None:
        if (self.admission == "tokens") != (self.spent is not None):
            raise refused(
                "spent", expected='a server or "memory" with admission = "tokens", and only then',
                value=self.spent,
            )  # fmt: skip

    def _check_store(self, name: str) -> None:
        text = getattr(self, name)
        if text is not None and text != MEMORY:
            parse_store(name, text)


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

    def judge(self, problems: Problems, prefix: str) -> None:
        """Note what cannot be asked or reached; keys are named behind `prefix`."""
        name, scheme, kind = (f"{prefix}{key}" for key in ("name", "scheme", "kind"))
        problems.check(lambda: self._check_name(name), name)
        problems.check(lambda: self._check_scheme(scheme), scheme)
        problems.check(lambda: self._check_kind(kind), kind, scheme, f"{prefix}port")

    def _check_name(self, key: str) -> None:
        if not is_host_name(self.name) or is_address(self.name):
            expected = "a whole name in lower case, like n.example"
            raise refused(key, expected=expected, value=self.name)

    def _check_scheme(self, key: str) -> None:
        if (self.kind, self.scheme) == ("address", "https"):
            # Addresses have no names that a certificate could be held against.
            raise refused(
                key, expected='"http" with kind = "address"', value=self.scheme,
                remedy='use kind = "srv", or "http"',
            )  # fmt: skip
        check_choice(key, self.scheme, "http", "https")

    def _check_kind(self, key: str) -> None:
        ported = {"address": 0 < self.port <= MAX_PORT, "srv": self.port == 0}
        if not ported.get(self.kind, False):
            expected = '"address" with a port of 1 to 65535, or "srv" without one'
            raise refused(key, expected=expected, value=self.kind)


@dataclass(frozen=True, kw_only=True)
class TokenSettings:
    """The `[tokens]` table: what a request is paid with."""

    # Where the issuer serves its directory (docs/issuer.md).
    issuer: str
    # The issuer's name in token challenges; a token of another name does not pay here.
    name: str
    # Most output tokens of a model that one token buys: a power of two.
    output: int = 1024

    def judge(self, problems: Problems, prefix: str) -> None:
        """Note what a service entry cannot say; keys are named behind `prefix`."""
        problems.check(lambda: self._check_issuer(f"{prefix}issuer"), f"{prefix}issuer")
        problems.check(lambda: self._check_name(f"{prefix}name"), f"{prefix}name")
        problems.check(lambda: self._check_output(f"{prefix}output"), f"{prefix}output")

    def _check_issuer(self, key: str) -> None:
        check_url(key, self.issuer)
        parts = urlsplit(self.issuer)
        if parts.scheme != "https" and not is_loopback(parts.hostname or ""):
            # Whoever can change what is read here mints tokens of his own.
            raise refused(key, expected="https, but on this machine itself", value=self.issuer)

    def _check_name(self, key: str) -> None:
        if not re.fullmatch(r"[!-~]{1,255}", self.name):
            raise refused(key, expected="the issuer's name, like i.example", value=self.name)

    def _check_output(self, key: str) -> None:
        if not LEAST_OUTPUT <= self.output <= MOST_OUTPUT or self.output.bit_count() != 1:
            expected = f"a power of two from {LEAST_OUTPUT} to {MOST_OUTPUT}"
            raise refused(key, expected=expected, value=self.output)


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

    def judge(self, problems: Problems) -> None:
        """See `ServerConfig.judge`."""
        super().judge(problems)
        check = problems.check
        check(lambda: check_service("service", self.service), "service")
        check(lambda: check_url("log", self.log), "log")
        for number, node in enumerate(self.nodes):
            key = f"nodes[{number}].url"
            check(partial(check_url, key, node.url), key)
        check(self._check_nodes, "nodes", "dns")
        for number, name in enumerate(self.dns):
            name.judge(problems, f"dns[{number}].")
        for number, text in enumerate(self.dns_servers):
            check(partial(parse_server, text), f"dns_servers[{number}]")
        check(self._check_dns_time, "dns_time")
        check(self._check_max_nodes, "max_nodes")
        if self.tokens is not None:
            self.tokens.judge(problems, "tokens.")
        check(self._check_candidates, "candidates")
        check(self._check_pace, "pace")
        check(self._check_poll, "poll")

    def _check_nodes(self) -> None:
        urls = [node.url for node in self.nodes]
        if len(set(urls)) != len(urls) or not (urls or self.dns):
            raise refused("nodes", expected="at least one node, and each once", value=urls)

    def _check_dns_time(self) -> None:
        if not 0 < self.dns_time <= MAX_DNS_TIME:
            expected = f"more than 0 and at most {MAX_DNS_TIME} seconds"
            raise refused("dns_time", expected=expected, value=self.dns_time)

    def _check_max_nodes(self) -> None:
        if not max(1, len(self.nodes)) <= self.max_nodes <= MAX_NODES:
            expected = f"the {len(self.nodes)} listed ones at least, at most {MAX_NODES}"
            raise refused("max_nodes", expected=expected, value=self.max_nodes)

    def _check_candidates(self) -> None:
        if not 1 <= self.candidates <= 8:
            raise refused("candidates", expected="a number of 1 to 8", value=self.candidates)

    def _check_pace(self) -> None:
        if not self.pace or not set(self.pace) <= set(PACES):
            raise refused("pace", expected='"latency", "paced" or both', value=list(self.pace))

    def _check_poll(self) -> None:
        if not 0 < self.poll <= WINDOW / 4:
            expected = f"more than 0 and at most {WINDOW // 4} seconds"
            raise refused("poll", expected=expected, value=self.poll)
