"""What a new deployment is to be: asked, given by flags, or read from a file; checked all at once.

    service = "llm.example"            kind = "compose"
    admission = "tokens"               platforms = ["sev-snp"]
    release_signers = 3                quorum = 2

Pure. Every question has a default but the first; what depends on others is filled in here.
"""

import ipaddress
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from enum import Enum
from urllib.parse import urlsplit

from attestation.evidence import PLATFORMS, SIMULATED_PLATFORMS
from openpcc.errors import ConfigurationError
from openpcc.relays import MAX_RELAYS

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


def _url(*schemes: str) -> Callable[[str], Expected]:
    expected = " or ".join(f"{scheme}://HOST" for scheme in schemes) + ", without a password"

    def check(text: str) -> Expected:
        try:
            parts = urlsplit(text)
            right = parts.scheme in schemes and parts.hostname and parts.port != 0
        except ValueError:
            return expected
        bare = parts.password is None and not parts.query and not parts.fragment
        plain = text.isascii() and text.isprintable() and not set(text) & set("\"'\\ ")
        return None if right and bare and plain and not text.endswith("/") else expected

    return check


def _network(text: str) -> Expected:
    try:
        ipaddress.IPv4Network(text)
    except ValueError:
        return "an IPv4 network like 10.1.0.0/24"
    return None


QUESTIONS = (
    Question(name="service", help="host name that clients know the service by", asked=True,
             check=_fits(_HOST, "a host name in lower case, like llm.example")),
    Question(name="kind", help="where it runs", asked=True,
             check=_one_of(*(kind.value for kind in Kind))),
    Question(name="admission", help="open to everybody, or paid with tokens", asked=True,
             check=_one_of("open", "tokens")),
    Question(name="platforms", help="platforms of the nodes, or simulated", asked=True,
             form=Form.TEXTS, check=_one_of(*PLATFORMS)),
    Question(name="nodes", help="nodes at the start", form=Form.NUMBER, high=MAX_NODES, asked=True),
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
             check=_url("postgresql")),
    Question(name="first_port", help="kind local: first of the ports (default: 8000)",
             form=Form.NUMBER, low=1024, high=65535 - PORTS_USED),
)  # fmt: skip
"""All of them, those a person is asked first."""


@dataclass(frozen=True, kw_only=True)
class Answers:
    """A deployment, decided. Lists of URLs are empty where the kind says them."""

    service: str
    kind: Kind
    admission: str
    platforms: tuple[str, ...]
    nodes: int
    name: str
    namespace: str
    model: str
    model_folder: str | None
    """None: the demonstration's, as the kind has it."""
    candidates: int
    witnesses: int
    quorum: int
    release_signers: int
    status_signers: int
    relay_urls: tuple[str, ...]
    gateway_url: str | None
    publisher_url: str | None
    issuer_url: str | None
    log_url: str | None
    witness_urls: tuple[str, ...]
    node_urls: tuple[str, ...]
    gateway_cidrs: tuple[str, ...]
    store: str | None
    """None: each gateway remembers in its own memory."""
    database: str | None
    """None: SQLite."""
    first_port: int

    @property
    def tokens(self) -> bool:
        """Say whether requests are paid."""
        return self.admission == "tokens"

    @property
    def simulated(self) -> bool:
        """Say whether nothing is protected."""
        return not SIMULATED_PLATFORMS.isdisjoint(self.platforms)


def decide(given: Mapping[str, object]) -> Answers:
    """Check all answers, fill in what was left out, and check that they go together.

    Raises:
        ConfigurationError: names everything that is wrong.
    """
    problems = list(_problems(given))
    if problems:
        raise ConfigurationError("; ".join(problems))
    answers = _filled(given)
    if wrong := list(_contradictions(answers)):
        raise ConfigurationError("; ".join(wrong))
    return answers


def _problems(given: Mapping[str, object]) -> Iterator[str]:
    known = {one.name: one for one in QUESTIONS}
    if given.get("service") is None:
        yield "service: missing, expected the host name of the service; name it with --service"
    for name, value in given.items():
        if name not in known:
            yield f"{name[:64]}: no such answer; openpcc init --help has all"
        elif value is not None:
            yield from _wrong(known[name], value)


def _wrong(question: Question, value: object) -> Iterator[str]:
    match question.form, value:
        case Form.NUMBER, int() if not isinstance(value, bool):
            if not question.low <= value <= question.high:
                yield f"{question.name}: expected {question.low} to {question.high}, found {value}"
        case Form.TEXT, str():
            yield from _wrong_text(question, value)
        case Form.TEXTS, list() | tuple() if value and all(isinstance(one, str) for one in value):
            for one in value:
                yield from _wrong_text(question, one)
            if len(set(value)) != len(value):
                yield f"{question.name}: names one twice; leave one out"
        case _:
            yield f"{question.name}: expected {question.form.value}, found another kind of value"


def _wrong_text(question: Question, text: str) -> Iterator[str]:
    expected = "a text without line breaks"
    if 0 < len(text) <= MAX_TEXT and text.isprintable():
        expected = question.check(text) or ""
    if expected:
        # A URL may hold a password that somebody wrote in spite of what it says.
        found = "" if "://" in text else f", found {text[:64]!r}"
        yield f"{question.name}: expected {expected}{found}"


def _filled(given: Mapping[str, object]) -> Answers:
    said = {name: value for name, value in given.items() if value is not None}
    kind = Kind(said.pop("kind", Kind.LOCAL.value))
    lists = ("platforms", "relay_urls", "witness_urls", "node_urls", "gateway_cidrs")
    said.update({name: tuple(said[name]) for name in lists if name in said})  # type: ignore[arg-type]
    default: dict[str, object] = {
        "admission": "open",
        "platforms": ("simulated",) if kind.trial else ("sev-snp",),
        "nodes": len(said.get("node_urls", ())) or 2,  # type: ignore[arg-type]
        "name": "openpcc",
        "model": "demo",
        "witnesses": len(said.get("witness_urls", ())) or 3,  # type: ignore[arg-type]
        "release_signers": 1 if kind.trial else 3,
        "status_signers": 1,
        "first_port": FIRST_PORT,
        **dict.fromkeys(lists[1:], ()),
        **_stores(kind, tokens=said.get("admission") == "tokens"),
        **dict.fromkeys(
            ("model_folder", "gateway_url", "publisher_url", "issuer_url", "log_url"), None
        ),
    }
    whole = {**default, **said}
    whole.setdefault("namespace", whole["name"])
    whole.setdefault("quorum", int(str(whole["witnesses"])) // 2 + 1)
    whole.setdefault("candidates", min(3, int(str(whole["nodes"]))))
    return Answers(kind=kind, **whole)  # type: ignore[arg-type]


def _stores(kind: Kind, *, tokens: bool) -> dict[str, object]:
    if kind is Kind.COMPOSE and tokens:
        return {
            "store": "redis://gateway@valkey:6379",
            "database": "postgresql://issuer@postgres/issuer",
        }
    return {"store": None, "database": None}


def _contradictions(answers: Answers) -> Iterator[str]:
    if answers.quorum > answers.witnesses:
        yield f"quorum: expected at most {answers.witnesses} (witnesses), found {answers.quorum}"
    if answers.candidates > answers.nodes:
        yield f"candidates: expected at most {answers.nodes} (nodes), found {answers.candidates}"
    if answers.simulated and len(answers.platforms) > 1:
        yield "platforms: expected a simulated one alone; nothing real is trusted beside it"
    if len(answers.relay_urls) > MAX_RELAYS:
        yield f"relay_urls: expected at most {MAX_RELAYS}, found {len(answers.relay_urls)}"
    for name, urls, count in (
        ("witness_urls", answers.witness_urls, answers.witnesses),
        ("node_urls", answers.node_urls, answers.nodes),
    ):
        if urls and len(urls) != count:
            yield f"{name}: expected {count}, one for each, found {len(urls)}"
    if answers.kind is Kind.LOCAL and answers.nodes > 5:
        yield f"nodes: expected at most 5 on one machine, found {answers.nodes}"
    if answers.tokens and answers.store is None and answers.kind is not Kind.LOCAL:
        yield (
            "store: missing; with tokens, name the Valkey server that all gateways share: each "
            "alone would take a token that another one has taken"
        )
