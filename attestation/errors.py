"""What can go wrong with attestation, by what a caller can do about it.

AttestationError
├── PolicyError                our mistake: the appraisal policy cannot be used
├── MalformedEvidenceError     their bytes are not the accepted spelling
├── AppraisalError             well formed, and not what it must be: claim, expected, actual
├── UnjudgedError              a check lacks what it would judge; the text says what
├── AttesterError              this machine cannot produce evidence: missing or unfit files
└── ArtifactError              a file of an image cannot be measured: which, and why

A check that does not hold raises `AppraisalError` or `MalformedEvidenceError`, one that cannot be
judged `UnjudgedError`; `checks.Checks` turns the former into FAIL, the latter into SKIP. The
verifier itself raises none of them: what it found stands in the checks.
"""

MAX_TEXT = 256
"""Characters of a foreign text that reach a report; names and values we show are shorter."""


class AttestationError(Exception):
    """Root of everything this package raises on purpose."""


class PolicyError(AttestationError):
    """A policy of our own cannot be used. The text names key, expectation, finding and remedy."""

    def __init__(self, key: str, *, expected: str, found: str, remedy: str) -> None:
        super().__init__(f"{key!r}: expected {expected}, found {plain(found)}; {remedy}")
        self.key = key


class MalformedEvidenceError(AttestationError):
    """Bytes from outside are not the one accepted spelling of evidence or an endorsement."""


class AppraisalError(AttestationError):
    """A claim is not what it must be.

    Attributes:
        expected: what would have passed, as text.
        actual: what was found, as text; printable and short whatever the evidence held.
    """

    def __init__(self, claim: str, *, expected: str, actual: str) -> None:
        self.expected = plain(expected)
        self.actual = plain(actual)
        super().__init__(f"{claim}: expected {self.expected}, found {self.actual}")


class UnjudgedError(AttestationError):
    """A check lacks what it would judge, because something before it failed."""


class AttesterError(AttestationError):
    """Evidence cannot be produced here; the text names the file and the remedy."""


class ArtifactError(AttestationError):
    """A file of a node image cannot be measured; the text names the file and what is wrong."""


def plain(text: str) -> str:
    """Make a text from outside fit for a report or a terminal: printable, one line, short."""
    if len(text) <= MAX_TEXT and text.isprintable():
        return text
    shown = "".join(char if char.isprintable() else "?" for char in text[: MAX_TEXT + 1])
    return shown if len(shown) <= MAX_TEXT else shown[: MAX_TEXT - 1] + "…"
