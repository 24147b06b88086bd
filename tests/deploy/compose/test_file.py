"""compose.yaml as a file: what holds for every service, those too that cannot be started here."""

import re
from collections import defaultdict
from pathlib import Path
from typing import Any

import pytest
import yaml  # type: ignore[import-untyped]

COMPOSE = Path(__file__).resolve().parents[3] / "deploy" / "compose"
TEXT = (COMPOSE / "compose.yaml").read_text()
FILE: dict[str, Any] = yaml.safe_load(TEXT)
SERVICES: dict[str, dict[str, Any]] = FILE["services"]
README = (COMPOSE / "README.md").read_text()


@pytest.mark.parametrize("name", SERVICES)
def test_every_service_is_closed(name: str):
    one = SERVICES[name]
    assert one["read_only"] is True
    assert one["cap_drop"] == ["ALL"]
    assert one["security_opt"] == ["no-new-privileges:true"]
    assert one["pids_limit"] <= 256
    assert one["mem_limit"]
    assert one["healthcheck"]["test"]
    assert not re.match(r"(0|root)(:|$)", one["user"])
    assert not one.keys() & {"privileged", "cap_add", "devices", "pid", "ipc", "env_file", "build"}
    assert not any("docker.sock" in volume for volume in one.get("volumes", []))


@pytest.mark.parametrize("name", SERVICES)
def test_only_state_can_be_written_and_no_secret_is_in_the_environment(name: str):
    one = SERVICES[name]
    for volume in one.get("volumes", []):
        source = volume.rsplit(":ro", 1)[0].split(":")[0]
        own = source.endswith(("-state", "/status-signer-1", "/secrets/keys"))
        assert volume.endswith(":ro") or own, volume
    for key, value in one.get("environment", {}).items():
        assert not re.search("PASSWORD|SECRET|TOKEN|KEY", key) or str(value).startswith("/run/")


def test_only_what_is_public_has_a_port_and_it_is_on_the_loopback():
    ports = {name: one["ports"] for name, one in SERVICES.items() if "ports" in one}
    assert ports == {
        "log": ["${LOG_LISTEN:-127.0.0.1:8090}:8090"],
        "relay": ["${RELAY_LISTEN:-127.0.0.1:8000}:8000"],
        "issuer": ["${ISSUER_LISTEN:-127.0.0.1:8003}:8003"],
    }


def test_only_networks_of_one_have_a_way_out():
    members = defaultdict(set)
    for name, one in SERVICES.items():
        for network in one.get("networks", []):
            members[network].add(name)
    out = {name for name, one in FILE["networks"].items() if not one.get("internal")}
    assert out == {"public-relay", "public-issuer", "public-log"}
    assert {name: members[name] for name in out} == {
        "public-relay": {"relay"}, "public-issuer": {"issuer"}, "public-log": {"log"},
    }  # fmt: skip
    assert members["nodes"] == {"gateway-1", "gateway-2", "publisher", "node-1", "node-2",
                                "prometheus"}  # fmt: skip
    assert members["ingress"] == {"gateway-1", "gateway-2", "relay", "prometheus"}
    assert members.keys() == FILE["networks"].keys()


def test_the_page_lists_the_networks_that_there_are():
    rows = re.findall(r"^\| (`[^|]+`) \| [^|]+ \| (no|yes)", README, re.MULTILINE)
    listed = {name: answer for cell, answer in rows for name in re.findall(r"`([^`]+)`", cell)}
    assert listed == {
        name: "no" if one.get("internal") else "yes" for name, one in FILE["networks"].items()
    }


def test_the_example_of_settings_has_all_of_them_with_their_defaults():
    example = dict(re.findall(r"^([A-Z_]+)=(.*)$", (COMPOSE / "env.example").read_text(), re.M))
    found = dict(re.findall(r"\$\{([A-Z_]+):-([^}]+)\}", TEXT))
    assert {name: example[name] for name in found} == found
    assert example.keys() - found.keys() == {"OPENPCC_DIR", "COMPOSE_PROFILES"}


def test_every_file_that_is_mounted_is_there():
    for one in SERVICES.values():
        for volume in one.get("volumes", []):
            if volume.startswith("./"):
                assert (COMPOSE / volume.split(":")[0]).exists(), volume
