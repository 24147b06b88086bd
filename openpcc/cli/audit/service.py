"""Arguments and connections that `audit gateway` and `audit node` share."""

import argparse
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from openpcc import relays
from openpcc.audit.service_path import Deadline, ServicePath
from openpcc.carrier import Carrier
from openpcc.cli.audit import arguments
from openpcc.cli.verify.given import client_policy
from openpcc.config import ClientConfig, ClientPolicy, checked_url
from openpcc.errors import ConfigurationError
from openpcc.state import StateFile
from openpcc.token_settings import TokenSettings

MINUTES = 30
"""Minutes an audit may take."""

MOST_MINUTES = 24 * 60


@dataclass(frozen=True, kw_only=True)
class Service:
    """What an audit of a service works with.

    Attributes:
        policy: whose word counts.
        states: what was accepted before; forgotten at the end where no folder was named.
        folder: the folder that was named.
        deadline: when the audit ends.
        ca: further root certificates for TLS.
    """

    policy: ClientPolicy
    states: StateFile
    folder: Path | None
    deadline: Deadline
    ca: Path | None
    _opened: ExitStack

    def path(self, name: str, url: str) -> ServicePath:
        """Open a way to the service; nothing is fetched yet."""
        path = ServicePath(name, Carrier(url, self.ca), self.policy, self.deadline)
        self._opened.callback(path.close)
        return path


def add_service(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    add = parser.add_argument
    arguments.add_policy(parser)
    add("--relay", metavar="URL", help="relay to ask through (default: the configuration's)")
    add("--ca", type=Path, metavar="PATH",
        help="further root certificates for TLS (default: the configuration's)")  # fmt: skip
    add("--state", type=Path, metavar="DIR",
        help="folder of what was seen before, so that nothing older is accepted")  # fmt: skip
    add("--minutes", type=int, default=MINUTES, metavar="N",
        help=f"stop after so long (default: {MINUTES})")  # fmt: skip


def relay_of(args: argparse.Namespace) -> str:
    """Give the relay that is named, else that of the configuration.

    Raises:
        ConfigurationError: there is none.
    """
    if args.relay is not None:
        return checked_url(args.relay, "--relay")
    return relays.of_process(ClientConfig.load(args.config).relays).current


@contextmanager
def opened(args: argparse.Namespace) -> Iterator[Service]:
    """Open what an audit works with.

    Raises:
        ConfigurationError: policy, configuration or folder cannot be used.
    """
    if not 1 <= args.minutes <= MOST_MINUTES:
        raise ConfigurationError(f"--minutes: from 1 to {MOST_MINUTES}")
    policy, _ = client_policy(args)
    with ExitStack() as stack:
        folder = args.state or Path(stack.enter_context(tempfile.TemporaryDirectory()))
        yield Service(
            policy=policy,
            states=StateFile(folder),
            folder=args.state,
            deadline=Deadline(60.0 * args.minutes),
            ca=_ca(args),
            _opened=stack,
        )


def issuer_of(args: argparse.Namespace) -> TokenSettings | None:
    """Give the issuer that the configuration names; None: there is none."""
    if args.config is None and args.relay is not None:
        return None
    return ClientConfig.load(args.config).tokens


def _ca(args: argparse.Namespace) -> Path | None:
    if args.ca is not None or (args.relay is not None and args.config is None):
        found: Path | None = args.ca
        return found
    return ClientConfig.load(args.config).ca
