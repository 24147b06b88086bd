"""Spent tokens and requests against replay, on a server that all gateways of a service share.

    openpcc:{SERVICE}:spent:KEYID    hash: nonce -> digest(32) ‖ expires(8) ‖ begun(1)
    openpcc:{SERVICE}:listed         hash: KEYID -> when a gateway last saw it listed, Unix seconds
    openpcc:{SERVICE}:replay:ENTRY   empty, for 360 s

KEYID and ENTRY are hex. The braces keep what belongs together in one slot. Steps over several
tokens are scripts, so each is done whole or not at all, also in the append-only file.
"""

from collections.abc import Iterable, Sequence

from gateway.errors import RefusedError, StoreError
from gateway.replay import SLOT, WINDOW
from gateway.spent import GRACE, RETIRED, TokenName
from gateway.valkey_server import Script, ValkeyServer
from openpcc.protocol.payment import Reclaimed

SECONDS = str(WINDOW + SLOT).encode()
"""How long a request is remembered: as long as in memory at most (`replay`)."""

_LOOP = """
local function held(name)
  return redis.call('HGET', KEYS[string.byte(name)], string.sub(name, 2))
end
local function put(name, value)
  redis.call('HSET', KEYS[string.byte(name)], string.sub(name, 2), value)
end
local function stands(value)
  return string.sub(value, 1, 32) == ARGV[3] and string.byte(value, 41) == 0
end
"""
"""A token is one byte, the place of its set in KEYS, and its nonce. ARGV[3] is the digest."""

ADMIT = Script(
    _LOOP
    + """
for i = 5, #ARGV do
  local value = held(ARGV[i])
  if value and not stands(value) then return answer('spent') end
end
for i = 5, #ARGV do put(ARGV[i], ARGV[3] .. ARGV[4] .. '\\0') end
return answer('done')
"""
)
"""ARGV[4]: the expiry, 8 bytes."""

BEGIN = Script(
    _LOOP
    + """
for i = 4, #ARGV do
  local value = held(ARGV[i])
  if not value or not stands(value) then return answer('spent') end
end
for i = 4, #ARGV do
  put(ARGV[i], string.sub(held(ARGV[i]), 1, 40) .. '\\1')
end
return answer('done')
"""
)

RECLAIM = Script(
    _LOOP
    + """
local before = math.min(tonumber(ARGV[4]), now / 1000000 - tonumber(ARGV[5]))
local function back(name)
  local value = held(name)
  if not value then return 0 end
  if not stands(value) then return 1 end
  local expires = 0
  for i = 33, 40 do expires = expires * 256 + string.byte(value, i) end
  if before < expires then return 2 end
  redis.call('HDEL', KEYS[string.byte(name)], string.sub(name, 2))
  return 0
end
local outcomes = {}
for i = 6, #ARGV do outcomes[#outcomes + 1] = string.char(back(ARGV[i])) end
return answer(table.concat(outcomes))
"""
)
"""ARGV[4]: requests that expired then are past, by the gateway's clock; ARGV[5]: the grace. The
server's clock has to agree, so that one gateway with a wrong clock gives nothing back too early."""

RETIRE = Script(
    """
local seconds = math.floor(now / 1000000)
for i = 4, #ARGV do redis.call('HSET', KEYS[1], ARGV[i], seconds) end
for i = 2, #KEYS do
  local id = string.sub(KEYS[i], -64)
  local seen = redis.call('HGET', KEYS[1], id)
  if seen and seconds - tonumber(seen) > tonumber(ARGV[3]) then
    redis.call('UNLINK', KEYS[i])
    redis.call('HDEL', KEYS[1], id)
  end
end
return answer('done')
"""
)
"""KEYS: `listed`, then the sets that may go. ARGV[3]: seconds, ARGV[4] on: key ids listed now."""


KNOWN = Script("return answer(table.concat(redis.call('HKEYS', KEYS[1])))")
"""The key ids that were listed once, in hex, one behind the other."""

REMEMBER = Script(
    """
if redis.call('SET', KEYS[1], '', 'NX', 'EX', ARGV[3]) then return answer('new') end
return answer('known')
"""
)
"""KEYS: the entry. ARGV[3]: seconds."""


class ValkeySpentStore:
    """The set of spent tokens of a service (`spent.SpentStore`)."""

    def __init__(self, server: ValkeyServer, *, service: str) -> None:
        """Keep the set on this server."""
        self._server = server
        self._prefix = f"openpcc:{{{service}}}"

    async def admit(self, tokens: Sequence[TokenName], digest: bytes, expires: int) -> None:
        """See `SpentStore`."""
        await self._step(ADMIT, tokens, digest, expires.to_bytes(8, "big"))

    async def begin(self, tokens: Sequence[TokenName], digest: bytes) -> None:
        """See `SpentStore`."""
        await self._step(BEGIN, tokens, digest)

    async def reclaim(
        self, tokens: Sequence[TokenName], digest: bytes, now: float
    ) -> list[Reclaimed]:
        """See `SpentStore`."""
        before, grace = str(int(now) - GRACE).encode(), str(GRACE).encode()
        outcomes = await self._run(RECLAIM, tokens, digest, before, grace)
        if len(outcomes) != len(tokens):
            raise RefusedError("token-store")
        return [Reclaimed(one) for one in outcomes]

    async def retire(self, listed: Iterable[bytes]) -> None:
        """See `SpentStore`."""
        table, current = f"{self._prefix}:listed", {key.hex() for key in listed}
        try:
            text = (await self._server.run(KNOWN, [table], [])).decode("ascii", "replace")
            known = {text[at : at + 64] for at in range(0, len(text), 64)}
            sets = [f"{self._prefix}:spent:{one}" for one in known - current]
            ids = [one.encode() for one in (str(RETIRED), *current)]
            await self._server.run(RETIRE, [table, *sets], ids)
        except StoreError as error:
            raise RefusedError("token-store") from error

    async def _step(
        self, script: Script, tokens: Sequence[TokenName], digest: bytes, *more: bytes
    ) -> None:
        match await self._run(script, tokens, digest, *more):
            case b"done":
                return
            case b"spent":
                raise RefusedError("token-spent")
            case _:
                raise RefusedError("token-store")

    async def _run(
        self, script: Script, tokens: Sequence[TokenName], digest: bytes, *more: bytes
    ) -> bytes:
        ids = sorted({token.key_id for token in tokens})
        names = (bytes([ids.index(one.key_id) + 1]) + one.nonce for one in tokens)
        try:
            return await self._server.run(
                script, list(map(self._set, ids)), [digest, *more, *names]
            )
        except StoreError as error:
            raise RefusedError("token-store") from error

    def _set(self, key_id: bytes) -> str:
        return f"{self._prefix}:spent:{key_id.hex()}"


class ValkeyReplayStore:
    """Outer requests that were taken by any gateway of a service (`replay.ReplayStore`).

    The server forgets an entry 360 s after it came. If its clock is set ahead it forgets earlier,
    as a store in memory does at a restart: the node's own replay set stands behind both.
    """

    def __init__(self, server: ValkeyServer, *, service: str) -> None:
        """Remember on this server."""
        self._server = server
        self._prefix = f"openpcc:{{{service}}}:replay:"

    async def add(self, entry: bytes) -> None:
        """See `ReplayStore`."""
        try:
            was = await self._server.run(REMEMBER, [self._prefix + entry.hex()], [SECONDS])
        except StoreError as error:
            raise RefusedError("busy") from error
        if was != b"new":
            raise RefusedError("replayed")
