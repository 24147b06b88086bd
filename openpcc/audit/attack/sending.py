"""Sending what an attacker made to a real gateway, and reading what came of it."""

from openpcc.audit.attack.attempt import NotTriedError, Refused, SucceededError
from openpcc.audit.attack.hostile import read
from openpcc.audit.attack.letters import Letter
from openpcc.audit.attack.target import Target
from openpcc.errors import GatewayError
from openpcc.exchange import GatewayExchange, carriage
from openpcc.protocol import bhttp, messages


def exchange(target: Target, letter: Letter) -> GatewayExchange:
    """Wrap a sealed request and its payment for the gateway, in an envelope of its own."""
    request = carriage(letter.body, target.config.policy.service, letter.fields)
    return GatewayExchange(target.snapshot.keys, request)


def post(target: Target, letter: Letter, made: GatewayExchange | None = None) -> bhttp.Response:
    """Send a sealed request, and note what became of its tokens; see `send`.

    Args:
        target: the service.
        letter: what is sent.
        made: its envelope, where it is not an honest one.
    """
    served = False
    try:
        answer = send(target, made or exchange(target, letter))
        served = answer.status == 200
        return answer
    finally:
        target.settle(letter, served=served)


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
    if not target.was_served:
        honest(target)


def honest(target: Target, letter: Letter | None = None) -> Letter:
    """Have an unaltered request served; give it.

    Raises:
        NotTriedError: it is not.
    """
    sent = letter or target.seal()
    served(post(target, sent))
    target.note_served()
    return sent


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
