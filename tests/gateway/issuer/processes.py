"""`openpcc-issuer` as a process, and its commands in this one."""

import io
import json
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from dataclasses import dataclass
from pathlib import Path

from gateway.issuer.main import main

SQLITE = 'kind = "sqlite"\npath = "issuer.db"'

RUN = "from gateway.commands import issuer; issuer()"

DIES_BEFORE_SIGNING = f"""\
import os, signal
from gateway.rsa_private import PrivateKey
PrivateKey.blind_sign = lambda *_: os.kill(os.getpid(), signal.SIGKILL)
{RUN}
"""

SIGNS_WRONG = f"""\
from gateway.errors import FaultError
from gateway.rsa_private import PrivateKey
def fault(*_):
    raise FaultError("a signature did not verify")
PrivateKey.blind_sign = fault
{RUN}
"""


@dataclass
class IssuerProcess:
    """A running issuer."""

    process: subprocess.Popen[str]
    url: str
    control: str
    errors: Path

    def stop(self) -> int:
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(20)


@contextmanager
def running(config: Path, program: str = RUN, name: str = "issuer") -> Iterator[IssuerProcess]:
    """Start an issuer and wait until it says where it listens; end it whatever happens."""
    errors = config.parent / f"{name}.err"
    with errors.open("a") as sink:
        process = subprocess.Popen(
            [sys.executable, "-c", program, "--config", str(config)],
            stdout=subprocess.PIPE, stderr=sink, text=True,
        )  # fmt: skip
    assert process.stdout is not None
    with process.stdout as output:
        try:
            line = output.readline()
            assert line, errors.read_text()
            said = json.loads(line)
            yield IssuerProcess(process, said["listening"], said["control"], errors)
        finally:
            process.kill()
            process.wait(20)


def run(*words: object) -> tuple[int, str, str]:
    """Run a command in this process: exit code, stdout, stderr."""
    out, errors = io.StringIO(), io.StringIO()
    code = 0
    with redirect_stdout(out), redirect_stderr(errors):
        try:
            main([str(word) for word in words])
        except SystemExit as ended:
            code = int(ended.code or 0)
    return code, out.getvalue(), errors.getvalue()


def do(*words: object) -> str:
    """Run a command that succeeds; gives what it printed."""
    code, said, errors = run(*words)
    assert (code, errors) == (0, "")
    return said.strip()


def write_config(folder: Path, *lines: str, database: str = SQLITE) -> Path:
    """Write a configuration; `lines` come before the tables."""
    path = folder / "issuer.toml"
    path.write_text(
        'name = "issuer.example"\nlisten = "127.0.0.1:0"\nkeys = "keys"\n'
        + "".join(f"{line}\n" for line in lines)
        + f"[database]\n{database}\n"
    )
    return path
