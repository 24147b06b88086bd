"""The one signature of a RIM: enveloped XML DSig by ECDSA P-384. W3C, XML Signature Syntax 1.1.

    <SoftwareIdentity ...>
      ...                                  the payload: everything but the signature
      <ds:Signature><ds:SignedInfo>        1. names method and digest of the payload
          ... <ds:Reference URI="">        2. is itself signed
        </ds:SignedInfo><ds:SignatureValue/><ds:KeyInfo/></ds:Signature>
    </SoftwareIdentity>

A document has exactly one signature, in its root, with one reference, and that to the whole
document. So what is digested is all there is, no id can point elsewhere, and `Signed.payload` is
the very tree that was digested: whoever reads it reads nothing else. Inside the signature stands
nothing that is not listed here; its certificates are unsigned, and worth what `check_path` says.
"""

import base64
import binascii
import hashlib
import hmac
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property

from attestation.certificates import MAX_CHAIN, Certificate, read_certificate
from attestation.errors import AppraisalError, MalformedEvidenceError
from attestation.nvidia.canonical import ALGORITHMS, canonical, scope_of
from attestation.nvidia.evidence import SIGNATURE_SIZE
from attestation.nvidia.signatures import check_raw_signature
from attestation.nvidia.xml_tree import Element, parse_xml

DSIG = "http://www.w3.org/2000/09/xmldsig#"
"""Namespace of signatures."""

ENVELOPED = "http://www.w3.org/2000/09/xmldsig#enveloped-signature"
"""The transform that takes the signature out of the document."""

SIGNATURE_METHOD = "http://www.w3.org/2001/04/xmldsig-more#ecdsa-sha384"
DIGEST_METHOD = "http://www.w3.org/2001/04/xmldsig-more#sha384"

SPACE = " \t\r\n"
"""What may stand between elements and in base64."""


@dataclass(frozen=True, kw_only=True)
class Signed:
    """A document with its signature; worth something only once both checks return.

    Attributes:
        payload: the root without the signature; what is digested.
        signed_info: canonical, what is signed.
        digest: of the payload, as signed.
        signature: r ‖ s.
        certificates: of the signer, leaf first.
        c14n: name of the canonicalisation of `signed_info`.
        transforms: names of what was done to the document before it was digested.
    """

    payload: Element = field(repr=False)
    signed_info: bytes = field(repr=False)
    digest: bytes
    signature: bytes
    certificates: tuple[Certificate, ...]
    c14n: str
    transforms: tuple[str, ...]

    @cached_property
    def payload_digest(self) -> bytes:
        """Give the digest of the payload as it is; made once, because the payload never changes."""
        return hashlib.sha384(canonical(self.payload)).digest()

    @classmethod
    def parse(cls, data: bytes) -> "Signed":
        """Read a signed document.

        Raises:
            MalformedEvidenceError: not one, or signed in any other way.
        """
        return _signed(parse_xml(data))


def check_digest(signed: Signed) -> None:
    """Judge that the payload is what the signature speaks of.

    Raises:
        AppraisalError: it is not.
    """
    found = signed.payload_digest
    if not hmac.compare_digest(found, signed.digest):
        raise AppraisalError("digest", expected=signed.digest.hex(), actual=found.hex())


def check_signed_info(signed: Signed, signer: Certificate) -> None:
    """Judge that a certificate's key signed what the signature says.

    Raises:
        AppraisalError: it did not.
    """
    check_raw_signature(signer.public_key, signed.signature, signed.signed_info, signer=signer.name)


def _signed(root: Element) -> Signed:
    signatures = [one for one in root.descendants() if _is(one, "Signature")]
    if len(signatures) != 1 or root.named(DSIG, "Signature") != tuple(signatures):
        raise MalformedEvidenceError("XML: expected exactly one signature, directly in the root")
    (signature,) = signatures
    info, value, key = _children(signature, "SignedInfo", "SignatureValue", "KeyInfo")
    scope = scope_of(signature, scope_of(root))
    c14n, transforms, digest = _signed_info(info)
    return Signed(
        payload=_without(root, signature),
        signed_info=canonical(info, scope),
        digest=digest,
        signature=_base64(value, size=SIGNATURE_SIZE),
        certificates=_certificates(key),
        c14n=c14n,
        transforms=transforms,
    )


def _signed_info(info: Element) -> tuple[str, tuple[str, ...], bytes]:
    """Read what is signed; gives canonicalisation, transforms and digest."""
    c14n, method, reference = _children(
        info, "CanonicalizationMethod", "SignatureMethod", "Reference"
    )
    _algorithm(method, {SIGNATURE_METHOD})
    transforms, digest_method, digest = _children(
        reference, "Transforms", "DigestMethod", "DigestValue", attributes={"URI": ""}
    )
    _algorithm(digest_method, {DIGEST_METHOD})
    enveloped, inner = _children(transforms, "Transform", "Transform")
    names = _algorithm(enveloped, {ENVELOPED}), _algorithm(inner, ALGORITHMS)
    return _algorithm(c14n, ALGORITHMS), names, _base64(digest, size=48)


def _certificates(key: Element) -> tuple[Certificate, ...]:
    (data,) = _children(key, "X509Data")
    count = len(data.elements)
    if not 1 <= count <= MAX_CHAIN:
        raise MalformedEvidenceError(f"XML signature: expected 1 to {MAX_CHAIN} certificates")
    found = _children(data, *["X509Certificate"] * count)
    return tuple(read_certificate(_base64(one)) for one in found)


def _is(element: Element, local: str) -> bool:
    return element.name.expanded == (DSIG, local)


def _children(
    element: Element, *names: str, attributes: Mapping[str, str] | None = None
) -> Sequence[Element]:
    """Give the elements inside one, which are exactly these, with nothing but space between."""
    _check_attributes(element, attributes or {})
    found = element.elements
    texts = [one for one in element.content if isinstance(one, str)]
    fits = len(found) == len(names) and all(map(_is, found, names))
    if not fits or any(text.strip(SPACE) for text in texts):
        raise MalformedEvidenceError(
            f"XML signature: {element.name.local}: expected {', '.join(names)}"
        )
    return found


def _check_attributes(element: Element, expected: Mapping[str, str]) -> None:
    """Refuse attributes that are not exactly these; all are of no namespace."""
    found = {name.qualified: value for name, value in element.attributes}
    if found != expected:
        raise MalformedEvidenceError(f"XML signature: {element.name.local}: another attribute")


def _algorithm(element: Element, known: frozenset[str] | set[str]) -> str:
    """Give the algorithm that an empty element names, one of those known."""
    name = element.attribute("Algorithm") or ""
    _check_attributes(element, {"Algorithm": name})
    if name not in known or element.content:
        raise MalformedEvidenceError(f"XML signature: {element.name.local}: another algorithm")
    return name


def _base64(element: Element, *, size: int | None = None) -> bytes:
    """Read the base64 inside an element: one spelling, but for the space between."""
    _check_attributes(element, {})
    if element.elements:
        raise MalformedEvidenceError(f"XML signature: {element.name.local}: expected text")
    text = "".join(one for one in element.content if isinstance(one, str))
    packed = text.translate(str.maketrans("", "", SPACE))
    try:
        data = base64.b64decode(packed, validate=True)
    except (binascii.Error, ValueError) as error:
        raise MalformedEvidenceError(f"XML signature: {element.name.local}: not base64") from error
    if base64.b64encode(data).decode() != packed or size not in (None, len(data)):
        raise MalformedEvidenceError(f"XML signature: {element.name.local}: not of its form")
    return data


def _without(root: Element, signature: Element) -> Element:
    """Take the signature out of the root; the texts around it stay."""
    return replace(root, content=tuple(one for one in root.content if one is not signature))
