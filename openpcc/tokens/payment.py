"""The tokens that pay for one request (sealing sheet, Redemption). Pure."""

from dataclasses import dataclass, field

from openpcc.errors import TooExpensiveError
from openpcc.protocol import sealing
from openpcc.protocol.bhttp import Fields
from openpcc.protocol.errors import MalformedError
from openpcc.protocol.payment import token_fields
from openpcc.protocol.sealing.redemption import price
from openpcc.tokens.held import HeldToken


@dataclass(frozen=True, kw_only=True)
class Payment:
    """Tokens in the order of the header's digest, and the budget that they buy."""

    max_output: int
    tokens: tuple[HeldToken, ...] = field(repr=False)

    @property
    def token_digest(self) -> bytes:
        """What the header says of them: it binds the request to these tokens."""
        return sealing.token_digest(one.token for one in self.tokens)

    def fields(self, request_digest: bytes) -> Fields:
        """Give the field lines that go with the request inside OHTTP."""
        return token_fields(one.pay(request_digest) for one in self.tokens)


def tokens_for(max_output: int, *, output: int) -> int:
    """Count the tokens that a budget costs.

    Raises:
        TooExpensiveError: more than a request can carry.
    """
    try:
        return price(max_output, output=output)
    except MalformedError as error:
        raise TooExpensiveError(
            f"a reply has at most {sealing.redemption.MAX_TOKENS * output} output tokens here, "
            f"and this one may have {max_output}; ask for less"
        ) from error
