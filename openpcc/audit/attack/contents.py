"""Attacks by who may send: genuine sealed requests for what a node must not do.

The gateway cannot see it; the node refuses inside its seal, and its reply is opened.
"""

import json
from dataclasses import replace

from openpcc.audit.attack.attempt import Attack, NotTriedError, Refused, SucceededError
from openpcc.audit.attack.sending import post, served
from openpcc.audit.attack.target import Target
from openpcc.protocol import bhttp, messages


def _other_model(target: Target) -> Refused:
    _told(target, target.question())
    other = target.question(
        content='{"model":"another","messages":[{"role":"user","content":"?"}]}'
    )
    return _inside(target, other)


def _kept_state(target: Target) -> Refused:
    _told(target, target.question())
    return _inside(target, _with(target, store=True))


def _hidden_route(target: Target) -> Refused:
    _told(target, target.question())
    hidden = replace(target.question(path="/health"), method="GET", headers=(), content=b"")
    return _inside(target, hidden)


def _with(target: Target, **more: object) -> bhttp.Request:
    document = json.loads(target.question().content)
    return target.question(content=json.dumps(document | more))


def _told(target: Target, request: bhttp.Request) -> None:
    status, code = _open(target, request)
    if status != 200:
        raise NotTriedError(f"an honest request was refused inside the seal: {code}")


def _inside(target: Target, request: bhttp.Request) -> Refused:
    """Seal a request that the node must refuse; it says so inside its seal."""
    status, code = _open(target, request)
    if status == 200:
        raise SucceededError("the node did it")
    return Refused(checks=(code,), words=f"answered inside the seal with {status}")


def _open(target: Target, request: bhttp.Request) -> tuple[int, str]:
    letter = target.seal(request=request)
    answer = post(target, letter)
    served(answer)
    opener = letter.sealed.open_reply()
    message = b"".join((*opener.feed(answer.content), *opener.finish()))
    decoder = bhttp.ResponseDecoder()
    status, content = 0, b""
    for event in (*decoder.feed(message), *decoder.finish()):
        match event:
            case bhttp.Head():
                status = event.status
            case bhttp.Content():
                content += event.data
            case _:
                pass
    return status, messages.decode_error(content) or f"status {status}"


ATTACKS = (
    Attack(
        name="other-model",
        tried="a request that was listed for one model asks for another inside the seal",
        by="node",
        checks=("model",),
        run=_other_model,
    ),
    Attack(
        name="kept-state",
        tried="a request asks the node to keep it",
        by="node",
        checks=("stateful",),
        run=_kept_state,
    ),
    Attack(
        name="hidden-route",
        tried="a request asks for a route of the engine that is not served",
        by="node",
        checks=("path",),
        run=_hidden_route,
    ),
)
