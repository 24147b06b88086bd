"""Where each part listens, is reached, keeps its state and finds its certificate, by kind. Pure.

Paths are relative to the configuration file that names them, or what containers and machines have:

    /etc/openpcc           configuration, read-only; secrets/ and tls/ below it
    /var/lib/openpcc       state
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import assert_never

from openpcc.cli.init.answers import Answers
from openpcc.cli.init.questions import FIRST_PORT, Kind

PORTS = {"relay": 8000, "gateway": 8001, "publisher": 8002, "issuer": 8003,
         "log": 8090, "witness": 8091, "node": 8080}  # fmt: skip
"""Where each part listens; 8010 is the client's proxy."""

CONTROL = {"relay": 9000, "gateway": 9001, "publisher": 9002, "issuer": 9003,
           "log": 9090, "witness": 9091, "node": 8081}  # fmt: skip
"""Health and metrics, never public."""

SPEAKERS = frozenset({"relay", "gateway", "publisher", "issuer"})
"""What can speak TLS itself. What the log says is signed, and what goes to a node is sealed."""

SECURE = {
    Kind.LOCAL: SPEAKERS,
    # TLS ends at the edge of the one machine, or at the Ingress: what goes on in there is sealed or
    # signed. But credentials go to the issuer, and whoever alters its key directory mints tokens.
    Kind.COMPOSE: frozenset({"relay", "issuer"}),
    Kind.KUBERNETES: frozenset({"issuer"}),
    Kind.MACHINES: SPEAKERS,
}
"""What does."""

CALLS = {"relay": "gateway", "gateway": "publisher", "publisher": "issuer"}
"""Who needs a root to check whom."""

STATE = "/var/lib/openpcc"

BALANCED = frozenset({"relay", "gateway", "issuer"})
"""What stands behind a balancer, of which there may be several."""

LEAVING = {"notice": 10, "drain": 60}
"""Seconds: longer than a balancer takes to look, then what most streams take to end."""

TLS_FILES = {
    Kind.LOCAL: ("{up}tls/{role}.pem", "{up}tls/{role}.key", "{up}tls/ca.pem"),
    Kind.COMPOSE: ("/etc/ssl/openpcc.pem", "/etc/ssl/openpcc.key", "/etc/ssl/openpcc-ca.pem"),
    Kind.KUBERNETES: ("tls/tls.crt", "tls/tls.key", "tls/ca.crt"),
    # Machines of several people have certificates that the system's roots know.
    Kind.MACHINES: ("tls/tls.crt", "tls/tls.key", None),
}
"""Certificate, key and root, as a configuration names them; `up` leads out of its folder."""


@dataclass(frozen=True, kw_only=True)
class Place:
    """One part."""

    listen: str
    control: str
    url: str
    """Where the other parts reach it."""
    state: str
    """Folder of its state, for its configuration."""
    certificate: str | None = None
    key: str | None = None
    ca: str | None = None
    """Root for the TLS it speaks to others; None: the system's."""
    leaving: Mapping[str, int] = field(default_factory=dict)
    """How it stops."""

    def settings(self, *, secure: bool = True) -> dict[str, object]:
        """Give what a configuration says of it."""
        where: dict[str, object] = {"listen": self.listen, "control": self.control}
        if secure:
            where |= {"tls_certificate": self.certificate, "tls_key": self.key, "ca": self.ca}
            where |= self.leaving
        return where


@dataclass(frozen=True, kw_only=True)
class Places:
    """All parts of one deployment."""

    answers: Answers

    def of(self, role: str, number: int = 1) -> Place:
        """Give one part; witnesses and nodes have numbers from 1."""
        certificate, key, ca = self._tls(role)
        return Place(
            listen=self._address(role, number, PORTS[role]),
            control=self._control(role, number),
            url=self._url(role, number),
            state="state" if self._local else STATE,
            certificate=certificate,
            key=key,
            ca=ca,
            leaving=LEAVING if role in BALANCED and not self.answers.kind.trial else {},
        )

    def for_users(self, role: str) -> str:
        """Give where people outside reach relay or issuer, or sign towards the log."""
        answers, kind = self.answers, self.answers.kind
        said = {"issuer": answers.issuer_url, "log": answers.log_url}.get(role)
        if role == "relay" and answers.relay_urls:
            said = answers.relay_urls[0]
        if said is not None:
            return said
        if kind is Kind.COMPOSE:
            return f"{self._scheme(role)}://localhost:{PORTS[role]}"
        if kind is Kind.KUBERNETES:
            return f"https://{role}.{answers.service}"
        return self._url(role, 1)

    def machine(self, role: str, number: int) -> str:
        """Give a part's name on its network."""
        name = f"{role}-{number}" if role in ("witness", "node") else role
        match self.answers.kind:
            case Kind.LOCAL:
                return "127.0.0.1"
            case Kind.COMPOSE:
                return name
            case Kind.KUBERNETES if role != "witness":  # which others run
                return f"{self.answers.name}-{name}"
            case Kind.KUBERNETES | Kind.MACHINES:
                return f"{name}.{self.answers.service}"
            case _:
                assert_never(self.answers.kind)

    @property
    def _local(self) -> bool:
        return self.answers.kind is Kind.LOCAL

    def _url(self, role: str, number: int) -> str:
        if said := self._said(role, number):
            return said
        host, kind = self.machine(role, number), self.answers.kind
        # Log and witnesses speak plain HTTP: between machines a web server stands in front.
        fronted = {Kind.MACHINES: ("log", "witness", "relay"), Kind.KUBERNETES: ("witness",)}
        if role in fronted.get(kind, ()):
            return f"https://{host}"
        return f"{self._scheme(role)}://{host}:{self._port(role, number, PORTS[role])}"

    def _said(self, role: str, number: int) -> str | None:
        answers = self.answers
        many = {"witness": answers.witness_urls, "node": answers.node_urls}.get(role, ())
        one = {"gateway": answers.gateway_url, "publisher": answers.publisher_url,
               "log": answers.log_url}.get(role)  # fmt: skip
        if role == "issuer" and answers.kind is Kind.MACHINES:
            one = answers.issuer_url
        return many[number - 1] if many else one

    def _address(self, role: str, number: int, port: int) -> str:
        host = "127.0.0.1" if self._local else "0.0.0.0"  # noqa: S104 -- containers and machines
        return f"{host}:{self._port(role, number, port)}"

    def _control(self, role: str, number: int) -> str:
        """Health is for the machine itself; but a node is asked by others, through its firewall."""
        if self.answers.kind is Kind.MACHINES and role != "node":
            return f"127.0.0.1:{CONTROL[role]}"
        return self._address(role, number, CONTROL[role])

    def _port(self, role: str, number: int, port: int) -> int:
        if not self._local:
            return port
        step = {"witness": 1, "node": 2}.get(role, 0)
        return port + step * (number - 1) + self.answers.first_port - FIRST_PORT

    def _tls(self, role: str) -> tuple[str | None, str | None, str | None]:
        up = "../" if role == "relay" else "../../"
        found = [name and name.format(up=up, role=role) for name in TLS_FILES[self.answers.kind]]
        certificate, key, ca = found
        called = CALLS.get(role)
        if called not in self.secure or (called == "issuer" and not self.answers.tokens):
            ca = None
        return (certificate, key, ca) if role in self.secure else (None, None, ca)

    @property
    def secure(self) -> frozenset[str]:
        """Name the parts that speak TLS."""
        return SECURE[self.answers.kind]

    def _scheme(self, role: str) -> str:
        return "https" if role in self.secure else "http"
