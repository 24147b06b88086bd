"""What both sides hold after HPKE setup (RFC 9180, section 5): message counter and exporter."""

from openpcc.protocol.errors import HPKEError
from openpcc.protocol.hpke.aead import AEAD, Buffer, Opener, Sealer
from openpcc.protocol.hpke.kdf import KDF, Schedule


class _Context:
    """The exporter half, the same on both sides."""

    def __init__(self, suite_id: bytes, kdf: KDF, exporter_secret: bytes) -> None:
        self._suite_id = suite_id
        self._kdf = kdf
        self._exporter_secret: bytes | None = exporter_secret

    def export(self, context: bytes, size: int) -> bytes:
        """Derive a secret of `size` bytes for another use (section 5.3).

        Raises:
            HPKEError: more than the KDF gives, or the context was wiped.
        """
        if self._exporter_secret is None:
            raise HPKEError("this context was wiped")
        return self._kdf.export(self._suite_id, self._exporter_secret, context, size)

    def _forget(self) -> None:
        self._exporter_secret = None


class SenderContext(_Context):
    """Seals messages one after the other and exports secrets."""

    def __init__(self, suite_id: bytes, kdf: KDF, aead: AEAD, schedule: Schedule) -> None:
        super().__init__(suite_id, kdf, schedule.exporter_secret)
        self._sealer = Sealer(aead, schedule.key, schedule.base_nonce)

    @property
    def sealer(self) -> Sealer:
        """Give the counter, for a codec that seals chunk after chunk."""
        return self._sealer

    def seal(self, aad: bytes, plaintext: Buffer) -> bytes:
        """Seal the next message.

        Raises:
            HPKEError: there is no key, or it is used up.
        """
        return self._sealer.seal(aad, plaintext)

    def wipe(self) -> None:
        """Drop the keys; every later use is an `HPKEError`."""
        self._sealer.wipe()
        self._forget()


class RecipientContext(_Context):
    """Opens messages one after the other and exports secrets."""

    def __init__(self, suite_id: bytes, kdf: KDF, aead: AEAD, schedule: Schedule) -> None:
        super().__init__(suite_id, kdf, schedule.exporter_secret)
        self._opener = Opener(aead, schedule.key, schedule.base_nonce)

    @property
    def opener(self) -> Opener:
        """Give the counter, for a codec that opens chunk after chunk."""
        return self._opener

    def open(self, aad: bytes, sealed: Buffer) -> bytes:
        """Open the next message.

        Raises:
            UnsealableError: the tag failed; the next message is still the same one.
            HPKEError: there is no key, or it is used up.
        """
        return self._opener.open(aad, sealed)

    def wipe(self) -> None:
        """Drop the keys; every later use is an `HPKEError`."""
        self._opener.wipe()
        self._forget()
