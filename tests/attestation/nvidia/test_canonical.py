"""Our canonical form is the one of the recommendation: written out here, and as lxml writes it."""

from collections.abc import Mapping

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from attestation.nvidia.canonical import canonical, scope_of
from attestation.nvidia.xml_tree import Element, parse_xml
from tests.fakes.nvidia import nvidia

CASES = [
    ("<a/>", "<a></a>"),
    ("<a  k = '1'\n></a >", '<a k="1"></a>'),
    ("<a b='2' a='1'/>", '<a a="1" b="2"></a>'),
    (
        "<a xmlns:y='urn:1' xmlns:x='urn:2' x:k='1' y:k='2' z='3'/>",
        '<a xmlns:x="urn:2" xmlns:y="urn:1" z="3" y:k="2" x:k="1"></a>',
    ),
    ("<a xmlns='urn:1'><b xmlns='urn:1'/></a>", '<a xmlns="urn:1"><b></b></a>'),
    ("<a xmlns='urn:1'><b xmlns=''/></a>", '<a xmlns="urn:1"><b xmlns=""></b></a>'),
    ("<a><b xmlns=''/></a>", "<a><b></b></a>"),
    (
        "<a xmlns:p='urn:1'><b xmlns:p='urn:2'><c xmlns:p='urn:1'/></b></a>",
        '<a xmlns:p="urn:1"><b xmlns:p="urn:2"><c xmlns:p="urn:1"></c></b></a>',
    ),
    ("<a k='&quot;&amp;&lt;&gt;&apos;'/>", '<a k="&quot;&amp;&lt;>\'"></a>'),
    ("<a k='x\ty\nz&#9;&#10;&#13;'/>", '<a k="x y z&#x9;&#xA;&#xD;"></a>'),
    ("<a>&lt;&gt;&amp;\"'&#13;</a>", "<a>&lt;&gt;&amp;\"'&#xD;</a>"),
    ("<a>1\r\n2\r3</a>", "<a>1\n2\n3</a>"),
    ("<a>\n  <b/>\n</a>\n", "<a>\n  <b></b>\n</a>"),
    ("<a>ü&#xFC;</a>", "<a>üü</a>"),
]


@pytest.mark.parametrize(("document", "expected"), CASES)
def test_writes_the_one_spelling(document, expected):
    assert canonical(parse_xml(document.encode())).decode() == expected


@pytest.mark.parametrize(("document", "_expected"), CASES)
def test_what_is_canonical_stays_as_it_is(document, _expected):
    once = canonical(parse_xml(document.encode()))
    assert canonical(parse_xml(once)) == once


def test_a_part_is_written_with_everything_in_scope():
    root = parse_xml(b"<a xmlns='urn:1' xmlns:p='urn:2' xmlns:q='urn:3'><b xmlns:q='urn:4'/></a>")
    expected = b'<b xmlns="urn:1" xmlns:p="urn:2" xmlns:q="urn:4"></b>'
    assert canonical(root.elements[0], scope_of(root)) == expected


def lxml_canonical(document: bytes, local: str | None = None) -> bytes:
    """Give what lxml writes of a document, or of its first element of a name."""
    etree = pytest.importorskip("lxml.etree", reason="lxml is not installed")
    root = etree.fromstring(document)  # made here
    element = root if local is None else next(root.iter("{*}" + local))
    if local is None:
        return bytes(etree.tostring(element, method="c14n", with_comments=False))
    return bytes(etree.tostring(element, method="c14n", with_comments=False, with_tail=False))


@pytest.mark.parametrize(("document", "_expected"), CASES)
def test_lxml_writes_the_same(document, _expected):
    assert canonical(parse_xml(document.encode())) == lxml_canonical(document.encode())


NAMES = st.sampled_from(["a", "b", "p:c", "q:d"])
NAMESPACES = st.sampled_from(["urn:1", "urn:2", "urn:3"])
TEXTS = st.text(st.sampled_from("xü<>&\"'\t\n\r é"), max_size=6)


@st.composite
def documents(draw, depth: int = 3) -> str:
    """Draw a document in any spelling; the root declares both prefixes."""
    name = draw(NAMES)
    declared = {"p": draw(NAMESPACES), "q": draw(NAMESPACES)} if depth == 3 else {}
    if draw(st.booleans()):
        declared[draw(st.sampled_from(["", "p", "q"]))] = draw(NAMESPACES)
    spelled = [f"xmlns:{p}='{uri}'" if p else f"xmlns='{uri}'" for p, uri in declared.items()]
    keys = draw(st.lists(st.sampled_from(["k", "m", "A"]), unique=True, max_size=3))
    spelled += [f'{key}="{escaped(draw(TEXTS))}"' for key in keys]
    if draw(st.booleans()):
        spelled.append(f'p:k="{escaped(draw(TEXTS))}"')
    inside = draw(st.lists(documents(depth=depth - 1), max_size=2)) if depth else []
    content = "".join(escaped(draw(TEXTS)) + one for one in inside) + escaped(draw(TEXTS))
    return f"<{name} {' '.join(spelled)}>{content}</{name}>"


def escaped(text: str) -> str:
    for char, reference in {"&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&#34;"}.items():
        text = text.replace(char, reference)
    return text.replace("\r", "&#13;")


@settings(deadline=None)
@given(documents())
def test_lxml_writes_the_same_of_any_document(document):
    data = document.encode()
    assert canonical(parse_xml(data)) == lxml_canonical(data)


def test_lxml_writes_the_same_of_a_rim_and_its_signed_part():
    for data in nvidia().rims():
        root = parse_xml(data)
        assert canonical(root) == lxml_canonical(data)
        info, scope = signed_part(root)
        assert canonical(info, scope) == lxml_canonical(data, "SignedInfo")


def test_lxml_writes_the_same_of_published_rims(shared):
    for path in sorted((shared / "vectors" / "nvidia" / "rims").glob("*.xml")):
        data = path.read_bytes()
        root = parse_xml(data)
        assert canonical(root) == lxml_canonical(data)
        info, scope = signed_part(root)
        assert canonical(info, scope) == lxml_canonical(data, "SignedInfo")


def signed_part(root: Element) -> tuple[Element, Mapping[str, str]]:
    signature = root.elements[-1]
    return signature.elements[0], scope_of(signature, scope_of(root))
