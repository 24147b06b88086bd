"""What an issuer and a gateway saw, taken apart, and two matchers that try to join it.

Nothing is told to the matchers but bytes and times: fields are found by taking the bytes apart, so
that a new header, member or habit is looked at without being listed here.

`shared` looks for bytes that an issuance and a payment have in common, as they are or hashed.
`guessed` learns, from payments whose account it is told, what tells accounts apart (first and last
bytes, lengths, numbers, who bought last and when each did, the order), and names the account
of payments it was not told: in five folds, each guessed by a forest that learned from the others.
"""

import dataclasses
import hashlib
import warnings
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from sklearn.ensemble import RandomForestClassifier
from sklearn.feature_selection import SelectKBest, VarianceThreshold
from sklearn.model_selection import StratifiedKFold, cross_val_predict
from sklearn.pipeline import make_pipeline

WINDOW = 8
"""Bytes that two captures have in common by chance less often than once in 10^9."""

TELLING = 4
"""Features that are looked at: those in which accounts differ most. Among hundreds of random ones a
forest would miss a single one that tells everything."""

Fields = dict[str, bytes]


@dataclass(frozen=True, kw_only=True)
class Bought:
    """One batch as the issuer sees it: whose, when, and every byte of request and answer."""

    account: int
    at: float
    seen: bytes


@dataclass(frozen=True, kw_only=True)
class Paid:
    """One payment as the gateway sees it. The account is not seen, but what is to be guessed."""

    account: int
    at: float
    fields: Fields


def taken_apart(value: object, name: str = "") -> Iterator[tuple[str, bytes]]:
    """Give every leaf of a value made of dataclasses, tuples, texts, numbers and bytes."""
    match value:
        case bytes():
            yield name, value
        case str():
            yield name, value.encode()
        case bool() | int():
            yield name, int(value).to_bytes(16, "big", signed=True)
        case tuple() | list():
            yield f"{name}.count", len(value).to_bytes(4, "big")
            for number, one in enumerate(value):
                yield from taken_apart(one, f"{name}.{number}")
        case _ if dataclasses.is_dataclass(value) and not isinstance(value, type):
            for field in dataclasses.fields(value):
                yield from taken_apart(getattr(value, field.name), f"{name}.{field.name}")
        case _:
            raise TypeError(f"{name}: nobody has said how a {type(value).__name__} is taken apart")


def shared(bought: Sequence[Bought], paid: Sequence[Paid]) -> list[int | None]:
    """Name, for each payment, the one account whose issuance has bytes in common with it."""
    owners: dict[bytes, int | None] = {}
    for batch in bought:
        for window in _windows(batch.seen):
            owner = owners.setdefault(window, batch.account)
            if owner != batch.account:
                owners[window] = None  # what two accounts have in common names neither
    return [_owner(one, owners) for one in paid]


def _owner(one: Paid, owners: Mapping[bytes, int | None]) -> int | None:
    text = b"\0".join(one.fields.values())
    digests = b"".join(hashlib.sha256(value).digest() for value in one.fields.values())
    found = {owners.get(window) for window in _windows(text + b"\0" + digests)} - {None}
    return found.pop() if len(found) == 1 else None


def guessed(bought: Sequence[Bought], paid: Sequence[Paid]) -> list[int]:
    """Name an account for each payment."""
    names = sorted({name for one in paid for name in one.fields})
    accounts = sorted({one.account for one in paid})
    rows = np.array([_features(one, names, bought, accounts) for one in paid])
    order = np.arange(len(paid)).reshape(-1, 1)
    labels = np.array([one.account for one in paid])
    forest = make_pipeline(
        VarianceThreshold(),
        SelectKBest(k=TELLING),
        RandomForestClassifier(n_estimators=300, random_state=1),
    )
    folds = StratifiedKFold(n_splits=5, shuffle=True, random_state=1)
    # What tells perfectly has no variance within an account, what tells nothing has none at all.
    with np.errstate(divide="ignore", invalid="ignore"), warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        found = cross_val_predict(forest, np.hstack([rows, order]), labels, cv=folds)
    return [int(one) for one in found]


def _features(
    one: Paid, names: Sequence[str], bought: Sequence[Bought], accounts: Sequence[int]
) -> list[float]:
    row: list[float] = []
    for name in names:
        value = one.fields.get(name)
        if value is None:
            row += [-1.0] * 9
        else:
            number = int.from_bytes(value[-4:], "big")
            ends = (value[:1] or b"\0")[0], (value[-1:] or b"\0")[0]
            row += [float(len(value)), float(number), float(sum(value))]
            row += [float(part) for end in ends for part in (end, end // 16, end % 16)]
    for account in accounts:
        times = [batch.at for batch in bought if batch.account == account and batch.at <= one.at]
        row.append(one.at - max(times) if times else -1.0)
    before = [batch for batch in bought if batch.at <= one.at]
    last = max(before, key=lambda batch: batch.at).account if before else -1
    return [*row, one.at, float(last)]


def _windows(text: bytes) -> Iterator[bytes]:
    for start in range(len(text) - WINDOW + 1):
        yield text[start : start + WINDOW]
