"""What an image comes to on one platform, against what its release says. docs/audit.md. Pure."""

from collections.abc import Iterator

from attestation.event_rules import EventRule
from attestation.measure.recompute import Values
from attestation.reference_values import ReferenceValues
from openpcc.audit.release_tests import RELEASE
from openpcc.audit.report import Finding


def compared(values: Values, logged: ReferenceValues) -> Iterator[Finding]:
    """Judge measurement, registers and rules, and tell what is left to cloud and host."""
    if values.measurement == logged.measurement:
        yield RELEASE.passed("release.measurement", values.measurement.hex())
    else:
        yield RELEASE.failed(
            "release.measurement",
            f"{values.sources['measurement']}: {values.measurement.hex()}",
            expected=logged.measurement.hex(),
        )
    yield RELEASE.judged("release.registers", _registers(values, logged))
    yield RELEASE.judged("release.rules", _rules(values, logged))
    if values.given:
        yield RELEASE.told("release.given", values.measurement.hex())
    left = [
        f"register {index}: {rule.text}"
        for index, rules in sorted(logged.events.items())
        for rule in rules
        if not rule.digests
    ]
    if left:
        yield RELEASE.told("release.open", "; ".join(left))


def _registers(values: Values, logged: ReferenceValues) -> Iterator[str]:
    """Name each register that differs, with the files that decide it."""
    for index in sorted({*values.registers, *logged.registers}):
        found, wanted = values.registers.get(index), logged.registers.get(index)
        if found != wanted:
            source = values.sources.get(str(index), "no file decides it")
            yield (f"register {index} ({source}): {_shown(wanted)} expected, {_shown(found)} found")


def _rules(values: Values, logged: ReferenceValues) -> Iterator[str]:
    for index in sorted({*values.events, *logged.events}):
        found, wanted = values.events.get(index, ()), logged.events.get(index, ())
        if found != wanted:
            source = values.sources.get(str(index), "no file decides it")
            yield f"register {index} ({source}): {_difference(wanted, found)}"


def _difference(wanted: tuple[EventRule, ...], found: tuple[EventRule, ...]) -> str:
    if len(wanted) != len(found):
        return f"{len(wanted)} rules expected, {len(found)} found"
    place = next(
        at for at, pair in enumerate(zip(wanted, found, strict=True)) if pair[0] != pair[1]
    )
    return f"rule {place + 1}: {wanted[place].text} expected, {found[place].text} or others found"


def _shown(value: bytes | None) -> str:
    return "none" if value is None else value.hex()
