"""Asking witnesses to cosign: the client side of C2SP tlog-witness.

A witness is not trusted to answer, to be quick or to be honest: its answer counts only if its
cosignature verifies over the very checkpoint that was sent.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable

import aiohttp

from transparency_log.add_checkpoint import AddCheckpointRequest, parse_size_answer
from transparency_log.errors import LogError
from transparency_log.note import SignatureLine, Verifier, parse_signature_line

logger = logging.getLogger(__name__)

MAX_ANSWER = 16384
"""Bytes of an answer that are read: a few cosignature lines."""

Prove = Callable[[int, int], Awaitable[list[bytes]]]
"""Called (old size, size), gives a consistency proof."""


class WitnessClient:
    """One witness, and the size it is known to have cosigned last."""

    def __init__(
        self, verifier: Verifier, url: str, session: aiohttp.ClientSession, prove: Prove
    ) -> None:
        self.name = verifier.key.name
        self._verifier = verifier
        self._url = f"{url}/add-checkpoint"
        self._session = session
        self._prove = prove
        self._size = 0

    async def cosign(self, text: bytes, note: bytes, size: int) -> SignatureLine | None:
        """Ask for a cosignature; None if there is none to be had now."""
        try:
            status, body = await self._post(note, size)
            if status == 409:
                self._size = parse_size_answer(body)
                if self._size > size:
                    logger.error(
                        "witness %s has cosigned a larger tree than this log has", self.name
                    )
                    return None
                status, body = await self._post(note, size)
            if status != 200:
                logger.warning("witness %s refused to cosign, status %d", self.name, status)
                return None
            line = self._own_line(body, text)
        except (aiohttp.ClientError, TimeoutError):
            logger.warning("witness %s did not answer", self.name)
            return None
        except (LogError, UnicodeDecodeError):
            logger.warning("witness %s answered no cosignature of this checkpoint", self.name)
            return None
        self._size = size
        return line

    async def _post(self, note: bytes, size: int) -> tuple[int, bytes]:
        proof = await self._prove(self._size, size)
        request = AddCheckpointRequest(old_size=self._size, proof=tuple(proof), note=note)
        async with self._session.post(
            self._url, data=request.encode(), allow_redirects=False
        ) as answer:
            return answer.status, await _read(answer.content)

    def _own_line(self, body: bytes, text: bytes) -> SignatureLine:
        """Give the newest verified line of this witness."""
        key = self._verifier.key
        lines = [parse_signature_line(line) for line in body.decode().splitlines()]
        own = [one for one in lines if (one.name, one.key_id) == (key.name, key.key_id)]
        if not own:
            raise LogError("no line by this witness")
        self._verifier.verify(text, own[-1].signature)
        return own[-1]


async def _read(content: aiohttp.StreamReader) -> bytes:
    body = bytearray()
    async for chunk in content.iter_any():
        body += chunk
        if len(body) > MAX_ANSWER:
            raise LogError("the answer is too long")
    return bytes(body)


async def cosign_all(
    witnesses: list[WitnessClient], text: bytes, note: bytes, size: int, *, quorum: int
) -> dict[str, SignatureLine]:
    """Ask every witness at once; return soon after the quorum, or when all have answered.

    The slower ones get a short while more, so that a checkpoint usually carries every cosignature
    and one slow witness delays nobody.
    """
    tasks = {asyncio.create_task(one.cosign(text, note, size)): one.name for one in witnesses}
    found: dict[str, SignatureLine] = {}
    pending = set(tasks)
    try:
        while pending:
            patience = LINGER if len(found) >= quorum else None
            done, pending = await asyncio.wait(
                pending, timeout=patience, return_when=asyncio.FIRST_COMPLETED
            )
            for task in done:
                if line := task.result():
                    found[tasks[task]] = line
            if not done:
                break
    finally:
        for task in pending:
            task.cancel()
        await asyncio.gather(*pending, return_exceptions=True)
    return found


LINGER = 0.1
"""Seconds that the witnesses beyond the quorum get."""
