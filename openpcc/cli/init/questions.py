"""What is asked about a new deployment, and which answers are right by themselves."""

import ipaddress
import re
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum
from urllib.parse import urlsplit

from attestation.evidence import PLATFORMS

MAX_WITNESSES = 9
"""So many have ports of their own on one machine, and nobody makes more of them at one place."""

MAX_SIGNERS = 16
MAX_NODES = 64
MAX_TEXT = 1000
"""Characters of an answer: no URL of a configuration may be longer."""

FIRST_PORT = 8000
PORTS_USED = 1100

_HOST = re.compile(r"(?=.{1,200}\Z)[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?(\.[a-z0-9]([a-z0-9-]{0,61}"
                   r"[a-z0-9])?)*", re.ASCII)  # fmt: skip
_LABEL = re.compile(r"[a-z]([a-z0-9-]{0,30}[a-z0-9])?", re.ASCII)
_MODEL = re.compile(r"[A-Za-z0-9][A-Za-z0-9._/-]{0,127}", re.ASCII)


class Kind(Enum):
    """Where the service runs."""

    LOCAL = "local"
    """Programs on this machine, to try it."""
    COMPOSE = "compose"
    """Containers on one machine."""
    KUBERNETES = "kubernetes"
    MACHINES = "machines"
    """A machine for each part, as Terraform makes them."""

    @property
    def trial(self) -> bool:
        """Say whether it has certificates of a throw-away CA."""
        return self in (Kind.LOCAL, Kind.COMPOSE)


class Form(Enum):
    """How an answer is written."""

    TEXT = "a text"
    NUMBER = "a whole number"
    TEXTS = "a list of texts"


Expected = str | None
"""What a value should have been; None: it is right."""


@dataclass(frozen=True, kw_only=True)
class Question:
    """One thing to decide. Its name is the key in a file of answers."""

    name: str
    help: str
    form: Form = Form.TEXT
    check: Callable[[str], Expected] = lambda _: None
    low: int = 1
    high: int = 1
    asked: bool = False
    """Whether a person is asked, where nothing was said."""

    @property
    def flag(self) -> str:
        """Give its flag; one of a list is given at a time."""
        name = self.name.removesuffix("s") if self.form is Form.TEXTS else self.name
        return f"--{name.replace('_', '-')}"


def _one_of(*names: str) -> Callable[[str], Expected]:
    return lambda text: None if text in names else f"one of {', '.join(names)}"


def _fits(pattern: re.Pattern[str], expected: str) -> Callable[[str], Expected]:
    return lambda text: None if pattern.fullmatch(text) else expected


_PLAIN = re.compile(r"[A-Za-z0-9:/@._~\[\]-]+")
"""URLs stand in commands that people copy: nothing in them may mean something to a shell."""


def _url(*schemes: str) -> Callable[[str], Expected]:
    expected = " or ".join(f"{scheme}://HOST" for scheme in schemes) + ", without a password"

    def check(text: str) -> Expected:
        try:
            parts = urlsplit(text)
            right = parts.scheme in schemes and parts.hostname and parts.port != 0
        except ValueError:
            return expected
        bare = parts.password is None and not parts.query and not parts.fragment
        plain = _PLAIN.fullmatch(text)
        return None if right and bare and plain and not text.endswith("/") else expected

    return check


def _database(text: str) -> Expected:
    expected = "postgresql://USER@HOST/DATABASE, without a password"
    if _url("postgresql")(text) is not None:
        return expected
    parts = urlsplit(text)
    return None if parts.username and len(parts.path) > 1 else expected


def _network(text: str) -> Expected:
    try:
        ipaddress.IPv4Network(text)
    except ValueError:
        return "an IPv4 network like 10.1.0.0/24"
    return None


QUESTIONS = (
    Question(name="service", help="host name that clients know the service by", asked=True,
             check=_fits(_HOST, "a host name in lower case, like llm.example")),
    Question(name="kind", asked=True,
             help="local, compose, kubernetes or machines (default: local)",
             check=_one_of(*(kind.value for kind in Kind))),
    Question(name="admission", help="open, or tokens (default: open)", asked=True,
             check=_one_of("open", "tokens")),
    Question(name="platforms", asked=True,
             help="of the nodes, sev-snp and so on (default of a trial: simulated)",
             form=Form.TEXTS, check=_one_of(*PLATFORMS)),
    Question(name="nodes", help="how many at the start (default: 2)", asked=True,
             form=Form.NUMBER, high=MAX_NODES),
    Question(name="name", help="prefix of the names in the cluster (default: openpcc)",
             check=_fits(_LABEL, "a short name like openpcc")),
    Question(name="namespace", help="namespace of the cluster (default: the name)",
             check=_fits(_LABEL, "a short name like openpcc")),
    Question(name="model", help="name of the model (default: demo)",
             check=_fits(_MODEL, "a model's name, like demo")),
    Question(name="model_folder", help="where a node has the model's files"),
    Question(name="candidates", help="nodes that a request is sealed to (default: 3, or all)",
             form=Form.NUMBER, high=8),
    Question(name="witnesses", help="witnesses of the log (default: 3)",
             form=Form.NUMBER, high=MAX_WITNESSES),
    Question(name="quorum", help="witnesses that must sign (default: more than half)",
             form=Form.NUMBER, high=MAX_WITNESSES),
    Question(name="release_signers", help="keys for releases; more than half must sign "
             "(default: 3; local and compose: 1)", form=Form.NUMBER, high=MAX_SIGNERS),
    Question(name="status_signers", help="keys for statuses, likewise (default: 1)",
             form=Form.NUMBER, high=MAX_SIGNERS),
    Question(name="relay_urls", help="where clients reach a relay", form=Form.TEXTS,
             check=_url("https")),
    Question(name="gateway_url", help="where relays reach the gateways", check=_url("https")),
    Question(name="publisher_url", help="where gateways reach the publisher", check=_url("https")),
    Question(name="issuer_url", help="where wallets reach the issuer", check=_url("https")),
    Question(name="log_url", help="where the log is reached", check=_url("https", "http")),
    Question(name="witness_urls", help="where the log reaches the witnesses", form=Form.TEXTS,
             check=_url("https", "http")),
    Question(name="node_urls", help="where gateways reach the nodes", form=Form.TEXTS,
             check=_url("https", "http")),
    Question(name="gateway_cidrs", help="kind machines: networks of gateways and publisher",
             form=Form.TEXTS, check=_network),
    Question(name="store", help="Valkey server that gateways share: redis[s]://HOST",
             check=_url("redis", "rediss")),
    Question(name="database", help="the issuer's PostgreSQL: postgresql://USER@HOST/DATABASE",
             check=_database),
    Question(name="first_port", help="kind local: first of the ports (default: 8000)",
             form=Form.NUMBER, low=1024, high=65535 - PORTS_USED),
)  # fmt: skip
"""All of them, those a person is asked first."""
