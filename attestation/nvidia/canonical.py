"""Canonical XML, the one spelling of a tree that is signed. W3C, Canonical XML 1.1, inclusive.

    <b a = '1'></b>  and  <b a="1"/>   are both   <b a="1"></b>

Without comments, and for the trees that `attestation.nvidia.xml_tree` gives: there version 1.0 and
1.1 are the same, because they differ in attributes of the prefix `xml` alone. Namespaces are
written where they are declared anew; the first element of a part of a document writes all that are
in scope.
"""

from collections.abc import Mapping
from types import MappingProxyType

from attestation.nvidia.xml_tree import Element

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
    inside = scope_of(element, scope)
    parts: list[str] = []
    _write(parts, element, inside, _declarations(inside, NO_SCOPE))
    return "".join(parts).encode()


def scope_of(element: Element, scope: Mapping[str, str] = NO_SCOPE) -> Mapping[str, str]:
    """Give what is in scope inside an element.

    Args:
        element: that may declare more.
        scope: of what is around it.
    """
    return {**scope, **dict(element.declared)} if element.declared else scope


def _write(parts: list[str], element: Element, scope: Mapping[str, str], declared: str) -> None:
    """Write an element.

    Args:
        parts: what is written so far.
        element: what is written now.
        scope: inside it.
        declared: its namespace declarations, written.
    """
    name = element.name.qualified
    parts.append(f"<{name}{declared}")
    for place, label in element.labels.ordered:
        value = element.values[place]
        # Letters and digits are written as they are, and nearly every value is nothing else.
        parts.append(f' {label}="{value if value.isalnum() else value.translate(VALUE)}"')
    parts.append(">")
    for part in element.content:
        if isinstance(part, str):
            parts.append(part.translate(TEXT))
        else:
            inside = scope_of(part, scope)
            _write(parts, part, inside, "" if inside is scope else _declarations(inside, scope))
    parts.append(f"</{name}>")


def _declarations(scope: Mapping[str, str], written: Mapping[str, str]) -> str:
    """Write what is in scope, but for what the nearest element around it has in scope already."""
    return "".join(
        f' {f"xmlns:{prefix}" if prefix else "xmlns"}="{namespace.translate(VALUE)}"'
        for prefix, namespace in sorted(scope.items())
        if written.get(prefix, "") != namespace
    )
