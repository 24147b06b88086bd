"""Hostile bytes end in a refusal, never in another error."""

from dataclasses import replace

from hypothesis import given, settings
from hypothesis import strategies as st

from attestation.evidence import DevicesSection, Endorsement
from tests.fakes.simulated import scene

SCENE = scene()
BUNDLE = SCENE.bundle()


def changed(data: bytes, position: int, change: int) -> bytes:
    altered = bytearray(data)
    altered[position % len(data)] ^= change
    return bytes(altered)


@settings(deadline=None, max_examples=60)
@given(st.integers(0, len(BUNDLE.endorsements) - 1), st.integers(0, 10**4), st.integers(1, 255))
def test_any_changed_endorsement_gives_an_appraisal(index: int, position: int, change: int):
    endorsements = list(BUNDLE.endorsements)
    one = endorsements[index]
    endorsements[index] = replace(one, data=changed(one.data, position, change))
    SCENE.appraise(BUNDLE.with_endorsements(tuple(endorsements)))


@settings(deadline=None, max_examples=60)
@given(
    st.binary(max_size=500),
    st.lists(
        st.tuples(st.sampled_from(["x509-chain", "x509-crl", "rim"]), st.binary()), max_size=4
    ),
)
def test_any_quote_and_endorsements_give_a_refusal(quote: bytes, stapled):
    endorsements = tuple(Endorsement(type=kind, data=data) for kind, data in stapled)
    bundle = replace(BUNDLE, quote=quote, endorsements=endorsements)
    assert not SCENE.appraise(bundle).accepted


@settings(deadline=None, max_examples=60)
@given(st.sampled_from(["report", "certificates"]), st.integers(0, 10**4), st.integers(1, 255))
def test_any_changed_device_gives_a_refusal(part: str, position: int, change: int):
    assert BUNDLE.devices is not None
    device = DevicesSection.parse(BUNDLE.devices).devices[0]
    if part == "report":
        altered = replace(device, report=changed(device.report, position, change))
    else:
        altered = replace(device, certificates=changed(device.certificates, position, change))
    bundle = replace(BUNDLE, devices=DevicesSection(devices=(altered,)).encode())
    assert not SCENE.appraise(bundle).accepted
