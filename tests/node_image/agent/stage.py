"""One node in this process, and a client that seals to it: everything real but sockets and time.

The application is called as ASGI; the engine is a real process. `Caller` plays gateway and client.
"""

import asyncio
import json
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from attestation.evidence import EvidenceBundle, KeysSection
from node_image.agent import receipts
from node_image.agent.app import Limits, Node
from node_image.agent.config import Image, Model, Settings
from node_image.agent.evidence import Evidence
from node_image.agent.identity import Identity, ServiceFacts
from node_image.agent.replay import ReplaySet
from node_image.agent.telemetry import Telemetry
from openpcc.protocol import bhttp, messages
from openpcc.protocol.sealing import NodeKey, ReplyOpener, SealedRequest, seal_request

NOW = 1_800_000_000
EPOCH = 3600
MODEL = "demo"
RELEASE = bytes.fromhex("a4" * 32)
BEACON = b"log.example/demo\n1\n" + b"A" * 43 + b"=\n\n\xe2\x80\x94 log.example/demo AAAAAAAA\n"
CHAT = "/v1/chat/completions"

FAKE_ENGINE = Path(__file__).parents[2] / "fakes" / "engine.py"
MODEL_FOLDER = Path(__file__).parents[3] / "node_image" / "embedded" / "model"


def image(machine: Path, **changes: Any) -> Image:
    """The image of these tests, on a simulated machine."""
    fixed: dict[str, Any] = {
        "platform": "simulated",
        "machine": machine,
        "release": RELEASE,
        "model": Model(name=MODEL, path=MODEL_FOLDER),
    }
    return Image(**(fixed | changes))


class StillClock:
    """Stands until it is moved."""

    def __init__(self) -> None:
        self._wall, self._monotonic = NOW, 1000.0

    def wall(self) -> int:
        return self._wall

    def monotonic(self) -> float:
        return self._monotonic

    def advance(self, seconds: float) -> None:
        self._wall += int(seconds)
        self._monotonic += seconds

    def turn_wall(self, seconds: int) -> None:
        self._wall += seconds


@dataclass
class Answer:
    """What came back over ASGI."""

    status: int = 0
    headers: dict[str, str] = field(default_factory=dict)
    parts: list[bytes] = field(default_factory=list)
    ended: bool = False

    @property
    def body(self) -> bytes:
        return b"".join(self.parts)

    @property
    def code(self) -> str | None:
        return messages.decode_error(self.body)


class Caller:
    """Calls an ASGI application; may leave in the middle."""

    def __init__(self, node: Node) -> None:
        self._node = node
        self.left = asyncio.Event()
        self.answer = Answer()

    async def call(
        self, method: str, path: str, body: bytes = b"", content_type: str | None = None
    ) -> Answer:
        headers = [] if content_type is None else [(b"content-type", content_type.encode())]
        headers.append((b"content-length", str(len(body)).encode()))
        sent = False

        async def receive() -> dict[str, Any]:
            nonlocal sent
            if not sent:
                sent = True
                return {"type": "http.request", "body": body, "more_body": False}
            await self.left.wait()
            return {"type": "http.disconnect"}

        async def send(message: Any) -> None:
            if message["type"] == "http.response.start":
                self.answer.status = message["status"]
                self.answer.headers = {k.decode(): v.decode() for k, v in message["headers"]}
            else:
                self.answer.parts.append(message["body"])
                self.answer.ended = not message.get("more_body", False)

        scope = {"type": "http", "method": method, "path": path, "headers": headers}
        await self._node(scope, receive, send)
        return self.answer


@dataclass
class Inner:
    """The reply inside the seal."""

    status: int
    content: bytes
    trailers: dict[str, str]
    complete: bool
    raw: bytes

    def json(self) -> Any:
        return json.loads(self.content)

    @property
    def code(self) -> str | None:
        error = self.json().get("error")
        return None if error is None else error["code"]

    @property
    def before_trailers(self) -> bytes:
        """The response as far as its trailer section (docs/formats.md section 5)."""
        encoder = bhttp.ResponseEncoder()
        encoder.head(200)
        return self.raw[: -len(encoder.end(tuple(self.trailers.items()))) + 1]


class Stage:
    """One node and what it stands on."""

    def __init__(
        self,
        engine: Any,
        machine: Path,
        *,
        limits: Limits | None = None,
        replay_limit: int = 2**20,
    ) -> None:
        self.clock = StillClock()
        self.replay = ReplaySet(limit=replay_limit)
        self.telemetry = Telemetry()
        self.engine = engine
        evidence = Evidence.open(image(machine), Settings())
        self.identity = Identity(
            evidence=evidence,
            facts=ServiceFacts(
                release=RELEASE,
                model=MODEL,
                model_digest=evidence.model_digest,
                engine="embedded",
                parameters=receipts.parameters_digest(()),
            ),
            length=EPOCH,
            replay=self.replay,
            clock=self.clock,
            telemetry=self.telemetry,
        )
        self.node = Node(
            identity=self.identity,
            replay=self.replay,
            engine=engine,
            model=MODEL,
            limits=limits or Limits(max_requests=8, max_request_bytes=2**22),
            clock=self.clock,
            telemetry=self.telemetry,
        )

    async def call(self, method: str, path: str, body: bytes = b"") -> Answer:
        return await Caller(self.node).call(method, path, body)

    async def bundle(self) -> EvidenceBundle:
        return EvidenceBundle.parse((await self.call("GET", "/evidence")).body)

    async def keys(self) -> list[NodeKey]:
        section = KeysSection.parse((await self.bundle()).keys)
        return [NodeKey.parse(config) for config in section.hpke]

    async def seal(
        self,
        request: bhttp.Request,
        *,
        keys: Sequence[NodeKey] | None = None,
        max_output: int = 0,
        ahead: int = 120,
        model: str = MODEL,
    ) -> SealedRequest:
        return seal_request(
            keys if keys is not None else (await self.keys())[:1],
            bhttp.encode_request(request),
            model=model,
            expires=(self.clock.wall() + ahead) // 60 * 60,
            max_output=max_output,
        )

    async def post(self, body: bytes) -> Answer:
        return await Caller(self.node).call("POST", "/sealed", body, messages.SEALED_REQUEST)

    async def ask(self, request: bhttp.Request, **terms: Any) -> Inner:
        sealed = await self.seal(request, **terms)
        answer = await self.post(sealed.body)
        assert answer.status == 200, answer.code
        return opened(sealed.open_reply(), answer)


def opened(opener: ReplyOpener, answer: Answer) -> Inner:
    """Open a sealed reply; of one without its end, what was delivered."""
    pieces = opener.feed(answer.body)
    if answer.ended:
        pieces += opener.finish()
    raw = b"".join(pieces)
    decoder = bhttp.ResponseDecoder()
    events = decoder.feed(raw) + (decoder.finish() if answer.ended else [])
    heads = [event for event in events if isinstance(event, bhttp.Head)]
    trailers = [event.fields for event in events if isinstance(event, bhttp.Trailers)]
    return Inner(
        status=heads[0].status,
        content=b"".join(event.data for event in events if isinstance(event, bhttp.Content)),
        trailers=dict(trailers[0]) if trailers else {},
        complete=opener.complete,
        raw=raw,
    )


def request(
    path: str = CHAT, *, method: str = "POST", fields: bhttp.Fields = (), **members: Any
) -> bhttp.Request:
    body = json.dumps({"model": MODEL, **members}).encode() if method == "POST" else b""
    return bhttp.Request(
        method=method,
        scheme="https",
        authority="demo.example",
        path=path,
        headers=fields,
        content=body,
    )


@asynccontextmanager
async def started(engine: Any, machine: Path, **options: Any) -> AsyncIterator[Stage]:
    """A node whose first beacon has come."""
    stage = Stage(engine, machine, **options)
    answer = await stage.call("PUT", "/beacon", BEACON)
    assert answer.status == 204, answer.code
    yield stage
