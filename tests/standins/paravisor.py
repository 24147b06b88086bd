"""Azure around a guest: what its paravisor puts into the TPM, and the host's service for quotes."""

import base64
import json
import os
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any, ClassVar

from cryptography.hazmat.primitives.asymmetric import rsa

from attestation.tpm import azure
from attestation.tpm.device import Tpm
from attestation.tpm.public import read_public
from tests.fakes import tpm as fakes
from tests.fakes.real_bundles import amd


def run(machine: Path, program: str, *arguments: str) -> None:
    path = (machine / "dev" / "tpmrm0").resolve()
    environment = {**os.environ, "TPM2TOOLS_TCTI": f"swtpm:path={path}"}
    subprocess.run([program, "-Q", *arguments], env=environment, check=True)


class Paravisor:
    """What Azure puts into the TPM of a guest before it starts."""

    def __init__(self, machine: Path) -> None:
        context = str(machine / "ak")
        run(machine, "tpm2_createprimary", "-C", "e", "-G", "rsa2048:rsassa-sha256:null",
            "-c", context, "-a", "fixedtpm|fixedparent|sensitivedataorigin|userwithauth|"
            "restricted|sign|noda")  # fmt: skip
        run(machine, "tpm2_evictcontrol", "-C", "o", "-c", context, hex(azure.AK_HANDLE))
        run(machine, "tpm2_flushcontext", "-t")
        self.machine = machine
        key = read_public(Tpm.below(machine).read_public(azure.AK_HANDLE))
        assert isinstance(key, rsa.RSAPublicKey)
        n = fakes.b64url(key.public_numbers().n)
        named = {**fakes.rsa_ak().jwk(), "n": n}
        # A software TPM's index has 2048 bytes, Azure's 2600: so nothing that is not needed.
        self.runtime = fakes.runtime_data(
            fakes.rsa_ak(), keys=[named], vm_configuration=None, user_data=None
        )

    def store(self, hcl_report: bytes) -> None:
        path = self.machine / "hcl"
        path.write_bytes(hcl_report)
        attributes = ("-a", "ownerread|ownerwrite|authread|authwrite")
        size = str(len(hcl_report))
        run(self.machine, "tpm2_nvdefine", hex(azure.HCL_INDEX), "-C", "o", "-s", size, *attributes)
        run(self.machine, "tpm2_nvwrite", hex(azure.HCL_INDEX), "-C", "o", "-i", str(path))

    def store_snp(self, **changes: Any) -> None:
        data = {"report_data": fakes.runtime_report_data(self.runtime)}
        report = amd().report(amd().vcek(), **{**data, **changes})
        self.store(fakes.hcl_report(report, self.runtime, size=2048))

    def store_tdx(self) -> bytes:
        """Give also the report data that the host is to quote."""
        binds = fakes.runtime_report_data(self.runtime)
        td = fakes.td_report(binds)
        self.store(fakes.hcl_report(td, self.runtime, kind=fakes.TDX, size=2048))
        return binds


@contextmanager
def host() -> Iterator[str]:
    """Serve `Host`; gives its address."""
    Host.status, Host.answer = 200, b""
    Host.asked.clear()
    with HTTPServer(("127.0.0.1", 0), Host) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield f"127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
            thread.join()


class Host(BaseHTTPRequestHandler):
    """Azure's service that turns a TDREPORT into a quote."""

    status, answer = 200, b""
    asked: ClassVar[list[tuple[str, bytes]]] = []

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        type(self).asked.append((self.path, body))
        self.send_response(type(self).status)
        self.send_header("Content-Length", str(len(type(self).answer)))
        self.end_headers()
        self.wfile.write(type(self).answer)

    def log_message(self, *_: object) -> None:
        pass


def answer_with(quote: bytes) -> None:
    """Let the service answer with a quote."""
    text = base64.urlsafe_b64encode(quote).decode().rstrip("=")
    Host.answer = json.dumps({"quote": text, "other": 1}).encode()
