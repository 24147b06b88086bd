"""The content of a sealed request: sealed once, under a secret that every candidate gets.

    request_id = Expand(Extract("", content_secret), "openpcc request id v1", 32)
    prk, key, nonce = keys(salt = request_digest, secret = content_secret)

The id commits to the secret: AES-GCM does not commit to its key, and without the id one sealed
request could show different contents to two nodes. The salt fixes header and all wraps, so none of
them can be stripped, added or exchanged.
"""

from openpcc.protocol import message_keys
from openpcc.protocol.chunks import ChunkOpener, ChunkSealer
from openpcc.protocol.errors import MalformedError
from openpcc.protocol.hpke import Suite
from openpcc.protocol.hpke import kdf as kdfs
from openpcc.protocol.message_keys import MessageKeys
from openpcc.protocol.sealing import records

INFO_LABEL = b"openpcc sealed request v1\x00"
ID_LABEL = b"openpcc request id v1"
ID_SIZE = 32


def request_id(content_secret: bytes) -> bytes:
    """Give the id that commits to a content secret."""
    return kdfs.SHA256.expand(kdfs.SHA256.extract(b"", content_secret), ID_LABEL, ID_SIZE)


def content_keys(suite: Suite, content_secret: bytes, digest: bytes) -> MessageKeys:
    """Derive the keys of a request's content."""
    hkdf = kdfs.hkdf(suite.kdf_id)
    return message_keys.derive(hkdf, suite.aead, salt=digest, secret=content_secret)


def seal_content(keys: MessageKeys, message: bytes, bucket: int) -> list[bytes]:
    """Seal a message that fits the bucket; give its chunks."""
    sealer = ChunkSealer(keys.sealer())
    *first, last = records.request_records(message, bucket)
    return [*(sealer.seal(record) for record in first), sealer.seal(last, final=True)]


def open_content(keys: MessageKeys, chunks: bytes) -> bytes:
    """Open all chunks and join their data; nothing comes out before the final one opened.

    Raises:
        MalformedError: a chunk's length or a record is not of this form.
        UnsealableError: a chunk does not open.
        TruncatedError: the final chunk is missing.
    """
    opener = ChunkOpener(keys.opener())
    opened = opener.feed(chunks)
    final = opener.finish()
    if not final:
        raise MalformedError("record: the final one is empty")
    return b"".join(records.decode_record(record) for record in (*opened, *final))
