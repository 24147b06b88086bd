"""A cloud's word for an AK counts under its pinned root, for that key, as an AK's."""

import pytest
from cryptography.hazmat.primitives.asymmetric import ec

from attestation.certificates import Anchor, parse_chain
from attestation.errors import AppraisalError, MalformedEvidenceError
from attestation.tpm.endorsements import check_ak_chain, check_certified, extended_usages
from attestation.tpm.public import read_spki
from tests.fakes.amd import DAY, NOW
from tests.fakes.tpm import AK_USAGE, cloud, ec_ak, rsa_ak

ANCHOR = Anchor(platform="tpm", name="", certificate_sha256=None, spki_sha256=cloud().spki_sha256)
CLIENT_AUTH = "1.3.6.1.5.5.7.3.2"


def judge(pem: bytes, now: int = NOW) -> None:
    check_ak_chain(parse_chain(pem), anchors=(ANCHOR,), now=now)


@pytest.mark.parametrize("usages", [(), (AK_USAGE,), (CLIENT_AUTH, AK_USAGE)])
@pytest.mark.parametrize("ak", [rsa_ak(), ec_ak()])
def test_accepts_an_ak_by_the_pinned_root(ak, usages):
    chain = cloud().chain(ak, usages=usages)
    judge(chain)
    check_certified(parse_chain(chain), read_spki(ak.spki))
    assert extended_usages(parse_chain(chain)[0]) == (usages or None)


@pytest.mark.parametrize(
    ("chain", "reason"),
    [
        (cloud("other").chain(rsa_ak()), "root: expected a pinned root"),
        (cloud().chain(rsa_ak(), usages=(CLIENT_AUTH,)), "extended key usage: expected 2.23.133"),
        (cloud().chain(rsa_ak(), not_after=NOW - 1), "validity"),
        (cloud().chain(rsa_ak(), not_before=NOW + 1), "validity"),
        (cloud().chain(rsa_ak(), by=(ec_ak().key, "vTPM CA")), "signature"),
        (cloud().chain(rsa_ak(), by=(cloud().ca_key, "another CA")), "signature"),
        (cloud().chain(rsa_ak(), ca=0), "leaf: expected vm.example a signing leaf"),
    ],
)
def test_refuses_by_name(chain: bytes, reason: str):
    with pytest.raises(AppraisalError, match=reason):
        judge(chain)


def test_refuses_a_chain_that_has_expired_since():
    chain = cloud().chain(rsa_ak())
    with pytest.raises(AppraisalError, match="validity"):
        judge(chain, now=NOW + 31 * DAY)


def test_refuses_a_key_of_a_kind_that_does_not_count():
    chain = cloud().chain(ec_ak("big", ec.SECP521R1))
    with pytest.raises(MalformedEvidenceError, match="AK: not RSA"):
        judge(chain)


def test_refuses_the_chain_of_another_ak():
    chain = parse_chain(cloud().chain(rsa_ak()))
    with pytest.raises(AppraisalError, match=r"AK: expected the key of vm\.example"):
        check_certified(chain, read_spki(rsa_ak("other").spki))


def test_a_chain_without_its_leaf_is_of_no_ak():
    with pytest.raises(AppraisalError):
        check_certified(parse_chain(cloud().chain(rsa_ak()))[1:], read_spki(rsa_ak().spki))
