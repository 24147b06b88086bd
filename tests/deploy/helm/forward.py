"""A port in front of another: `kubectl port-forward` on this machine, an Ingress in the cluster.

forward.py LISTEN-HOST LISTEN-PORT HOST PORT [CERTIFICATE KEY]      with these two, TLS ends here
"""

import asyncio
import ssl
import sys


async def main(host: str, port: str, to: str, to_port: str, *tls: str) -> None:
    """Serve until killed; print the port first."""

    async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            onward = await asyncio.open_connection(to, int(to_port))
            await asyncio.gather(pour(reader, onward[1]), pour(onward[0], writer))
        except OSError:
            writer.close()

    context = None
    if tls:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(*tls)
    server = await asyncio.start_server(connected, host, int(port), ssl=context)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


async def pour(source: asyncio.StreamReader, target: asyncio.StreamWriter) -> None:
    """Pass on what comes, to its end."""
    while data := await source.read(1 << 16):
        target.write(data)
        await target.drain()
    target.close()


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
