"""XML is elements, attributes and text; everything else is refused before it costs anything."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from attestation.errors import MalformedEvidenceError
from attestation.nvidia import xml_tree
from attestation.nvidia.canonical import canonical
from attestation.nvidia.xml_tree import MAX_DEPTH, MAX_DOCUMENT, MAX_ELEMENTS, parse_xml

BOMB = (
    b'<!DOCTYPE a [<!ENTITY x0 "ha">'
    + b"".join(b'<!ENTITY x%d "&x%d;&x%d;">' % (n, n - 1, n - 1) for n in range(1, 40))
    + b"]><a>&x39;</a>"
)


def test_reads_names_with_their_namespaces():
    root = parse_xml(b'<a xmlns="urn:d" xmlns:p="urn:p" k="1" p:k="2">x<p:b/>y</a>')
    assert (root.name.namespace, root.name.local, root.name.qualified) == ("urn:d", "a", "a")
    assert root.attribute("k") == "1"
    assert root.attribute("k", "urn:p") == "2"
    assert root.attribute("k", "urn:d") is None
    (inner,) = root.elements
    assert (inner.name.namespace, inner.name.qualified) == ("urn:p", "p:b")
    assert [one for one in root.content if isinstance(one, str)] == ["x", "y"]


def test_joins_texts_that_only_references_part():
    assert parse_xml(b"<a>x&amp;y&#10;z</a>").content == ("x&y\nz",)


@pytest.mark.parametrize(
    "declaration",
    [b'<?xml version="1.0"?>', b'<?xml version="1.0" encoding="UTF-8"?>\n'],
)
def test_a_declaration_may_stand_at_the_beginning(declaration):
    assert canonical(parse_xml(declaration + b"<a/>")) == b"<a></a>"


@pytest.mark.parametrize(
    "document",
    [
        BOMB,
        b'<!DOCTYPE a SYSTEM "file:///etc/passwd"><a/>',
        b'<!DOCTYPE a [<!ENTITY e SYSTEM "file:///etc/passwd">]><a>&e;</a>',
        b'<!DOCTYPE a [<!ENTITY % p SYSTEM "http://127.0.0.1/p"> %p;]><a/>',
        b"<!DOCTYPE a [<!ATTLIST a id ID 'x'>]><a/>",
        b"<a><!-- comment --></a>",
        b"<!-- comment --><a/>",
        b"<a/><!-- comment -->",
        b"<a><![CDATA[text]]></a>",
        b"<a><?target data?></a>",
        b"<?target data?><a/>",
        b"<a/><?target data?>",
        b'<?xml-stylesheet href="x"?><a/>',
        b'<?xml version="1.1"?><a/>',
        b'<?xml version="1.0" encoding="UTF-16"?><a/>',
        b'<?xml version="1.0" encoding="ISO-8859-1"?><a/>',
        b'<?xml version="1.0"?><?xml version="1.0"?><a/>',
    ],
)
def test_rejects_what_is_neither_element_nor_text(document):
    with pytest.raises(MalformedEvidenceError, match="other than elements"):
        parse_xml(document)


@pytest.mark.parametrize(
    "document",
    [
        b"",
        b"text",
        b"<a>",
        b"<a></b>",
        b"<a/><b/>",
        b"<a/>text",
        b"<a k=1/>",
        b"<a k='<'/>",
        b"<a k='1' k='2'/>",
        b"<a xmlns:p='urn:x' xmlns:q='urn:x' p:k='1' q:k='2'/>",
        b"<p:a/>",
        b"<a p:k='1'/>",
        b"<a>&e;</a>",
        b"<a>&#0;</a>",
        b"<a>&#x1f;</a>",
        b"<a>\x00</a>",
        b"<a>\xff</a>",
        b"<a>\xed\xa0\x80</a>",
        b"<a xmlns:p=''/>",
        b"<a xmlns:xmlns='urn:x'/>",
        b"<a xmlns:p='http://www.w3.org/2000/xmlns/'/>",
        b"\xef\xbb\xbf<a/>",
        b" <a/>",
    ],
)
def test_rejects_what_is_not_well_formed(document):
    with pytest.raises(MalformedEvidenceError):
        parse_xml(document)


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-16-be", "utf-32", "utf-32-le"])
@pytest.mark.parametrize("document", [b"<a/>", BOMB, b"<a><!-- comment --></a>"])
def test_rejects_other_encodings_even_where_expat_would_guess_them(document, encoding):
    with pytest.raises(MalformedEvidenceError, match="does not begin with an element, in UTF-8"):
        parse_xml(document.decode().encode(encoding))


def test_the_parser_itself_refuses_a_document_type(monkeypatch):
    monkeypatch.setattr(xml_tree, "FORBIDDEN", ())
    with pytest.raises(MalformedEvidenceError, match="a document type"):
        parse_xml(BOMB)


@pytest.mark.parametrize(
    ("document", "why"),
    [
        (b"<a xml:lang='de'/>", "prefix xml"),
        (b"<a><b xml:base='x'/></a>", "prefix xml"),
        (b"<a xmlns:xml='http://www.w3.org/XML/1998/namespace'/>", "declares the prefix xml"),
        (b"<a>" * (MAX_DEPTH + 1), "too deep"),
        (b"<a>" + b"<b/>" * MAX_ELEMENTS, "too many elements"),
        (b"<a " + b" ".join(b"k%d='1'" % n for n in range(65)) + b"/>", "more than 64 attributes"),
        (b"<a " + b" ".join(b"xmlns:k%d='u'" % n for n in range(65)) + b"/>", "more than 64"),
        (b"<a>" + b"x" * MAX_DOCUMENT, "more than"),
    ],
)
def test_rejects_what_is_over_a_limit(document, why):
    with pytest.raises(MalformedEvidenceError, match=why):
        parse_xml(document)


def test_a_document_of_the_greatest_size_is_read():
    size = MAX_DOCUMENT - len(b"<a></a>")
    assert parse_xml(b"<a>" + b"x" * size + b"</a>").content == ("x" * size,)


@settings(deadline=None)
@given(st.binary(max_size=64) | st.text(alphabet="<>/ab=':x!?&;#\n ", max_size=64).map(str.encode))
def test_any_bytes_are_a_tree_or_refused(data):
    try:
        root = parse_xml(data)
    except MalformedEvidenceError:
        return
    assert parse_xml(canonical(root)) is not None
