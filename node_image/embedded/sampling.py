"""From logits to the next token: temperature, top-p, top-k, penalties, bias, seed, logprobs.

Log probabilities are those of the model itself, before penalties, temperature and constraints, as
vLLM reports them. With a seed the choice depends on nothing else: not on load, not on order.
"""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from node_image.embedded.weights import FloatArray

_COLD = 1e-4  # below this temperature the choice is the most likely token


@dataclass(frozen=True, kw_only=True)
class Sampling:
    """How tokens are chosen.

    Attributes:
        top_k: most tokens to choose from; 0 means all.
        seed: None draws from the operating system's entropy.
        bias: added to the logit of each token named.
        logprobs: how many alternatives to report; None reports no log probabilities.
    """

    temperature: float = 1.0
    top_p: float = 1.0
    top_k: int = 0
    seed: int | None = None
    presence_penalty: float = 0.0
    frequency_penalty: float = 0.0
    bias: Mapping[int, float] = field(default_factory=dict)
    logprobs: int | None = None


@dataclass(frozen=True, kw_only=True)
class TokenLogprob:
    """The log probability of one token, and of the likeliest ones instead of it."""

    token: int
    logprob: float
    top: tuple[tuple[int, float], ...]


class Sampler:
    """Chooses the tokens of one sequence."""

    def __init__(self, sampling: Sampling, *, index: int = 0) -> None:
        """Start a sequence; `index` tells the choices of one request apart."""
        self._sampling = sampling
        self._counts: Counter[int] = Counter()
        entropy = None if sampling.seed is None else [sampling.seed % 2**64, index]
        self._random = np.random.default_rng(entropy)

    def choose(self, logits: FloatArray, allowed: NDArray[np.bool_]) -> int:
        """The next token, one of those allowed."""
        scores = np.where(allowed, self._adjust(logits), -np.inf)
        cold = self._sampling.temperature < _COLD
        token = int(scores.argmax()) if cold else self._draw(scores)
        self._counts[token] += 1
        return token

    def _adjust(self, logits: FloatArray) -> NDArray[np.float64]:
        sampling, scores = self._sampling, logits.astype(np.float64)
        if sampling.presence_penalty or sampling.frequency_penalty:
            for token, count in self._counts.items():
                scores[token] -= sampling.presence_penalty + count * sampling.frequency_penalty
        for token, bias in sampling.bias.items():
            scores[token] += bias
        return scores

    def _draw(self, scores: NDArray[np.float64]) -> int:
        sampling = self._sampling
        scaled = (scores - scores.max()) / sampling.temperature
        order = np.argsort(-scaled, kind="stable")
        if sampling.top_k:
            order = order[: sampling.top_k]
        weights = np.exp(scaled[order])
        cumulative = np.cumsum(weights / weights.sum())
        # The smallest set whose probability reaches top_p; always at least one token.
        kept = int(np.searchsorted(cumulative, sampling.top_p)) + 1
        cumulative = cumulative[:kept]
        point = self._random.random() * cumulative[-1]
        return int(
            order[min(int(np.searchsorted(cumulative, point, "right")), len(cumulative) - 1)]
        )

    def logprob(self, logits: FloatArray, token: int) -> TokenLogprob:
        """Log probabilities at this step, for the token chosen and the likeliest ones."""
        scores = logits.astype(np.float64)
        scores -= scores.max()
        scores -= np.log(np.exp(scores).sum())
        count = self._sampling.logprobs or 0
        best = np.argsort(-scores, kind="stable")[:count]
        return TokenLogprob(
            token=token,
            logprob=float(scores[token]),
            top=tuple((int(one), float(scores[one])) for one in best),
        )
