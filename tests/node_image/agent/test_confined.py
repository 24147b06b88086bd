"""node_image/agent/confined.py"""

import pytest

from node_image.agent.confined import sandboxed
from node_image.agent.errors import ConfigurationError

ENGINE = ("-m", "node_image.embedded.main", "--uds", "/dev/shm/engine/engine.sock", "--model", "/m")


def test_an_engine_gets_no_network_and_no_capability():
    command = sandboxed(ENGINE)
    assert "--unshare-all" in command
    assert "--share-net" not in command
    assert command[command.index("--cap-drop") + 1] == "ALL"


def test_an_engine_writes_into_its_own_folder_alone():
    command = sandboxed(ENGINE)
    at = command.index("--bind")
    assert command[at : at + 3] == ("--bind", "/dev/shm/engine", "/dev/shm/engine")
    assert command.count("--bind") == 1


def test_an_engine_sees_no_devices_kernel_or_processes_of_the_machine():
    command = sandboxed(ENGINE)
    assert not {"--dev-bind", "--proc", "/proc", "/sys", "/run", "/etc", "/"} & set(
        command[: command.index("--chdir")]
    )


def test_what_the_agent_says_is_the_interpreters_and_not_the_sandboxs():
    command = sandboxed(("--share-net", *ENGINE))
    assert command[command.index("--") + 1 :] == ("/usr/bin/python3", "--share-net", *ENGINE)


@pytest.mark.parametrize("arguments", [(), ("--uds",), ("--uds", "x.sock"), (*ENGINE, *ENGINE)])
def test_refuses_an_engine_without_one_socket(arguments):
    with pytest.raises(ConfigurationError, match="one socket"):
        sandboxed(arguments)
