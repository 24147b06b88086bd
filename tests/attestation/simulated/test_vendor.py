"""What the vendor makes is accepted for seven days; keys are private; the revoked is refused."""

import stat
from dataclasses import replace

import pytest
from cryptography import x509

from attestation.certificates import parse_chain
from attestation.errors import AttesterError
from attestation.simulated.machine import SimulatedMachine
from attestation.simulated.vendor import LIFE, SimulatedVendor
from tests.fakes.simulated import (
    EPOCH,
    MACHINE_ID,
    failures,
    keys_section,
    machine,
    scene,
    vendor,
)


def at(now: int):
    keys = replace(keys_section(), not_before=now - 100, not_after=now + 3500)
    return scene(now=now, keys=keys)


def test_everything_ends_after_seven_days():
    assert at(EPOCH + LIFE).appraise().accepted
    late = failures(at(EPOCH + LIFE + 1).appraise())
    assert late == {"2.chain", "2.recency", "6.authentic", "6.measurements"}


def test_two_vendors_have_two_roots():
    assert SimulatedVendor.create(EPOCH).root_spki_sha256 != vendor().root_spki_sha256


def test_a_saved_vendor_is_the_same_vendor(tmp_path):
    revoked = vendor().revoke(77, now=EPOCH)
    revoked.save(tmp_path / "vendor")
    loaded = SimulatedVendor.load(tmp_path / "vendor")
    assert loaded.root_spki_sha256 == vendor().root_spki_sha256
    assert loaded.validity == vendor().validity
    assert loaded.crls == revoked.crls
    assert (
        scene(machine=replace(loaded.machine(MACHINE_ID), crls=vendor().crls)).appraise().accepted
    )


def test_a_saved_machine_is_the_same_machine(tmp_path):
    machine().save(tmp_path / "machine")
    loaded = SimulatedMachine.load(tmp_path / "machine")
    assert loaded.identity == machine().identity
    assert scene(machine=loaded).appraise().accepted


def test_private_keys_are_private(tmp_path):
    (tmp_path / "machine").mkdir()
    (tmp_path / "machine" / "machine.key").touch(mode=0o644)
    vendor().save(tmp_path / "vendor")
    machine().save(tmp_path / "machine")
    keys = [*tmp_path.rglob("*.key")]
    assert len(keys) == 6
    assert {stat.S_IMODE(path.stat().st_mode) for path in keys} == {0o600}
    assert stat.S_IMODE((tmp_path / "vendor").stat().st_mode) == 0o700


def test_keys_are_not_shown():
    assert "PrivateKey" not in repr(vendor())
    assert "PrivateKey" not in repr(machine())


def test_revoking_adds_to_the_list_and_counts_up():
    twice = vendor().revoke(77, now=EPOCH).revoke(78, now=EPOCH)
    for der in twice.crls.values():
        crl = x509.load_der_x509_crl(der)
        assert [one.serial_number for one in crl] == [77, 78]
        assert crl.extensions.get_extension_for_class(x509.CRLNumber).value.crl_number == 3
    assert vendor().crls != twice.crls


def test_a_revoked_machine_is_refused_with_the_new_lists():
    serial = parse_chain(machine().chain)[0].serial
    crls = vendor().revoke(serial, now=EPOCH).crls
    assert failures(scene(machine=replace(machine(), crls=crls)).appraise()) == {"2.revocation"}


def test_a_machine_has_an_id_of_its_own():
    assert vendor().machine().identity != vendor().machine().identity
    with pytest.raises(AttesterError, match="32 bytes"):
        vendor().machine(b"short")


@pytest.mark.parametrize(
    "name", ["machine.key", "chain.pem", "device.key", "device-chain.pem", "rim.json"]
)
def test_names_the_file_that_is_missing(tmp_path, name: str):
    machine().save(tmp_path)
    (tmp_path / name).unlink()
    with pytest.raises(AttesterError, match=name):
        SimulatedMachine.load(tmp_path)


@pytest.mark.parametrize("name", ["machine.key", "device.key", "chain.pem"])
def test_names_the_file_that_is_unfit(tmp_path, name: str):
    machine().save(tmp_path)
    (tmp_path / name).write_bytes(b"not this")
    with pytest.raises(AttesterError, match=name):
        SimulatedMachine.load(tmp_path)


def test_names_the_vendors_file_that_is_unfit(tmp_path):
    vendor().save(tmp_path)
    (tmp_path / "machine-ca.pem").write_bytes(b"not this")
    with pytest.raises(AttesterError, match=r"machine-ca\.pem"):
        SimulatedVendor.load(tmp_path)


def test_does_not_read_without_bound(tmp_path):
    machine().save(tmp_path)
    (tmp_path / "rim.json").write_bytes(bytes(2**20 + 1))
    with pytest.raises(AttesterError, match="larger"):
        SimulatedMachine.load(tmp_path)
