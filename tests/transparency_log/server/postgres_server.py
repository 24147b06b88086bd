"""A PostgreSQL server of our own: in a temporary folder, on a unix socket, for one test run."""

import os
import pwd
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import count
from pathlib import Path

import psycopg

USER = "openpcc"
"""The superuser of the server; not an account of the machine."""


@dataclass(frozen=True, kw_only=True)
class PostgresServer:
    """A running server."""

    socket_folder: Path
    start: Callable[[], None]
    """Start it again, after a test has ended it."""
    _names: Iterator[int]

    @property
    def pid(self) -> int:
        return int((self.socket_folder / "data" / "postmaster.pid").read_text().split()[0])

    def dsn(self, schema: str) -> str:
        """Give the connection string of a schema."""
        return (
            f"host={self.socket_folder} dbname=postgres user={USER} "
            f"options='-c search_path={schema}'"
        )

    def new_schema(self) -> str:
        """Make an empty schema; gives its connection string."""
        name = f"log_{next(self._names)}"
        with psycopg.connect(self.dsn("public"), autocommit=True) as connection:
            connection.execute(f"CREATE SCHEMA {name}")
        return self.dsn(name)


def program(name: str) -> str | None:
    """Find a program of PostgreSQL; distributions keep some of them out of the way."""
    places = sorted(Path("/usr/lib/postgresql").glob("*/bin"))
    return shutil.which(name, path=os.pathsep.join([os.environ["PATH"], *map(str, places)]))


@contextmanager
def running_postgres() -> Iterator[PostgresServer]:
    """Start a server, and end it whatever happens. The server refuses to run as root."""
    folder = Path(tempfile.mkdtemp(prefix="openpcc-pg-"))  # a socket's path has at most 107 bytes
    account = "nobody" if os.geteuid() == 0 else None
    if account is not None:
        os.chown(folder, pwd.getpwnam(account).pw_uid, -1)
    data = folder / "data"

    def run(name: str, *arguments: str | Path) -> None:
        command = [str(program(name)), "-D", data, *arguments]
        with (folder / "errors").open("ab") as errors:
            subprocess.run(
                command, check=True, user=account, stdout=errors, stderr=errors, cwd=folder
            )

    try:
        run("initdb", "--no-sync", "--auth=trust", f"--username={USER}", "--encoding=UTF8")
        options = f"-c listen_addresses= -c unix_socket_directories={folder} -c shared_buffers=16MB"

        def start() -> None:
            run("pg_ctl", "-w", "-l", folder / "log", "-o", options, "start")

        start()
        try:
            yield PostgresServer(socket_folder=folder, start=start, _names=count())
        finally:
            run("pg_ctl", "-w", "-m", "immediate", "stop")
    finally:
        shutil.rmtree(folder, ignore_errors=True)
