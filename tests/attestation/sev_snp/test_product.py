"""Which product line a report is of, and what its TCB versions are made of."""

import pytest

from attestation.errors import AppraisalError
from attestation.sev_snp.fields import fields
from attestation.sev_snp.product import (
    COMPONENTS,
    TURIN_COMPONENTS,
    Product,
    components_of,
    product_of,
    read_tcb,
    tcb_version,
)
from tests.fakes.amd import TCBS, Amd

PRODUCTS = tuple(Product)


@pytest.mark.parametrize(
    ("name", "product"),
    [
        ("Milan", Product.MILAN),
        ("Milan-B0", Product.MILAN),
        ("Genoa-B1", Product.GENOA),
        ("Bergamo-A2", Product.GENOA),
        ("Siena", Product.GENOA),
        ("Turin", Product.TURIN),
        ("Turin-C1", Product.TURIN),
        ("Venice", None),
        ("milan", None),
        ("MilanX", None),
        ("", None),
    ],
)
def test_names_have_a_product_line(name: str, product: Product | None):
    assert Product.named(name) is product


@pytest.mark.parametrize(
    ("family", "model", "product"),
    [
        (0x19, 0x00, Product.MILAN),
        (0x19, 0x0F, Product.MILAN),
        (0x19, 0x10, Product.GENOA),
        (0x19, 0x1F, Product.GENOA),
        (0x19, 0xA0, Product.GENOA),
        (0x19, 0xAF, Product.GENOA),
        (0x1A, 0x00, Product.TURIN),
        (0x1A, 0x11, Product.TURIN),
    ],
)
def test_the_processor_names_the_product_line(family: int, model: int, product: Product):
    amd = Amd("Milan")
    report = amd.fields(amd.vcek(), cpuid_family=family, cpuid_model=model)
    assert product_of(report) is product


@pytest.mark.parametrize(
    ("family", "model"),
    [(0x00, 0x00), (0x17, 0x31), (0x19, 0x20), (0x19, 0xB0), (0x1A, 0x12), (0x1A, 0x50)],
)
def test_refuses_a_processor_of_no_known_line(family: int, model: int):
    amd = Amd("Milan")
    report = amd.fields(amd.vcek(), cpuid_family=family, cpuid_model=model)
    with pytest.raises(AppraisalError, match="product"):
        product_of(report)


def test_a_report_of_version_2_names_no_product():
    amd = Amd("Milan")
    assert product_of(amd.fields(amd.vcek(), 2)) is None


@pytest.mark.parametrize("version", [2, 3, 4, 5])
@pytest.mark.parametrize("product", PRODUCTS)
def test_components_are_those_of_the_product(version: int, product: Product):
    amd = Amd(product)
    report = amd.fields(amd.vcek(), version)
    components = components_of(report, product)
    assert tcb_version(report.reported_tcb, components) == TCBS[product]
    assert read_tcb("TCB", report.reported_tcb, components) == TCBS[product]
    assert components_of(report, None) == components


def test_the_processor_wins_over_what_others_say():
    amd = Amd("Turin")
    assert components_of(amd.fields(amd.vcek(), 3), Product.MILAN) == TURIN_COMPONENTS


def test_a_masked_chip_id_does_not_make_a_turin():
    amd = Amd("Milan")
    assert components_of(amd.fields(amd.vcek(), 2, chip_id=bytes(64)), None) == COMPONENTS


@pytest.mark.parametrize("components", [COMPONENTS, TURIN_COMPONENTS])
def test_every_byte_of_a_tcb_version_is_a_component_or_zero(components):
    for byte in range(8):
        raw = bytes(255 * (at == byte) for at in range(8))
        if byte in components.values():
            assert sum(read_tcb("TCB", raw, components).values()) == 255
        else:
            with pytest.raises(AppraisalError, match="reserved bytes"):
                read_tcb("TCB", raw, components)


def test_fields_are_shown_by_name():
    amd = Amd("Genoa")
    shown = fields(amd.fields(amd.vcek(), 5, policy=0xB0000, platform_info=0x25))
    assert shown["policy"] == "0xb0000"
    assert (shown["policy_debug"], shown["policy_migrate_ma"]) == (True, False)
    assert shown["platform_info"] == "0x25"
    assert shown["signing_key"] == "VCEK"
    assert shown["current_fw"] == "1.55.1"
    assert shown["reported_tcb"] == TCBS["Genoa"]
    assert shown["reported_tcb_raw"] == "0a02000000001754"
    assert shown["cpuid_fam_mod_step"] == "191101"
    assert shown["launch_mit_vector"] == "0x3"


def test_fields_that_a_version_lacks_are_absent():
    amd = Amd("Milan")
    chip = amd.vcek()
    later = {"cpuid_fam_mod_step", "launch_mit_vector", "current_mit_vector"}
    assert later.isdisjoint(fields(amd.fields(chip, 2), "Milan-B0"))
    assert later & set(fields(amd.fields(chip, 4))) == {"cpuid_fam_mod_step"}
