"""What the service's newest logged entry says of tokens: the same for every client. Pure."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

from openpcc.protocol.privacypass import TokenChallenge

if TYPE_CHECKING:
    from transparency_log.entry import Service


@dataclass(frozen=True, kw_only=True)
class Terms:
    """Whose tokens pay, with which keys, and how far one of them goes.

    Attributes:
        output: most output tokens of a model that one token buys.
        keys: ids of the issuer's live keys, the one in use first.
        challenge_digest: what every token of this service is made for.
    """

    output: int
    keys: tuple[bytes, ...]
    challenge_digest: bytes

    @classmethod
    def of(cls, entry: "Service") -> "Terms | None":
        """Read them from a verified entry; None where admission is open."""
        found = entry.parameters.tokens
        if found is None:
            return None
        challenge = TokenChallenge(issuer_name=found.issuer, origin_info=(entry.service,))
        return cls(output=found.output, keys=entry.issuer_keys, challenge_digest=challenge.digest)
