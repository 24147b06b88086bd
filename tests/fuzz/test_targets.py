"""Each target over its seeds and some fixed changes of them; `make fuzz` goes further.

And the table itself: every parser has a target, and every target calls the parsers it names.
"""

import importlib
import inspect
import pkgutil
import re
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import CodeType, ModuleType
from typing import Any

import pytest

import attestation
from attestation.errors import MalformedEvidenceError
from attestation.strict_json import dumps
from openpcc.protocol import privacypass
from tests.fakes import tcg
from tests.fuzz.documents import EAR
from tests.fuzz.targets import TARGETS, Target

SEEDS = 4
"""Seeds of a target that are changed here."""

PLACES = 8
"""Places of a seed that are changed here."""

REPLACEMENTS = (b"", b"\0", b"\xff", b"\\ud800", b'"', b"-1", b"9" * 5000)
NAMES = ("parse", "read", "replay", "load", "decode", "b64decode")
ERRORS = ("MalformedEvidenceError", "StrictJSONError", "PolicyError", "MalformedError")
PACKAGES = (attestation, privacypass)
NO_PARSERS = {
    "attestation.attester.Attester.collect": "makes evidence",
    "attestation.ear_token.algorithm_of": "takes a key of ours",
    "attestation.ear_token.sign": "writes a token",
    "attestation.tpm.azure.read_hardware": "asks the host",
    "attestation.tpm.device.Tpm.read_nv": "asks the TPM",
    "attestation.tpm.device.Tpm.read_public": "asks the TPM",
    "attestation.evidence.EvidenceBundle.encode": "writes a bundle",
    "openpcc.protocol.privacypass.pending.PendingToken.begin": "takes fields of ours",
    "openpcc.protocol.privacypass.token.token_input": "takes fields of ours",
}
"""What promises such an error, or is so named, and reads no bytes from outside."""

FOUND = {
    "ccel_event_log": [tcg.header()[:28] + b"\xe1\xff\xff\xff" + tcg.header()[32:]],
    "ear": [dumps(EAR).replace(b'"policy"', b'"\\ud800"')],
    "simulated_extensions": [b"\0" + bytes(256)],
}
"""Inputs that broke the invariant once, by target."""

EVERY = pytest.mark.parametrize("target", TARGETS.values(), ids=list(TARGETS))


def changed(seed: bytes) -> Iterator[bytes]:
    """Give a seed cut, grown, flipped and overwritten at places all over it."""
    yield from (seed, b"", seed[:-1], seed + b"\0", seed + seed[:64], seed[1:])
    for at in range(0, len(seed), max(1, len(seed) // PLACES)):
        yield seed[:at]
        yield seed[:at] + bytes((seed[at] ^ 1,)) + seed[at + 1 :]
        yield seed[:at] + bytes((seed[at] ^ 0x80,)) + seed[at + 1 :]
        yield from (seed[:at] + new + seed[at + 1 :] for new in REPLACEMENTS)


def spread(seeds: list[bytes]) -> list[bytes]:
    return seeds[:: max(1, -(-len(seeds) // SEEDS))]


@EVERY
def test_any_bytes_give_a_value_or_a_refusal(target: Target):
    for seed in spread(list(target.seeds())):
        for data in changed(seed):
            target(data)
    for data in FOUND.get(target.name, ()):
        target(data)


@EVERY
def test_seeds_are_accepted_and_reach_every_parser_the_target_names(target: Target):
    with recorded() as called:
        accepted = [target(seed) for seed in target.seeds()]
    assert any(accepted)
    assert {code(one).co_qualname for one in target.parsers if code(one) not in called} == set()


def test_a_finding_is_raised():
    def broken(data: bytes) -> None:
        if data == b"deadly":
            raise KeyError(data)
        raise MalformedEvidenceError("refused")

    target = Target(
        name="broken", call=broken, parsers=(), seeds=list, refusals=(MalformedEvidenceError,),
        longest=8,
    )  # fmt: skip
    assert not target(b"harmless")
    with pytest.raises(KeyError):
        target(b"deadly")


def test_every_target_says_first_what_must_hold():
    for target in TARGETS.values():
        first = inspect.getdoc(target.call) or ""
        assert first.startswith("Any "), target.name


def test_every_parser_has_a_target():
    fed = {code(parser) for target in TARGETS.values() for parser in target.parsers}
    without = {name for name, function in parsers() if code(function) not in fed}
    assert without - set(NO_PARSERS) == set()
    assert set(NO_PARSERS) - without == set(), "no longer there"


def test_a_new_parser_would_be_found():
    module = ModuleType("attestation.new")
    source = 'def parse_it(data: bytes):\n    """Raises: MalformedEvidenceError."""\n'
    exec(source, module.__dict__)
    assert [name for name, _ in functions(module)] == ["attestation.new.parse_it"]


def parsers() -> Iterator[tuple[str, Callable[..., Any]]]:
    """Find public functions that read what comes from outside, by name or by promise."""
    for package in PACKAGES:
        for info in pkgutil.walk_packages(package.__path__, f"{package.__name__}."):
            for name, function in functions(importlib.import_module(info.name)):
                if is_parser(name, function):
                    yield name, function


def is_parser(name: str, function: Callable[..., Any]) -> bool:
    """Say whether a function reads bytes, by name or promise; files are of our own machine."""
    last, text = name.rpartition(".")[2], inspect.getdoc(function) or ""
    takes = set(re.findall(r"\w+", str(inspect.signature(function).parameters)))
    promises = "Raises:" in text and any(error in text for error in ERRORS)
    is_rule = last.startswith("check_") and "bytes" not in takes
    named = last.split("_")[0] in NAMES
    return (promises or named) and not is_rule and not {"Path", "Members"} & takes


def functions(module: ModuleType) -> Iterator[tuple[str, Callable[..., Any]]]:
    """Give the public functions and methods that a module defines."""
    for name, value in vars(module).items():
        if name.startswith("_") or getattr(value, "__module__", None) != module.__name__:
            continue
        if inspect.isclass(value) and not getattr(value, "_is_protocol", False):
            for method, inner in vars(value).items():
                function = getattr(inner, "__func__", inner)
                if inspect.isfunction(function) and not method.startswith("_"):
                    yield f"{module.__name__}.{name}.{method}", function
        elif inspect.isfunction(inspect.unwrap(value)):
            yield f"{module.__name__}.{name}", value


def code(function: Callable[..., Any]) -> CodeType:
    plain = inspect.unwrap(getattr(function, "__func__", function))
    found: CodeType = plain.__code__
    return found


class recorded:  # noqa: N801 - reads as a verb
    """Record which functions run; what was remembered before is forgotten, so that they do."""

    def __enter__(self) -> set[CodeType]:
        for name in [name for name in sys.modules if name.startswith("attestation")]:
            for value in vars(sys.modules[name]).values():
                getattr(value, "cache_clear", lambda: None)()
        self.called: set[CodeType] = set()
        self.before = sys.getprofile()
        sys.setprofile(lambda frame, event, argument: self.called.add(frame.f_code))
        return self.called

    def __exit__(self, *found: object) -> None:
        sys.setprofile(self.before)


def test_published_vectors_are_among_the_seeds(shared: Path):
    assert len(list(TARGETS["snp_report"].seeds())) > 20
    assert len(list(TARGETS["tdx_quote"].seeds())) > 15
