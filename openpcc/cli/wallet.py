"""`openpcc wallet`: how many tokens there are, and no more than that. docs/wallet.md.

status (or nothing) counts what is in the file; no network. `fill` buys now, up to the stock of the
configuration: the user's own act, which no request sets off. `check` looks at every row.
"""

import argparse
from collections.abc import Iterator
from contextlib import contextmanager

from openpcc import clock, paying
from openpcc.cli import output
from openpcc.cli.failures import PASSED, REFUSED
from openpcc.config import ClientConfig
from openpcc.errors import ConfigurationError
from openpcc.nodes import NodeBook
from openpcc.token_settings import NO_TOKENS
from openpcc.tokens import examination
from openpcc.tokens.purse import Purse
from openpcc.tokens.rows import Counts

ACTIONS = ("status", "fill", "check")
NOTHING = Counts(stock=0, sent=0, pending=0, expired=0)

PROTECTIONS = {
    None: "none yet",
    True: "encrypted, its key in this user's keystore",
    False: "in the clear, mode 600: there was no keystore, or the configuration asks for none",
}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    output.add_common(parser)
    parser.add_argument(
        "action",
        nargs="?",
        choices=ACTIONS,
        default=ACTIONS[0],
        help="status: count; fill: buy now; check: look at every row (default: %(default)s)",
    )
    parser.add_argument(
        "--drop-damaged", action="store_true", help="with check: remove rows that are of no use"
    )


def run(args: argparse.Namespace) -> int:
    """Do one of them.

    Raises:
        ConfigurationError: no `[tokens]`, or `--drop-damaged` without check.
        TokenError, DirectoryError, TransportError: see `openpcc.errors`.
    """
    if args.drop_damaged and args.action != "check":
        raise ConfigurationError("--drop-damaged goes with 'openpcc wallet check'")
    config = ClientConfig.load(args.config)
    with _opened(config) as purse:
        match args.action:
            case "fill":
                return _fill(args, config, purse)
            case "check":
                return _check(args, purse)
            case _:
                return _status(args, purse)


@contextmanager
def _opened(config: ClientConfig) -> Iterator[Purse]:
    book = NodeBook(config)  # fetches nothing by itself
    try:
        purse = paying.open_purse(config, book)
        if purse is None:
            raise ConfigurationError(NO_TOKENS)
        try:
            yield purse
        finally:
            purse.close()
    finally:
        book.close()


def _status(args: argparse.Namespace, purse: Purse) -> int:
    there = purse.store.exists
    counts = purse.counts() or NOTHING
    protected = purse.store.protected if there else None
    if args.json:
        keystore = {None: None, True: "keystore", False: "file"}[protected]
        output.document({**_json(counts), "protection": keystore, "path": str(purse.store.path)})
        return PASSED
    output.table(("TOKENS", "COUNT"), _rows(counts))
    output.line(f"wallet: {purse.store.path}, {PROTECTIONS[protected]}")
    return PASSED


def _fill(args: argparse.Namespace, config: ClientConfig, purse: Purse) -> int:
    terms = paying.read_terms(config, clock.now())
    if terms is None:
        raise ConfigurationError(
            "the service's admission is open: it takes no tokens; remove [tokens]"
        )
    came = purse.fill(terms)
    counts = purse.counts() or NOTHING
    if args.json:
        output.document({"came": came, **_json(counts)})
    else:
        output.line(f"{came} tokens came; {counts.stock} can be spent")
    return PASSED


def _check(args: argparse.Namespace, purse: Purse) -> int:
    found = examination.Examined(whole=0, tokens=(), batches=())
    if purse.store.exists:
        found = examination.examine(purse.store)
        if args.drop_damaged:
            examination.drop(purse.store, found)
    dropped = args.drop_damaged and found.damaged > 0
    if args.json:
        output.document({"whole": found.whole, "damaged": found.damaged, "dropped": dropped})
    else:
        said = f"{found.whole} rows are whole, {found.damaged} are damaged"
        if found.damaged:
            said += " and were dropped" if dropped else "; drop them with --drop-damaged"
        output.line(said)
    return REFUSED if found.damaged and not dropped else PASSED


def _rows(counts: Counts) -> list[tuple[str, str]]:
    return [
        ("can be spent", str(counts.stock)),
        ("sent, and no reply yet", str(counts.sent)),
        ("asked of the issuer", str(counts.pending)),
        ("of issuer keys not in use any more", str(counts.expired)),
    ]


def _json(counts: Counts) -> dict[str, object]:
    return {
        "stock": counts.stock,
        "sent": counts.sent,
        "pending": counts.pending,
        "expired": counts.expired,
    }
