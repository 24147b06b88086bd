"""What a service asks for at its door, entry by entry: admission, price, issuer keys. Pure.

A token is anonymous among those of its key. So one set of keys counts for a window, and the issuer
must offer those keys and no other: whoever is given a key of his own can be recognised by it. What
an operator may change, and when, is reported: it stands in the log for everybody.
"""

from collections.abc import Iterator, Sequence
from itertools import groupby, pairwise

from openpcc.audit.gateway_tests import GATEWAY
from openpcc.audit.report import Finding
from openpcc.audit.tested import named
from openpcc.protocol.privacypass import IssuerDirectory, IssuerKey
from openpcc.protocol.privacypass.challenge import TOKEN_TYPE
from transparency_log.service import ServiceStatement, TokenTerms

OPEN = "the admission is open"

TERMS = ("gateway.admission", "gateway.issuer-keys", "gateway.issuer-rotation")


def terms_findings(chain: Sequence[ServiceStatement]) -> tuple[Finding, ...]:
    """Judge what entries of a service say of admission.

    Args:
        chain: as far back as was read, in the order of their numbers, the newest last; not empty.
    """
    told = GATEWAY.told("gateway.admission", _admission(chain))
    if not any(one.issuer_keys for one in chain):
        rest = TERMS[1:]
        return (told, *(GATEWAY.skipped(name, OPEN, required=False) for name in rest))
    read = f"in the {len(chain)} entries from {chain[0].sequence} on"
    changes = [change for old, new in pairwise(chain) for change in _changes(old, new)]
    return (
        told,
        GATEWAY.judged("gateway.issuer-keys", _split(chain), actual=read),
        GATEWAY.told("gateway.issuer-rotation", named(changes) or f"none {read}"),
    )


def directory_finding(entry: ServiceStatement, directory: IssuerDirectory, *, now: int) -> Finding:
    """Hold what the issuer offers against the newest entry.

    A key whose time has not come may be missing in the entry: it is listed with the next window. A
    key that is not first may be missing in the directory: it is on its way out.
    """
    offered = {
        IssuerKey.parse(one.token_key).id: one.not_before or 0
        for one in directory.keys
        if one.token_type == TOKEN_TYPE
    }
    foreign = [key for key in offered if key not in entry.issuer_keys]
    wrong = [
        f"{_name(key)} is offered and not in entry {entry.sequence}"
        for key in foreign
        if offered[key] <= now
    ]
    if entry.issuer_keys[0] not in offered:
        wrong.append(f"{_name(entry.issuer_keys[0])}, which clients use, is not offered")
    said = [_name(key) for key in entry.issuer_keys if key in offered]
    said += [f"{_name(key)} later, not listed yet" for key in foreign if offered[key] > now]
    said += [f"{_name(key)} no more" for key in entry.issuer_keys[1:] if key not in offered]
    return GATEWAY.judged("gateway.issuer-directory", wrong, actual=named(said))


def _admission(chain: Sequence[ServiceStatement]) -> str:
    now = _words(chain[-1].parameters.tokens)
    changes = [
        f"entry {new.sequence}: {_words(old.parameters.tokens)}, then "
        f"{_words(new.parameters.tokens)}"
        for old, new in pairwise(chain)
        if old.parameters.tokens != new.parameters.tokens
    ]
    return f"{now}; " + (named(changes) or f"since entry {chain[0].sequence} or longer")


def _words(terms: TokenTerms | None) -> str:
    return "open" if terms is None else f"tokens of {terms.issuer} for {terms.output} output tokens"


def _split(chain: Sequence[ServiceStatement]) -> Iterator[str]:
    """Name the windows whose entries do not list the same keys."""
    ordered = sorted(chain, key=lambda one: one.not_before)
    for _, entries in groupby(ordered, key=lambda one: one.not_before):
        window = list(entries)
        if len({one.issuer_keys for one in window}) > 1:
            numbers = ", ".join(str(one.sequence) for one in window)
            yield f"entries {numbers} are of one window and list different keys"


def _changes(old: ServiceStatement, new: ServiceStatement) -> Iterator[str]:
    """Say which keys came, took over or went."""
    where = f"entry {new.sequence}"
    before, after = old.issuer_keys, new.issuer_keys
    for key in after:
        if key not in before:
            yield f"{where}: {_name(key)} comes"
    if after and before and after[0] != before[0]:
        yield f"{where}: {_name(after[0])} is the one in use"
    for key in before:
        if key not in after:
            yield f"{where}: {_name(key)} goes"


def _name(key: bytes) -> str:
    return f"key {key.hex()[:16]}…"
