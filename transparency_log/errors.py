"""What can go wrong with a transparency log, by what a caller can do about it.

LogError
├── PolicyError                 our mistake: the policy or the key we were given cannot be used
├── MalformedError              their bytes are not the accepted spelling
│   ├── MalformedKeyError           verifier key
│   ├── MalformedNoteError          signed note or signature line
│   ├── MalformedCheckpointError    checkpoint text
│   ├── MalformedTileError          tile path, tile or entry bundle
│   ├── MalformedProofError         proof file or add-checkpoint request
│   ├── MalformedEntryError         envelope, statement or predicate
│   └── MalformedBundleError        Sigstore bundle
├── UntrustedError              well formed, and not vouched for by those we trust
│   ├── NotSignedError              a signature is missing or does not verify
│   ├── NotIncludedError            an inclusion proof does not hold
│   ├── InconsistentError           a consistency proof does not hold
│   │   └── OneHistoryError             two checkpoints not shown to be of one log; has both
│   ├── TooFewWitnessesError        the witness quorum is not met
│   ├── ProvenanceError             a bundle that does not show what the policy asks for
│   ├── SupersededError             a newer entry of the same chain is in the log
│   └── EquivocationError           two entries that must not both exist; carries both
└── FetchError                  the log could not be read
    └── NotFoundError               it answered that it has no such file
"""


class LogError(Exception):
    """Root of everything this package raises on purpose."""


class PolicyError(LogError):
    """A policy or key of our own cannot be used; the text names it and the remedy."""


class ConfigurationError(PolicyError):
    """A server cannot start as configured; one line that names the thing and the remedy."""


class StorageError(LogError):
    """What is on disk contradicts itself: stop, and restore it, rather than sign two histories."""


class MalformedError(LogError):
    """Bytes from outside are not the one accepted spelling."""


class MalformedKeyError(MalformedError):
    """Not a verifier key of a supported type, or its key id does not fit."""


class MalformedNoteError(MalformedError):
    """Not a signed note."""


class MalformedCheckpointError(MalformedError):
    """The text of a note is not a checkpoint."""


class MalformedTileError(MalformedError):
    """Not a tile path, or bytes that are not the tile or bundle of that path."""


class MalformedProofError(MalformedError):
    """Not a proof file or not an add-checkpoint request."""


class MalformedEntryError(MalformedError):
    """Not a log entry: envelope, statement or predicate is not as specified."""


class MalformedBundleError(MalformedError):
    """Not a Sigstore bundle that this version reads."""


class UntrustedError(LogError):
    """Well formed, and not vouched for by the keys of the policy."""


class NotSignedError(UntrustedError):
    """A required signature is missing, or one by a trusted key does not verify."""


class NotIncludedError(UntrustedError):
    """The entry is not proved to be in the tree."""


class InconsistentError(UntrustedError):
    """The later tree is not proved to extend the earlier one."""


class OneHistoryError(InconsistentError):
    """Two witnessed checkpoints are not shown to be of one history, and not proved not to be.

    Attributes:
        first: the note that was known.
        second: the note that does not extend it.
    """

    def __init__(self, text: str, *, first: bytes, second: bytes) -> None:
        super().__init__(text)
        self.first = first
        self.second = second


class TooFewWitnessesError(UntrustedError):
    """Witnesses of fewer operators than the quorum have cosigned.

    Attributes:
        expected: the quorum.
        actual: operators of the policy of whom a witness cosigned.
    """

    def __init__(self, *, expected: int, actual: int) -> None:
        super().__init__(f"witness quorum: expected {expected} operators, found {actual}")
        self.expected = expected
        self.actual = actual


class ProvenanceError(UntrustedError):
    """A Sigstore bundle does not show what the policy asks for.

    Attributes:
        claim: what was judged.
        expected: what would have passed.
        actual: what was found.
    """

    def __init__(self, claim: str, *, expected: str, actual: str) -> None:
        super().__init__(f"{claim}: expected {expected}, found {actual}")
        self.claim = claim
        self.expected = expected
        self.actual = actual


class SupersededError(UntrustedError):
    """A newer entry of the same chain follows in the log.

    Attributes:
        index: where the newer entry stands.
    """

    def __init__(self, text: str, *, index: int) -> None:
        super().__init__(text)
        self.index = index


class EquivocationError(UntrustedError):
    """Two signed entries claim one place in a chain. Both are kept: together they are the proof.

    Attributes:
        first: bytes of the one entry.
        second: bytes of the other.
    """

    def __init__(self, text: str, *, first: bytes, second: bytes) -> None:
        super().__init__(text)
        self.first = first
        self.second = second


class FetchError(LogError):
    """The log could not be read; nothing is said about its honesty."""


class NotFoundError(FetchError):
    """The log answered that it has no such file."""
