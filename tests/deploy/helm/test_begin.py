"""State is begun once, while values allow it, by the scripts of the chart; lost state is not.

The scripts run here with the real programs, on folders in place of the pod's.
"""

import base64
import os
import secrets
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.deploy.helm import values as given
from tests.deploy.helm.charting import containers, of_kind, render
from tests.deploy.helm.values import Values, together

pytestmark = pytest.mark.deploy

SOON, OVER, NEVER = "2999-01-01T00:00:00Z", "2026-01-01T00:00:00Z", ""


@dataclass(frozen=True, kw_only=True)
class Volume:
    """A pod's two folders, and the script that begins its state."""

    config: Path
    state: Path
    script: str

    def run(self) -> subprocess.CompletedProcess[str]:
        script = self.script.replace("/etc/openpcc", str(self.config))
        script = script.replace("/var/lib/openpcc", str(self.state))
        return subprocess.run(
            ["sh", "-ec", script], capture_output=True, text=True, timeout=60, check=False,
            env={"PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"},
        )  # fmt: skip

    def files(self) -> list[str]:
        return sorted(str(path.relative_to(self.state)) for path in self.state.rglob("*"))


def volume(folder: Path, role: str, values: Values, *, before: str) -> Volume:
    """Make the folders of a role, with a real key in place of its Secret."""
    found = render(together(values, {"begin": {"before": before}}))
    (maker,) = [
        one for one in of_kind(found, "StatefulSet") if one["metadata"]["name"].endswith(role)
    ]
    (begin,) = [one for one in containers(maker["spec"]["template"]) if one["name"] == "begin"]
    config, state = folder / "config", folder / "state"
    for path in (config, state, config / "secrets"):
        path.mkdir(mode=0o700)
    text = values[role]["config"].replace("/var/lib/openpcc", str(state))
    (config / f"{role}.toml").write_text(text)
    for name in ("secrets/log.key", "witness.key", "secrets/service.key"):
        (config / name).write_text(base64.b64encode(secrets.token_bytes(32)).decode() + "\n")
        (config / name).chmod(0o600)
    (config / "secrets/log.token").write_text("token-of-sixteen-characters\n")
    (config / "secrets/log.token").chmod(0o600)
    return Volume(config=config, state=state, script=begin["args"][0])


LOG = given.LOG + '[[publishers]]\nname = "a"\ntoken = "secrets/log.token"\n'


def witness() -> Values:
    """Give a witness of a log whose key is real."""
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    from transparency_log.note import NoteSigner

    vkey = NoteSigner(name="log.example/1", private_key=Ed25519PrivateKey.generate()).key
    config = given.WITNESS + f'[[logs]]\norigin = "log.example/1"\nvkey = "{vkey}"\n'
    return together(given.WITNESS_ALONE, {"witness": {"config": config}})


def log() -> Values:
    """Give a log with one witness."""
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    from transparency_log.cosignature import CosignatureSigner

    vkey = CosignatureSigner(name="w.example", private_key=Ed25519PrivateKey.generate()).key
    config = LOG + (
        f'[[witnesses]]\nname = "w.example"\noperator = "o"\nurl = "http://w"\nvkey = "{vkey}"\n'
    )
    return together(given.SERVICE, {"log": {"config": config}})


ROLES = {"witness": witness, "log": log, "publisher": lambda: given.SERVICE}


@pytest.mark.parametrize("role", ROLES)
def test_an_empty_volume_is_begun_in_time_and_only_once(role: str, tmp_path: Path):
    one = volume(tmp_path, role, ROLES[role](), before=SOON)
    assert one.run().returncode == 0
    begun = one.files()
    assert begun
    assert one.run().returncode == 0
    assert one.files() == begun


@pytest.mark.parametrize(
    ("role", "before"),
    [("witness", OVER), ("log", OVER), ("publisher", OVER), ("log", NEVER)],
)
def test_an_empty_volume_is_a_loss_afterwards(role: str, before: str, tmp_path: Path):
    one = volume(tmp_path, role, ROLES[role](), before=before)
    done = one.run()
    assert done.returncode == 1
    assert "restore the state" in done.stderr
    assert one.files() == []


def test_what_is_left_of_lost_state_is_not_begun_anew(tmp_path: Path):
    one = volume(tmp_path, "log", log(), before=SOON)
    assert one.run().returncode == 0
    (one.state / "sequence.db").unlink()
    left = one.files()
    assert one.run().returncode == 0
    assert one.files() == left


def test_a_file_system_of_its_own_is_empty(tmp_path: Path):
    one = volume(tmp_path, "witness", witness(), before=SOON)
    (one.state / "lost+found").mkdir()
    assert one.run().returncode == 0
    assert "witness.db" in one.files()


def test_an_issuer_is_begun_with_its_first_key(tmp_path: Path):
    values = together(given.SERVICE, given.TOKENS)
    values["issuer"]["config"] = values["issuer"]["config"].replace(
        'listen = "0.0.0.0:8003"', 'listen = "0.0.0.0:8003"\ntls_in_front = true', 1
    )
    one = volume(tmp_path, "issuer", values, before=SOON)
    done = one.run()
    assert done.returncode == 0, done.stderr
    assert any(name.startswith("keys/0-") or name.endswith(".pem") for name in one.files())
    assert "issuer.db" in one.files()


def renewal(folder: Path, *, before: str) -> Volume:
    """Make the folders of the hourly renewal, with what its key has signed in the Secret."""
    found = render(together(given.SERVICE, given.STATUS, {"begin": {"before": before}}))
    (job,) = of_kind(found, "CronJob")
    template = job["spec"]["jobTemplate"]["spec"]["template"]
    (begin,) = [one for one in containers(template) if one["name"] == "begin"]
    config, state = folder / "config", folder / "state"
    (config / "secrets").mkdir(parents=True)
    (config / "secrets/status.key.signed").write_text("status 7")
    state.mkdir()
    return Volume(config=config, state=state, script=begin["args"][0])


def test_the_renewal_begins_with_what_its_key_has_signed(tmp_path: Path):
    one = renewal(tmp_path, before=SOON)
    assert one.run().returncode == 0
    assert (one.state / "status.key.signed").read_text() == "status 7"
    (one.state / "status.key.signed").write_text("status 8")
    assert one.run().returncode == 0
    assert (one.state / "status.key.signed").read_text() == "status 8"


def test_a_renewal_that_lost_what_its_key_has_signed_stops(tmp_path: Path):
    one = renewal(tmp_path, before=OVER)
    assert one.run().returncode == 1
    assert one.files() == []
