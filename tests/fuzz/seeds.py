"""Inputs to start from: what our generators make, and the published vectors where they are.

Generated evidence is under keys of this process, so an input of `verify_…` that was found in one
process meets other keys in the next: what a parser does wrong with it stays, what a signature does
not. Cases of the vectors are judged under the vendors' own roots and stay what they are.
"""

import functools
import json
import struct
from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime
from pathlib import Path
from typing import Any
from uuid import UUID

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from attestation import ear_token
from attestation.certificates import Anchor
from attestation.ear import Ear
from attestation.endorsements import of_type
from attestation.evidence import Endorsement, endorsement_json
from attestation.policy import AppraisalPolicy
from attestation.result import Report
from attestation.sev_snp.certificate_table import GUIDS
from attestation.simulated.endorsements import MACHINE_ID_OID, VERSION_OID
from attestation.strict_json import b64decode, dumps
from attestation.x509 import Certificate, armored, parse_chain
from tests.fakes import amd, intel, intel_parts, simulated, tcg
from tests.fuzz.pieces import joined

VECTORS = Path(__file__).resolve().parents[3] / "shared" / "vectors"
AMD_SUFFIXES = (b".1", b".2", b".4", b".5", *(b".3.%d" % one for one in range(1, 11)))
SIMULATED_SUFFIXES = tuple(one.dotted_string.encode() for one in (MACHINE_ID_OID, VERSION_OID))
FILES = (b"report", b"leaf", b"intermediates", b"root", b"crl", b"quote", b"collateral", b"other")
ENDORSEMENTS = (b"x509-chain", b"x509-crl", b"tdx-collateral", b"rim", b"other")
AUDIENCE = "https://client.example"
NOW = simulated.NOW
PRODUCTS = ("Milan", "Genoa", "Turin")

Bytes = Iterable[bytes]
Case = tuple[dict[str, Any], dict[str, list[bytes]]]


# Published vectors


@functools.cache
def cases(kind: str) -> tuple[Case, ...]:
    """Give every case of a kind with its files; none where the vectors are absent."""
    found: list[Case] = []
    for index in sorted(VECTORS.glob("**/INDEX.json")):
        listed = json.loads(index.read_bytes())
        if listed.get("kind") == kind:
            found += [(case, _files(index.parent, case)) for case in listed["cases"]]
    return tuple(found)


def _files(folder: Path, case: Mapping[str, Any]) -> dict[str, list[bytes]]:
    listed = {name: [one] if isinstance(one, str) else one for name, one in case["files"].items()}
    return {name: [(folder / one).read_bytes() for one in some] for name, some in listed.items()}


def published(kind: str, name: str) -> list[bytes]:
    """Give each file of this name once, in the order of the cases."""
    return list(dict.fromkeys(data for _, files in cases(kind) for data in files.get(name, ())))


def standards(pattern: str) -> list[bytes]:
    """Give files of the standards' sets."""
    return [path.read_bytes() for path in sorted((VECTORS / "standards").glob(pattern))]


# Vendors


@functools.cache
def vendor(product: str) -> amd.Amd:
    return amd.Amd(product)


@functools.cache
def leaf_certificate() -> Certificate:
    """Give a certificate whose extensions a target replaces."""
    return parse_chain(vendor("Milan").vcek().pem)[0]


def simulated_anchors() -> tuple[Anchor, ...]:
    return (simulated.vendor().anchor,)


def vendor_policy(platform: str) -> AppraisalPolicy:
    return AppraisalPolicy(platforms=(platform,), optional=frozenset({"2.recency"}))


@functools.cache
def fake_policy(platform: str) -> AppraisalPolicy:
    return vendor("Milan").policy() if platform == "sev-snp" else intel.intel().policy


# Forms


def documents() -> Bytes:
    deep = b'{"a":' * 15 + b"{}" + b"}" * 15
    odd = ['{"a":-1,"b":true,"c":null,"d":[1,"\\u00e9"]}', '{"a":"\\ud83d\\ude00"}', '{"":1e2}']
    return [b"{}", deep, *(one.encode() for one in odd), *bundles(), *policies()]


def base64_texts() -> Bytes:
    return [b"", b"AA==", b"AAA=", b"AAAA", b"+/+/", b"-_-_", b"AB==", b"AA==\n"]


def ders() -> Bytes:
    certificate = leaf_certificate().der
    return [certificate, *pck_extensions(), *crls(), b"\x30\x03\x02\x01\x07", b"\x06\x02\x2a\x03"]


def certificates() -> Bytes:
    for chain in chains():
        for one in parse_chain(chain):
            yield one.der
            yield armored(one.der)
    for name in ("leaf", "intermediates", "root"):
        yield from published("sev-snp", name)
    yield from published("tdx", "root")


def chains() -> Bytes:
    yield simulated.machine().endorsements()[0].data
    for product in PRODUCTS:
        yield vendor(product).vcek().pem
        yield vendor(product).vlek().pem
    yield intel.intel().tcb_signer.pem
    for data in published("tdx", "collateral"):
        yield json.loads(data)["tcb_info_issuer_chain"].encode()


def crls() -> Bytes:
    yield from of_type(simulated.machine().endorsements(), "x509-crl")
    yield vendor("Milan").crl(revoked=(1, 2))
    yield intel_parts.crl(intel.intel().root)
    yield from published("sev-snp", "crl")
    for data in published("tdx", "collateral"):
        yield bytes.fromhex(json.loads(data)["pck_crl"])


def amd_extensions() -> Bytes:
    for product in PRODUCTS:
        for leaf in (vendor(product).vcek(), vendor(product).vlek()):
            extensions = parse_chain(leaf.pem)[0].extensions.items()
            by_suffix = {oid.dotted_string.removeprefix(amd.ARC): v for oid, v in extensions}
            yield _numbered(
                AMD_SUFFIXES, [(name.encode(), value) for name, value in by_suffix.items()]
            )


def pck_extensions() -> Bytes:
    return [intel_parts.sgx_extension(), intel_parts.sgx_extension(ppid=bytes(16))]


def simulated_extensions() -> Bytes:
    extensions = parse_chain(simulated.machine().endorsements()[0].data)[0].extensions
    named = [(oid.dotted_string.encode(), value) for oid, value in extensions.items()]
    return [_numbered(SIMULATED_SUFFIXES, named)]


# Evidence


def bundles() -> Bytes:
    return [simulated.scene().bundle().encode(), simulated.scene(device_count=0).bundle().encode()]


def endorsement_files() -> Bytes:
    stapled = [endorsement_json(one) for one in simulated.machine().endorsements()]
    return [dumps({"endorsements": stapled})]


def sections() -> Bytes:
    bundle = simulated.scene().bundle()
    found = (bundle.keys, bundle.freshness, bundle.devices, bundle.software)
    return [one for one in found if one is not None]


def snp_reports() -> Bytes:
    for product in PRODUCTS:
        for version in (2, 3, 4, 5):
            if product != "Turin" or version >= 3:
                yield vendor(product).report(vendor(product).vcek(), version)
    yield from published("sev-snp", "report")


def certificate_tables() -> Bytes:
    names = {name: UUID(text).bytes for text, name in GUIDS.items()}
    for leaf in (vendor("Milan").vcek(), vendor("Milan").vlek()):
        head, body, at = b"", b"", 24 * 4
        for name, data in zip(("vcek", "ask", "ark"), leaf.chain, strict=True):
            head += names[name] + struct.pack("<II", at + len(body), len(data))
            body += data
        yield head + bytes(24) + body


def tdx_quotes() -> Bytes:
    for version in (4, 5):
        yield intel.intel().quote(version=version)
    yield from published("tdx", "quote")


def simulated_evidence() -> Bytes:
    machine = simulated.machine()
    return [simulated.scene().bundle().quote, machine.device_report(bytes(32))]


def raw_parts() -> Bytes:
    for kind, first in (("sev-snp", "report"), ("tdx", "quote")):
        for _, files in cases(kind):
            named = [(name.encode(), data) for name, some in files.items() for data in some]
            yield joined([kind.encode(), _numbered(FILES, named)])
        yield joined([kind.encode(), _numbered(FILES, [(first.encode(), b"evidence")])])
    leaf = vendor("Milan").vcek()
    chain = [*zip((b"leaf", b"intermediates", b"root"), leaf.chain, strict=True)]
    snp = [(b"report", vendor("Milan").report(leaf)), *chain, (b"crl", vendor("Milan").crl())]
    yield joined([b"sev-snp", _numbered(FILES, snp)])
    tdx = [(b"quote", intel.intel().quote()), (b"collateral", intel.intel().collateral())]
    yield joined([b"tdx", _numbered(FILES, tdx)])


# Endorsements


def collaterals() -> Bytes:
    return [intel.intel().collateral(), *published("tdx", "collateral")]


def tcb_infos() -> Bytes:
    return [json.loads(data)["tcb_info"].encode() for data in collaterals()]


def qe_identities() -> Bytes:
    return [json.loads(data)["qe_identity"].encode() for data in collaterals()]


def rims() -> Bytes:
    signed = simulated.machine().rim
    return [signed, b64decode(json.loads(signed)["rim"])]


# Event logs


def tcg_logs() -> Bytes:
    yield tcg.old_record(1, tcg.ACTION, b"older form")
    yield tcg.header((tcg.SHA1, tcg.SHA256)) + tcg.record(
        0, b"\0\0\0\0", kind=tcg.SEPARATOR, banks=(tcg.SHA1, tcg.SHA256)
    )
    yield from ccel_logs()
    yield from (data for data in published("tpm", "event_log") if len(data) < 2**17)


def ccel_logs() -> Bytes:
    yield b""
    yield tcg.header() + tcg.record(1, b"one") + tcg.record(4, b"four") + b"\xff" * 16


def simulated_logs() -> Bytes:
    return [b"", simulated.LOG.encode()]


# Our own documents


def policies() -> Bytes:
    yield b'platforms = ["sev-snp", "tdx"]\n'
    yield b"""\
platforms = ["sev-snp"]
maximum_epoch = 3600
machines = ["%b"]
models = ["%b"]
tcb_statuses = ["UpToDate", "SWHardeningNeeded"]
[roots]
sev-snp = "%b"
[ages]
crl = 86400
collateral = 86400
[minimum_tcb.sev-snp]
snp = 24
[checks]
optional = ["2.recency"]
""" % (b"01" * 64, b"02" * 32, b"03" * 32)


def reports() -> Bytes:
    appraisal = simulated.scene().appraise()
    report = Report(
        platform="simulated",
        at=simulated.NOW,
        checks=appraisal.checks,
        machine=appraisal.machine,
        expires=appraisal.expires,
    )
    return [dumps(report.to_json())]


def ears() -> Bytes:
    for data in standards("rats/ea?.json"):
        yield from (row["text"].encode() for row in json.loads(data))
    yield dumps(EAR)


def ear_key() -> Ed25519PrivateKey:
    return Ed25519PrivateKey.from_private_bytes(bytes(32))


def ear_tokens() -> Bytes:
    yield ear_token.sign(Ear.parse(dumps(EAR)), ear_key()).encode()


EAR = {
    "eat_profile": "tag:ietf.org,2026:rats/ear#03",
    "iat": NOW,
    "exp": NOW + 60,
    "aud": AUDIENCE,
    "ear_verifier_id": {"developer": "https://example.org", "build": "v1"},
    "submods": {
        "node": {
            "ear_status": "affirming",
            "ear_trustworthiness_vector": {"instance-identity": 2},
            "ear_appraisal_policy_ids": ["policy"],
            "eat_nonce": "AAECAwQFBgcICQoL",
        }
    },
}


# Whole cases: time and root, the quote, endorsements


def snp_cases() -> Iterator[bytes]:
    line = vendor("Milan")
    for leaf in (line.vcek(), line.vlek()):
        yield _case(b"f", amd.NOW, line.report(leaf), line.endorsements(leaf))
    for case, files in cases("sev-snp"):
        certificates = [*files.get("leaf", ()), *files.get("intermediates", ())]
        chain = b"".join([*certificates, *files.get("root", ())])
        stapled = (
            Endorsement(type="x509-chain", data=chain),
            *(Endorsement(type="x509-crl", data=data) for data in files.get("crl", ())),
        )
        yield _case(b"v", _at(case), files["report"][0], stapled)


def tdx_cases() -> Iterator[bytes]:
    good = intel.intel()
    made = [(b"f", intel_parts.NOW, good.quote(), [good.collateral()])]
    read = [
        (b"v", _at(case), files["quote"][0], files.get("collateral", []))
        for case, files in cases("tdx")
    ]
    for root, now, quote, found in made + read:
        stapled = [Endorsement(type="tdx-collateral", data=data) for data in found]
        yield _case(root, now, quote, stapled)


def _case(root: bytes, now: int, quote: bytes, stapled: Iterable[Endorsement]) -> bytes:
    named = [(one.type.encode(), one.data) for one in stapled]
    return joined([root + now.to_bytes(4, "big"), quote, _numbered(ENDORSEMENTS, named)])


def _at(case: Mapping[str, Any]) -> int:
    return int(datetime.fromisoformat(case["at"]).timestamp())


def _numbered(names: tuple[bytes, ...], named: Iterable[tuple[bytes, bytes]]) -> bytes:
    """Write named pieces by the numbers of their names."""
    return joined(bytes((names.index(name),)) + data for name, data in named if name in names)
