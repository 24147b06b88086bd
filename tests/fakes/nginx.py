"""A real nginx on loopback, with a configuration of the test's."""

import os
import shutil
import socket
import subprocess
import time
from pathlib import Path

import pytest

MISSING = "nginx is not installed"

MAIN = """
daemon off;
pid {folder}/nginx.pid;
{user}
worker_processes 1;
error_log {folder}/main.err;
events {{ worker_connections 64; }}
http {{
    client_body_temp_path {folder}/temp;
    proxy_temp_path {folder}/temp;
    fastcgi_temp_path {folder}/temp;
    uwsgi_temp_path {folder}/temp;
    scgi_temp_path {folder}/temp;
    access_log {folder}/access.log;
{servers}
}}
"""


class Nginx:
    """Runs while the block does; `servers` is what stands in `http {}`."""

    def __init__(self, folder: Path, port: int, servers: str) -> None:
        program = shutil.which("nginx") or shutil.which("nginx", path="/usr/sbin")
        if program is None:
            pytest.skip(MISSING)
        self.folder, self.port = folder, port
        (folder / "temp").mkdir(parents=True)
        user = "user root;" if os.geteuid() == 0 else ""
        config = folder / "nginx.conf"
        config.write_text(MAIN.format(folder=folder, user=user, servers=servers))
        self._command = [program, "-p", str(folder), "-c", str(config), "-e", "main.err"]

    def __enter__(self) -> "Nginx":
        self._process = subprocess.Popen(self._command)
        end = time.monotonic() + 20
        while not self._listens():
            assert time.monotonic() < end, (self.folder / "main.err").read_text()
            time.sleep(0.02)
        return self

    def __exit__(self, *_: object) -> None:
        self._process.terminate()
        self._process.wait(20)

    def written(self) -> str:
        """Give everything that it has written to files."""
        files = (one for one in self.folder.rglob("*") if one.is_file())
        return "".join(one.read_text(errors="replace") for one in files if one.suffix != ".conf")

    def _listens(self) -> bool:
        try:
            socket.create_connection(("127.0.0.1", self.port), timeout=1).close()
        except OSError:
            return False
        return True


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port: int = free.getsockname()[1]
    return port
