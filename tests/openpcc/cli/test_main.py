import json
import subprocess
import sys

import pytest

from openpcc import __version__
from openpcc.cli.main import COMMANDS, main


def python(code: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)


def test_help_names_every_command_and_loads_no_network_library():
    done = python(
        "import sys\n"
        "from openpcc.cli.main import main\n"
        "try: main(['--help'])\n"
        "except SystemExit: pass\n"
        "heavy = {'httpx', 'cryptography', 'uvicorn', 'rich', 'attestation.verifier'}\n"
        "sys.exit(','.join(heavy & set(sys.modules)) or 0)\n"
    )
    assert done.returncode == 0, done.stderr
    assert all(name in done.stdout for name in COMMANDS)


def test_version(capsys):
    with pytest.raises(SystemExit) as caught:
        main(["--version"])
    assert caught.value.code == 0
    assert capsys.readouterr().out == f"openpcc {__version__}\n"


@pytest.mark.parametrize(
    "words",
    [
        [],
        ["nonsense"],
        ["nodes", "--nonsense"],
        ["--config", "x"],
        ["verify"],
        ["verify", "nonsense"],
        ["policy", "evidence"],
        ["audit", "nonsense"],
        ["audit", "--json", "log"],
    ],
)
def test_wrong_usage_ends_with_2(words, capsys):
    with pytest.raises(SystemExit) as caught:
        main(words)
    assert caught.value.code == 2
    assert "usage: openpcc" in capsys.readouterr().err


@pytest.mark.parametrize("command", ["chat", "nodes", "proxy"])
def test_a_missing_configuration_is_named_with_its_remedy(command, tmp_path, capsys):
    words = [command, "--config", str(tmp_path / "nowhere.toml")]
    assert main([*words, "hello"] if command == "chat" else words) == 2
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 1
    assert "nowhere.toml" in lines[0]
    assert "name one with --config or OPENPCC_CONFIG" in lines[0]


def test_an_error_is_one_json_object_too(tmp_path, capsys):
    assert main(["nodes", "--json", "--config", str(tmp_path / "nowhere.toml")]) == 2
    found = json.loads(capsys.readouterr().out)
    assert found["error"]["code"] == "configuration"
    assert "nowhere.toml" in found["error"]["message"]


def test_a_missing_extra_is_named(monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "uvloop", None)
    monkeypatch.delitem(sys.modules, "openpcc.cli.proxy", raising=False)
    assert main(["proxy"]) == 2
    assert "pip install '.[proxy]' in the source tree" in capsys.readouterr().err


def test_a_command_of_a_command_is_loaded_alone():
    done = python(
        "import sys\n"
        "from openpcc.cli.main import main\n"
        "try: main(['policy', 'check', '--help'])\n"
        "except SystemExit: pass\n"
        "others = {'openpcc.cli.policy.show', 'openpcc.cli.verify'}\n"
        "sys.exit(','.join(others & set(sys.modules)) or 0)\n"
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert "usage: openpcc policy check" in done.stdout


def test_a_command_that_is_also_a_whole_names_its_parts(capsys):
    with pytest.raises(SystemExit) as caught:
        main(["audit", "--help"])
    said = capsys.readouterr().out
    assert caught.value.code == 0
    assert "--report" in said
    assert all(name in said.rpartition("Alone")[2] for name in COMMANDS["audit"].parts)


def test_a_part_of_it_stands_directly_behind(capsys):
    with pytest.raises(SystemExit):
        main(["audit", "log", "--help"])
    assert capsys.readouterr().out.startswith("usage: openpcc audit log")


def test_every_command_has_a_module_with_the_pair():
    done = python(
        "from importlib import import_module\n"
        "from openpcc.cli.main import COMMANDS\n"
        "for name, command in COMMANDS.items():\n"
        "    for module in [f'{name}.{part}' for part in command.parts] or [name]:\n"
        "        module = import_module(f'openpcc.cli.{module}')\n"
        "        assert callable(module.add_arguments) and callable(module.run), name\n"
    )
    assert done.returncode == 0, done.stderr
