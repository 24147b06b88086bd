"""The observer: gradient-boosted trees that guess the topic of an answer, cross-validated.

Published attacks on encrypted model streams train such trees on the sequence of sizes and
inter-arrival times (McDonald and Bar Or, "Whisper Leak", arXiv 2511.03675, beside recurrent and
transformer classifiers). Folds are fixed; questions about one subject stay in one fold, so a topic
has to be recognised and not a subject. Beside each accuracy stands what naming the commonest topic
scores.
"""

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.model_selection import StratifiedGroupKFold
from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

FOLDS = 5
SEEDS = (8, 9, 10, 11, 12)
"""Each cuts the folds and grows the trees another way; one cut alone moves by two points."""
Z = 1.959964
"""Standard deviations of a 95 % interval."""


@dataclass(frozen=True, kw_only=True)
class Score:
    """How often a guess was right.

    Attributes:
        right: right guesses, by seed.
        majority: how often the commonest topic of the training folds was, by seed.
        count: answers.
    """

    right: tuple[int, ...]
    majority: tuple[int, ...]
    count: int

    @property
    def accuracy(self) -> float:
        """Share of right guesses, over all seeds."""
        return sum(self.right) / len(self.right) / self.count

    @property
    def by_seed(self) -> tuple[float, ...]:
        """The same, of each seed."""
        return tuple(right / self.count for right in self.right)

    @property
    def baseline(self) -> float:
        """Share of right guesses without looking."""
        return sum(self.majority) / len(self.majority) / self.count

    @property
    def interval(self) -> tuple[float, float]:
        """Give the 95 % interval of the accuracy: other seeds are not other answers."""
        return wilson(self.accuracy, self.count)


def wilson(share: float, count: int) -> tuple[float, float]:
    """Give the Wilson score interval of a share of `count` (95 %)."""
    middle = share + Z**2 / (2 * count)
    spread = Z * math.sqrt(share * (1 - share) / count + Z**2 / (4 * count**2))
    scale = 1 + Z**2 / count
    return (middle - spread) / scale, (middle + spread) / scale


def folds(
    topics: Sequence[str], subjects: Sequence[str], seed: int
) -> list[tuple[list[int], list[int]]]:
    """Cut into training and test indices: topics in proportion, no subject on both sides."""
    cutter = StratifiedGroupKFold(n_splits=FOLDS, shuffle=True, random_state=seed)
    rows = np.zeros(len(topics))
    return [
        (train.tolist(), test.tolist())
        for train, test in cutter.split(rows, list(topics), list(subjects))
    ]


def score(
    features: Sequence[Sequence[float]], topics: Sequence[str], subjects: Sequence[str]
) -> Score:
    """Train and test over all folds, with every seed."""
    table, labels = np.array(features, dtype=float), np.array(topics)
    found = [_one(table, labels, folds(topics, subjects, seed), seed) for seed in SEEDS]
    return Score(
        right=tuple(right for right, _ in found),
        majority=tuple(majority for _, majority in found),
        count=len(topics),
    )


def _one(
    table: NDArray[np.float64],
    labels: NDArray[np.str_],
    cuts: Sequence[tuple[list[int], list[int]]],
    seed: int,
) -> tuple[int, int]:
    right = majority = 0
    for train, test in cuts:
        trees = HistGradientBoostingClassifier(
            max_iter=60, learning_rate=0.1, max_leaf_nodes=15, random_state=seed
        )
        with threadpool_limits(1):  # threads that spin for a busy core take three times as long
            trees.fit(table[train], labels[train])
            right += int((trees.predict(table[test]) == labels[test]).sum())
        commonest = Counter(labels[train].tolist()).most_common(1)[0][0]
        majority += int((labels[test] == commonest).sum())
    return right, majority
