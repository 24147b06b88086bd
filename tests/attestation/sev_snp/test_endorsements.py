"""What a leaf certificate names, and what it must not."""

from dataclasses import replace

import pytest
from cryptography.x509 import ObjectIdentifier
from hypothesis import given
from hypothesis import strategies as st

from attestation.certificates import Certificate, parse_chain
from attestation.errors import AppraisalError, AttestationError, MalformedEvidenceError
from attestation.sev_snp.endorsements import (
    ARC,
    check_chip_id,
    check_leaf_kind,
    check_product,
    check_roles,
    check_tcb,
    hardware_id,
    leaf_product,
    leaf_tcb,
)
from attestation.sev_snp.evidence import Report
from attestation.sev_snp.product import Product
from tests.fakes.amd import SPL_ARCS, TCBS, Amd, Leaf, ia5, integer

PRODUCTS = ("Milan", "Genoa", "Turin")
LINES = {name: Amd(name) for name in PRODUCTS}
MILAN = LINES["Milan"]
CHIP = MILAN.vcek()
HOST = MILAN.vlek()
RULES = (check_leaf_kind, check_tcb, check_chip_id)


def read(leaf: Leaf) -> Certificate:
    return parse_chain(leaf.pem)[0]


def fitting(amd: Amd, leaf: Leaf, version: int = 3) -> Report:
    return amd.fields(leaf, version)


def with_extension(end: str, value: bytes | None, product: str = "Milan") -> Certificate:
    return read(LINES[product].vcek(extensions={end: value}))


@pytest.mark.parametrize("product", PRODUCTS)
def test_a_leaf_names_product_firmware_and_chip(product: str):
    chip = LINES[product].vcek()
    leaf = read(chip)
    assert leaf.serial == 0
    assert leaf_product(leaf) is Product(product)
    assert dict(leaf_tcb(leaf).components) == TCBS[product]
    assert set(leaf_tcb(leaf).reserved) == {0}
    assert hardware_id(leaf) == chip.hardware_id[: 8 if product == "Turin" else 64]


@pytest.mark.parametrize("version", [2, 3, 4, 5])
@pytest.mark.parametrize("product", PRODUCTS)
def test_every_rule_holds_for_a_fitting_leaf(product: str, version: int):
    amd = LINES[product]
    for leaf in (amd.vcek(), amd.vlek()):
        for rule in RULES:
            rule(fitting(amd, leaf, version), read(leaf))
        check_product(fitting(amd, leaf, version), parse_chain(leaf.pem))


@pytest.mark.parametrize("product", PRODUCTS)
def test_a_hardware_id_may_be_wrapped(product: str):
    amd = LINES[product]
    chip = amd.vcek()
    raw = chip.hardware_id[: 8 if product == "Turin" else 64]
    leaf = with_extension(".4", bytes((0x04, len(raw))) + raw, product)
    assert hardware_id(leaf) == raw
    check_chip_id(fitting(amd, chip), leaf)


@pytest.mark.parametrize("value", [b"", b"h" * 63, b"h" * 65, b"\x04\x3f" + b"h" * 63, b"\x04\x00"])
def test_refuses_a_hardware_id_of_another_length(value: bytes):
    with pytest.raises(MalformedEvidenceError):
        check_chip_id(fitting(MILAN, CHIP), with_extension(".4", value))


def test_refuses_a_hardware_id_of_the_length_of_another_line():
    with pytest.raises(AppraisalError, match="8 bytes"):
        check_chip_id(fitting(MILAN, CHIP), with_extension(".4", CHIP.hardware_id[:8]))
    turin = LINES["Turin"].vcek()
    leaf = with_extension(".4", turin.hardware_id, "Turin")
    with pytest.raises(AppraisalError, match="64 bytes"):
        check_chip_id(fitting(LINES["Turin"], turin), leaf)


def test_a_masked_chip_matches_no_certificate_even_of_zeros():
    zero = MILAN.vcek(hardware_id=bytes(64))
    with pytest.raises(AppraisalError, match="masked"):
        check_chip_id(fitting(MILAN, zero), read(zero))


@pytest.mark.parametrize(
    "leaf",
    [
        MILAN.vcek(hardware_id=None),
        MILAN.vcek(csp_id="CN=cloud.example"),
        MILAN.vcek(hardware_id=None, csp_id="CN=cloud.example"),
        MILAN.vlek(csp_id=None),
        MILAN.vlek(hardware_id=b"h" * 64),
        MILAN.vlek(csp_id=None, hardware_id=b"h" * 64),
    ],
)
def test_a_chip_key_names_a_chip_and_a_host_key_a_cloud(leaf: Leaf):
    with pytest.raises(AppraisalError, match="not the other"):
        check_chip_id(fitting(MILAN, leaf), read(leaf))


@pytest.mark.parametrize("value", [b"\x16\x00", b"\x04\x01a", b"\x16\x02a", b"\x16\x01\xff"])
def test_refuses_a_cloud_that_is_no_text(value: bytes):
    leaf = read(MILAN.vlek(extensions={".5": value}))
    with pytest.raises(MalformedEvidenceError):
        check_chip_id(fitting(MILAN, HOST), leaf)


@pytest.mark.parametrize(("product", "component"), [(p, c) for p in PRODUCTS for c in TCBS[p]])
def test_refuses_a_leaf_that_lacks_or_exceeds_a_component(product: str, component: str):
    amd = LINES[product]
    report = fitting(amd, amd.vcek())
    end = f".3.{SPL_ARCS[component]}"
    with pytest.raises(AppraisalError, match="TCB"):
        check_tcb(report, with_extension(end, None, product))
    for change in (-1, 1):
        other = integer(TCBS[product][component] + change)
        with pytest.raises(AppraisalError, match="TCB"):
            check_tcb(report, with_extension(end, other, product))


@pytest.mark.parametrize("product", ["Milan", "Genoa"])
def test_refuses_a_component_that_the_report_has_no_byte_for(product: str):
    amd = LINES[product]
    with pytest.raises(AppraisalError, match="fmc 0"):
        check_tcb(fitting(amd, amd.vcek()), with_extension(".3.9", integer(0), product))


@pytest.mark.parametrize("product", PRODUCTS)
@pytest.mark.parametrize("number", [4, 5, 6, 7])
def test_reserved_components_are_absent_or_zero(product: str, number: int):
    amd = LINES[product]
    report = fitting(amd, amd.vcek())
    for fine in (None, integer(0)):
        check_tcb(report, with_extension(f".3.{number}", fine, product))
    with pytest.raises(AppraisalError, match="reserved components"):
        check_tcb(report, with_extension(f".3.{number}", integer(1), product))


@pytest.mark.parametrize("end", [".1", ".3.1"])
def test_an_endless_number_in_a_leaf_is_refused_and_no_error_of_its_own(end: str):
    """Python refuses to write so many digits, so the refusal may not name them."""
    endless = b"\x02\x82\x07\xd0" + b"\x7f" * 2000
    leaf = MILAN.vcek(extensions={end: endless})
    _, outcomes = MILAN.appraise(MILAN.report(leaf), MILAN.endorsements(leaf))
    assert outcomes["2.identity"] == "FAIL"


@pytest.mark.parametrize("end", [".3.10", ".3.0", ".3.1.1"])
def test_refuses_a_component_nobody_here_knows(end: str):
    with pytest.raises(MalformedEvidenceError, match="not known"):
        check_tcb(fitting(MILAN, CHIP), with_extension(end, integer(0)))


@pytest.mark.parametrize(
    "value",
    [b"", b"\x02\x00", b"\x02\x01\xff", b"\x02\x02\x01\x00", b"\x02\x02\x00\x01", b"\x04\x01\x04"],
)
def test_refuses_a_patch_level_that_is_not_one_byte(value: bytes):
    with pytest.raises(MalformedEvidenceError):
        check_tcb(fitting(MILAN, CHIP), with_extension(".3.1", value))


@pytest.mark.parametrize(
    ("end", "value"),
    [
        (".1", None),
        (".1", integer(1)),
        (".1", integer(2)),
        (".1", b"\x16\x010"),
        (".2", None),
        (".2", ia5("Venice")),
        (".2", b"\x0c\x05Milan"),
        (".2", b"\x16\x05Milan\x00"),
    ],
)
def test_refuses_a_leaf_of_no_known_product_or_structure(end: str, value: bytes | None):
    leaf = with_extension(end, value)
    with pytest.raises(MalformedEvidenceError):
        check_product(fitting(MILAN, CHIP), (leaf, *parse_chain(CHIP.pem)[1:]))


@pytest.mark.parametrize("name", ["Milan", "Milan-B1"])
def test_a_stepping_makes_no_other_product(name: str):
    leaf = MILAN.vcek(product_name=name)
    check_product(fitting(MILAN, leaf), parse_chain(leaf.pem))


def test_refuses_a_leaf_of_another_product_line():
    leaf = MILAN.vcek(product_name="Genoa-B0")
    with pytest.raises(AppraisalError, match="leaf of Milan"):
        check_product(fitting(MILAN, leaf), parse_chain(leaf.pem))


def test_refuses_a_report_of_another_product_line():
    with pytest.raises(AppraisalError, match="report of Milan"):
        check_product(fitting(LINES["Genoa"], CHIP), parse_chain(CHIP.pem))


@pytest.mark.parametrize("version", [3, 4, 5])
def test_the_report_decides_which_byte_a_component_is(version: int):
    turin = LINES["Turin"].vcek()
    with pytest.raises(AppraisalError, match="TCB"):
        check_tcb(fitting(MILAN, CHIP, version), read(turin))


@pytest.mark.parametrize("name", ["SEV-NONE", "NONE", "SEV-2", "2", ""])
def test_only_chips_and_hosts_sign(name: str):
    leaf = replace(READ, name=name)
    for signing_key in (2, 7):
        with pytest.raises(AppraisalError, match="kind"):
            check_leaf_kind(MILAN.fields(CHIP, signer_info=signing_key << 2), leaf)


@pytest.mark.parametrize("product", PRODUCTS)
def test_roles_name_their_product_line(product: str):
    amd = LINES[product]
    for leaf in (amd.vcek(), amd.vlek()):
        assert check_roles(parse_chain(leaf.pem)) is Product(product)


def test_refuses_roles_of_two_product_lines():
    milan, genoa = parse_chain(CHIP.pem), parse_chain(LINES["Genoa"].vcek().pem)
    for chain in (
        (milan[0], genoa[1], milan[2]),
        (milan[0], milan[1], genoa[2]),
        (milan[0], milan[2], milan[1]),
        milan[1:],
        milan[:2],
        (*milan, milan[2]),
        (),
    ):
        with pytest.raises(AppraisalError, match="roles"):
            check_roles(chain)


CHAIN = parse_chain(CHIP.pem)
READ = CHAIN[0]
REPORT = fitting(MILAN, CHIP, 2)
ENDS = st.sampled_from([".1", ".2", ".3.1", ".3.4", ".3.8", ".3.9", ".3.10", ".4", ".5"])


@given(st.dictionaries(ENDS, st.binary(max_size=70), max_size=4))
def test_any_extensions_give_a_verdict(changed: dict[str, bytes]):
    values = {ObjectIdentifier(ARC + end): value for end, value in changed.items()}
    name = repr(sorted(changed.items())).encode()  # leaves are remembered by their bytes
    leaf = replace(READ, der=name, extensions={**READ.extensions, **values})
    for rule in (*RULES, lambda report, one: check_product(report, (one, *CHAIN[1:]))):
        try:
            rule(REPORT, leaf)
        except AttestationError:
            continue
