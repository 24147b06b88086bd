"""Canonical XML, the one spelling of a tree that is signed. W3C, Canonical XML 1.1, inclusive.

    <b a = '1'></b>  and  <b a="1"/>   are both   <b a="1"></b>

Without comments, and for the trees that `attestation.nvidia.xml_tree` gives: there version 1.0 and
1.1 are the same, because they differ in attributes of the prefix `xml` alone. Namespaces are
written where they are declared anew; the first element of a part of a document writes all that are
in scope.
"""

from collections.abc import Iterator, Mapping
from types import MappingProxyType

from attestation.nvidia.xml_tree import Element, Name

ALGORITHMS = frozenset(
    {
        "http://www.w3.org/2006/12/xml-c14n11",
        "http://www.w3.org/TR/2001/REC-xml-c14n-20010315",
    }
)
"""Names of what is done here."""

NO_SCOPE: Mapping[str, str] = MappingProxyType({})
"""Of a root: nothing is declared around it."""

TEXT = str.maketrans({"&": "&amp;", "<": "&lt;", ">": "&gt;", "\r": "&#xD;"})
"""How text is written."""

VALUE = str.maketrans(
    {"&": "&amp;", "<": "&lt;", '"': "&quot;", "\t": "&#x9;", "\n": "&#xA;", "\r": "&#xD;"}
)
"""How the value of an attribute is written."""


def canonical(element: Element, scope: Mapping[str, str] = NO_SCOPE) -> bytes:
    """Write an element canonically.

    Args:
        element: a root, or a part of a document on its own.
        scope: prefix to namespace, of what is declared around it.
    """
    written: Mapping[str, str] = NO_SCOPE
    return "".join(_element(element, scope, written)).encode()


def scope_of(element: Element, scope: Mapping[str, str] = NO_SCOPE) -> dict[str, str]:
    """Give what is in scope inside an element.

    Args:
        element: that may declare more.
        scope: of what is around it.
    """
    return {**scope, **dict(element.declared)}


def _element(
    element: Element, outer: Mapping[str, str], written: Mapping[str, str]
) -> Iterator[str]:
    """Write an element whose nearest written ancestor has `written` in scope."""
    scope = scope_of(element, outer)
    name = element.name.qualified
    yield "<" + name
    for prefix, namespace in sorted(scope.items()):
        if written.get(prefix, "") != namespace:
            yield _attribute(f"xmlns:{prefix}" if prefix else "xmlns", namespace)
    for one, value in sorted(element.attributes, key=lambda pair: _order(pair[0])):
        yield _attribute(one.qualified, value)
    yield ">"
    for part in element.content:
        if isinstance(part, str):
            yield part.translate(TEXT)
        else:
            yield from _element(part, scope, scope)
    yield f"</{name}>"


def _order(name: Name) -> tuple[str, str]:
    return name.namespace, name.local


def _attribute(name: str, value: str) -> str:
    return f' {name}="{value.translate(VALUE)}"'
