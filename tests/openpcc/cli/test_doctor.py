import json
import re
import socket
from pathlib import Path

import pytest

from openpcc.cli import doctor
from openpcc.cli.installation import Outcome, failed, inform, passed
from openpcc.cli.main import main
from openpcc.protocol import messages
from tests.fakes.node import Exchange, FarEnd

FORMATS = Path(__file__).parents[3] / "docs" / "formats.md"
"""Its examples of a policy and a configuration are the ones used here."""


def example(name: str) -> str:
    found = re.search(rf"```toml {name}\n(.*?)```", FORMATS.read_text(), re.DOTALL)
    assert found is not None
    return found[1]


@pytest.fixture
def closed_port():
    """A port that was just free."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@pytest.fixture
def configuration(tmp_path, closed_port):
    (tmp_path / "policy.toml").write_text(example("policy"))
    text = example("client-config").replace(
        "https://relay.example", f"http://127.0.0.1:{closed_port}"
    )
    path = tmp_path / "client.toml"
    path.write_text(text)
    return path


def rows(capsys) -> dict[str, str]:
    found = json.loads(capsys.readouterr().out)
    return {check["id"]: check["outcome"] for check in found["checks"]}


def test_without_configuration_the_installation_alone_is_checked(tmp_path, monkeypatch, capsys):
    monkeypatch.delenv("OPENPCC_CONFIG", raising=False)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    assert main(["doctor", "--json"]) == 0
    found = rows(capsys)
    assert found["4.configuration"] == "INFO"
    assert found["1.x-wing"] == "PASS"
    assert "5.relay" not in found


def test_a_named_configuration_must_be_there(tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("OPENPCC_CONFIG", str(tmp_path / "nowhere.toml"))
    assert main(["doctor", "--json"]) == 2
    found = rows(capsys)
    assert found["4.configuration"] == "FAIL"
    assert found["6.nodes"] == "SKIP"


def test_a_relay_that_is_not_there_ends_with_3(configuration, capsys):
    assert main(["doctor", "--json", "--config", str(configuration)]) == 3
    found = rows(capsys)
    assert (found["4.configuration"], found["5.relay"]) == ("PASS", "FAIL")
    assert (found["6.nodes"], found["7.clock"]) == ("SKIP", "SKIP")


def test_the_table_shows_simulated(configuration, capsys):
    main(["doctor", "--config", str(configuration)])
    out = capsys.readouterr().out
    assert "service demo.example, SIMULATED" in out
    assert re.search(r"^5\.relay +FAIL", out, re.MULTILINE)


@pytest.mark.parametrize("command", ["nodes", "proxy"])
def test_other_commands_end_with_3_too(configuration, command, capsys):
    assert main([command, "--config", str(configuration)]) == 3
    found = capsys.readouterr()
    assert found.out == ""
    assert found.err.count("\n") == 1


def test_the_first_failure_gives_the_exit_code():
    rows = [
        passed("1.a", ""),
        inform("2.b", "", ""),
        failed("3.c", "", "", 3),
        failed("4.d", "", "", 2),
    ]
    assert doctor.exit_code(rows) == 3
    assert doctor.exit_code(rows[:2]) == 0


@pytest.mark.parametrize(
    ("behind", "outcome"), [(301, Outcome.FAIL), (300, Outcome.PASS), (-60, Outcome.PASS)]
)
def test_a_clock_behind_the_newest_witnessed_time_fails(behind, outcome):
    assert doctor.examine_clock(1_800_000_000 + behind, now=1_800_000_000).outcome == outcome


def test_without_a_witnessed_time_the_clock_is_not_judged():
    assert doctor.examine_clock(None, now=0).outcome == Outcome.SKIP


async def serves_keys(exchange: Exchange) -> None:
    await exchange.answer(200, b"keys", [("content-type", messages.OHTTP_KEYS)])


def test_every_relay_has_a_row_of_its_own(configuration, closed_port, capsys):
    with FarEnd(serves_keys) as relay:
        urls = [f"http://127.0.0.1:{closed_port}", relay.url]
        text = configuration.read_text().replace(f'relay = "{urls[0]}"', f"relays = {urls}")
        configuration.write_text(text)
        assert main(["doctor", "--json", "--config", str(configuration)]) == 3
    checks = {check["id"]: check for check in json.loads(capsys.readouterr().out)["checks"]}
    assert (checks["5.relay.1"]["outcome"], checks["5.relay.2"]["outcome"]) == ("FAIL", "PASS")
    assert urls[0] in checks["5.relay.1"]["detail"]
    assert checks["5.relay.2"]["detail"] == urls[1]
    assert checks["6.nodes"]["outcome"] == "FAIL"  # it was looked for: a relay is there
