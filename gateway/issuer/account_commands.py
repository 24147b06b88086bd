"""`openpcc-issuer account …`: add, list, key, quota, revoke and usage.

All of them take `--config FILE`, work on the database while the issuer runs, and take effect with
its next request. An API key is printed once, by the command that makes it, and kept nowhere.
"""

import argparse
import datetime
import json
from collections.abc import Callable
from contextlib import closing

from gateway.errors import ConfigurationError
from gateway.issuer.accounts import MAX_QUOTA, Account, Accounts, Usage
from gateway.issuer.config import IssuerConfig
from gateway.issuer.connections import open_accounts
from gateway.issuer.id_tokens import is_subject, subject_digest
from gateway.issuer.identity import key_digest, new_api_key

Print = Callable[[str], None]


def add_parsers(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Describe the commands."""
    add = commands.add_parser("add", help="make an account; prints its API key, once")
    add.add_argument("name")
    add.add_argument("--quota", type=_quota, help="tokens a day; left out: the configured quota")
    add.add_argument("--oidc-issuer", help="for an identity of this provider, without an API key")
    add.add_argument("--subject", help="its `sub` there")
    listing = commands.add_parser("list", help="show all accounts")
    listing.add_argument("--json", action="store_true", help="one JSON object a line")
    key = commands.add_parser("key", help="give an account another API key; the old one ends")
    key.add_argument("name")
    quota = commands.add_parser("quota", help="change what an account may take a day")
    quota.add_argument("name")
    quota.add_argument("quota", type=_quota, nargs="?", help="left out: the configured quota")
    revoke = commands.add_parser("revoke", help="end an account, for good")
    revoke.add_argument("name")
    usage = commands.add_parser("usage", help="show tokens taken, by account and day (UTC)")
    usage.add_argument("--days", type=_days, default=31, help="how many days back; 31")
    usage.add_argument("--json", action="store_true", help="one JSON object a line")


def run(options: argparse.Namespace, config: IssuerConfig, *, day: int, say: Print) -> None:
    """Run a command on the accounts of an issuer.

    Raises:
        ConfigurationError: what is asked for cannot be done; the text says why.
        AccountsError: the database fails.
    """
    with closing(open_accounts(config.database)) as accounts:
        match options.command:
            case "add":
                _add(options, config, accounts, day=day, say=say)
            case "list":
                for account in accounts.all():
                    say(_account_line(account, config, as_json=options.json))
            case "key":
                api_key = new_api_key()
                accounts.replace_credential(options.name, key_digest(api_key))
                say(api_key)
            case "quota":
                accounts.set_quota(options.name, options.quota)
            case "revoke":
                accounts.revoke(options.name, day=day)
            case _:
                for usage in accounts.usage(first=day - options.days + 1, last=day):
                    say(_usage_line(usage, as_json=options.json))


def _add(
    options: argparse.Namespace, config: IssuerConfig, accounts: Accounts, *, day: int, say: Print
) -> None:
    if (options.oidc_issuer is None) != (options.subject is None):
        raise ConfigurationError("give --oidc-issuer and --subject, or neither")
    if options.oidc_issuer is None:
        api_key = new_api_key()
        accounts.add(options.name, key_digest(api_key), quota=options.quota, day=day)
        say(api_key)
        return
    if options.oidc_issuer not in {one.issuer for one in config.providers}:
        raise ConfigurationError("--oidc-issuer: not an issuer of [[providers]]")
    if not is_subject(options.subject):
        raise ConfigurationError("--subject: 1 to 255 ASCII characters, as in the token")
    digest = subject_digest(options.oidc_issuer, options.subject)
    accounts.add(options.name, digest, quota=options.quota, day=day)


def _account_line(account: Account, config: IssuerConfig, *, as_json: bool) -> str:
    quota = config.quota if account.quota is None else account.quota
    added = _date(account.added)
    revoked = None if account.revoked is None else _date(account.revoked)
    if as_json:
        line = {"name": account.name, "quota": quota, "added": added, "revoked": revoked}
        return json.dumps(line)
    ended = "" if revoked is None else f"  revoked {revoked}"
    return f"{account.name:<32} {quota:>8} a day  added {added}{ended}"


def _usage_line(usage: Usage, *, as_json: bool) -> str:
    date = _date(usage.day)
    if as_json:
        return json.dumps(
            {"day": date, "name": usage.name, "tokens": usage.tokens, "batches": usage.batches}
        )
    return f"{date}  {usage.name:<32} {usage.tokens:>8} tokens in {usage.batches} batches"


def _date(day: int) -> str:
    return datetime.date.fromordinal(_EPOCH + day).isoformat()


_EPOCH = datetime.date(1970, 1, 1).toordinal()


def _quota(text: str) -> int:
    return _number(text, low=0, high=MAX_QUOTA)


def _days(text: str) -> int:
    return _number(text, low=1, high=10_000)


def _number(text: str, *, low: int, high: int) -> int:
    if not (text.isascii() and text.isdecimal() and len(text) < 12 and low <= int(text) <= high):
        raise argparse.ArgumentTypeError(f"a number of {low} to {high}")
    return int(text)
