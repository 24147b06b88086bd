"""The forward pass of a small Llama in float32 NumPy, with a key-value cache.

It computes what `LlamaForCausalLM` of transformers computes (a test holds the logits together):
RMS norm, rotary positions in the two-halves convention, grouped-query attention, SwiGLU. One call
takes a piece of one sequence, at least one token, and appends it to that sequence's cache.
"""

import json
from dataclasses import dataclass
from typing import Protocol, Self

import numpy as np

from node_image.embedded.errors import ModelFilesError
from node_image.embedded.weights import FloatArray

_MAX_SIZE = 2**20
_FIRST_ROOM = 128  # positions that the first growth of a cache makes room for


@dataclass(frozen=True, kw_only=True)
class Shape:
    """Sizes of a model, as `config.json` gives them."""

    vocabulary: int
    hidden: int
    inner: int
    layers: int
    heads: int
    kv_heads: int
    head_size: int
    context: int
    epsilon: float
    theta: float
    tied: bool

    @classmethod
    def parse(cls, data: bytes) -> Self:
        """Read `config.json`.

        Raises:
            ModelFilesError: not a plain Llama of this kind.
        """
        try:
            config = json.loads(data)
        except (ValueError, RecursionError) as error:
            raise ModelFilesError("config.json is not JSON") from error
        if not isinstance(config, dict) or config.get("model_type") != "llama":
            raise ModelFilesError("config.json does not describe a Llama")
        rope = config.get("rope_parameters") or {"rope_theta": config.get("rope_theta", 10000.0)}
        if not isinstance(rope, dict) or rope.get("rope_type", "default") != "default":
            raise ModelFilesError("only default rotary positions are run here")
        if config.get("hidden_act") != "silu" or config.get("attention_bias"):
            raise ModelFilesError("only SwiGLU without biases is run here")
        heads = _size(config, "num_attention_heads")
        shape = cls(
            vocabulary=_size(config, "vocab_size"),
            hidden=_size(config, "hidden_size"),
            inner=_size(config, "intermediate_size"),
            layers=_size(config, "num_hidden_layers"),
            heads=heads,
            kv_heads=_size(config, "num_key_value_heads"),
            head_size=_size(config, "head_dim"),
            context=_size(config, "max_position_embeddings"),
            epsilon=_positive(config.get("rms_norm_eps")),
            theta=_positive(rope.get("rope_theta")),
            tied=config.get("tie_word_embeddings") is True,
        )
        if shape.heads % shape.kv_heads or shape.head_size % 2:
            raise ModelFilesError("the heads do not divide evenly")
        return shape


def _size(config: dict[str, object], name: str) -> int:
    value = config.get(name)
    if isinstance(value, bool) or not isinstance(value, int) or not 0 < value <= _MAX_SIZE:
        raise ModelFilesError(f"config.json: {name} is not a usable size")
    return value


def _positive(value: object) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value < 1e12:
        raise ModelFilesError("config.json: rms_norm_eps or rope_theta is not a usable number")
    return float(value)


class Cache:
    """Keys and values of one sequence, for every layer."""

    def __init__(self, shape: Shape) -> None:
        self.length = 0
        # Nothing yet: a request that only waits in the queue costs next to nothing.
        self._blocks = np.zeros((shape.layers, 2, shape.kv_heads, 0, shape.head_size), np.float32)

    def make_room(self, total: int, limit: int) -> None:
        """Grow, by doubling, to hold `total` positions; `limit` is the model's context."""
        room = self._blocks.shape[3]
        if total <= room:
            return
        wider = min(max(total, 2 * room, _FIRST_ROOM), limit)
        grown = np.zeros((*self._blocks.shape[:3], wider, self._blocks.shape[4]), np.float32)
        grown[:, :, :, :room] = self._blocks
        self._blocks = grown

    def extend(
        self, layer: int, keys: FloatArray, values: FloatArray
    ) -> tuple[FloatArray, FloatArray]:
        """Store the new positions (kv head, position, size) and give all up to them."""
        end = self.length + keys.shape[1]
        block = self._blocks[layer]
        block[0, :, self.length : end] = keys
        block[1, :, self.length : end] = values
        return block[0, :, :end], block[1, :, :end]


@dataclass(frozen=True, kw_only=True)
class Layer:
    """Weights of one layer, transposed, with what is applied together joined."""

    before_attention: FloatArray
    query_key_value: FloatArray
    output: FloatArray
    before_mlp: FloatArray
    gate_up: FloatArray
    down: FloatArray


class Llama:
    """A loaded model. `forward` may be called from one thread at a time per cache."""

    def __init__(self, shape: Shape, tensors: dict[str, FloatArray]) -> None:
        """Take the weights over.

        Raises:
            ModelFilesError: a tensor is missing, superfluous or of another shape.
        """
        self.shape = shape
        left = dict(tensors)

        def take(name: str, *size: int) -> FloatArray:
            tensor = left.pop(name, None)
            if tensor is None or tensor.shape != size:
                raise ModelFilesError(f"tensor {name} is missing or of another shape")
            return tensor

        self._embedding = take("model.embed_tokens.weight", shape.vocabulary, shape.hidden)
        self._layers = [_layer(shape, number, take) for number in range(shape.layers)]
        self._last_norm = take("model.norm.weight", shape.hidden)
        head = self._embedding
        if not shape.tied:
            head = take("lm_head.weight", shape.vocabulary, shape.hidden)
        self._head = np.ascontiguousarray(head.T)
        if left:
            raise ModelFilesError(f"tensor {min(left)} has no place in this model")
        inverse = shape.theta ** (-np.arange(0, shape.head_size, 2) / shape.head_size)
        angles = np.outer(np.arange(shape.context), inverse)
        self._cos = np.cos(angles).astype(np.float32)
        self._sin = np.sin(angles).astype(np.float32)

    def new_cache(self) -> Cache:
        """An empty cache for one sequence."""
        return Cache(self.shape)

    def forward(self, ids: list[int], cache: Cache) -> FloatArray:
        """Final hidden states of the given tokens, which follow what the cache holds."""
        start, end = cache.length, cache.length + len(ids)
        cache.make_room(end, self.shape.context)
        x = self._embedding[ids]
        cos, sin = self._cos[start:end, None], self._sin[start:end, None]
        for number, layer in enumerate(self._layers):
            normed = _rms_norm(x, layer.before_attention, self.shape.epsilon)
            x = x + self._attend(number, layer, normed, cos, sin, cache) @ layer.output
            normed = _rms_norm(x, layer.before_mlp, self.shape.epsilon)
            gate, up = np.split(normed @ layer.gate_up, 2, axis=-1)
            x = x + (gate / (1.0 + np.exp(-np.maximum(gate, -80.0))) * up) @ layer.down
        cache.length = end
        return _rms_norm(x, self._last_norm, self.shape.epsilon)

    def logits(self, hidden: FloatArray) -> FloatArray:
        """Scores over the vocabulary for one or more hidden states."""
        return hidden @ self._head

    def _attend(
        self,
        number: int,
        layer: Layer,
        x: FloatArray,
        cos: FloatArray,
        sin: FloatArray,
        cache: Cache,
    ) -> FloatArray:
        shape, count = self.shape, len(x)
        groups = shape.heads // shape.kv_heads
        mixed = (x @ layer.query_key_value).reshape(count, -1, shape.head_size)
        turned = _rotate(mixed[:, : shape.heads + shape.kv_heads], cos, sin)
        grouped = turned[:, : shape.heads].reshape(count, shape.kv_heads, groups, -1)
        queries = np.reshape(grouped.transpose(1, 2, 0, 3), (shape.kv_heads, groups * count, -1))
        keys, values = cache.extend(
            number,
            turned[:, shape.heads :].transpose(1, 0, 2),
            mixed[:, shape.heads + shape.kv_heads :].transpose(1, 0, 2),
        )
        scores = queries @ keys.transpose(0, 2, 1) * np.float32(shape.head_size**-0.5)
        if count > 1:
            # One mask for each head of the group: no position sees a later one.
            future = np.triu(np.ones((count, keys.shape[1]), bool), 1 + cache.length)
            scores = np.where(np.tile(future, (groups, 1)), np.float32(-np.inf), scores)
        scores = np.exp(scores - scores.max(axis=-1, keepdims=True))
        scores /= scores.sum(axis=-1, keepdims=True)
        weighted: FloatArray = (scores @ values).reshape(shape.kv_heads, groups, count, -1)
        return np.reshape(weighted.transpose(2, 0, 1, 3), (count, -1))


class _Take(Protocol):
    def __call__(self, name: str, *size: int) -> FloatArray: ...


def _layer(shape: Shape, number: int, take: _Take) -> Layer:
    wide, narrow = shape.heads * shape.head_size, shape.kv_heads * shape.head_size
    prefix = f"model.layers.{number}."
    attention = [
        take(f"{prefix}self_attn.{name}_proj.weight", size, shape.hidden)
        for name, size in (("q", wide), ("k", narrow), ("v", narrow))
    ]
    mlp = [
        take(f"{prefix}mlp.{name}_proj.weight", shape.inner, shape.hidden)
        for name in ("gate", "up")
    ]
    output = take(f"{prefix}self_attn.o_proj.weight", shape.hidden, wide)
    down = take(f"{prefix}mlp.down_proj.weight", shape.hidden, shape.inner)
    return Layer(
        before_attention=take(f"{prefix}input_layernorm.weight", shape.hidden),
        query_key_value=np.ascontiguousarray(np.concatenate(attention).T),
        output=np.ascontiguousarray(output.T),
        before_mlp=take(f"{prefix}post_attention_layernorm.weight", shape.hidden),
        gate_up=np.ascontiguousarray(np.concatenate(mlp).T),
        down=np.ascontiguousarray(down.T),
    )


def _rms_norm(x: FloatArray, weight: FloatArray, epsilon: float) -> FloatArray:
    mean: FloatArray = np.mean(x * x, axis=-1, keepdims=True)
    normed: FloatArray = x / np.sqrt(mean + np.float32(epsilon)) * weight
    return normed


def _rotate(x: FloatArray, cos: FloatArray, sin: FloatArray) -> FloatArray:
    first, second = np.split(x, 2, axis=-1)
    return np.concatenate((first * cos - second * sin, second * cos + first * sin), axis=-1)
