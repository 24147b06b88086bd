"""Train the demonstration model: tokenizer, then a small Llama, then the files to ship.

Runs on one processor core in well under an hour. Conversations are packed into rows; each starts
at position 0 and sees only itself, exactly as it will be served. Loss is taken on what the
assistant says, and on plain prose.

    python -m node_image.embedded.train.train --corpus DIR --out DIR --manifest FILE
"""

# mypy: disable-error-code="import-not-found,misc,untyped-decorator"
# (torch is in no environment but the one that run.sh makes)

import argparse
import hashlib
import json
import math
import random
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import jinja2
import torch
from safetensors.torch import save_file
from tokenizers import Regex, Tokenizer, decoders, models, pre_tokenizers, trainers
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812  (its usual name)

SPECIAL = ["<|end|>", "<|system|>", "<|user|>", "<|assistant|>", "<|tool|>"]
END, SYSTEM, USER, ASSISTANT, TOOL = range(5)
HERE = Path(__file__).parent
SPLIT = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)| ?\p{L}+| ?\p{N}| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+"
SHORT, LONG = 256, 1024  # tokens of a packed row; long rows are for long conversations
BATCH = 2048  # tokens of a batch
EVERY = 10  # each tenth batch is of long rows, so that late positions are learnt too
EXCHANGES = 0.55  # share of the training tokens that comes from the generated exchanges
HELD = 300  # samples of each kind from which the held-out batch is made
REPORT = 120  # seconds between two reports
PEAK, WARM_UP, DECAY = 4e-3, 0.03, 0.1


@dataclass(frozen=True, kw_only=True)
class Shape:
    """Sizes of the model, under the names that `config.json` gives them."""

    vocab_size: int = 2048
    hidden_size: int = 192
    intermediate_size: int = 512
    num_hidden_layers: int = 5
    num_attention_heads: int = 6
    num_key_value_heads: int = 3
    head_dim: int = 32
    max_position_embeddings: int = 2048
    rms_norm_eps: float = 1e-5


def render(line: dict[str, Any], template: jinja2.Template) -> str:
    """The text of one line of the corpus, as the server renders it."""
    if "text" in line:
        return str(line["text"]) + "<|end|>"
    return template.render(messages=line["messages"], tools=line.get("tools"))


def load_template() -> jinja2.Template:
    """The chat template, with the JSON filter that `transformers` gives it."""
    environment = jinja2.Environment(trim_blocks=True, lstrip_blocks=True)
    environment.filters["tojson"] = lambda value: json.dumps(value, ensure_ascii=False)
    return environment.from_string((HERE / "chat_template.jinja").read_text())


def train_tokenizer(texts: list[str], size: int) -> Tokenizer:
    """Byte-level BPE; each digit is a token of its own, which makes small sums learnable."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(SPLIT), "isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=size,
        special_tokens=SPECIAL,
        initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()),
        show_progress=False,
    )
    tokenizer.train_from_iterator(texts, trainer)
    return tokenizer


def spoken(ids: list[int], *, prose: bool) -> list[bool]:
    """Which tokens count: all of prose, else those from `<|assistant|>` to its `<|end|>`."""
    counts, speaking = [], prose
    for token in ids:
        counts.append(speaking)
        if token == ASSISTANT:
            speaking = True
        elif token == END:
            speaking = prose
    return counts


Sample = tuple[list[int], list[bool]]


def encode(lines: list[dict[str, Any]], tokenizer: Tokenizer) -> list[Sample]:
    """Every line as tokens and the mask of those that count."""
    template = load_template()
    texts = [render(line, template) for line in lines]
    encoded = tokenizer.encode_batch(texts, add_special_tokens=False)
    return [
        (one.ids[: LONG + 1], spoken(one.ids[: LONG + 1], prose="text" in line))
        for one, line in zip(encoded, lines, strict=True)
    ]


def batches(
    documentation: list[Sample], exchanges: list[Sample], rng: random.Random, row_length: int
) -> Iterator[tuple[Tensor, Tensor, Tensor, Tensor]]:
    """Endless (inputs, targets, positions, document numbers), in rows of `row_length`."""
    rows = BATCH // row_length

    def stream(samples: list[Sample]) -> Iterator[Sample]:
        while True:
            yield from rng.sample(samples, len(samples))

    sources = (stream(documentation), stream(exchanges))
    given = [1, 1]
    waiting: Sample | None = None
    while True:
        block = torch.zeros(4, rows, row_length, dtype=torch.long)
        block[1] = -100
        for row in range(rows):
            at, number = 0, 1
            while at < row_length:
                which = int(given[1] / sum(given) < EXCHANGES)
                ids, counts = waiting or next(sources[which])
                length = len(ids) - 1
                if at and at + length > row_length:
                    waiting = (ids, counts)
                    break
                waiting = None
                given[which] += length
                here = slice(at, at + length)
                block[0, row, here] = torch.tensor(ids[:-1])
                block[1, row, here] = torch.tensor(
                    [t if c else -100 for t, c in zip(ids[1:], counts[1:], strict=True)]
                )
                block[2, row, here] = torch.arange(length)
                block[3, row, here] = number
                at, number = at + length, number + 1
        yield block[0], block[1], block[2], block[3]


def rotate(x: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
    """Rotary position embedding, halves convention of Llama in `transformers`."""
    first, second = x.chunk(2, dim=-1)
    return torch.cat((first * cos - second * sin, second * cos + first * sin), dim=-1)


class Block(nn.Module):
    """One layer, with the parameter names of `LlamaForCausalLM`."""

    def __init__(self, shape: Shape) -> None:
        super().__init__()
        self.shape = shape
        wide = shape.num_attention_heads * shape.head_dim
        narrow = shape.num_key_value_heads * shape.head_dim
        hidden, inner = shape.hidden_size, shape.intermediate_size
        self.self_attn = nn.ModuleDict(
            {
                "q_proj": nn.Linear(hidden, wide, bias=False),
                "k_proj": nn.Linear(hidden, narrow, bias=False),
                "v_proj": nn.Linear(hidden, narrow, bias=False),
                "o_proj": nn.Linear(wide, hidden, bias=False),
            }
        )
        self.mlp = nn.ModuleDict(
            {
                "gate_proj": nn.Linear(hidden, inner, bias=False),
                "up_proj": nn.Linear(hidden, inner, bias=False),
                "down_proj": nn.Linear(inner, hidden, bias=False),
            }
        )
        self.input_layernorm = nn.RMSNorm(hidden, shape.rms_norm_eps)
        self.post_attention_layernorm = nn.RMSNorm(hidden, shape.rms_norm_eps)

    def forward(self, x: Tensor, cos: Tensor, sin: Tensor, mask: Tensor) -> Tensor:
        rows, length, _ = x.shape
        attn, mlp, shape = self.self_attn, self.mlp, self.shape
        y = self.input_layernorm(x)
        q = attn["q_proj"](y).view(rows, length, -1, shape.head_dim).transpose(1, 2)
        k = attn["k_proj"](y).view(rows, length, -1, shape.head_dim).transpose(1, 2)
        v = attn["v_proj"](y).view(rows, length, -1, shape.head_dim).transpose(1, 2)
        q, k = rotate(q, cos, sin).to(v.dtype), rotate(k, cos, sin).to(v.dtype)
        groups = shape.num_attention_heads // shape.num_key_value_heads
        k, v = k.repeat_interleave(groups, 1), v.repeat_interleave(groups, 1)
        y = F.scaled_dot_product_attention(q, k, v, attn_mask=mask)
        x = x + attn["o_proj"](y.transpose(1, 2).reshape(rows, length, -1))
        y = self.post_attention_layernorm(x)
        return x + mlp["down_proj"](F.silu(mlp["gate_proj"](y)) * mlp["up_proj"](y))


class Llama(nn.Module):
    """A Llama with tied embeddings."""

    def __init__(self, shape: Shape) -> None:
        super().__init__()
        self.embed_tokens = nn.Embedding(shape.vocab_size, shape.hidden_size)
        self.layers = nn.ModuleList(Block(shape) for _ in range(shape.num_hidden_layers))
        self.norm = nn.RMSNorm(shape.hidden_size, shape.rms_norm_eps)
        inverse = 10000.0 ** (-torch.arange(0, shape.head_dim, 2) / shape.head_dim)
        angles = torch.arange(shape.max_position_embeddings)[:, None] * inverse
        self.register_buffer("cos", angles.cos(), persistent=False)
        self.register_buffer("sin", angles.sin(), persistent=False)
        for name, parameter in self.named_parameters():
            if parameter.dim() == 2:
                small = name.endswith(("o_proj.weight", "down_proj.weight"))
                deep = math.sqrt(2 * shape.num_hidden_layers) if small else 1.0
                nn.init.normal_(parameter, std=0.03 / deep)

    def forward(self, ids: Tensor, positions: Tensor, documents: Tensor) -> Tensor:
        length = ids.shape[1]
        same = documents[:, :, None] == documents[:, None, :]
        mask = (same & torch.ones(length, length, dtype=torch.bool).tril())[:, None]
        x = self.embed_tokens(ids)
        cos, sin = self.cos[positions][:, None], self.sin[positions][:, None]
        for layer in self.layers:
            x = layer(x, cos, sin, mask)
        hidden: Tensor = self.norm(x)
        return hidden


def loss_of(model: Llama, batch: tuple[Tensor, ...]) -> Tensor:
    """Mean cross entropy over the targets that count; only those rows meet the vocabulary."""
    ids, targets, positions, documents = batch
    with torch.autocast("cpu", dtype=torch.bfloat16):
        hidden = model(ids, positions, documents)
        keep = targets != -100
        logits = hidden[keep] @ model.embed_tokens.weight.T
    return F.cross_entropy(logits.float(), targets[keep])


@torch.no_grad()
def complete(model: Llama, tokenizer: Tokenizer, text: str, limit: int = 48) -> str:
    """A greedy answer, to watch the training."""
    ids = tokenizer.encode(text, add_special_tokens=False).ids
    start = len(ids)
    while len(ids) < start + limit:
        x = torch.tensor([ids])
        hidden = model(x, torch.arange(len(ids))[None], torch.ones_like(x))
        ids.append(int((hidden[0, -1] @ model.embed_tokens.weight.T).argmax()))
        if ids[-1] == END:
            break
    return tokenizer.decode(ids[start:])


def export(model: Llama, shape: Shape, tokenizer: Tokenizer, out: Path) -> None:
    """Write the folder that NumPy, transformers and vLLM all load."""
    out.mkdir(parents=True, exist_ok=True)
    tensors = {
        f"model.{name}": parameter.detach().to(torch.bfloat16).contiguous()
        for name, parameter in model.named_parameters()
    }
    save_file(tensors, out / "model.safetensors", metadata={"format": "pt"})
    (out / "model.safetensors").chmod(0o644)
    tokenizer.save(str(out / "tokenizer.json"))
    (out / "chat_template.jinja").write_text((HERE / "chat_template.jinja").read_text())
    documents: dict[str, dict[str, Any]] = {
        "config.json": {
            "architectures": ["LlamaForCausalLM"],
            "model_type": "llama",
            **asdict(shape),
            "hidden_act": "silu",
            "attention_bias": False,
            "mlp_bias": False,
            "attention_dropout": 0.0,
            "initializer_range": 0.03,
            "rope_theta": 10000.0,
            "rope_parameters": {"rope_type": "default", "rope_theta": 10000.0},
            "tie_word_embeddings": True,
            "use_cache": True,
            "dtype": "bfloat16",
            "bos_token_id": None,
            "eos_token_id": END,
            "pad_token_id": END,
        },
        "generation_config.json": {
            "eos_token_id": END,
            "pad_token_id": END,
            "do_sample": True,
            "temperature": 0.3,
            "top_p": 0.9,
        },
        "tokenizer_config.json": {
            "tokenizer_class": "PreTrainedTokenizerFast",
            "clean_up_tokenization_spaces": False,
            "model_max_length": shape.max_position_embeddings,
            "bos_token": None,
            "eos_token": SPECIAL[END],
            "pad_token": SPECIAL[END],
            "additional_special_tokens": SPECIAL[1:],
        },
    }
    for name, document in documents.items():
        (out / name).write_text(json.dumps(document, indent=2) + "\n")


def rate(progress: float) -> float:
    """Learning rate: a short warm-up, then a cosine down to a tenth of a hundredth."""
    if progress < WARM_UP:
        return PEAK * (0.02 + 0.98 * progress / WARM_UP)
    turn = (progress - WARM_UP) / (1 - WARM_UP)
    return PEAK * (0.01 + 0.99 * 0.5 * (1 + math.cos(math.pi * min(turn, 1.0))))


PROBES = (
    "Hello",
    "Who are you?",
    "What is a list in Python?",
    "Say hello in one sentence",
    "What is 2 + 3?",
    "Repeat after me: the sun is blue",
    "What does os.path.join do?",
)


Feed = Iterator[tuple[Tensor, Tensor, Tensor, Tensor]]


@dataclass(frozen=True, kw_only=True)
class Data:
    """The corpus as batches: short rows, long rows, and one batch that is held out."""

    tokenizer: Tokenizer
    short: Feed
    long: Feed
    held: tuple[Tensor, Tensor, Tensor, Tensor]


def prepare(corpus: Path, rng: random.Random, size: int) -> Data:
    """Read the corpus, train the tokenizer on it, make the feeds."""
    parts = [
        [json.loads(line) for line in (corpus / f"{name}.jsonl").read_text().splitlines()]
        for name in ("documentation", "exchanges")
    ]
    template = load_template()
    texts = [render(line, template) for part in (parts[0], parts[1][:12_000]) for line in part]
    tokenizer = train_tokenizer(texts, size)
    documentation, made = (encode(part, tokenizer) for part in parts)
    rng.shuffle(documentation)
    long = [sample for sample in made if len(sample[0]) > SHORT]
    documentation, made = (
        [sample for sample in part if len(sample[0]) <= SHORT] for part in (documentation, made)
    )
    return Data(
        tokenizer=tokenizer,
        short=batches(documentation[HELD:], made[HELD:], rng, SHORT),
        long=batches(long, long, rng, LONG),
        held=next(batches(documentation[:HELD], made[:HELD], random.Random(1), SHORT)),
    )


def make_optimiser(model: Llama) -> torch.optim.AdamW:
    """AdamW; the norms do not decay."""
    decayed = [p for p in model.parameters() if p.dim() == 2]
    plain = [p for p in model.parameters() if p.dim() != 2]
    groups = [{"params": decayed, "weight_decay": DECAY}, {"params": plain, "weight_decay": 0.0}]
    return torch.optim.AdamW(groups, lr=PEAK, betas=(0.9, 0.95), fused=True)


def fit(model: Llama, data: Data, minutes: float, save: Callable[[], None]) -> int:
    """Train until the time is up; saves and reports now and then. Gives the number of steps."""
    optimiser = make_optimiser(model)
    start = reported = time.monotonic()
    steps = 0
    while (progress := (time.monotonic() - start) / (60 * minutes)) < 1:
        for group in optimiser.param_groups:
            group["lr"] = rate(progress)
        loss_of(model, next(data.long if steps % EVERY == EVERY - 1 else data.short)).backward()
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimiser.step()
        optimiser.zero_grad(set_to_none=True)
        steps += 1
        if time.monotonic() - reported > REPORT:
            reported = time.monotonic()
            save()
            report(model, data, f"{progress:.0%} steps {steps} tokens {steps * BATCH}")
    return steps


def held_out_loss(model: Llama, data: Data) -> float:
    """Loss on the batch that is held out."""
    with torch.no_grad():
        return round(float(loss_of(model, data.held)), 4)


def report(model: Llama, data: Data, stage: str) -> None:
    """Print the loss and a few answers."""
    print(stage, "held-out loss", held_out_loss(model, data), flush=True)
    for probe in PROBES:
        text = f"<|user|>{probe}<|end|><|assistant|>"
        print("   ", probe, "->", complete(model, data.tokenizer, text), flush=True)


def note(manifest: Path, out: Path, training: dict[str, Any]) -> None:
    """Write into the manifest how the files came about, and their digests."""
    document = json.loads(manifest.read_text())
    names = ("model.safetensors", "tokenizer.json", "chat_template.jinja", "config.json")
    document["training"] = training
    document["model"] = {
        name: hashlib.sha256((out / name).read_bytes()).hexdigest() for name in names
    }
    manifest.write_text(json.dumps(document, indent=1) + "\n")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--corpus", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--manifest", type=Path, required=True)
    parser.add_argument("--minutes", type=float, default=35.0)
    parser.add_argument("--seed", type=int, default=20261121)
    args = parser.parse_args()
    torch.set_num_threads(1)  # on shared cores a second thread makes it slower
    torch.manual_seed(args.seed)
    shape = Shape()
    data = prepare(args.corpus, random.Random(args.seed), shape.vocab_size)
    model = Llama(shape)

    def save() -> None:
        export(model, shape, data.tokenizer, args.out)

    steps = fit(model, data, args.minutes, save)
    save()
    report(model, data, f"done, steps {steps}")
    training = {
        "parameters": sum(p.numel() for p in model.parameters()),
        "minutes": args.minutes,
        "seed": args.seed,
        "steps": steps,
        "tokens": steps * BATCH,
        "held_out_loss": held_out_loss(model, data),
        "torch": torch.__version__,
    }
    note(args.manifest, args.out, training)


if __name__ == "__main__":
    main()
