"""Asking witnesses to cosign: the client side of C2SP tlog-witness.

A witness is not trusted to answer, to be quick or to be honest: its answer counts only if its
cosignature verifies over the very checkpoint that was sent.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence

import aiohttp

from transparency_log.add_checkpoint import AddCheckpointRequest, parse_size_answer
from transparency_log.errors import LogError, StorageError
from transparency_log.note import SignatureLine, Verifier, parse_signature_line
from transparency_log.witness_policy import LogPolicy, named

logger = logging.getLogger(__name__)

MAX_ANSWER = 65536
"""Bytes of an answer that are read: a few cosignature lines, of 3.4 kB each with ML-DSA-44."""

Prove = Callable[[int, int], Awaitable[list[bytes]]]
"""Called (old size, size), gives a consistency proof."""


class WitnessClient:
    """One witness, with one key or several, and the size it is known to have cosigned last."""

    def __init__(
        self,
        verifiers: Sequence[Verifier],
        operator: str,
        url: str,
        session: aiohttp.ClientSession,
        prove: Prove,
    ) -> None:
        self.name = verifiers[0].key.name
        self.operator = operator
        self._verifiers = {named(one.key): one for one in verifiers}
        self._url = f"{url}/add-checkpoint"
        self._session = session
        self._prove = prove
        self._size = 0

    async def cosign(self, text: bytes, note: bytes, size: int) -> list[SignatureLine]:
        """Ask for cosignatures, one by each key; empty if there is none to be had now."""
        try:
            status, body = await self._post(note, size)
            if status == 409:
                self._size = parse_size_answer(body)
                if self._size > size:
                    logger.error(
                        "witness %s has cosigned a larger tree than this log has", self.name
                    )
                    return []
                status, body = await self._post(note, size)
            if status != 200:
                logger.warning("witness %s refused to cosign, status %d", self.name, status)
                return []
            lines = self._own_lines(body, text)
        except (aiohttp.ClientError, TimeoutError):
            logger.warning("witness %s did not answer", self.name)
            return []
        except StorageError:  # our own: no proof could be made
            raise
        except (LogError, UnicodeDecodeError):
            logger.warning("witness %s answered no cosignature of this checkpoint", self.name)
            return []
        self._size = size
        return lines

    async def _post(self, note: bytes, size: int) -> tuple[int, bytes]:
        proof = await self._prove(self._size, size)
        request = AddCheckpointRequest(old_size=self._size, proof=tuple(proof), note=note)
        async with self._session.post(
            self._url, data=request.encode(), allow_redirects=False
        ) as answer:
            return answer.status, await _read(answer.content)

    def _own_lines(self, body: bytes, text: bytes) -> list[SignatureLine]:
        """Give the newest verified line of each key of this witness."""
        lines = [
            parse_signature_line(line) for line in body.decode().removesuffix("\n").split("\n")
        ]
        own = {
            (line.name, line.key_id): line
            for line in lines
            if (line.name, line.key_id) in self._verifiers
        }
        if not own:
            raise LogError("no line by this witness")
        for key, line in own.items():
            self._verifiers[key].verify(text, line.signature)
        return list(own.values())


def witness_clients(
    policy: LogPolicy, urls: Sequence[str], session: aiohttp.ClientSession, prove: Prove
) -> list[WitnessClient]:
    """Give a client for each witness of a policy; keys of one operator at one URL are one witness.

    Args:
        policy: names the witnesses.
        urls: of each, in the policy's order.
        session: for all requests.
        prove: gives consistency proofs.
    """
    keys: dict[tuple[str, str], list[Verifier]] = {}
    for witness, verifier, url in zip(
        policy.witnesses, policy.witness_verifiers, urls, strict=True
    ):
        keys.setdefault((witness.operator, url), []).append(verifier)
    return [
        WitnessClient(verifiers, operator, url, session, prove)
        for (operator, url), verifiers in keys.items()
    ]


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
    and one slow witness delays nobody. Gives one line of each key, by its name and id.
    """
    tasks = {asyncio.create_task(one.cosign(text, note, size)): one for one in witnesses}
    found: dict[str, SignatureLine] = {}
    operators: set[str] = set()
    pending = set(tasks)
    try:
        while pending:
            patience = LINGER if len(operators) >= quorum else None
            done, pending = await asyncio.wait(
                pending, timeout=patience, return_when=asyncio.FIRST_COMPLETED
            )
            for task in done:
                found |= {f"{line.name}+{line.key_id.hex()}": line for line in task.result()}
                operators |= {tasks[task].operator} if task.result() else set()
            if not done:
                break
    finally:
        for task in pending:
            task.cancel()
        await asyncio.gather(*pending, return_exceptions=True)
    return found


LINGER = 0.1
"""Seconds that the witnesses beyond the quorum get."""
