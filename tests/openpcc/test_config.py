"""Configuration and policy: every mistake is one error that names the thing and the remedy."""

import re
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from openpcc.config import ClientConfig, ClientPolicy, default_path
from openpcc.errors import ConfigurationError
from openpcc.protocol import hpke
from transparency_log.note import NoteSigner

PAGE = (Path(__file__).resolve().parents[2] / "docs" / "formats.md").read_text()
POLICY, CONFIG = (
    re.search(rf"^```toml {name}\n(.*?)^```", PAGE, re.M | re.S)[1]  # type: ignore[index]
    for name in ("policy", "client-config")
)


def write(folder: Path, policy: str = POLICY, config: str = CONFIG) -> Path:
    (folder / "policy.toml").write_text(policy)
    (folder / "client.toml").write_text(config)
    return folder / "client.toml"


def test_the_documented_files_are_read(tmp_path: Path):
    config = ClientConfig.load(write(tmp_path))
    assert config.relays == ("https://relay.example",)
    assert config.state == tmp_path / "state"
    assert config.policy.kems == (hpke.KEM_XWING,)
    assert config.policy.log.quorum == 2


def test_x_wing_is_the_only_suite_unless_another_is_named(tmp_path: Path):
    policy = POLICY.replace('suites = ["x-wing"]', "")
    assert ClientConfig.load(write(tmp_path, policy)).policy.kems == (hpke.KEM_XWING,)
    both = POLICY.replace('["x-wing"]', '["x25519", "x-wing"]')
    assert ClientConfig.load(write(tmp_path, both)).policy.kems == (
        hpke.KEM_X25519,
        hpke.KEM_XWING,
    )


BROKEN_POLICY = {
    "an unknown key": ("[attestation]", "surprise = 1\n[attestation]", "surprise"),
    "an unknown key in the log": ("quorum = 2", "quorum = 2\nfork = true", "fork"),
    "another version": ("version = 1", "version = 2", "version"),
    "no service": ('service = "demo.example"', "", "service"),
    "an unknown suite": ('["x-wing"]', '["rot13"]', "suites"),
    "no suite": ('["x-wing"]', "[]", "suites"),
    "simulated beside a real platform": ('["simulated"]', '["simulated", "tdx"]', "platforms"),
    "an unknown platform": ('platforms = ["simulated"]', 'platforms = ["abacus"]', "abacus"),
    "a quorum nobody can meet": ("quorum = 2", "quorum = 3", "quorum"),
    "a quorum of nobody": ("quorum = 2", "quorum = 0", "quorum"),
    "a threshold nobody can meet": ("threshold = 1", "threshold = 2", "threshold"),
    "no release signers": ("[signers.release]", "[signers.other]", "release"),
    "a key that is none": ('keys = ["', 'keys = ["!', "base64"),
    "an epoch of two days": ("maximum_epoch = 86400", "maximum_epoch = 172800", "maximum_epoch"),
}


@pytest.mark.parametrize(("old", "new", "named"), BROKEN_POLICY.values(), ids=list(BROKEN_POLICY))
def test_a_wrong_policy_is_refused_by_name(tmp_path: Path, old: str, new: str, named: str):
    assert old in POLICY
    with pytest.raises(ConfigurationError, match=named) as caught:
        ClientConfig.load(write(tmp_path, POLICY.replace(old, new, 1)))
    assert "\n" not in str(caught.value)


def test_one_key_for_two_kinds_of_entries_is_refused(tmp_path: Path):
    keys = re.findall(r'^keys = \["(.*)"\]', POLICY, re.M)
    with pytest.raises(ConfigurationError, match="two kinds"):
        ClientConfig.load(write(tmp_path, POLICY.replace(keys[2], keys[0])))


@pytest.mark.parametrize(
    "relay",
    ["http://relay.example", "ftp://relay.example", "http://127.0.0.1.evil.example:80",
     "http://localhost.evil.example:80", "http://127.0.0.1:80@evil.example",
     "https://user:pass@relay.example", "https://relay.example?x=1", "https://", "http://[::1"],
)  # fmt: skip
def test_a_relay_in_plain_text_is_refused_unless_on_loopback(tmp_path: Path, relay: str):
    with pytest.raises(ConfigurationError, match="relay"):
        ClientConfig.load(write(tmp_path, config=CONFIG.replace("https://relay.example", relay)))


@pytest.mark.parametrize("relay", ["http://127.0.0.1:8000", "http://[::1]:8000"])
def test_a_relay_on_loopback_may_be_plain(tmp_path: Path, relay: str):
    config = CONFIG.replace("https://relay.example", relay)
    assert ClientConfig.load(write(tmp_path, config=config)).relays == (relay,)


TWO = 'relays = ["https://relay.example/", "http://127.0.0.1:8000"]'


def relays(tmp_path: Path, text: str) -> ClientConfig:
    config = CONFIG.replace('relay = "https://relay.example"', text)
    assert config != CONFIG
    return ClientConfig.load(write(tmp_path, config=config))


def test_several_relays_may_be_named(tmp_path: Path):
    found = relays(tmp_path, TWO).relays
    assert found == ("https://relay.example", "http://127.0.0.1:8000")


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("", "'relay' is missing"),
        (f'relay = "https://relay.example"\n{TWO}', "both 'relay' and 'relays'"),
        ("relays = []", "1 to 8 different"),
        (f"relays = {[f'https://{n}.example' for n in range(9)]}", "1 to 8 different"),
        ('relays = ["https://a.example", "https://a.example/"]', "different"),
        ('relays = ["https://a.example", "http://b.example"]', "'relays' must be an https URL"),
        ('relays = "https://a.example"', "a list of texts"),
    ],
)
def test_wrong_lists_of_relays_are_refused_by_name(tmp_path: Path, text: str, named: str):
    with pytest.raises(ConfigurationError, match=named):
        relays(tmp_path, text)


@pytest.mark.parametrize("value", ["2", "true", "1.0", '"1"'])
def test_a_version_has_one_spelling_and_a_remedy(tmp_path: Path, value: str):
    config = CONFIG.replace("version = 1", f"version = {value}")
    with pytest.raises(ConfigurationError, match="'version' must be 1, the only version"):
        ClientConfig.load(write(tmp_path, config=config))


def test_a_missing_key_is_called_missing(tmp_path: Path):
    without = re.sub(r"^policy = .*$", "", CONFIG, flags=re.M)
    with pytest.raises(ConfigurationError, match="'policy' is missing; it must be a text"):
        ClientConfig.load(write(tmp_path, config=without))
    with pytest.raises(ConfigurationError, match="'policy' must be a text"):
        ClientConfig.load(write(tmp_path, config=f"policy = 1\n{without}"))


def test_a_missing_file_is_named_with_the_remedy(tmp_path: Path):
    with pytest.raises(ConfigurationError, match=r"absent\.toml.*cannot read"):
        ClientConfig.load(tmp_path / "absent.toml")
    path = write(tmp_path)
    (tmp_path / "policy.toml").unlink()
    with pytest.raises(ConfigurationError, match=r"policy\.toml"):
        ClientConfig.load(path)


@pytest.mark.parametrize(
    "data",
    [b"\xff", b"= 1", b"a" * (2**20 + 1), b"a = " + b"9" * 5000, b"a = " + b"[" * 50_000],
    ids=["not UTF-8", "no key", "too long", "an endless number", "endless depth"],
)
def test_bytes_that_are_no_toml_are_refused_with_a_remedy(tmp_path: Path, data: bytes):
    (tmp_path / "policy.toml").write_bytes(data)
    with pytest.raises(ConfigurationError, match=r"policy\.toml.*correct"):
        ClientPolicy.load(tmp_path / "policy.toml")


def test_the_environment_names_the_default(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    monkeypatch.setenv("OPENPCC_CONFIG", str(tmp_path / "mine.toml"))
    assert default_path() == tmp_path / "mine.toml"
    monkeypatch.delenv("OPENPCC_CONFIG")
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    assert default_path() == tmp_path / "openpcc" / "client.toml"


def test_a_policy_may_list_further_keys_of_the_log(tmp_path: Path):
    log = NoteSigner(name="next", private_key=Ed25519PrivateKey.generate())
    line = f'overlap_keys = ["{log.key}"]\nquorum = 2'
    (tmp_path / "p.toml").write_text(POLICY.replace("quorum = 2", line, 1))
    found = ClientPolicy.load(tmp_path / "p.toml").log
    assert found.overlap_vkeys == (str(log.key),)
    (tmp_path / "p.toml").write_text(POLICY.replace("quorum = 2", "overlap_keys = 1\nquorum = 2"))
    with pytest.raises(ConfigurationError, match="overlap_keys"):
        ClientPolicy.load(tmp_path / "p.toml")
