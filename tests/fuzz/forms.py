"""The forms everything else is written in: JSON, base64, DER, certificates, revocation lists."""

import json

from attestation import der, strict_json, x509
from attestation.endorsements import Crl, of_type
from tests.fakes import intel, intel_parts, simulated
from tests.fuzz.sev_snp import PRODUCTS, vendor
from tests.fuzz.target import Bytes, or_none, target
from tests.fuzz.vectors import published

NOT_JSON = (strict_json.StrictJSONError,)


def documents() -> Bytes:
    deep = b'{"a":' * 15 + b"{}" + b"}" * 15
    odd = ['{"a":-1,"b":true,"c":null,"d":[1,"\\u00e9"]}', '{"a":"\\ud83d\\ude00"}', '{"":1e2}']
    return [b"{}", deep, *(one.encode() for one in odd), simulated.scene().bundle().encode()]


def base64_texts() -> Bytes:
    return [b"", b"AA==", b"AAA=", b"AAAA", b"+/+/", b"-_-_", b"AB==", b"AA==\n"]


def chains() -> Bytes:
    yield simulated.machine().endorsements()[0].data
    for product in PRODUCTS:
        yield vendor(product).vcek().pem
        yield vendor(product).vlek().pem
    yield intel.intel().tcb_signer.pem
    for data in published("tdx", "collateral"):
        yield json.loads(data)["tcb_info_issuer_chain"].encode()


def certificates() -> Bytes:
    for chain in chains():
        for one in x509.parse_chain(chain):
            yield one.der
            yield x509.armored(one.der)
    for name in ("leaf", "intermediates", "root"):
        yield from published("sev-snp", name)
    yield from published("tdx", "root")


def crls() -> Bytes:
    yield from of_type(simulated.machine().endorsements(), "x509-crl")
    yield vendor("Milan").crl(revoked=(1, 2))
    yield intel_parts.crl(intel.intel().root)
    yield from published("sev-snp", "crl")
    for data in published("tdx", "collateral"):
        yield bytes.fromhex(json.loads(data)["pck_crl"])


def ders() -> Bytes:
    found = [intel_parts.sgx_extension(), b"\x30\x03\x02\x01\x07", b"\x06\x02\x2a\x03", *crls()]
    return [*found, x509.parse_chain(vendor("Milan").vcek().pem)[0].der]


@target(strict_json.parse_object, seeds=documents, refusals=NOT_JSON)
def json_object(data: bytes) -> None:
    """Any bytes give the members of an object, or StrictJSONError."""
    strict_json.parse_object(data, limit=2**14, name="document")


@target(strict_json.b64decode, seeds=base64_texts, refusals=NOT_JSON, longest=2**8)
def base64_text(data: bytes) -> None:
    """Any text gives bytes of which it is the one spelling, or StrictJSONError."""
    text = data.decode("utf-8", errors="surrogateescape")
    assert strict_json.b64encode(strict_json.b64decode(text)) == text


@target(der.read, der.whole, der.children, der.integer, der.oid, seeds=ders)
def der_element(data: bytes) -> None:
    """Any bytes give an element, and each element its value, or MalformedEvidenceError."""
    waiting = [der.read(data)]
    for _ in range(256):
        if waiting:
            element = waiting.pop()
            for read in (der.integer, der.oid, lambda one: der.whole(one.content, der.SEQUENCE)):
                or_none(read, element)
            waiting += or_none(der.children, element) or ()


@target(x509.Certificate.parse, x509.parse_certificate, x509.read_certificate, seeds=certificates)
def certificate(data: bytes) -> None:
    """Any bytes give a certificate, PEM or DER, or MalformedEvidenceError."""
    read = x509.parse_certificate(data)
    assert x509.Certificate.parse(read.der) == x509.parse_certificate(x509.armored(read.der))
    assert x509.read_certificate(read.der) == read


@target(x509.parse_chain, seeds=chains)
def certificate_chain(data: bytes) -> None:
    """Any bytes give certificates that read back alike, or MalformedEvidenceError."""
    chain = x509.parse_chain(data)
    assert x509.parse_chain(b"".join(x509.armored(one.der) for one in chain)) == chain


@target(Crl.parse, seeds=crls)
def crl(data: bytes) -> None:
    """Any bytes give a revocation list that can be asked, or MalformedEvidenceError."""
    read = Crl.parse(data)
    for serial in (1, 0, -1, 2**200):  # what a certificate may carry
        read.lists(serial)
