"""The embedded engine computes what transformers computes, on the very same files.

transformers and torch live in the environment that `make vllm` makes; a subprocess there writes
its logits and its tokens, and this process compares.
"""

import json
import os
import subprocess
from pathlib import Path

import numpy as np
import pytest

from node_image.embedded import assembly, tokens
from node_image.embedded.main import model_folder

ROOT = Path(__file__).parents[2]
PYTHON = ROOT / ".venv-vllm" / "bin" / "python"
LIMIT = 1e-4
CONVERSATIONS = [
    [{"role": "user", "content": "Hello"}],
    [
        {"role": "system", "content": "Answer briefly."},
        {"role": "user", "content": "What is a list in Python? Übung ☃ 12345"},
        {"role": "assistant", "content": "A list."},
        {"role": "user", "content": "word " * 300},
    ],
]
SCRIPT = """
import json, sys
import numpy, torch
from transformers import AutoModelForCausalLM, AutoTokenizer

folder, out, conversations = sys.argv[1], sys.argv[2], json.loads(sys.argv[3])
torch.manual_seed(0)
tokenizer = AutoTokenizer.from_pretrained(folder)
model = AutoModelForCausalLM.from_pretrained(
    folder, dtype=torch.float32, attn_implementation="eager"
).eval()
for number, messages in enumerate(conversations):
    text = tokenizer.apply_chat_template(messages, add_generation_prompt=True, tokenize=False)
    ids = tokenizer(text, add_special_tokens=False)["input_ids"]
    with torch.no_grad():
        logits = model(torch.tensor([ids])).logits[0]
    numpy.savez(f"{out}/{number}.npz", ids=numpy.array(ids), logits=logits.numpy())
"""

pytestmark = [
    pytest.mark.vllm,
    pytest.mark.skipif(
        not PYTHON.exists() and not os.environ.get("OPENPCC_CI"),
        reason="run `make vllm` to make .venv-vllm",
    ),
]


@pytest.fixture(scope="module")
def transformers_results(tmp_path_factory):
    out = tmp_path_factory.mktemp("logits")
    arguments = [str(model_folder()), str(out), json.dumps(CONVERSATIONS)]
    environment = {**os.environ, "HF_HUB_OFFLINE": "1", "OMP_NUM_THREADS": "1"}
    subprocess.run([PYTHON, "-c", SCRIPT, *arguments], check=True, env=environment, timeout=110)
    return [np.load(out / f"{number}.npz") for number in range(len(CONVERSATIONS))]


@pytest.mark.parametrize("number", range(len(CONVERSATIONS)))
def test_logits_agree_with_transformers(transformers_results, number):
    expected = transformers_results[number]
    model, _ = assembly.load_model(model_folder())
    logits = model.logits(model.forward([int(one) for one in expected["ids"]], model.new_cache()))
    assert float(np.abs(logits - expected["logits"]).max()) < LIMIT


@pytest.mark.parametrize("number", range(len(CONVERSATIONS)))
def test_prompts_agree_with_transformers(transformers_results, number):
    ours = tokens.load(model_folder())
    prompt = ours.render(CONVERSATIONS[number], [])
    assert ours.encode(prompt) == list(transformers_results[number]["ids"])
