"""Evidence as an auditor keeps it: a bundle, raw parts, policies, in a folder."""

import functools
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from attestation.certificates import parse_chain
from attestation.policy import AppraisalPolicy
from attestation.strict_json import b64encode
from openpcc.config import ClientPolicy
from tests.fakes.intel import intel
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

    def words(self, folder: Path, *left_out: str, **instead: bytes) -> list[str]:
        words = ["--kind", self.kind]
        for name, data in {**self.files, **instead}.items():
            if name not in left_out:
                (folder / f"{name}.bin").write_bytes(data)
                words += ["--file", f"{name}={folder / f'{name}.bin'}"]
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
