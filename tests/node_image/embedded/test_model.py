"""The committed model is the one that its manifest describes."""

import hashlib
import json
from pathlib import Path

import pytest

from node_image.embedded.main import model_folder

TRAIN = model_folder().parent / "train"
MANIFEST = json.loads((TRAIN / "manifest.json").read_text())


def digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


@pytest.mark.parametrize("name", sorted(MANIFEST["model"]))
def test_the_manifest_names_the_committed_files(name):
    assert digest(model_folder() / name) == MANIFEST["model"][name]


@pytest.mark.parametrize("name", ["corpus.py", "exchanges.py", "exchanges.json"])
def test_the_manifest_names_the_scripts_that_made_the_corpus(name):
    assert digest(TRAIN / name) == MANIFEST["scripts"][name]


def test_every_source_is_pythons_own_documentation():
    assert len(MANIFEST["sources"]) > 500
    assert {name.split("-")[0] for name in MANIFEST["sources"]} == {"cpython"}
    assert not [name for name in MANIFEST["sources"] if "site-packages" in name]


def test_the_template_is_the_one_it_was_trained_with():
    name = "chat_template.jinja"
    assert digest(TRAIN / name) == digest(model_folder() / name) == MANIFEST["scripts"][name]
