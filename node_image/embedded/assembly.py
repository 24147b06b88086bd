"""Put a loaded model, its scheduler and its application together."""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from node_image.embedded import tokens as tokens_module
from node_image.embedded.constrain import Grammars
from node_image.embedded.errors import ModelFilesError
from node_image.embedded.llama import Llama, Shape
from node_image.embedded.options import Defaults, Service
from node_image.embedded.scheduler import Scheduler
from node_image.embedded.server import EngineApp
from node_image.embedded.weights import MAX_FILE, read_bounded, read_safetensors

_MAX_CONFIG = 64 * 1024


@dataclass(frozen=True, kw_only=True)
class Engine:
    """A model that is ready to serve; its scheduler is not started yet."""

    app: EngineApp
    scheduler: Scheduler
    service: Service
    model: Llama


def load_model(folder: Path) -> tuple[Llama, str]:
    """The model of a folder, and a fingerprint of its weights.

    Raises:
        ModelFilesError: a file is missing, malformed or does not fit the others.
    """
    shape = Shape.parse(read_bounded(folder / "config.json", _MAX_CONFIG))
    weights = read_bounded(folder / "model.safetensors", MAX_FILE)
    model = Llama(shape, read_safetensors(weights))
    return model, f"embedded-{hashlib.sha256(weights).hexdigest()[:12]}"


def load(
    folder: Path,
    *,
    name: str,
    context: int | None,
    active: int,
    queued: int,
    clock: Callable[[], float],
) -> Engine:
    """Load everything.

    Args:
        folder: the model's files.
        name: the served model name.
        context: most tokens of prompt and answer; None means what the model allows.
        active: generations that run at once.
        queued: generations that may wait.
        clock: Unix seconds.

    Raises:
        ModelFilesError: the folder is not a model this engine runs.
    """
    model, fingerprint = load_model(folder)
    tokens = tokens_module.load(folder)
    if tokens.size != model.shape.vocabulary:
        raise ModelFilesError("tokenizer and weights have different vocabularies")
    defaults = Defaults.parse(read_bounded(folder / "generation_config.json", _MAX_CONFIG))
    service = Service(
        model=name,
        fingerprint=fingerprint,
        context=min(context or model.shape.context, model.shape.context),
        tokens=tokens,
        grammars=Grammars(tokens),
        clock=clock,
        defaults=defaults,
    )
    scheduler = Scheduler(model, tokens, active=active, queued=queued)
    app = EngineApp(service, scheduler, model)
    return Engine(app=app, scheduler=scheduler, service=service, model=model)
