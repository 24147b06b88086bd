"""`openpcc audit attack URL`: attack a service of one's own, and say what refused each attack.

URL is its relay. Roots of trust are the client configuration's, as for any client. Of its state
nothing is touched but the wallet, where requests must be paid for. Exit code 3 if the service
cannot even be looked at for want of an answer.
"""

import argparse
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from openpcc.audit.attack import run as attacks
from openpcc.audit.attack.allowance import BOUGHT
from openpcc.audit.attack.attempt import NotTriedError
from openpcc.audit.attack.owned import require_own
from openpcc.audit.attack.proxy import Proxy
from openpcc.audit.attack.stack_keys import StackKeys
from openpcc.audit.attack.target import Target
from openpcc.audit.report import AuditReport
from openpcc.cli import output as console
from openpcc.cli.audit import output
from openpcc.cli.demo.programs import Programs
from openpcc.config import ClientConfig
from openpcc.errors import ConfigurationError
from openpcc.token_settings import NO_TOKENS


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    add = parser.add_argument
    add("url", metavar="URL", help="the relay of the service, on this machine")
    add("--config", type=Path, metavar="PATH",
        help="client configuration (default: $OPENPCC_CONFIG, else the user's own)")  # fmt: skip
    add("--stack", type=Path, metavar="DIR",
        help="folder with the stack's own keys, as openpcc demo lays them out")  # fmt: skip
    add("--i-own-this", metavar="HOST", dest="owned",
        help="attack another machine: the host of URL, once more")  # fmt: skip
    output.add_output(parser)


def run(args: argparse.Namespace) -> int:
    """Attack, and write what was asked for."""
    relay = require_own(args.url, args.owned)
    output.check(args)
    if args.stack is not None and not args.stack.is_dir():
        raise ConfigurationError(
            f"{args.stack}: no such folder; openpcc demo --keep prints its own"
        )
    config = replace(ClientConfig.load(args.config), relays=(relay,))
    if not args.json:
        console.note(f"attacking {relay}: looks, forged and repeated requests, then a local proxy")
    with tempfile.TemporaryDirectory(prefix="openpcc-attack-") as scratch:
        report = _attack(config, Path(scratch), StackKeys(args.stack), args)
    return output.finish(report, args)


def _attack(
    config: ClientConfig, scratch: Path, stack: StackKeys, args: argparse.Namespace
) -> AuditReport:
    shown = not args.json and sys.stderr.isatty()
    target = Target(config, scratch, stack)
    try:
        _tell_price(target)
        return attacks.attack(
            target,
            lambda: _proxy(config, scratch),
            subject=args.url,
            progress=lambda name: console.note(f"trying {name}") if shown else None,
        )
    finally:
        target.close()


def _tell_price(target: Target) -> None:
    """Say what it costs before it does, also beside a JSON report; nothing can be paid later."""
    if target.terms is None:
        return
    if target.purse is None:
        console.note(f"what must be paid for is not tried: {NO_TOKENS}")
    else:
        console.note(
            f"paid from {target.purse.path}: at most {target.purse.most} tokens are taken, those "
            f"of requests that come to nothing are asked back later; {BOUGHT} more is bought"
        )


@contextmanager
def _proxy(config: ClientConfig, scratch: Path) -> Iterator[Proxy]:
    """Run `openpcc proxy` in front of the service.

    Raises:
        NotTriedError: it does not start.
    """
    path = scratch / "proxy.toml"
    path.write_text(_toml(config), encoding="utf-8")
    programs = Programs(scratch / "logs")
    argv = ["proxy", "--json", "--listen", "127.0.0.1:0", "--config", str(path)]
    try:
        try:
            said = programs.start("proxy", "openpcc", argv).said
        except ConfigurationError as error:
            raise NotTriedError(str(error)) from error
        yield Proxy(base_url=str(said["base_url"]), key=str(said["api_key"]))
    finally:
        programs.close()


def _toml(config: ClientConfig) -> str:
    if config.policy_file is None:
        raise NotTriedError("the policy is in no file that a proxy could read")
    lines = {
        "relay": config.relays[0],
        "policy": str(config.policy_file.resolve()),
        "state": "proxy-state",
        **({} if config.ca is None else {"ca": str(config.ca.resolve())}),
    }
    quoted = {
        name: value.replace("\\", "\\\\").replace('"', '\\"') for name, value in lines.items()
    }
    return "version = 1\n" + "".join(f'{name} = "{value}"\n' for name, value in quoted.items())
