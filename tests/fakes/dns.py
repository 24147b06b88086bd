"""A real DNS server on loopback (`dnsmasq`), whose records a test rewrites."""

import shutil
import socket
import subprocess
import time
from collections.abc import Sequence
from pathlib import Path

import pytest

MISSING = "dnsmasq is not installed"


class DnsServer:
    """Serves what `records` wrote last; `dnsmasq` answers over UDP and TCP."""

    def __init__(self, folder: Path) -> None:
        program = shutil.which("dnsmasq") or shutil.which("dnsmasq", path="/usr/sbin")
        if program is None:
            pytest.skip(MISSING)
        self._program = program
        self._folder = folder
        self._process: subprocess.Popen[bytes] | None = None
        with socket.create_server(("127.0.0.1", 0)) as free:
            self.port = free.getsockname()[1]

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self.port}"

    def __enter__(self) -> "DnsServer":
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def stop(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.wait(10)
            self._process = None

    def records(self, lines: Sequence[str]) -> None:
        """Start anew with these records, in the words of dnsmasq's configuration."""
        self.stop()
        config = self._folder / "dnsmasq.conf"
        fixed = ["no-resolv", "no-hosts", "local=/test/", "listen-address=127.0.0.1"]
        fixed += ["bind-interfaces", f"port={self.port}", "local-ttl=0", "edns-packet-max=1232"]
        config.write_text("\n".join([*fixed, *lines, ""]))
        arguments = ["--keep-in-foreground", f"--conf-file={config}", "--user=", "--group="]
        arguments.append(f"--pid-file={self._folder / 'dnsmasq.pid'}")
        with (self._folder / "dnsmasq.err").open("wb") as errors:
            self._process = subprocess.Popen([self._program, *arguments], stderr=errors)
        self._until_it_answers()

    def _until_it_answers(self) -> None:
        end = time.monotonic() + 20
        while not self._answers():
            assert time.monotonic() < end, (self._folder / "dnsmasq.err").read_text()
            time.sleep(0.02)

    def _answers(self) -> bool:
        try:
            socket.create_connection(("127.0.0.1", self.port), timeout=1).close()
        except OSError:
            return False
        return True


def host(name: str, *addresses: str) -> str:
    """Write A and AAAA records."""
    return f"host-record={name},{','.join(addresses)}"


def service(name: str, target: str, port: int) -> str:
    """Write an SRV record."""
    return f"srv-host={name},{target},{port}"
