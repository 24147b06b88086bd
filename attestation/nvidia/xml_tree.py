"""A strict reader of the XML that RIMs are written in. XML 1.0, Namespaces in XML 1.0.

    <a xmlns="urn:x" k="v">text<b/></a>

Whatever begins with `<!` or `<?` is refused before a parser sees it: document types, and with them
entities and everything external; comments, CDATA sections and processing instructions, which RIMs
do not have and which canonicalisation would hide. What is left is elements, attributes and text.
Expat reads them and sees to namespaces; size, depth and counts are limited here.

That look for `<!` is only as good as our knowing how bytes become characters. Expat guesses UTF-16
from the first bytes even where it is told UTF-8, so a document begins with `<` and holds no zero
byte; and should a document type still get as far as the parser, it is refused there.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from xml.parsers import expat

from attestation.errors import MalformedEvidenceError

MAX_DOCUMENT = 2**19
"""Bytes of a document; the largest known RIM has 26 KiB."""

MAX_DEPTH = 12
"""Elements within each other; the signature of a RIM reaches a depth of 6."""

MAX_ELEMENTS = 2048
"""Elements of a document; a RIM of 64 measurements has about 90."""

MAX_ATTRIBUTES = 64
"""Attributes of one element, its namespace declarations among them."""

XML_NAMESPACE = "http://www.w3.org/XML/1998/namespace"
"""Of `xml:lang` and the like, which canonicalisation treats apart, and RIMs do not have."""

DECLARATION = re.compile(rb"""<\?xml version=["']1\.0["']( encoding=["'](UTF|utf)-8["'])? ?\?>""")
"""The one XML declaration that may stand at the beginning."""

FORBIDDEN = (b"<!", b"<?")
"""Where anything begins that is neither element nor text; in text a `<` is always escaped."""

SEPARATOR = "\x1f"
"""Between namespace, name and prefix as expat gives them; no character of XML."""


@dataclass(frozen=True, kw_only=True)
class Name:
    """A name, with the prefix that it was written with; empty where there was none."""

    namespace: str
    local: str
    prefix: str

    @cached_property
    def expanded(self) -> tuple[str, str]:
        """Give what it means, by which names are also put in order."""
        return self.namespace, self.local

    @cached_property
    def qualified(self) -> str:
        """Give it as written."""
        return f"{self.prefix}:{self.local}" if self.prefix else self.local


@dataclass(frozen=True, kw_only=True)
class Labels:
    """The names of an element's attributes; elements that say the same of themselves share them.

    Attributes:
        names: as written; no two with the same namespace and local name.
        places: namespace and local name, to the place among them.
        ordered: the same in the order of canonical XML: place, and name as written.
    """

    names: tuple[Name, ...]
    places: Mapping[tuple[str, str], int]
    ordered: tuple[tuple[int, str], ...]

    @classmethod
    def of(cls, names: tuple[Name, ...]) -> "Labels":
        """Order names."""
        places = {name.expanded: place for place, name in enumerate(names)}
        ordered = tuple((places[one], names[places[one]].qualified) for one in sorted(places))
        return cls(names=names, places=places, ordered=ordered)


@dataclass(frozen=True, kw_only=True)
class Element:
    """An element.

    Attributes:
        declared: prefixes that it declares, to namespaces; the empty prefix is the default's.
        labels: the names of all its other attributes.
        values: of these attributes, one for each name.
        content: elements and text, in order; no two texts next to each other.
    """

    name: Name
    declared: tuple[tuple[str, str], ...]
    labels: Labels
    values: tuple[str, ...]
    content: "tuple[Element | str, ...]" = field(repr=False)

    @property
    def attributes(self) -> "Iterator[tuple[Name, str]]":
        """Give the attributes, as written."""
        return zip(self.labels.names, self.values, strict=True)

    @property
    def elements(self) -> "tuple[Element, ...]":
        """Give the elements directly inside."""
        return tuple([one for one in self.content if isinstance(one, Element)])

    def named(self, namespace: str, local: str) -> "tuple[Element, ...]":
        """Give those of them that have a name."""
        wanted = (namespace, local)
        return tuple(one for one in self.elements if one.name.expanded == wanted)

    def descendants(self) -> "Iterator[Element]":
        """Give this element and all inside, in the order of the document."""
        waiting = [self]
        while waiting:
            one = waiting.pop()
            yield one
            waiting += reversed(one.elements)

    def attribute(self, local: str, namespace: str = "") -> str | None:
        """Give the value of an attribute; None where there is none."""
        place = self.labels.places.get((namespace, local))
        return None if place is None else self.values[place]


def parse_xml(data: bytes) -> Element:
    """Read a document; gives its root.

    Raises:
        MalformedEvidenceError: not well formed, over a limit, or with anything but elements,
            attributes and text.
    """
    if len(data) > MAX_DOCUMENT:
        raise MalformedEvidenceError(f"XML: more than {MAX_DOCUMENT} bytes")
    if not data.startswith(b"<") or b"\0" in data:
        raise MalformedEvidenceError("XML: does not begin with an element, in UTF-8")
    declaration = DECLARATION.match(data)
    start = declaration.end() if declaration else 0
    if any(data.find(one, start) >= 0 for one in FORBIDDEN):
        raise MalformedEvidenceError("XML: something other than elements, attributes and text")
    builder = _Builder()
    try:
        builder.parser.Parse(data[start:], True)
    except expat.ExpatError as error:
        raise MalformedEvidenceError("XML: not well formed") from error
    return builder.root()


_Head = tuple[Name, tuple[tuple[str, str], ...], Labels, tuple[str, ...]]
"""Of an element whose end has not been read: name, declarations, labels and values."""


class _Names(dict[str, Name]):
    """The names of a document as expat spells them: of a thousand attributes there are a dozen."""

    def __missing__(self, spelled: str) -> Name:
        name = self[spelled] = _name(spelled)
        if name.namespace == XML_NAMESPACE:
            raise MalformedEvidenceError("XML: a name of the prefix xml")
        return name


class _Labels(dict[tuple[str, ...], Labels]):
    """The labels of a document, by the names as expat spells them."""

    def __init__(self, names: _Names) -> None:
        super().__init__()
        self._names = names

    def __missing__(self, spelled: tuple[str, ...]) -> Labels:
        labels = self[spelled] = Labels.of(tuple(self._names[one] for one in spelled))
        return labels


class _Builder:
    """Takes what expat finds and makes the tree; what a handler raises, `Parse` raises."""

    def __init__(self) -> None:
        parser = expat.ParserCreate("UTF-8", SEPARATOR)
        parser.namespace_prefixes = True
        parser.ordered_attributes = True
        parser.buffer_text = True
        parser.StartNamespaceDeclHandler = self._declare
        parser.StartElementHandler = self._start
        parser.EndElementHandler = self._end
        parser.CharacterDataHandler = self._text
        parser.StartDoctypeDeclHandler = self._refuse_doctype
        self.parser = parser
        self._names = _Names()
        self._labels = _Labels(self._names)
        self._heads: list[_Head] = []
        self._contents: list[list[Element | str]] = [[]]
        self._declared: list[tuple[str, str]] = []
        self._elements = 0

    def root(self) -> Element:
        """Give the root, of a whole document."""
        (root,) = (one for one in self._contents[0] if isinstance(one, Element))
        return root

    def _refuse_doctype(self, *_arguments: object) -> None:
        raise MalformedEvidenceError("XML: a document type")

    def _declare(self, prefix: str | None, namespace: str | None) -> None:
        if prefix == "xml":
            raise MalformedEvidenceError("XML: declares the prefix xml")
        self._declared.append((prefix or "", namespace or ""))

    def _start(self, name: str, attributes: list[str]) -> None:
        self._elements += 1
        if self._elements > MAX_ELEMENTS or len(self._contents) > MAX_DEPTH:
            raise MalformedEvidenceError("XML: too many elements, or too deep")
        if len(attributes) // 2 + len(self._declared) > MAX_ATTRIBUTES:
            raise MalformedEvidenceError(f"XML: more than {MAX_ATTRIBUTES} attributes")
        declared = tuple(self._declared)
        self._declared.clear()
        labels, values = self._labels[tuple(attributes[::2])], tuple(attributes[1::2])
        self._heads.append((self._names[name], declared, labels, values))
        self._contents.append([])

    def _end(self, _spelled: str) -> None:
        name, declared, labels, values = self._heads.pop()
        content = tuple(self._contents.pop())
        self._contents[-1].append(
            Element(name=name, declared=declared, labels=labels, values=values, content=content)
        )

    def _text(self, text: str) -> None:
        content = self._contents[-1]
        if content and isinstance(content[-1], str):
            content[-1] += text
        else:
            content.append(text)


def _name(spelled: str) -> Name:
    """Read `namespace`, `local` and `prefix` as expat joins them; the outer two may be left out."""
    parts = spelled.split(SEPARATOR)
    namespace, local = ("", parts[0]) if len(parts) == 1 else (parts[0], parts[1])
    return Name(namespace=namespace, local=local, prefix=parts[2] if len(parts) == 3 else "")
