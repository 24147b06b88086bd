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
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.model_selection import StratifiedGroupKFold
from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

FOLDS = 5
SEED = 8
Z = 1.959964
"""Standard deviations of a 95 % interval."""


@dataclass(frozen=True, kw_only=True)
class Score:
    """How often a guess was right.

    Attributes:
        majority: how often the commonest topic of the training folds was.
    """

    right: int
    majority: int
    count: int

    @property
    def accuracy(self) -> float:
        """Share of right guesses."""
        return self.right / self.count

    @property
    def baseline(self) -> float:
        """Share of right guesses without looking."""
        return self.majority / self.count

    @property
    def interval(self) -> tuple[float, float]:
        """Give the 95 % interval of the accuracy."""
        return wilson(self.right, self.count)


def wilson(right: int, count: int) -> tuple[float, float]:
    """Give the Wilson score interval of a share (95 %)."""
    share = right / count
    middle = share + Z**2 / (2 * count)
    spread = Z * math.sqrt(share * (1 - share) / count + Z**2 / (4 * count**2))
    scale = 1 + Z**2 / count
    return (middle - spread) / scale, (middle + spread) / scale


def folds(topics: Sequence[str], subjects: Sequence[str]) -> list[tuple[list[int], list[int]]]:
    """Cut into training and test indices: topics in proportion, no subject on both sides."""
    cutter = StratifiedGroupKFold(n_splits=FOLDS, shuffle=True, random_state=SEED)
    rows = np.zeros(len(topics))
    return [
        (train.tolist(), test.tolist())
        for train, test in cutter.split(rows, list(topics), list(subjects))
    ]


def score(
    features: Sequence[Sequence[float]], topics: Sequence[str], subjects: Sequence[str]
) -> Score:
    """Train and test over all folds."""
    table, labels = np.array(features, dtype=float), np.array(topics)
    right = majority = count = 0
    for train, test in folds(topics, subjects):
        trees = HistGradientBoostingClassifier(
            max_iter=60, learning_rate=0.1, max_leaf_nodes=15, random_state=SEED
        )
        with threadpool_limits(1):  # threads that spin for a busy core take three times as long
            trees.fit(table[train], labels[train])
            right += int((trees.predict(table[test]) == labels[test]).sum())
        commonest = Counter(labels[train].tolist()).most_common(1)[0][0]
        majority += int((labels[test] == commonest).sum())
        count += len(test)
    return Score(right=right, majority=majority, count=count)
