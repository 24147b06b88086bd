"""The one derivation of a message's key from an exported secret.

    prk = Extract(salt, secret)    key = Expand(prk, "key", Nk)    nonce = Expand(prk, "nonce", Nn)

It serves the OHTTP response (RFC 9458, section 4.4: bare HKDF, no HPKE labels), the chunked one,
and both directions of a sealed message (the sealing sheet).
"""

from dataclasses import dataclass, field

from openpcc.protocol.hpke.aead import AEAD, Opener, Sealer
from openpcc.protocol.hpke.kdf import HKDFStages


@dataclass(frozen=True, kw_only=True)
class MessageKeys:
    """Keys of one message in one direction."""

    aead: AEAD
    prk: bytes = field(repr=False)
    key: bytes = field(repr=False)
    nonce: bytes = field(repr=False)

    def sealer(self) -> Sealer:
        """Make the counter that seals this message."""
        return Sealer(self.aead, self.key, self.nonce)

    def opener(self) -> Opener:
        """Make the counter that opens this message."""
        return Opener(self.aead, self.key, self.nonce)


def derive(hkdf: HKDFStages, aead: AEAD, *, salt: bytes, secret: bytes) -> MessageKeys:
    """Derive key and nonce; one message for each (salt, secret)."""
    prk = hkdf.extract(salt, secret)
    return MessageKeys(
        aead=aead,
        prk=prk,
        key=hkdf.expand(prk, b"key", aead.key_size),
        nonce=hkdf.expand(prk, b"nonce", aead.nonce_size),
    )
