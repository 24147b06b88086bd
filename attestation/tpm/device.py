"""The TPM of this machine, through the programs of tpm2-tools.

They speak to it by tpm2-tss, the TCG's own stack. Its Python binding would be a C extension that is
built anew on every machine, for five commands an hour; the programs come with every distribution,
and what they are told here is fixed, by arguments and not by a shell.

A key that signs quotes stays in the TPM, under a handle of its own; what lies in its memory for a
moment is flushed, because there may be no resource manager between.
"""

import re
import shutil
import stat
import subprocess
import tempfile
from collections.abc import Mapping
from pathlib import Path

from attestation.errors import AttesterError, plain
from attestation.tcg_log import Bank
from attestation.tpm.evidence import PCRS
from attestation.tpm.pcrs import BANK

DEVICE = Path("dev/tpmrm0")
"""Where the kernel offers it, below the root of the file system."""

TIMEOUT = 60.0
"""Seconds for one command; making an RSA key may take a chip half of that."""

MAX_OUTPUT = 2**16
"""Bytes of a file that a program leaves; the largest, all PCRs, has about 1 KiB."""

ATTRIBUTES = "fixedtpm|fixedparent|sensitivedataorigin|userwithauth|restricted|sign|noda"
"""Of an AK: made by this TPM, kept in it, and signing only what this TPM says."""

REQUIRED = 1 << 1 | 1 << 4 | 1 << 16 | 1 << 18
"""The same as bits (TPM 2.0 Part 2, section 8.3): fixedTPM, fixedParent, restricted, sign. A TPM
makes no restricted key that both signs and decrypts."""


class Tpm:
    """One TPM."""

    def __init__(self, tcti: str) -> None:
        """Take the TPM that tpm2-tss finds by this text, as `device:/dev/tpmrm0`."""
        self._tcti = tcti

    @classmethod
    def below(cls, root: Path) -> "Tpm":
        """Take the TPM of a root: the kernel's device, or the socket of a software TPM (swtpm).

        Raises:
            AttesterError: there is none.
        """
        path = root / DEVICE
        try:
            is_socket = stat.S_ISSOCK(path.stat().st_mode)
        except OSError as error:
            raise AttesterError(
                f"{path}: {error.strerror}; give the machine a TPM 2.0, and load its driver"
            ) from error
        return cls(f"{'swtpm:path=' if is_socket else 'device:'}{path.resolve()}")

    def has(self, handle: int) -> bool:
        """Say whether a handle names a persistent key or an NV index. Raises: AttesterError."""
        kind = "handles-persistent" if handle >> 24 == 0x81 else "handles-nv-index"
        listed = re.findall(r"^- (0x[0-9A-Fa-f]+)$", self._run("tpm2_getcap", kind), re.MULTILINE)
        return handle in {int(one, 16) for one in listed}

    def read_nv(self, index: int) -> bytes:
        """Read an NV index with the owner's empty password. Raises: AttesterError."""
        with tempfile.TemporaryDirectory() as folder:
            out = Path(folder) / "nv"
            self._run("tpm2_nvread", "-Q", "-C", "o", hex(index), "-o", str(out))
            return _output(out)

    def make_ak(self, handle: int) -> None:
        """Make a P-256 key that signs quotes, under a persistent handle. Raises: AttesterError."""
        with tempfile.TemporaryDirectory() as folder:
            context = str(Path(folder) / "ak")
            algorithm = ("-G", "ecc256:ecdsa-sha256:null", "-a", ATTRIBUTES)
            self._run("tpm2_createprimary", "-Q", "-C", "o", *algorithm, "-c", context)
            self._run("tpm2_evictcontrol", "-Q", "-C", "o", "-c", context, hex(handle))
            self._run("tpm2_flushcontext", "-t")

    def read_public(self, handle: int) -> bytes:
        """Read the public part (TPM2B_PUBLIC) of a key that is fit to sign quotes.

        Raises:
            AttesterError: there is none, or it is not fit.
        """
        with tempfile.TemporaryDirectory() as folder:
            out = Path(folder) / "public"
            self._run("tpm2_readpublic", "-Q", "-c", hex(handle), "-f", "tss", "-o", str(out))
            public = _output(out)
        attributes = int.from_bytes(public[6:10], "big")
        if attributes & REQUIRED != REQUIRED:
            raise AttesterError(f"TPM: the key {handle:#x} is no AK; remove it (tpm2_evictcontrol)")
        return public

    def pcrs(self) -> Mapping[int, bytes]:
        """Read all PCRs of the bank that counts. Raises: AttesterError."""
        with tempfile.TemporaryDirectory() as folder:
            out = Path(folder) / "pcrs"
            self._run("tpm2_pcrread", "-Q", _all(BANK), "-o", str(out))
            return _split(_output(out))

    def extend(self, pcr: int, digest: bytes) -> None:
        """Extend a PCR of that bank, and of no other. Raises: AttesterError."""
        self._run("tpm2_pcrextend", "-Q", f"{pcr}:{BANK.name.lower()}={digest.hex()}")

    def quote(self, handle: int, qualifying: bytes) -> tuple[bytes, bytes, Mapping[int, bytes]]:
        """Quote all PCRs of that bank.

        Gives message (TPMS_ATTEST), signature (TPMT_SIGNATURE) and the PCRs' values.

        Raises:
            AttesterError: the TPM gives no quote.
        """
        with tempfile.TemporaryDirectory() as folder:
            message, signature, pcrs = (Path(folder) / name for name in ("m", "s", "p"))
            self._run(
                *("tpm2_quote", "-Q", "-c", hex(handle), "-l", _all(BANK), "-q", qualifying.hex()),
                *("-g", "sha256", "-m", str(message), "-s", str(signature), "-f", "tss"),
                *("-o", str(pcrs), "-F", "values"),
            )
            return _output(message), _output(signature), _split(_output(pcrs))

    def _run(self, program: str, *arguments: str) -> str:
        path = shutil.which(program)
        if path is None:
            raise AttesterError(f"{program}: not found; install tpm2-tools")
        try:
            done = subprocess.run(  # noqa: S603 - a program of ours to choose, and no shell
                [path, *arguments],
                env={"TPM2TOOLS_TCTI": self._tcti},
                stdin=subprocess.DEVNULL,
                capture_output=True,
                timeout=TIMEOUT,
                check=False,
            )
        except (OSError, subprocess.TimeoutExpired) as error:
            raise AttesterError(f"{program}: {error}; see that the TPM answers") from error
        if done.returncode:
            said = " ".join(done.stderr[-MAX_OUTPUT:].decode("utf-8", "replace").split())
            raise AttesterError(
                f"{program}: {plain(said)}; see that this user may use {self._tcti}"
            )
        return done.stdout[:MAX_OUTPUT].decode("ascii", "replace")


def _all(bank: Bank) -> str:
    return f"{bank.name.lower()}:all"


def _split(values: bytes) -> Mapping[int, bytes]:
    if len(values) != PCRS * BANK.size:
        raise AttesterError(
            f"TPM: PCRs of {len(values)} bytes; allocate the bank {BANK.name} (tpm2_pcrallocate)"
        )
    return {pcr: values[pcr * BANK.size : (pcr + 1) * BANK.size] for pcr in range(PCRS)}


def _output(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            data = file.read(MAX_OUTPUT + 1)
    except OSError as error:
        raise AttesterError(f"tpm2-tools: {error.strerror}; use another version") from error
    if len(data) > MAX_OUTPUT:
        raise AttesterError(f"tpm2-tools: more than {MAX_OUTPUT} bytes; use another version")
    return data
