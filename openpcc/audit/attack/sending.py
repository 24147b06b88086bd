"""Sending what an attacker made to a real gateway, and reading what came of it."""

from openpcc.audit.attack.attempt import NotTriedError, Refused, SucceededError
from openpcc.audit.attack.hostile import read
from openpcc.audit.attack.target import Target
from openpcc.errors import GatewayError
from openpcc.exchange import GatewayExchange, carriage
from openpcc.protocol import bhttp, messages


def exchange(target: Target, body: bytes) -> GatewayExchange:
    """Wrap a sealed request for the gateway, in an envelope of its own."""
    return GatewayExchange(target.snapshot.keys, carriage(body, target.config.policy.service))


def send_body(target: Target, body: bytes) -> bhttp.Response:
    """Send a sealed request; see `send`."""
    return send(target, exchange(target, body))


def send(target: Target, made: GatewayExchange) -> bhttp.Response:
    """Send an exchange; what is refused in the open counts as an answer as well."""
    try:
        return read(target.carrier, made)
    except GatewayError as error:
        content = messages.encode_error(error.code, "in the open")
        return bhttp.Response(status=error.status, content=content)


def baseline(target: Target) -> None:
    """Make sure that an unaltered request is served.

    Raises:
        NotTriedError: it is not.
    """
    served(send_body(target, target.seal().body))


def served(answer: bhttp.Response) -> None:
    """Insist that an honest request was served.

    Raises:
        NotTriedError: it was not.
    """
    if answer.status != 200:
        raise NotTriedError(f"an honest request was not served: {code(answer)}")


def refused(answer: bhttp.Response) -> Refused:
    """Read off how an attack was refused.

    Raises:
        SucceededError: it was served.
    """
    if answer.status == 200:
        raise SucceededError("it was served")
    return Refused(checks=(code(answer),), words=f"answered with {answer.status}")


def code(answer: bhttp.Response) -> str:
    """Give the code of an answer."""
    return messages.decode_error(answer.content) or f"status {answer.status}"
