#!/opt/openpcc/bin/python -IS
"""Exit 0 if a control address on this host answers 200: `openpcc-ready 9001 [/healthz]`."""

import http.client
import sys

SECONDS = 3
"""Less than any interval at which somebody asks."""


def main() -> int:
    """Ask once."""
    port = int(sys.argv[1])
    path = sys.argv[2] if len(sys.argv) > 2 else "/readyz"
    try:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=SECONDS)
        connection.request("GET", path)
        return 0 if connection.getresponse().status == http.client.OK else 1
    except (OSError, http.client.HTTPException):
        return 1


if __name__ == "__main__":
    sys.exit(main())
