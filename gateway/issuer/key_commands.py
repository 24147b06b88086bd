"""`openpcc-issuer keys …`: new, list and retire.

The folder is what counts: a running issuer looks at it every few seconds.
"""

import argparse
import datetime
import json
from collections.abc import Callable

from gateway.issuer import keys
from gateway.issuer.config import IssuerConfig
from gateway.issuer.keys import KeyRing, SigningKey

Print = Callable[[str], None]


def add_parsers(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Describe the commands."""
    new = commands.add_parser("new", help="make a signing key; prints its id")
    new.add_argument(
        "--wait", type=_minutes,
        help=f"minutes until it is used; left out: {keys.WAIT // 60}, none for the first key",
    )  # fmt: skip
    listing = commands.add_parser("list", help="show the live keys")
    listing.add_argument("--json", action="store_true", help="one JSON object a line")
    retire = commands.add_parser("retire", help="erase a key; the tokens it signed end with it")
    retire.add_argument("id", help="8 or more digits of its id")
    retire.add_argument(
        "--stolen", action="store_true", help="even if nothing can be issued without it"
    )


def run(options: argparse.Namespace, config: IssuerConfig, *, now: int, say: Print) -> None:
    """Run a command on the key folder.

    Raises:
        ConfigurationError: what is asked for cannot be done; the text says why.
    """
    if options.command == "new":
        made = keys.create(config.keys, now=now, wait=options.wait)
        say(made.public.id.hex())
    elif options.command == "list":
        ring = keys.load(config.keys)
        for key in ring.ordered(now):
            say(_line(key, ring, now=now, as_json=options.json))
    else:
        keys.retire(config.keys, options.id, now=now, stolen=options.stolen)


def _line(key: SigningKey, ring: KeyRing, *, now: int, as_json: bool) -> str:
    state = "next" if key.not_before > now else "in use" if key is ring.in_use(now) else "last"
    if as_json:
        line = {"id": key.public.id.hex(), "state": state, "not_before": key.not_before}
        return json.dumps(line)
    date = datetime.datetime.fromtimestamp(key.not_before, datetime.UTC)
    return f"{key.public.id.hex()}  {state:<6}  from {date:%Y-%m-%d %H:%M} UTC"


def _minutes(text: str) -> int:
    if not (text.isascii() and text.isdecimal() and len(text) < 7):
        raise argparse.ArgumentTypeError("a number of minutes")
    return int(text) * 60
