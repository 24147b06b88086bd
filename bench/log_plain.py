"""The baseline of the log's figures: the same server, which reads an entry and answers at once.

It keeps nothing, so what `openpcc-log` takes beyond it is what a durable acknowledgement costs.
"""

import json
import socket
import sys

import uvicorn

from transparency_log.server.asgi import JSON_TYPE, Receive, Scope, Send, read_body, respond
from transparency_log.server.bounded_http import BoundedHttpProtocol
from transparency_log.tile import MAX_ENTRY

ANSWER = json.dumps({"index": 0, "leaf_hash": "0" * 64}).encode()


async def app(scope: Scope, receive: Receive, send: Send) -> None:
    """Read a body, answer as the log does."""
    await read_body(receive, MAX_ENTRY)
    await respond(send, 200, ANSWER, JSON_TYPE)


def main() -> None:
    """Serve on a free port of the loopback address."""
    bound = socket.create_server(("127.0.0.1", 0), backlog=2048)
    host, port = bound.getsockname()
    sys.stdout.write(json.dumps({"listening": f"http://{host}:{port}"}) + "\n")
    sys.stdout.flush()
    config = uvicorn.Config(
        app,
        http=BoundedHttpProtocol,
        ws="none",
        log_config=None,
        access_log=False,
        lifespan="off",
        server_header=False,
        proxy_headers=False,
    )
    uvicorn.Server(config).run([bound])


if __name__ == "__main__":
    main()
