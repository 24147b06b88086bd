"""The values that `openpcc init` writes render as they are, for the answers that change them."""

from pathlib import Path

import pytest

from tests.deploy.helm.charting import Object, of_kind, pods, render
from tests.deploy.helm.trial import command

pytestmark = pytest.mark.deploy

STORE = ["--store", "rediss://gateway@valkey.example:6379"]
ANSWERS = {
    "simulated": ["--platform", "simulated", "--nodes", "3"],
    "another name": ["--name", "ai", "--namespace", "inference"],
    "tokens": ["--admission", "tokens", *STORE],
    "tokens in PostgreSQL": [
        "--admission", "tokens", *STORE, "--database", "postgresql://issuer@db.example/issuer",
    ],
    "machines outside": ["--node-url", "http://10.0.0.7:8080", "--node-url", "http://10.0.0.8:8080"],
}  # fmt: skip


@pytest.fixture(scope="module", params=ANSWERS)
def rendered(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory):
    folder = tmp_path_factory.mktemp("init") / "new"
    words = ["--kind", "kubernetes", "--service", "chat.example", *ANSWERS[request.param]]
    command("openpcc", "init", folder, *words)
    file = folder / "operator/values.yaml"
    return folder, file, render({}, file=str(file)), request.param


def test_values_of_init_render(rendered: tuple[Path, Path, list[Object], str]):
    _, _, found, case = rendered
    roles = {pod["metadata"]["labels"]["app.kubernetes.io/component"] for _, pod in pods(found)}
    assert {"gateway", "publisher", "log"} <= roles
    assert ("issuer" in roles) == case.startswith("tokens")
    assert ("nodes" in roles) == (case == "simulated")


def test_values_of_init_hold_no_secret(rendered: tuple[Path, Path, list[Object], str]):
    folder, file, _, _ = rendered
    text = file.read_text()
    secrets = [*folder.rglob("secrets/*"), *folder.rglob("*.key"), *folder.rglob("*.token")]
    assert secrets
    for path in secrets:
        if path.is_file():
            assert path.read_text().strip() not in text, path.name


def test_secrets_are_those_of_the_page(rendered: tuple[Path, Path, list[Object], str]):
    folder, _, found, _ = rendered
    page = (folder / "README.md").read_text()
    named = {
        volume["secret"]["secretName"]
        for _, pod in pods(found)
        for volume in pod["spec"]["volumes"]
        if "secret" in volume
    }
    assert named
    for name in named:
        assert name.endswith("-tls") or f"{name} " in page, name  # certificates are brought


def test_what_is_outside_may_be_reached(rendered: tuple[Path, Path, list[Object], str]):
    _, _, found, case = rendered
    ports = {
        (policy["metadata"]["labels"]["app.kubernetes.io/component"], port["port"])
        for policy in of_kind(found, "NetworkPolicy")
        for rule in policy["spec"].get("egress", [])
        if "to" not in rule
        for port in rule["ports"]
    }
    assert ("log", 443) in ports
    assert (("gateway", 6379) in ports) == (STORE[1] in ANSWERS[case])
