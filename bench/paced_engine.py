"""An engine that computes nothing and keeps time: the first token and each further one when due.

    paced_engine.py --uds SOCKET        what else an engine is given on its command line is ignored

The pace is that of a published run, so that percentages mean something: vLLM's own documentation,
"Benchmark CLI", section "Online Benchmark" (docs/benchmarking/cli.md of vllm-project/vllm), shows
`vllm bench serve` on NousResearch/Hermes-3-Llama-3.1-8B, ShareGPT prompts, 10 requests at once:
median TTFT 73.88 ms, median TPOT 7.96 ms. The page does not name the GPU. Eight billion parameters
is the size the OpenPCC paper measures (Llama-3 8B); its absolute times are not published.

One thread a connection and blocking sleeps: they keep time to about 0.1 ms, event loops to 1 ms.
"""

import json
import socketserver
import sys
import time

FIRST_TOKEN = 0.07388
"""Seconds from the request to the first token."""

PER_TOKEN = 0.00796
"""Seconds between two tokens."""

MODELS = b'{"object":"list","data":[{"id":"demo","object":"model"}]}'
MAX_BODY = 1 << 20


def event(number: int, *, finish: str | None = None) -> bytes:
    """Write one chunk of a streamed chat completion, of the size vLLM's have (about 230 bytes)."""
    document = {
        "id": "chatcmpl-0123456789abcdef0123456789abcdef",
        "object": "chat.completion.chunk",
        "created": 1800000000,
        "model": "demo",
        "choices": [
            {
                "index": 0,
                "delta": {"content": f" {number:04d}"},
                "logprobs": None,
                "finish_reason": finish,
            }
        ],
    }
    return b"data: " + json.dumps(document).encode() + b"\n\n"


def closing(count: int) -> bytes:
    """Write the event that tells the counts, and the end of the stream."""
    usage = {"prompt_tokens": 12, "completion_tokens": count, "total_tokens": 12 + count}
    document = {"object": "chat.completion.chunk", "choices": [], "usage": usage}
    return b"data: " + json.dumps(document).encode() + b"\n\ndata: [DONE]\n\n"


class Handler(socketserver.StreamRequestHandler):
    """One connection."""

    def handle(self) -> None:
        """Answer requests until the other side leaves."""
        try:
            while line := self.rfile.readline(4096):
                body = self._body()
                if line.startswith(b"GET "):
                    self._whole(MODELS)
                else:
                    self._stream(int(json.loads(body).get("max_tokens", 16)))
        except (ConnectionError, BrokenPipeError):
            pass

    def _body(self) -> bytes:
        length, chunked = 0, False
        while (field := self.rfile.readline(4096)) not in (b"\r\n", b""):
            name, _, value = field.lower().partition(b":")
            if name == b"content-length":
                length = int(value)
            chunked = chunked or (name == b"transfer-encoding" and b"chunked" in value)
        return self._chunks() if chunked else self.rfile.read(min(length, MAX_BODY))

    def _chunks(self) -> bytes:
        body = b""
        while size := int(self.rfile.readline(32), 16):
            body += self.rfile.read(size + 2)[:-2]
        self.rfile.readline(4)
        return body

    def _whole(self, body: bytes) -> None:
        head = f"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {len(body)}"
        self.wfile.write(head.encode() + b"\r\n\r\n" + body)

    def _stream(self, count: int) -> None:
        due = time.monotonic() + FIRST_TOKEN
        head = b"content-type: text/event-stream\r\ntransfer-encoding: chunked"
        _sleep_until(due)
        # Like the servers of real engines: status and first event leave together.
        self.wfile.write(b"HTTP/1.1 200 OK\r\n" + head + b"\r\n\r\n" + _framed(event(0)))
        for number in range(1, count):
            due += PER_TOKEN
            _sleep_until(due)
            self.wfile.write(_framed(event(number)))
        self.wfile.write(_framed(closing(count)) + b"0\r\n\r\n")


class Server(socketserver.ThreadingUnixStreamServer):
    """The engine's socket."""

    daemon_threads = True
    request_queue_size = 64


def _framed(data: bytes) -> bytes:
    return f"{len(data):x}\r\n".encode() + data + b"\r\n"


def _sleep_until(due: float) -> None:
    if (left := due - time.monotonic()) > 0:
        time.sleep(left)


def main() -> None:
    """Serve until killed."""
    with Server(sys.argv[sys.argv.index("--uds") + 1], Handler) as server:
        server.serve_forever()


if __name__ == "__main__":
    main()
