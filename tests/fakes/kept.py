"""Evidence as an auditor keeps it: a bundle, raw parts, policies, in a folder."""

import functools
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from attestation.certificates import parse_chain
from attestation.policy import AppraisalPolicy
from attestation.strict_json import b64encode
from attestation.tpm.document import Azure, TpmQuote, pcrs_json
from openpcc.config import ClientPolicy
from tests.fakes import tpm, vtpm_bundles
from tests.fakes.intel import intel
from tests.fakes.nvidia import nvidia
from tests.fakes.real_bundles import amd, snp_machine, tdx_machine
from tests.fakes.world import World
from transparency_log.entry import EntrySigners


@dataclass(frozen=True, kw_only=True)
class Raw:
    """Raw evidence; `words` are the arguments that name it once it is in a folder."""

    kind: str
    quote: str
    policy: AppraisalPolicy
    files: Mapping[str, bytes] = field(repr=False)
    lists: Mapping[str, tuple[bytes, ...]] = field(repr=False, default_factory=dict)

    @property
    def names(self) -> tuple[str, ...]:
        return (*self.files, *self.lists)

    def words(
        self, folder: Path, *left_out: str, **instead: bytes | tuple[bytes, ...]
    ) -> list[str]:
        words = ["--kind", self.kind]
        for name, some in {**self.files, **self.lists, **instead}.items():
            for number, data in enumerate((some,) if isinstance(some, bytes) else some):
                if name not in left_out:
                    path = folder / f"{name}{number or ''}.bin"
                    path.write_bytes(data)
                    words += ["--file", f"{name}={path}"]
        (folder / "raw.toml").write_text("version = 1\n" + attestation_toml(self.policy))
        return [*words, "--policy", str(folder / "raw.toml")]


@functools.cache
def snp() -> Raw:
    bundle = snp_machine().bundle()
    chain, crl = (one.data for one in bundle.endorsements)
    leaf, ask, ark = parse_chain(chain)
    return Raw(
        kind="sev-snp",
        quote="report",
        policy=amd().policy(),
        files={
            "report": bundle.quote,
            "leaf": leaf.der,
            "intermediates": ask.der,
            "root": ark.der,
            "crl": crl,
        },
    )


@functools.cache
def tdx() -> Raw:
    bundle = tdx_machine().bundle()
    return Raw(
        kind="tdx",
        quote="quote",
        policy=intel().policy,
        files={"quote": bundle.quote, "collateral": bundle.endorsements[0].data},
    )


@functools.cache
def gpu() -> Raw:
    vendor = nvidia()
    chip = vendor.device()
    return Raw(
        kind="nvidia",
        quote="report",
        policy=vendor.context(()).policy,
        files={
            "report": vendor.report(chip),
            "chain": chip.pem,
            "root": chip.holders[-1].der,
        },
        lists={"rims": vendor.rims(), "ocsp": vendor.answers(chip)},
    )


@functools.cache
def rim() -> Raw:
    vendor = nvidia()
    return Raw(
        kind="nvidia",
        quote="rim",
        policy=vendor.context(()).policy,
        files={"rim": vendor.rims()[0]},
        lists={"ocsp": vendor.answers()},
    )


@functools.cache
def tpm_alone() -> Raw:
    """A TPM that its cloud vouches for, with the log of its boot."""
    ak, pcrs = tpm.ec_ak(), tpm.pcr_values() | vtpm_bundles.registers()
    message = tpm.message(pcrs)
    leaf, ca, root = parse_chain(tpm.cloud().chain(ak))
    values = {"sha384": {str(pcr): value.hex() for pcr, value in pcrs.items()}}
    return Raw(
        kind="tpm",
        quote="quote_message",
        policy=vtpm_bundles.policy("sev-snp-vtpm", bytes(32)),
        files={
            "quote_message": message,
            "quote_signature": ak.sign(message),
            "pcrs": json.dumps(values).encode(),
            "ak_public": ak.spki,
            "ak_cert": leaf.der,
            "intermediates": ca.der,
            "root": root.der,
            "event_log": vtpm_bundles.event_log(),
        },
    )


@functools.cache
def azure() -> Raw:
    """A guest of Azure, as the files of its TPM."""
    machine = vtpm_bundles.azure_snp()
    quote = TpmQuote.parse(machine.bundle().quote)
    assert isinstance(quote.hardware, Azure)
    chain, crl = (one.data for one in machine.endorsements)
    leaf, ask, ark = parse_chain(chain)
    return Raw(
        kind="tpm",
        quote="quote_message",
        policy=machine.policy,
        files={
            "hcl_report": quote.hardware.hcl.encode(),
            "quote_message": quote.message,
            "quote_signature": quote.signature.encode(),
            "pcrs": json.dumps(pcrs_json(quote.pcrs)).encode(),
            "leaf": leaf.der,
            "intermediates": ask.der,
            "root": ark.der,
            "crl": crl,
            "event_log": vtpm_bundles.event_log(),
        },
    )


def keep(world: World, folder: Path) -> tuple[Path, Path]:
    """Write a bundle of this world and its client policy."""
    bundle, policy = folder / "bundle.json", folder / "policy.toml"
    bundle.write_bytes(world.bundle().encode())
    policy.write_text(policy_toml(world.policy))
    return bundle, policy


def attestation_toml(policy: AppraisalPolicy) -> str:
    roots = "".join(f'{name} = "{digest.hex()}"\n' for name, digest in policy.roots.items())
    platforms = ", ".join(f'"{name}"' for name in policy.platforms)
    return f"[attestation]\nplatforms = [{platforms}]\n[attestation.roots]\n{roots}"


def policy_toml(policy: ClientPolicy) -> str:
    log = policy.log
    witnesses = "".join(
        f'[[log.witnesses]]\nname = "{one.name}"\noperator = "{one.operator}"\nkey = "{one.vkey}"\n'
        for one in log.witnesses
    )
    return (
        f'version = 1\nservice = "{policy.service}"\n'
        + attestation_toml(policy.attestation)
        + f'[log]\norigin = "{log.origin}"\nkey = "{log.log_vkey}"\nquorum = {log.quorum}\n'
        + witnesses
        + _signers("release", policy.release_signers)
        + _signers("status", policy.status_signers)
        + _signers("service", policy.service_signers)
    )


def _signers(name: str, signers: EntrySigners) -> str:
    keys = ", ".join(f'"{b64encode(key)}"' for key in signers.keys)
    return f"[signers.{name}]\nthreshold = {signers.threshold}\nkeys = [{keys}]\n"
