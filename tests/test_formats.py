"""Every example of docs/formats.md is read by the parser the programs use."""

import base64
import json
import re
import tomllib
from collections.abc import Callable
from pathlib import Path

import pytest

from attestation import ear, evidence, result
from attestation.measure import image, model
from attestation.simulated import endorsements as simulated
from attestation.simulated import eventlog
from attestation.tpm import document as tpm
from gateway import publication
from node_image.agent.bundle import Bundle
from node_image.agent.host_disk import HostDisk
from openpcc import config, directory, receipts, state, token_settings
from openpcc.audit import document
from openpcc.protocol import messages
from transparency_log import dsse, merkle, release, rotation, service, status
from transparency_log.strict_json import parse_object

PAGE = Path(__file__).resolve().parent.parent / "docs" / "formats.md"
EXAMPLES = {
    name: text
    for _, name, text in re.findall(
        r"^```(json|toml) ([a-z-]+)\n(.*?)^```", PAGE.read_text(), re.M | re.S
    )
}


def predicate(text: bytes):
    return parse_object(text, limit=10**6, name="predicate")


def read_policy(text: bytes, folder: Path) -> object:
    (folder / "policy.toml").write_bytes(text)
    return config.ClientPolicy.load(folder / "policy.toml")


def read_tokens(text: bytes, folder: Path) -> object:
    whole = config.Table(tomllib.loads(text.decode()), "example")
    settings = token_settings.read_tokens(whole.table("tokens"), folder)
    whole.end()
    return settings


def read_config(text: bytes, folder: Path) -> object:
    read_policy(EXAMPLES["policy"].encode(), folder)
    (folder / "client.toml").write_bytes(text)
    return config.ClientConfig.load(folder / "client.toml")


def read_shard(text: bytes) -> object:
    document = json.loads(text)
    size, leaves = document["size"], [base64.b64decode(leaf) for leaf in document["leaves"]]
    root = merkle.tree_root([merkle.leaf_hash(leaf) for leaf in leaves])
    return directory.verify_shard(text, model="demo", number=0, size=size, root=root)


READERS: dict[str, Callable[[bytes, Path], object]] = {
    "bundle": lambda text, _: Bundle.parse(text),
    "host-disk": lambda text, _: HostDisk.parse(text.rstrip(b"\n")),
    "evidence-bundle": lambda text, _: evidence.EvidenceBundle.parse(text),
    "section-keys": lambda text, _: evidence.KeysSection.parse(text),
    "section-freshness": lambda text, _: evidence.FreshnessSection.parse(text),
    "section-devices": lambda text, _: evidence.DevicesSection.parse(text),
    "section-software": lambda text, _: evidence.SoftwareSection.parse(text),
    "simulated-event-log": lambda text, _: eventlog.SimulatedEventLog.parse(text),
    "simulated-rim": lambda text, _: simulated.SignedRim.parse(text),
    "simulated-rim-body": lambda text, _: simulated.Rim.parse(text),
    "tpm-quote": lambda text, _: tpm.TpmQuote.parse(text),
    "dsse-envelope": lambda text, _: dsse.parse_strict_envelope(text, limit=65535),
    "release-predicate": lambda text, _: release.parse_release(predicate(text)),
    "status-predicate": lambda text, _: status.parse_status(predicate(text), log="log.example"),
    "rotation-predicate": lambda text, _: rotation.parse_rotation(
        predicate(text), log="log.example/demo"
    ),
    "service-predicate": lambda text, _: service.parse_service(predicate(text)),
    "receipt": lambda text, _: receipts.parse_document(text),
    "receipt-body": lambda text, _: receipts.parse_body(text),
    "policy": read_policy,
    "client-config": read_config,
    "client-tokens": read_tokens,
    "client-state": lambda text, _: state.decode(text),
    "service-hint": lambda text, _: directory.parse_hint(text),
    "directory-shard": lambda text, _: read_shard(text),
    "publication": lambda text, _: publication.Publication.parse(text),
    "report": lambda text, _: result.Report.parse(text),
    "ear": lambda text, _: ear.Ear.parse(text),
    "audit-report": lambda text, _: document.parse(text),
    "audit-ear": lambda text, _: ear.Ear.parse(text),
    "error-document": lambda text, _: read_error(text),
    "image-folder": lambda text, _: image.ImageFolder.parse(text),
    "model-manifest": lambda text, _: model.ModelManifest.parse(text),
}


def read_error(text: bytes) -> str:
    code = messages.decode_error(text)
    assert code == "unknown-key"
    return code


def test_every_example_has_a_reader_and_every_reader_an_example():
    assert set(EXAMPLES) == set(READERS)


@pytest.mark.parametrize("name", sorted(EXAMPLES))
def test_the_example_is_read(name: str, tmp_path: Path):
    assert READERS[name](EXAMPLES[name].encode(), tmp_path) is not None


@pytest.mark.parametrize(
    "name",
    sorted(
        name
        for name in EXAMPLES
        if name not in {"error-document", "dsse-envelope", "ear", "audit-ear"}
    ),
)
def test_an_unknown_member_is_refused(name: str, tmp_path: Path):
    text = EXAMPLES[name]
    more = (
        "surprise = 1\n" + text
        if not text.startswith("{")
        else text.replace("{", '{"surprise": 1,', 1)
    )
    with pytest.raises(Exception, match=r"surprise|unknown"):
        READERS[name](more.encode(), tmp_path)
