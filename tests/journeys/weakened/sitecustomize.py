"""Takes checks out of the servers of a test's stack, one at a time; no part of the product.

A test starts its stack with this folder on PYTHONPATH. Each program then runs with its checks
wrapped: before each, it looks whether the file `OPENPCC_TEST_WEAKENED` names that check, alone or
among others between commas, and if so the check is not made.
"""

import os
import sys
from dataclasses import replace
from importlib import import_module
from pathlib import Path

FLAG = os.environ.get("OPENPCC_TEST_WEAKENED")


def out(name: str) -> bool:
    return FLAG is not None and name in Path(FLAG).read_text().split(",")


def without(owner: object, function: str, name: str, instead) -> None:
    genuine = getattr(owner, function)

    def wrapped(*args, **kwargs):
        chosen = instead if out(name) else genuine
        return chosen(*args, **kwargs)

    setattr(owner, function, wrapped)


def weaken_gateway() -> None:
    import gateway.app
    import gateway.token_gate
    from gateway.decapsulation import Decapsulation, Opened
    from gateway.errors import RefusedError
    from gateway.replay import MemoryReplayStore, entry_of

    async def remember_nothing(_store, _entry):
        return None

    genuine_finish = Decapsulation.finish

    def whatever_came(self):
        try:
            return genuine_finish(self)
        except RefusedError:
            return Opened(
                message=b"".join(self._parts),
                entry=entry_of(self._head[0], self._request.enc),
                context=self._request,
            )

    genuine_route = gateway.app.Gateway._route

    def of_any_service(self, request, reply, route, held):
        ours = replace(request, authority=self.service)
        return genuine_route(self, ours, reply, route, held)

    without(MemoryReplayStore, "add", "replay-gateway", remember_nothing)
    without(gateway.app, "check_header", "expiry", lambda _header, _now: None)
    without(gateway.token_gate, "check_header", "expiry", lambda _header, _now: None)
    without(Decapsulation, "finish", "cut-envelope", whatever_came)
    without(gateway.app.Gateway, "_route", "foreign-service", of_any_service)
    import_module("weakened_payment").weaken(without)  # beside this file


def weaken_node() -> None:
    from node_image.agent import policy, unsealing
    from node_image.agent.replay import ReplaySet
    from openpcc.protocol.sealing import content, records

    without(ReplaySet, "take", "replay-node", lambda _set, _request: None)
    without(unsealing, "check_header", "expiry", lambda _header, _now: None)
    without(policy, "_check_model", "other-model", take_for_ours)
    without(policy, "_check_state", "kept-state", forget_state)
    without(policy, "_check_target", "hidden-route", lambda _request, _terms: None)
    without(content, "open_content", "cut-request", whatever_opens(content, records))
    weaken_binding()
    forgive_moves(unsealing)


def take_for_ours(body, terms) -> None:
    body["model"] = terms.model


def forget_state(body, _path) -> None:
    body.pop("store", None)


def whatever_opens(content, records):
    from openpcc.protocol.errors import TruncatedError

    genuine = content.open_content

    def opened(keys, chunks):
        try:
            return genuine(keys, chunks)
        except TruncatedError:
            whole = content.ChunkOpener(keys.opener()).feed(chunks)
            return b"".join(records.decode_record(one) for one in whole)

    return opened


def weaken_binding() -> None:
    """Let the header be bound by nothing, at whichever end this runs."""
    import hashlib

    from openpcc.protocol.hpke.suite import Suite
    from openpcc.protocol.sealing import content, request, unsealing

    def of_the_wraps(prefix: bytes) -> bytes:
        return hashlib.sha256(prefix[116 + 32 * prefix[7] :]).digest()

    def bare(genuine):
        def wrapped(self, *args):
            *first, info = args
            if out("header-edit") and info.startswith(content.INFO_LABEL):
                info = content.INFO_LABEL
            return genuine(self, *first, info)

        return wrapped

    for name in ("sender", "setup_base_r"):
        setattr(Suite, name, bare(getattr(Suite, name)))
    without(request, "request_digest", "header-edit", of_the_wraps)
    without(unsealing, "request_digest", "header-edit", of_the_wraps)


def forgive_moves(unsealing) -> None:
    """Let a node look for its wrap, and for the suite that the request was sealed under."""
    from openpcc.protocol.errors import UnsealableError
    from openpcc.protocol.sealing.header import Header

    genuine = unsealing.take

    def unmoved(body: bytes) -> bytes:
        header = Header.parse(body)
        middle = (header.size + header.prefix_size) // 2
        first, second = body[header.size : middle], body[middle : header.prefix_size]
        return body[: header.size] + second + first + body[header.prefix_size :]

    def forgiving(body, **facts):
        try:
            return genuine(body, **facts)
        except UnsealableError:
            if out("moved-wraps"):
                return genuine(unmoved(body), **facts)
            if out("suite-edit"):
                return genuine(body[:1] + b"\x64\x7a" + body[3:], **facts)
            raise

    unsealing.take = forgiving


def weaken_proxy() -> None:
    from openpcc.proxy import guard

    genuine = guard._Found.one

    def blind(field: bytes):
        return lambda found, name: None if name == field else genuine(found, name)

    class AnyName(frozenset[str]):
        def __contains__(self, name: object) -> bool:
            return out("proxy-host") or super().__contains__(name)

    names = guard.authorities
    guard.authorities = lambda *args, **kwargs: AnyName(names(*args, **kwargs))
    without(guard._Found, "one", "proxy-origin", blind(b"origin"))
    without(guard._Found, "one", "proxy-site", blind(b"sec-fetch-site"))
    without(guard.Guard, "_compare", "proxy-key", lambda _guard, _given: None)


PROGRAMS = {
    "openpcc-gateway": weaken_gateway,
    "openpcc-node": weaken_node,
    "openpcc": weaken_proxy,
}

if FLAG is not None:
    for word in sys.orig_argv[1:2]:
        PROGRAMS.get(Path(word).name, lambda: None)()
