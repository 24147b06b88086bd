"""What the rows of the wallet are, once they are open. Pure, but for the vault that opens them."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from openpcc.protocol.errors import ProtocolError
from openpcc.protocol.payment import DIGEST_SIZE
from openpcc.protocol.privacypass import encode_batch
from openpcc.tokens.held import AskedToken, HeldToken
from openpcc.tokens.vault import Vault, damaged


@dataclass(frozen=True, kw_only=True)
class Batch:
    """What is asked of the issuer at once; its bytes are the same at every try."""

    id: int
    key: bytes
    asked: tuple[AskedToken, ...] = field(repr=False)

    @property
    def body(self) -> bytes:
        """What is posted."""
        return encode_batch(one.pending.request for one in self.asked)


@dataclass(frozen=True, kw_only=True)
class Due:
    """Tokens of one request that came to nothing, by their rows."""

    request_digest: bytes
    tokens: Mapping[int, HeldToken] = field(repr=False)


@dataclass(frozen=True, kw_only=True)
class Counts:
    """What the wallet holds, in numbers.

    Attributes:
        stock: can be spent now.
        sent: went with a request whose fate is not known yet.
        pending: asked of the issuer, and not come.
        expired: of issuer keys that no service entry lists any more.
    """

    stock: int
    sent: int
    pending: int
    expired: int


def read_held(vault: Vault, row: bytes) -> HeldToken:
    """Open the row of a token.

    Raises:
        WalletError: it is damaged.
    """
    try:
        return HeldToken.parse(vault.open(b"token", row))
    except ProtocolError as error:
        raise damaged() from error


def read_digest(vault: Vault, stored: bytes | None) -> bytes:
    """Open the digest of a request.

    Raises:
        WalletError: it is damaged.
    """
    digest = vault.open(b"request", stored or b"")
    if len(digest) != DIGEST_SIZE:
        raise damaged()
    return digest


def read_batch(vault: Vault, id_: int, key: bytes, count: int, row: bytes) -> Batch:
    """Open the row of a batch.

    Raises:
        WalletError: it is damaged.
    """
    data = vault.open(b"batch", row)
    size = len(data) // count if count > 0 else 0
    if size == 0 or size * count != len(data):
        raise damaged()
    try:
        asked = tuple(AskedToken.parse(data[at : at + size]) for at in range(0, len(data), size))
    except ProtocolError as error:
        raise damaged() from error
    return Batch(id=id_, key=key, asked=asked)
