"""What a wallet reads back from its own file, which may be damaged or somebody else's."""

from openpcc.errors import WalletError
from openpcc.protocol.errors import ProtocolError
from openpcc.tokens.held import AskedToken, HeldToken
from openpcc.tokens.rows import read_batch
from openpcc.tokens.vault import OpenVault
from tests.fakes import issuer_keys
from tests.fuzz.target import Bytes, target, writes

VAULT = OpenVault(b"wallet")


def asked(number: int = 0) -> AskedToken:
    return AskedToken.begin(issuer_keys.public(number), issuer_keys.CHALLENGE.digest)


def held() -> HeldToken:
    one = asked()
    return one.finish(issuer_keys.signer().blind_sign(one.pending.blinded))


def held_tokens() -> Bytes:
    one, other = held(), held()
    return [one.encode(), other.encode(), one.token + other.seed]


def asked_tokens() -> Bytes:
    one = asked()
    return [one.encode(), asked(1).encode(), bytes(32) + one.pending.encode()]


def batches() -> Bytes:
    return [b"".join(asked().encode() for _ in range(count)) for count in (1, 2)]


@target(HeldToken.parse, seeds=held_tokens, refusals=(ProtocolError,))
def held_token(data: bytes) -> None:
    """Any bytes give a token of its holder that writes the same bytes, or ProtocolError."""
    writes(HeldToken.parse(data), data)


@target(AskedToken.parse, seeds=asked_tokens, refusals=(ProtocolError,))
def asked_token(data: bytes) -> None:
    """Any bytes give what was asked for and writes the same bytes, or ProtocolError."""
    writes(AskedToken.parse(data), data)


@target(read_batch, seeds=batches, refusals=(WalletError,))
def wallet_row(data: bytes) -> None:
    """Any row gives a batch that writes the same bytes, or WalletError."""
    found = read_batch(VAULT, 1, bytes(32), 2, VAULT.close(b"batch", data))
    assert b"".join(one.encode() for one in found.asked) == data
