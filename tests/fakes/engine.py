#!/usr/bin/env python3
"""Stands in for an engine that misbehaves on demand; a well-behaved one is the embedded engine.

Takes the place of the engine's interpreter, so it finds `--uds PATH` among arguments it ignores.
The `user` field of a request says what to do; state that tests ask about lies beside the socket.
"""

import asyncio
import json
import os
import sys
from pathlib import Path

SOCKET = Path(sys.argv[sys.argv.index("--uds") + 1])


def note(name: str, text: str) -> None:
    (SOCKET.parent / name).write_text(text)


async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    try:
        while await answer(reader, writer):
            pass
    except (ConnectionError, asyncio.IncompleteReadError):
        pass
    finally:
        writer.close()


async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
    head = await reader.readuntil(b"\r\n\r\n")
    line = head.split(b"\r\n")[0].decode()
    lengths = [part for part in head.lower().split(b"\r\n") if part.startswith(b"content-length:")]
    body = await reader.readexactly(int(lengths[0].split(b":")[1])) if lengths else b""
    if line.startswith("GET"):
        send(writer, b'{"object":"list","data":[],"version":"9.9"}')
        return True
    note("last", body.decode())
    asked = json.loads(body)
    match asked.get("user"):
        case "crash":
            os._exit(3)
        case "cut":
            start(writer)
            part(writer, b'data: {"choices":[{"text":"half"}]}\n\n')
            await writer.drain()
            await asyncio.sleep(0.05)
            return False
        case "cut-document":
            writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\n{")
            await writer.drain()
            return False
        case "garbage":
            writer.write(b"\x00\x01 not HTTP at all\r\n\r\n")
            return False
        case "endless-header":
            writer.write(b"HTTP/1.1 200 OK\r\n\r\n{}")
            return False
        case "slow":
            await slow(reader, writer)
            return False
        case "silent":
            await silent(reader)
            return False
        case "until-told":
            await until_told(writer)
            return False
        case "flood":
            await flood(writer)
            return False
        case "endless-flood":
            await endless_flood(writer)
            return False
        case "no-usage":
            send(writer, b'{"choices":[]}')
        case _:
            send(writer, b'{"usage":{"prompt_tokens":3,"completion_tokens":5}}')
    return True


def send(writer: asyncio.StreamWriter, body: bytes) -> None:
    head = f"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {len(body)}"
    writer.write(head.encode() + b"\r\n\r\n" + body)


def start(writer: asyncio.StreamWriter) -> None:
    kind = b"content-type: text/event-stream\r\ntransfer-encoding: chunked"
    writer.write(b"HTTP/1.1 200 OK\r\n" + kind + b"\r\n\r\n")


def part(writer: asyncio.StreamWriter, data: bytes) -> None:
    writer.write(f"{len(data):x}\r\n".encode() + data + b"\r\n")


async def slow(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Send an event every 20 ms until the caller leaves."""
    start(writer)
    gone = asyncio.create_task(reader.read(1))
    count = 0
    while not gone.done():
        count += 1
        part(writer, b'data: {"choices":[{"text":"%d"}]}\n\n' % count)
        await writer.drain()
        await asyncio.sleep(0.02)
    note("left", str(count))


async def silent(reader: asyncio.StreamReader) -> None:
    """Send nothing at all until the caller leaves."""
    note("waiting", "")
    await reader.read(1)
    note("left", "0")


async def until_told(writer: asyncio.StreamWriter) -> None:
    """Send an event, and the last one once the file `told` is there."""
    start(writer)
    part(writer, b'data: {"choices":[{"text":"begin"}]}\n\n')
    while not (SOCKET.parent / "told").exists():  # noqa: ASYNC110
        await asyncio.sleep(0.01)
    part(writer, b'data: {"choices":[{"text":"end"}],"usage":{"prompt_tokens":1}}\n\n')
    writer.write(b"0\r\n\r\n")


async def flood(writer: asyncio.StreamWriter) -> None:
    """Send events as fast as they are taken."""
    start(writer)
    for count in range(1000):
        part(writer, b"data: " + b"x" * 4096 + b"\n\n")
        await writer.drain()
        note("flooded", str(count + 1))
    part(writer, b"data: [DONE]\n\n")
    writer.write(b"0\r\n\r\n")


async def endless_flood(writer: asyncio.StreamWriter) -> None:
    """Send events as fast as they are taken, for ever; note how many bytes were."""
    start(writer)
    event = b"data: " + b"x" * 8192 + b"\n\n"
    sent = 0
    while True:
        part(writer, event)
        await writer.drain()
        sent += len(event)
        note("flooded", str(sent))


async def main() -> None:
    if "--refuse-to-start" in sys.argv:
        sys.exit("model weights are missing")
    server = await asyncio.start_unix_server(handle, SOCKET)
    note("pid", str(os.getpid()))
    async with server:
        await server.serve_forever()


asyncio.run(main())
