"""A policy is shown as it is understood, and a wrong one is refused by key and remedy."""

import json
import re
import tomllib
from pathlib import Path
from typing import Any

import pytest

from attestation.checks import CHECKS, MAY_BE_OPTIONAL, ONLY_WHERE_ASKED
from openpcc.cli.main import main
from tests.fakes import kept
from tests.fakes.provenance import ASKED
from tests.fakes.sigstore import Sigstore
from tests.fakes.world import World


@pytest.fixture(scope="module")
def text(tmp_path_factory: pytest.TempPathFactory) -> str:
    return kept.policy_toml(World(tmp_path_factory.mktemp("world")).policy)


@pytest.fixture
def path(tmp_path: Path, text: str) -> Path:
    (tmp_path / "policy.toml").write_text(text)
    return tmp_path / "policy.toml"


@pytest.fixture
def config(path: Path) -> Path:
    config = path.with_name("client.toml")
    config.write_text(
        'version = 1\nrelay = "https://relay.example"\npolicy = "policy.toml"\nstate = "s"\n'
    )
    return config


@pytest.fixture
def policy(capsys: pytest.CaptureFixture[str]):
    def run(*words: object) -> tuple[int, str, str]:
        code = main(["policy", *map(str, words)])
        return code, *capsys.readouterr()

    return run


def test_shows_every_setting_set_or_default(policy, path):
    code, out, _ = policy("show", path, "--json")
    found = json.loads(out)
    settings = {one["key"]: one for one in found["settings"]}
    assert (code, found["simulated"]) == (0, True)
    assert settings["service"]["value"] == "demo.example"
    assert settings["attestation.platforms"]["set"]
    assert not settings["attestation.ages.crl"]["set"]
    assert settings["attestation.ages.crl"]["value"] == 30 * 86400
    assert settings["attestation.machines"]["value"] is None
    assert len(settings["log.witnesses"]["value"]) == 3
    assert len(settings["signers.release.keys"]["value"]) == 1
    assert all(one["meaning"] for one in settings.values())


def test_every_key_of_the_formats_page_is_shown(policy, tmp_path):
    page = (Path(__file__).resolve().parents[4] / "docs" / "formats.md").read_text()
    example = re.search(r"^```toml policy\n(.*?)^```", page, re.M | re.S)
    assert example is not None
    (tmp_path / "p.toml").write_text(example[1])
    settings = json.loads(policy("show", tmp_path / "p.toml", "--json")[1])["settings"]
    keys = {one["key"] for one in settings}

    def leaves(table: dict[str, Any], under: str = "") -> set[str]:
        found: set[str] = set()
        for name, value in table.items():
            key = under + name
            whole = key in ("attestation.roots", "attestation.minimum_tcb")
            deeper = isinstance(value, dict) and not whole
            found |= leaves(value, f"{key}.") if deeper else {key}
        return found

    commented = {
        "attestation.machines",
        "attestation.models",
        "log.overlap_keys",
        "release.provenance",
    }
    assert keys == (leaves(tomllib.loads(example[1])) | commented) - {"version"}


def test_shows_what_is_asked_of_builds(policy, path):
    (path.parent / "root.json").write_bytes(Sigstore().trusted_root())
    path.write_text(path.read_text() + ASKED)
    settings = {
        one["key"]: one for one in json.loads(policy("show", path, "--json")[1])["settings"]
    }
    assert settings["release.provenance.builder"]["value"] == "https://example.org/runner"
    assert settings["release.provenance.trusted_root"]["value"].startswith("1 authorities")
    assert settings["release.provenance.parameters"]["value"] is None
    assert "file" in policy("show", path)[1]
    listed = json.loads(policy("check", path, "--list", "--json")[1])["checks"]
    assert {one["id"]: one["required"] for one in listed}["7.provenance"]


def test_shows_the_settings_in_words(policy, path):
    _, out, _ = policy("show", path)
    assert out.splitlines()[0].endswith("policy.toml, SIMULATED")
    assert "2592000 s (30 d)" in out
    assert "default" in out
    assert "no vendor's, so SIMULATED" in out


def test_shows_the_policy_of_the_configuration(policy, config):
    code, out, _ = policy("show", "--config", config)
    assert code == 0
    assert "demo.example" in out


def test_shows_whose_roots_count(policy, tmp_path):
    (tmp_path / "p.toml").write_text('version = 1\n[attestation]\nplatforms = ["sev-snp"]\n')
    _, out, _ = policy("show", tmp_path / "p.toml", "--attestation")
    assert "the vendors': ARK-Milan, ARK-Genoa, ARK-Turin" in out
    assert "Intel SGX" not in out
    assert "SIMULATED" not in out


def test_checks_a_policy(policy, path, config):
    code, out, _ = policy("check", path)
    assert (code, out.count("\n")) == (0, 1)
    assert "a client policy for demo.example, platforms simulated, SIMULATED" in out
    found = json.loads(policy("check", path, "--json")[1])
    assert (found["service"], found["platforms"]) == ("demo.example", ["simulated"])
    assert policy("check", "--config", config)[0] == 0


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("version = 1", "version = 2", "'version' must be 1"),
        ("quorum = 2", "quorum = 0", "'quorum' must be an integer of 1..64, found 0; correct"),
        ("quorum = 2", 'quorum = "2"', "'quorum' must be an integer of 1..64, found a text"),
        ("quorum = 2", "quorum = 9", "quorum 9 of 3 witness operators: not usable; correct"),
        ('service = "demo.example"', "service = 1", "'service' must be a text, found 1; correct"),
        ("quorum = 2", "quorum = 2\nfork = 1", "unknown key 'fork'; remove"),
        ('"simulated"]', '"abacus"]', "'attestation.platforms': expected some of"),
        ("[attestation.roots]", "[attestation.root]", "attestation.root"),
        ('keys = ["', 'keys = ["AAAA', "'keys' must list Ed25519 keys, 32 bytes in base64"),
    ],
)
def test_a_wrong_policy_is_named_by_key_expected_found_and_remedy(
    policy, path, text, old, new, said
):
    assert old in text
    path.write_text(text.replace(old, new, 1))
    for command in ("check", "show"):
        code, out, err = policy(command, path)
        assert (code, out) == (2, "")
        assert said in err
        assert str(path) in err
        assert err.count("\n") == 1


def test_an_error_is_json_too(policy, tmp_path):
    code, out, _ = policy("check", tmp_path / "absent.toml", "--json")
    assert code == 2
    assert "name another policy file" in json.loads(out)["error"]["message"]


def test_a_policy_that_lost_its_tables_is_not_taken_for_a_whole_one(policy, tmp_path):
    path = tmp_path / "p.toml"
    path.write_text('version = 1\n[attestation]\nplatforms = ["tdx"]\n')
    code, _, err = policy("check", path)
    assert code == 2
    assert "expected a client policy, found [attestation] alone" in err
    code, out, _ = policy("check", path, "--attestation")
    assert code == 0
    assert "[attestation] alone, for raw evidence, platforms tdx" in out
    path.write_text('version = 1\nservice = "s"\n[attestation]\nplatforms = ["tdx"]\n')
    assert policy("check", path, "--attestation")[0] == 2


def test_lists_every_check_without_a_policy(policy):
    code, out, _ = policy("check", "--list", "--json")
    rows = {row["id"]: row for row in json.loads(out)["checks"]}
    assert code == 0
    assert list(rows) == list(CHECKS)
    assert {name for name, row in rows.items() if not row["required"]} == ONLY_WHERE_ASKED
    assert {name for name, row in rows.items() if row["only_where_asked"]} == ONLY_WHERE_ASKED
    assert {name for name, row in rows.items() if row["may_be_optional"]} == MAY_BE_OPTIONAL
    assert all(row["text"] == CHECKS[name] for name, row in rows.items())
    assert rows["2.tcb"]["step"] == 2


def test_lists_checks_as_a_policy_asks_for_them(policy, path, text):
    asked = '[attestation.checks]\noptional = ["2.recency"]\nrequired = ["6.authentic"]\n[log]'
    path.write_text(text.replace("[log]", asked, 1))
    found = json.loads(policy("show", path, "--list", "--json")[1])
    rows = {row["id"]: row["required"] for row in found["checks"]}
    assert (rows["2.recency"], rows["6.authentic"], rows["6.nonce"]) == (False, True, False)
    for command in ("show", "check"):
        lines = policy(command, path, "--list")[1].splitlines()
        row = {line.split()[0]: line for line in lines}
        assert "shown only, by this policy" in row["2.recency"]
        assert "always, by this policy" in row["6.authentic"]
        assert "where there is something to test" in row["6.nonce"]
        assert "The hardware maker vouches for it" in row["2.tcb"]
