"""What is digested is all there is, and it is signed once; every other arrangement is refused."""

import base64
import re

import pytest

from attestation.errors import AppraisalError, MalformedEvidenceError
from attestation.nvidia.rim import SignedRim
from attestation.nvidia.xml_signature import Signed, check_digest, check_signed_info
from tests.fakes.nvidia import DRIVER, DSIG, SWID, key_of, nvidia, raw_signature

VENDOR = nvidia()
ACTIVE = range(1, 64, 2)


def check(data: bytes) -> None:
    signed = Signed.parse(data)
    check_signed_info(signed, signed.certificates[0])
    check_digest(signed)


def rim(**changes) -> bytes:
    return VENDOR.rim(DRIVER, ACTIVE, **changes)


def replaced(old: str, new: str, count: int = 1, **changes) -> bytes:
    """Give a RIM in which something was replaced after it was signed."""

    def edit(text: str) -> str:
        assert old in text
        return text.replace(old, new, count)

    return rim(after=edit, **changes)


def info_replaced(old: str, new: str) -> bytes:
    """Give a RIM in which something of the signed info was replaced before it was signed."""

    def edit(text: str) -> str:
        assert old in text
        return text.replace(old, new, 1)

    return rim(edit_info=edit)


def signature_of(text: str) -> str:
    start, end = text.index("<ds:Signature "), text.index("</ds:Signature>")
    return text[start:end] + "</ds:Signature>"


def test_accepts_a_signed_document():
    check(rim())


def test_gives_the_document_without_its_signature():
    signed = Signed.parse(rim())
    assert all(one.name.namespace != DSIG for one in signed.payload.descendants())


def test_rejects_another_key():
    with pytest.raises(AppraisalError, match="does not verify"):
        check(rim(key=key_of("other")))


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (f'colloquialVersion="{DRIVER}"', 'colloquialVersion="550.90.08"'),
        ('active="True"', 'active="False"'),
        ("<ns0:Payload>\n", "<ns0:Payload>\n\n"),
        ("    <ns0:Payload>", "<ns0:Payload>"),
        ("<ns0:Payload>", '<ns0:Payload xmlns:new="urn:new">'),
        ("<ns0:Payload>", '<ns0:Payload new="1">'),
        ("\n<ds:Signature ", "\n <ds:Signature "),
        ("</ds:Signature>", "</ds:Signature> "),
        ("<ns0:Meta ", "<Meta "),
    ],
)
def test_rejects_a_changed_document(old, new):
    data = replaced(old, new)
    if old == "<ns0:Meta ":
        data = data.replace(b"</ns0:Meta>", b"</Meta>")
    with pytest.raises(AppraisalError, match="digest"):
        check(data)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ('" version="1.0"', '"\n  version = "1.0"'),
        ('tagId="0" tagVersion="0"', "tagVersion='0' tagId='0'"),
        ("</SoftwareIdentity>", "</SoftwareIdentity >\n"),
        ("<ns0:Payload>\n", "<ns0:Payload>\r\n"),
    ],
)
def test_another_spelling_of_the_same_document_is_the_same(old, new):
    check(replaced(old, new))


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("2006/12/xml-c14n11", "2001/10/xml-exc-c14n#"),
        ("2006/12/xml-c14n11", "2006/12/xml-c14n11#WithComments"),
        ("xmldsig-more#ecdsa-sha384", "xmldsig-more#ecdsa-sha256"),
        ("xmldsig-more#ecdsa-sha384", "xmldsig-more#hmac-sha384"),
        ("xmldsig-more#sha384", "xmlenc#sha256"),
        (f"{DSIG}enveloped-signature", "http://www.w3.org/TR/1999/REC-xslt-19991116"),
        (f"{DSIG}enveloped-signature", "http://www.w3.org/TR/1999/REC-xpath-19991116"),
        ('URI=""', 'URI="#payload"'),
        ('URI=""', 'URI="http://127.0.0.1/"'),
        ('URI=""', 'URI="file:///etc/passwd"'),
        (' URI=""', ""),
        (' URI=""', ' Type="x" URI=""'),
        ("</ds:Reference>", '</ds:Reference><ds:Reference URI=""></ds:Reference>'),
        ("<ds:Reference ", "<ds:Manifest></ds:Manifest><ds:Reference "),
        ("</ds:DigestValue>", "=</ds:DigestValue>"),
        ("<ds:DigestValue>", "<ds:DigestValue>AAAA"),
    ],
)
def test_rejects_other_algorithms_and_references_even_where_signed(old, new):
    with pytest.raises(MalformedEvidenceError, match="XML signature"):
        check(info_replaced(old, new))


def test_rejects_another_order_of_transforms():
    def swapped(text: str) -> str:
        start, end = text.index("<ds:Transform "), text.index("</ds:Transforms>")
        first, second = text[start:end].split("</ds:Transform>")[:2]
        return text[:start] + f"{second}</ds:Transform>{first}</ds:Transform>" + text[end:]

    with pytest.raises(MalformedEvidenceError, match="another algorithm"):
        check(rim(edit_info=swapped))


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("<ds:KeyInfo>", "<ds:KeyInfo><ds:KeyName>x</ds:KeyName>"),
        ("<ds:KeyInfo>", '<ds:KeyInfo Id="x">'),
        ("<ds:KeyInfo>", "<ds:KeyInfo>text"),
        ("</ds:KeyInfo>", "</ds:KeyInfo><ds:Object></ds:Object>"),
        ("<ds:SignatureValue>", '<ds:SignatureValue Id="x">'),
        ("<ds:SignatureValue>", "<ds:SignatureValue>A"),
        ("<ds:SignatureValue>", "<ds:SignatureValue>AAAA"),
        ("<ds:SignatureValue>", "<ds:SignatureValue><ds:Object></ds:Object>"),
        ("<ds:X509Certificate>", "<ds:X509CRL></ds:X509CRL><ds:X509Certificate>"),
        ("<ds:X509Certificate>", "<ds:X509Certificate>é"),
        ("<ds:X509Data>", "<ds:X509Data></ds:X509Data><ds:X509Data>"),
    ],
)
def test_rejects_anything_else_inside_the_signature(old, new):
    with pytest.raises(MalformedEvidenceError, match="XML signature"):
        check(replaced(old, new))


def test_rejects_a_document_without_a_signature():
    data = rim(after=lambda text: text.replace(signature_of(text), ""))
    with pytest.raises(MalformedEvidenceError, match="exactly one signature"):
        check(data)


def test_rejects_two_signatures():
    data = rim(after=lambda text: text.replace(signature_of(text), signature_of(text) * 2))
    with pytest.raises(MalformedEvidenceError, match="exactly one signature"):
        check(data)


def test_rejects_a_signature_inside_the_signature():
    data = rim(
        after=lambda text: text.replace("</ds:KeyInfo>", "</ds:KeyInfo>" + signature_of(text), 1)
    )
    with pytest.raises(MalformedEvidenceError, match="exactly one signature"):
        check(data)


def test_rejects_a_signed_document_wrapped_in_another():
    """The signed root moves down, and the attacker's content takes its place."""
    data = rim()
    wrapped = f'<SoftwareIdentity xmlns="{SWID}"><Meta/>'.encode() + data + b"</SoftwareIdentity>"
    with pytest.raises(MalformedEvidenceError, match="directly in the root"):
        check(wrapped)


def test_rejects_a_wrapped_document_whose_signature_moves_up():
    """The signature stands where it must, and what it speaks of is no longer the document."""

    def wrap(text: str) -> str:
        signature = signature_of(text)
        inner = text.replace(signature, "").replace("<SoftwareIdentity ", '<Old Id="x" ', 1)
        inner = inner.replace("</SoftwareIdentity>", "</Old>")
        forged = '<Meta colloquialVersion="1" edition="GPU" product="GH100"/>'
        return f'<SoftwareIdentity xmlns="{SWID}">{forged}{inner}{signature}</SoftwareIdentity>'

    with pytest.raises(AppraisalError, match="digest"):
        check(rim(after=wrap))


@pytest.mark.parametrize("where", ["<ns0:Meta ", "<ns0:Payload>", "<ds:SignatureValue>"])
def test_ids_point_nowhere_however_often_they_stand(where):
    """With a reference to an id refused, a duplicate id is only a change like any other."""
    changed = where[:-1] + ' Id="x"' + where[-1]
    with pytest.raises((AppraisalError, MalformedEvidenceError)):
        check(replaced(where, changed))


def test_rejects_certificates_that_are_too_many():
    with pytest.raises(MalformedEvidenceError, match="1 to 8 certificates"):
        check(rim(chain=VENDOR.rim_chain * 3))


def test_rejects_no_certificate():
    with pytest.raises(MalformedEvidenceError, match="1 to 8 certificates"):
        check(rim(chain=(), key=VENDOR.rim_chain[0].key))


def test_rejects_a_certificate_in_pem_within_base64():
    der = VENDOR.rim_chain[0].der
    inner = (
        b"-----BEGIN CERTIFICATE-----\n"
        + base64.encodebytes(der)
        + (b"-----END CERTIFICATE-----\n")
    )
    data = replaced(base64.encodebytes(der).decode(), base64.encodebytes(inner).decode())
    with pytest.raises(MalformedEvidenceError):
        check(data)


def test_two_documents_do_not_share_a_signature():
    other = rim(edit=lambda text: text.replace(DRIVER, "550.90.08"))
    mixed = rim(after=lambda text: text.replace(signature_of(text), signature_of(other.decode())))
    with pytest.raises(AppraisalError, match="digest"):
        check(mixed)


def test_a_million_measurements_do_not_fit():
    many = "<ns0:Resource/>" * 10**6
    with pytest.raises(MalformedEvidenceError, match="more than"):
        SignedRim.parse(rim(after=lambda text: text.replace("<ns0:Payload>", many, 1)))
    few = "<ns0:Resource/>" * 2000
    with pytest.raises(MalformedEvidenceError, match="too many elements"):
        SignedRim.parse(replaced("<ns0:Payload>", "<ns0:Payload>" + few))


def test_rejects_the_signature_of_another_text():
    other = base64.b64encode(raw_signature(b"another text", VENDOR.rim_chain[0].key))
    data = re.sub(rb"(?<=<ds:SignatureValue>)[^<]*", other, rim())
    with pytest.raises(AppraisalError, match="does not verify"):
        check(data)
