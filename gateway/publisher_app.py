"""The publisher's files over HTTP, for the gateways, and the program around it."""

import asyncio
import re
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from gateway import asgi, chain, files, stapled
from gateway.archive import Archive
from gateway.asgi import Receive, Scope, Send
from gateway.config import PublisherConfig
from gateway.discovery import Discovery
from gateway.errors import ConfigurationError, RefusedError
from gateway.log_reader import LogReader
from gateway.outbound import Outbound
from gateway.places import AddressSource, Places, ServiceSource, Source, StaticSource
from gateway.publisher import Publisher
from gateway.resolver import Resolver
from gateway.telemetry import Telemetry
from gateway.token_keys import IssuerReader
from gateway.values import parse_server
from openpcc.protocol import messages
from transparency_log.entry import Signer
from transparency_log.errors import PolicyError
from transparency_log.server.secret_files import read_seed, read_token

NODE_KEEP_ALIVE = 2.0
"""Seconds; see `main.NODE_KEEP_ALIVE`."""

_DIRECTORY = re.compile(r"/directory/([0-9a-f]{64})/(0|[1-9][0-9]{0,7})", re.ASCII)
_BUNDLE = re.compile(r"/bundle/([0-9a-f]{64})", re.ASCII)


class PublisherProgram:
    """The program `openpcc-gateway --role publisher`."""

    def __init__(self, config: PublisherConfig, clock: Callable[[], float]) -> None:
        """Read keys and state, and put the parts together; `clock` gives Unix seconds.

        Raises:
            ConfigurationError: a file is missing or cannot be used.
        """
        self.telemetry = Telemetry("publisher")
        self._outbound = Outbound(
            connect_timeout=config.connect_timeout,
            reply_timeout=config.reply_timeout,
            keep_alive=NODE_KEEP_ALIVE,
            ca=config.ca,
        )
        self._service, self._state = config.service, config.state
        self._publisher = self._build(config, clock)

    def _build(self, config: PublisherConfig, clock: Callable[[], float]) -> Publisher:
        try:
            signer = Signer(private_key=read_seed(config.service_key))
            token = None if config.log_token is None else read_token(config.log_token)
            status_signers = files.read_status_keys(config.status_keys)
        except PolicyError as error:
            raise ConfigurationError(str(error)) from error
        return Publisher(
            config=config,
            state=chain.load(config.state, service=config.service),
            signer=signer,
            ohttp_keys=files.read_public_keys(config.ohttp_keys),
            endorsements=stapled.read(config.endorsements, config.proofs),
            reader=LogReader(url=config.log, outbound=self._outbound, token=token),
            discovery=Discovery(places(config, time.monotonic), self._outbound, time.monotonic),
            archive=Archive(config.archive),
            telemetry=self.telemetry,
            clock=clock,
            monotonic=time.monotonic,
            status_signers=status_signers,
            issuer=None
            if config.tokens is None
            else IssuerReader(config.tokens.issuer, self._outbound, time.monotonic),
        )

    def ready(self) -> bool:
        """Say whether a window is published that has not run out."""
        return self._publisher.ready()

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Keep the pool, and publish.

        Raises:
            ConfigurationError: another publisher has the state, or it cannot be used.
        """
        with chain.held(self._state):
            self._publisher.resume(chain.load(self._state, service=self._service))
            async with self._outbound, self._publisher.publishing():
                yield

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        route = scope["path"].removeprefix("/").split("/", 1)[0]
        try:
            if scope["method"] != "GET":
                raise RefusedError("method")
            await self._route(scope, send)
            code = "ok"
        except RefusedError as error:
            code = error.code
            await asgi.refuse(send, error)
        self.telemetry.request("keys" if route == "ohttp-keys" else route, code)

    async def _route(self, scope: Scope, send: Send) -> None:
        path: str = scope["path"]
        if path == "/publication":
            await self._publication(scope, send)
        elif path == "/ohttp-keys":
            await asgi.respond(send, 200, messages.OHTTP_KEYS, self._publisher.ohttp_keys)
        elif found := _DIRECTORY.fullmatch(path):
            await self._shard(found[1], int(found[2]), send)
        elif found := _BUNDLE.fullmatch(path):
            bundle = await asyncio.to_thread(self._publisher.archive.get, bytes.fromhex(found[1]))
            await asgi.respond(send, 200, messages.EVIDENCE, _present(bundle))
        else:
            raise RefusedError("not-found")

    async def _publication(self, scope: Scope, send: Send) -> None:
        window = self._publisher.window
        if window is None:
            raise RefusedError("not-ready")
        document, tag = window.document, window.tag
        if asgi.header(scope, b"if-none-match") == tag:
            await asgi.start(send, 304, ((b"etag", tag),))
            await asgi.part(send, b"", last=True)
        else:
            await asgi.respond(send, 200, messages.JSON, document, ((b"etag", tag),))

    async def _shard(self, model: str, number: int, send: Send) -> None:
        window = self._publisher.window
        if window is None:
            raise RefusedError("not-ready")
        await asgi.respond(send, 200, messages.JSON, _present(window.shard(model, number)))


def places(config: PublisherConfig, clock: Callable[[], float]) -> Places:
    """Put the sources of nodes together; nothing is asked yet."""
    servers = [parse_server(text) for text in config.dns_servers]
    resolver = Resolver(servers, within=config.dns_time)
    sources: list[Source] = []
    if config.nodes:
        sources.append(StaticSource(urls=tuple(node.url for node in config.nodes)))
    for one in config.dns:
        if one.kind == "address":
            source = AddressSource(resolver=resolver, name=one.name, port=one.port)
            sources.append(source)
        else:
            sources.append(
                ServiceSource(
                    resolver=resolver, name=one.name, scheme=one.scheme, limit=config.max_nodes
                )
            )
    return Places(sources, limit=config.max_nodes, within=config.dns_time, clock=clock)


def _present(data: bytes | None) -> bytes:
    if data is None:
        raise RefusedError("not-found")
    return data
