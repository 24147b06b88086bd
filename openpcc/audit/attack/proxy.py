"""Attacks on the local proxy, by a web page that the user has open, or by another program here.

The proxy runs already: whoever starts it gives its address and key. Every attack but the last has
the right key, so that the check it is about decides alone.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

import httpx

from openpcc.audit.attack.attempt import Attack, NotTriedError, Refused, SucceededError
from openpcc.protocol import messages

TIMEOUT = 30.0
"""Seconds for an answer."""

FOREIGN = "attacker.invalid"


@dataclass(frozen=True, kw_only=True)
class Proxy:
    """A proxy that runs, as it said when it started."""

    base_url: str
    key: str = field(repr=False)

    def ask(self, headers: Mapping[str, str], *, key: str = "") -> tuple[int, str]:
        """Ask for the models; give status and code.

        Raises:
            NotTriedError: it does not answer.
        """
        fields = {"authorization": f"Bearer {key or self.key}", **headers}
        try:
            with httpx.stream(
                "GET", f"{self.base_url}/models", headers=fields, timeout=TIMEOUT, trust_env=False
            ) as answer:
                body = next(answer.iter_bytes(messages.MAX_ERROR), b"")
        except httpx.HTTPError as error:
            raise NotTriedError(f"the proxy does not answer: {type(error).__name__}") from error
        return answer.status_code, messages.decode_error(body) or _code(body)


def _code(body: bytes) -> str:
    """Find the proxy's code for a wrong key, which is spelled as OpenAI spells it."""
    return "invalid_api_key" if b'"invalid_api_key"' in body else "no code"


def _host(proxy: Proxy) -> Refused:
    return _asked(proxy, {"host": FOREIGN})


def _origin(proxy: Proxy) -> Refused:
    return _asked(proxy, {"origin": f"https://{FOREIGN}"})


def _site(proxy: Proxy) -> Refused:
    return _asked(proxy, {"sec-fetch-site": "cross-site"})


def _key(proxy: Proxy) -> Refused:
    return _asked(proxy, {}, key="not-the-key-that-it-printed")


def _asked(proxy: Proxy, headers: Mapping[str, str], *, key: str = "") -> Refused:
    honest, _ = proxy.ask({})
    if honest != 200:
        raise NotTriedError(f"an honest request was answered with {honest}")
    status, code = proxy.ask(headers, key=key)
    if status == 200:
        raise SucceededError("the proxy answered")
    return Refused(checks=(code,), words=f"answered with {status}")


ATTACKS = (
    Attack(
        name="proxy-host",
        tried="a page that has bound its own name to this machine asks the proxy",
        by="proxy",
        checks=("host",),
        run=_host,
    ),
    Attack(
        name="proxy-origin",
        tried="a page of another origin asks the proxy",
        by="proxy",
        checks=("origin",),
        run=_origin,
    ),
    Attack(
        name="proxy-site",
        tried="a page of another site has the proxy asked for an image or a script",
        by="proxy",
        checks=("origin",),
        run=_site,
    ),
    Attack(
        name="proxy-key",
        tried="another program on this machine asks the proxy without its key",
        by="proxy",
        checks=("invalid_api_key",),
        run=_key,
    ),
)
