"""node_image/agent/lockdown.py"""

from pathlib import Path

import pytest

from node_image.agent.errors import ConfigurationError
from node_image.agent.lockdown import LOCKDOWN, MODULES, lock_down


@pytest.fixture
def kernel(tmp_path: Path) -> Path:
    """A kernel's two files, as after modules are closed. They do not act on what is written."""
    for path, text in ((MODULES, "1\n"), (LOCKDOWN, "[none] integrity confidentiality\n")):
        (tmp_path / path).parent.mkdir(parents=True)
        (tmp_path / path).write_text(text)
    return tmp_path


def test_refuses_while_modules_may_come_in(kernel: Path):
    (kernel / MODULES).write_text("0\n")
    with pytest.raises(ConfigurationError, match="still takes modules"):
        lock_down(kernel)
    assert (kernel / LOCKDOWN).read_text().startswith("[none]")


def test_asks_and_does_not_believe_that_it_was_done(kernel: Path):
    with pytest.raises(ConfigurationError, match="not locked"):
        lock_down(kernel)
    assert (kernel / LOCKDOWN).read_text() == "confidentiality"


def test_a_kernel_that_is_locked_is_left_as_it_is(kernel: Path):
    (kernel / LOCKDOWN).write_text("none integrity [confidentiality]\n")
    lock_down(kernel)


def test_the_lower_level_is_not_enough(kernel: Path):
    (kernel / LOCKDOWN).write_text("none [integrity] confidentiality\n")
    with pytest.raises(ConfigurationError, match="not locked"):
        lock_down(kernel)


@pytest.mark.parametrize("missing", [MODULES, LOCKDOWN])
def test_a_kernel_without_lockdown_stops_the_boot(kernel: Path, missing: Path):
    (kernel / missing).unlink()
    with pytest.raises(ConfigurationError, match="No such file"):
        lock_down(kernel)
