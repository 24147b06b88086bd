"""`POST /v1/embeddings`: the mean of the model's last hidden states, scaled to length one.

The model was not trained for this: texts with common words come out near each other, and that is
all. It is here so that clients of the endpoint have something real to talk to.
"""

import base64

from node_image.embedded.completions import read_inputs
from node_image.embedded.documents import Document
from node_image.embedded.errors import RequestError
from node_image.embedded.fields import Fields, refuse
from node_image.embedded.generation import embed
from node_image.embedded.llama import Llama
from node_image.embedded.options import HINTS, Service
from node_image.embedded.weights import FloatArray

MAX_INPUTS = 64
MAX_TOKENS = 8192
"""Tokens of one request, over all inputs: some seconds of work."""


class EmbeddingRequest:
    """An embedding request that was understood."""

    def __init__(self, fields: Fields, service: Service, *, width: int) -> None:
        """Read the request; `width` is the model's own number of dimensions.

        Raises:
            RequestError: it is malformed, or asks for what this engine does not do.
        """
        self._model = service.model
        service.check_model(fields)
        self._inputs = read_inputs(fields, "input", service.tokens, limit=MAX_INPUTS)
        self._packed = fields.word("encoding_format", ("float", "base64")) == "base64"
        if fields.integer("dimensions", 1, 2**20) not in (None, width):
            refuse(f"dimensions can only be {width} here.", "dimensions", "unsupported_parameter")
        fields.ignore(*HINTS)
        fields.end()
        lengths = [len(ids) for ids in self._inputs]
        if not all(0 < length <= service.context for length in lengths):
            raise RequestError(
                f"Each input must have 1 to {service.context} tokens.",
                param="input", code="context_length_exceeded",
            )  # fmt: skip
        self._total = sum(lengths)
        if self._total > MAX_TOKENS:
            refuse(f"The inputs have more than {MAX_TOKENS} tokens in all.", "input")

    def document(self, model: Llama) -> Document:
        """Compute the answer. Call it off the event loop."""
        data = [
            {"object": "embedding", "index": index, "embedding": self._written(embed(model, ids))}
            for index, ids in enumerate(self._inputs)
        ]
        usage = {"prompt_tokens": self._total, "total_tokens": self._total}
        return {"object": "list", "data": data, "model": self._model, "usage": usage}

    def _written(self, vector: FloatArray) -> object:
        if self._packed:
            return base64.b64encode(vector.astype("<f4").tobytes()).decode()
        return [float(value) for value in vector]
