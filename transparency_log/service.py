"""Service entries: what a service offers in one window, the same for everybody.

docs/formats.md, 4.3. One per 10-minute window, numbered and chained, by the operator's service key.
A client that reads the newest one from the log has the keys and the node list that all have.
"""

import re
from dataclasses import dataclass

from transparency_log.release import MAX_MODELS
from transparency_log.status import parse_chain
from transparency_log.strict_json import Members, StrictJSONError

SERVICE_TYPE = "tag:openpcc.org,2026:service/v1"
"""Predicate type."""

ADMISSIONS = frozenset({"open", "tokens"})
"""Ways to be let in."""

LEAST_OUTPUT, MOST_OUTPUT = 256, 1 << 24
"""Output tokens of a model that one Privacy Pass token may buy: a power of two within these."""

PACES = frozenset({"latency", "paced"})
"""Ways a reply may be paced."""

MAX_ISSUER_KEYS = 2
"""Live token issuer keys: the current one and the one before."""

SHARD = 16
"""Leaves of a directory shard; clients rely on it."""

OUTER_PADDING = 4096
"""Bytes that outer messages are padded to a multiple of."""


@dataclass(frozen=True, kw_only=True)
class Directory:
    """Root and number of leaves of a model's node directory."""

    root: bytes
    size: int


@dataclass(frozen=True, kw_only=True)
class ServedModel:
    """A model and where its nodes are listed."""

    name: str
    directory: Directory


@dataclass(frozen=True, kw_only=True)
class TokenTerms:
    """What a request is paid with, and its price.

    Attributes:
        issuer: the issuer's name, as token challenges spell it (RFC 9577, section 2.1.1).
        output: most output tokens of a model that one token buys, a power of two.
    """

    issuer: str
    output: int


@dataclass(frozen=True, kw_only=True)
class Parameters:
    """What all clients of a service do alike.

    Attributes:
        candidates: nodes a request is sealed to, 1 to 8.
        pace: paces a client may ask for.
        tokens: the terms where admission is by tokens; None: it is open.
        shard: leaves of a directory shard.
        outer_padding: bytes that outer messages are padded to a multiple of.
    """

    candidates: int
    pace: tuple[str, ...]
    tokens: TokenTerms | None = None
    shard: int = SHARD
    outer_padding: int = OUTER_PADDING

    @property
    def admission(self) -> str:
        """Name the way to be let in."""
        return "open" if self.tokens is None else "tokens"


@dataclass(frozen=True, kw_only=True)
class ServiceStatement:
    """What a service entry says. `entry.Service` is one whose signatures were checked.

    `previous` is the leaf hash of the entry before, None for sequence 0 alone; `ohttp_keys` is the
    SHA-256 of the `application/ohttp-keys` bytes; times are Unix seconds.
    """

    service: str
    sequence: int
    previous: bytes | None
    not_before: int
    not_after: int
    models: tuple[ServedModel, ...]
    ohttp_keys: bytes
    issuer_keys: tuple[bytes, ...]
    parameters: Parameters

    def predicate(self) -> dict[str, object]:
        """Write the predicate's members, in the order of docs/formats.md."""
        parameters = self.parameters
        return {
            "service": self.service,
            "sequence": self.sequence,
            "previous": None if self.previous is None else self.previous.hex(),
            "not_before": self.not_before,
            "not_after": self.not_after,
            "models": [_model_json(model) for model in self.models],
            "ohttp_keys": self.ohttp_keys.hex(),
            "issuer_keys": [key.hex() for key in self.issuer_keys],
            "parameters": {
                "candidates": parameters.candidates,
                "shard": parameters.shard,
                "admission": parameters.admission,
                "tokens": _terms_json(parameters.tokens),
                "outer_padding": parameters.outer_padding,
                "pace": list(parameters.pace),
            },
        }


def parse_service(predicate: Members) -> ServiceStatement:
    """Read a service predicate.

    Raises:
        StrictJSONError: another spelling, a window that ends before it begins, or a model twice.
    """
    sequence, previous = parse_chain(predicate)
    service = ServiceStatement(
        service=predicate.text("service", limit=255),
        sequence=sequence,
        previous=previous,
        not_before=predicate.integer("not_before"),
        not_after=predicate.integer("not_after"),
        models=tuple(_model(one) for one in predicate.children("models", limit=MAX_MODELS)),
        ohttp_keys=predicate.hex("ohttp_keys", size=32),
        issuer_keys=_issuer_keys(predicate),
        parameters=_parameters(predicate.child("parameters")),
    )
    predicate.end()
    if service.not_after <= service.not_before:
        raise StrictJSONError(f"{predicate.name}: not_after is not after not_before")
    if len({model.name for model in service.models}) != len(service.models):
        raise StrictJSONError(f"{predicate.name}.models: a model is listed twice")
    if (service.parameters.tokens is None) != (service.issuer_keys == ()):
        raise StrictJSONError(f"{predicate.name}.issuer_keys: there are some exactly with tokens")
    return service


def _model(members: Members) -> ServedModel:
    directory = members.child("directory")
    model = ServedModel(
        name=members.text("name", limit=256),
        directory=Directory(root=directory.hex("root", size=32), size=directory.integer("size")),
    )
    directory.end()
    members.end()
    return model


def _issuer_keys(members: Members) -> tuple[bytes, ...]:
    texts = members.texts("issuer_keys", limit=MAX_ISSUER_KEYS, length=64)
    name = f"{members.name}.issuer_keys"
    keys = tuple(Members({"key": text}, name).hex("key", size=32) for text in texts)
    if len(set(keys)) != len(keys):
        raise StrictJSONError(f"{name}: a key is listed twice")
    return keys


def _parameters(members: Members) -> Parameters:
    admission = members.choice("admission", ADMISSIONS)
    parameters = Parameters(
        candidates=members.integer("candidates", low=1, high=8),
        shard=members.integer("shard", low=SHARD, high=SHARD),
        tokens=_terms(members.child_or_null("tokens")),
        outer_padding=members.integer("outer_padding", low=OUTER_PADDING, high=OUTER_PADDING),
        pace=tuple(members.texts("pace", limit=len(PACES), length=16)),
    )
    members.end()
    if not parameters.pace or not set(parameters.pace) <= PACES:
        raise StrictJSONError(f"{members.name}.pace: expected some of {', '.join(sorted(PACES))}")
    if parameters.admission != admission:
        raise StrictJSONError(f"{members.name}.tokens: there are terms exactly with tokens")
    return parameters


def _terms(members: Members | None) -> TokenTerms | None:
    if members is None:
        return None
    terms = TokenTerms(
        issuer=members.text("issuer", limit=255),
        output=members.integer("output", low=LEAST_OUTPUT, high=MOST_OUTPUT),
    )
    members.end()
    if terms.output.bit_count() != 1:
        raise StrictJSONError(f"{members.name}.output: expected a power of two")
    if not re.fullmatch(r"[!-~]+", terms.issuer):
        raise StrictJSONError(f"{members.name}.issuer: expected a host name")
    return terms


def _terms_json(terms: TokenTerms | None) -> dict[str, object] | None:
    return None if terms is None else {"issuer": terms.issuer, "output": terms.output}


def _model_json(model: ServedModel) -> dict[str, object]:
    directory = {"root": model.directory.root.hex(), "size": model.directory.size}
    return {"name": model.name, "directory": directory}
