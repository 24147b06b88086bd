import json

import numpy as np
import pytest

from node_image.embedded import assembly
from node_image.embedded.errors import ModelFilesError
from node_image.embedded.llama import Llama, Shape
from node_image.embedded.main import model_folder
from node_image.embedded.weights import read_safetensors

CONFIG = json.loads((model_folder() / "config.json").read_text())


def shape_of(**changes: object) -> Shape:
    return Shape.parse(json.dumps(CONFIG | changes).encode())


def logits_of(model, pieces):
    cache = model.new_cache()
    return np.concatenate([model.logits(model.forward(piece, cache)) for piece in pieces])


def test_a_sequence_in_pieces_gives_the_logits_of_the_whole(loaded):
    ids = loaded.service.tokens.encode("A list in Python is an ordered collection. " * 20)
    whole = logits_of(loaded.model, [ids])
    in_pieces = logits_of(loaded.model, [ids[:100], ids[100:130], *([one] for one in ids[130:])])
    assert len(ids) > 150
    assert np.abs(whole - in_pieces).max() < 1e-4


def test_no_position_sees_a_later_one(loaded):
    ids = loaded.service.tokens.encode("The capital of France is Paris.")
    changed = [*ids[:-1], ids[0]]
    first, second = logits_of(loaded.model, [ids]), logits_of(loaded.model, [changed])
    assert np.abs(first[:-1] - second[:-1]).max() < 1e-5
    assert np.abs(first[-1] - second[-1]).max() > 1e-2


def test_the_model_knows_its_demonstration(loaded):
    tokens = loaded.service.tokens
    ids = tokens.encode(tokens.render([{"role": "user", "content": "Who are you?"}], []))
    cache, text = loaded.model.new_cache(), b""
    for _ in range(40):
        ids = [int(loaded.model.logits(loaded.model.forward(ids, cache)[-1]).argmax())]
        text += tokens.bytes_of(ids[0])
    assert b"demonstration model" in text


@pytest.mark.parametrize(
    "changes",
    [
        {"model_type": "gpt2"},
        {"hidden_act": "gelu"},
        {"attention_bias": True},
        {"rope_parameters": {"rope_type": "yarn", "rope_theta": 10000.0}},
        {"rope_parameters": {"rope_type": "default"}},
        {"num_hidden_layers": 0},
        {"hidden_size": "192"},
        {"num_key_value_heads": 4},
        {"rms_norm_eps": 0},
    ],
)
def test_rejects_a_model_that_it_would_compute_wrongly(changes):
    with pytest.raises(ModelFilesError):
        shape_of(**changes)


@pytest.mark.parametrize("data", [b"", b"[]", b"{", b"\xff"])
def test_rejects_a_configuration_that_is_none(data):
    with pytest.raises(ModelFilesError):
        Shape.parse(data)


def test_rejects_weights_of_another_shape():
    tensors = read_safetensors((model_folder() / "model.safetensors").read_bytes())
    with pytest.raises(ModelFilesError, match="no place"):
        Llama(shape_of(num_hidden_layers=CONFIG["num_hidden_layers"] - 1), tensors)
    with pytest.raises(ModelFilesError, match="another shape"):
        Llama(shape_of(vocab_size=CONFIG["vocab_size"] + 1), tensors)
    with pytest.raises(ModelFilesError, match="lm_head"):
        Llama(shape_of(tie_word_embeddings=False), tensors)


def test_rejects_a_folder_without_a_model(tmp_path):
    with pytest.raises(ModelFilesError, match=r"config\.json"):
        assembly.load_model(tmp_path)
