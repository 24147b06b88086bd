"""What a new deployment is to be: asked, given by flags, or read from a file; checked all at once.

    service = "llm.example"            kind = "compose"
    admission = "tokens"               platforms = ["sev-snp"]
    release_signers = 3                quorum = 2

Pure. Every question has a default but the first; what depends on others is filled in here.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from attestation.evidence import SIMULATED_PLATFORMS
from openpcc.cli.init.questions import FIRST_PORT, MAX_TEXT, QUESTIONS, Form, Kind, Question
from openpcc.errors import ConfigurationError
from openpcc.relays import MAX_RELAYS


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
    if answers.kind is Kind.MACHINES and (answers.store or "").startswith("redis://"):
        yield "store: expected rediss://HOST between machines, found redis: its password travels"
    if answers.tokens and answers.store is None and answers.kind is not Kind.LOCAL:
        yield (
            "store: missing; with tokens, name the Valkey server that all gateways share: each "
            "alone would take a token that another one has taken"
        )
