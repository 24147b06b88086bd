"""The local proxy: the OpenAI API for every tool on this machine, over verified nodes.

    request > guard (Host, Origin, key) > app > upstream (verify, seal, send) > app > reply

guard      who may ask: pure, over the request's fields
refusals   what a client is told when a request fails: pure
page       the live trust decision as a page: pure
upstream   the seam to the transport
app        the ASGI application
listen     where it listens, and with which key
server     uvicorn around the application

Nothing is loaded here: `openpcc.proxy.guard` does not need a web server.
"""
