"""The wallet's key in a real gnome-keyring, on a D-Bus of its own."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from openpcc.tokens import keystore

SESSION = """
printf secret | gnome-keyring-daemon --unlock --components=secrets --daemonize >/dev/null 2>&1
exec "$@"
"""


@pytest.fixture
def home(tmp_path: Path) -> Path:
    for name in ("run", "data"):
        (tmp_path / name).mkdir(mode=0o700)
    return tmp_path


def in_session(home: Path, root: Path, *actions: str, with_keyring: bool = True) -> list[Any]:
    """Do these things inside a session; give what each found."""
    for tool in ("dbus-run-session", "gnome-keyring-daemon"):
        if shutil.which(tool) is None:
            pytest.skip(f"{tool} is absent")
    environment = {
        name: value
        for name, value in os.environ.items()
        if name not in {"DBUS_SESSION_BUS_ADDRESS", "DISPLAY", "WAYLAND_DISPLAY"}
    }
    environment |= {
        "HOME": str(home),
        "XDG_RUNTIME_DIR": str(home / "run"),
        "XDG_DATA_HOME": str(home / "data"),
        "PYTHONPATH": str(root),
        # What a user's environment may ask keyring for; the wallet's key goes to no such place.
        "PYTHON_KEYRING_BACKEND": "keyring.backends.null.Keyring",
    }
    script = [sys.executable, str(Path(__file__).with_name("in_keystore.py"))]
    session = ["dbus-run-session", "--", "bash", "-c", SESSION, "session"] if with_keyring else []
    done = subprocess.run(
        [*session, *script, str(home / "state"), *actions],
        capture_output=True, check=False, env=environment, text=True, timeout=60,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    found: list[Any] = json.loads(done.stdout.splitlines()[-1])
    return found


def test_the_key_is_kept_there_and_opens_the_wallet_again(home: Path, root: Path):
    made, items, again = in_session(home, root, "look", "items", "look")
    assert made == again == {"protected": True, "stock": 0}
    assert items == {"items": 1, "sizes": [44]}
    # Another session, as after a login: the keyring is on the disk, the wallet's key in it.
    assert in_session(home, root, "look") == [{"protected": True, "stock": 0}]


def test_a_key_that_is_gone_or_locked_away_is_an_error(home: Path, root: Path):
    made, lost = in_session(home, root, "look", "lose", "look")
    assert made["protected"]
    assert lost["code"] == "keystore"
    assert "restore" in lost["said"]
    (locked,) = in_session(home, root, "lock", "look")
    assert locked["code"] == "keystore"
    assert "unlock" in locked["said"]


def test_without_a_session_the_wallet_is_in_the_clear_and_says_so(home: Path, root: Path):
    none, made = in_session(home, root, "find", "look", with_keyring=False)
    assert none == {"found": False}
    assert made == {"protected": False, "stock": 0}


def test_backends_are_a_closed_list():
    names = {module for module, _ in keystore.BACKENDS}
    assert not names & {
        "keyring.backends.chainer", "keyring.backends.fail", "keyring.backends.null",
    }  # fmt: skip
    assert all(module.startswith("keyring.backends.") for module in names)


def test_without_the_extra_there_is_no_keystore(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(keystore, "find_spec", lambda _: None)
    assert keystore.find() is None
