"""What is attacked: the service behind one relay, as an ordinary client of it knows it.

A `Target` looks at the service once, honestly. Every attack begins from what that look found; where
even that fails there is nothing to attack, and the audit ends there.
"""

import itertools
import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from openpcc import clock, relays, trust
from openpcc.audit.attack.attempt import NotTriedError
from openpcc.audit.attack.hostile import Tamper, Tampered
from openpcc.audit.attack.stack_keys import StackKeys
from openpcc.carrier import Carrier
from openpcc.config import ClientConfig
from openpcc.gateway_files import GatewayFiles
from openpcc.judging import Judgement
from openpcc.lookup import Lookup, Snapshot
from openpcc.protocol import bhttp, messages, sealing
from openpcc.state import StateFile
from openpcc.trust import TrustedNode
from transparency_log.client import LogClient

LONGEST = 1800
"""Seconds after which nothing more is tried; against a healthy service all takes some ten."""

QUESTION = {"max_tokens": 8, "messages": [{"role": "user", "content": "Say hello."}]}
"""What an honest client asks, beside the model."""


class Target:
    """One service under attack. Close it when done.

    Attributes:
        config: of the attacked client; its state is thrown away.
        carrier: the way to the relay.
        stack: the secrets of the stack, as far as they are at hand.
        snapshot: what an honest look found.
        files: what the gateway serves, unchanged.
        log: the log, as the gateway serves it.
        deadline: by `clock.ticks`, after which nothing more is tried.
    """

    def __init__(self, config: ClientConfig, scratch: Path, stack: StackKeys) -> None:
        """Look at the service.

        Raises:
            OpenPCCError: it cannot be looked at, or is refused without any attack.
        """
        self._scratch = scratch
        self._numbers = itertools.count()
        self.config = replace(config, state=scratch / "honest")
        self.stack = stack
        self.deadline = clock.ticks() + LONGEST
        self.relay = relays.of_process(config.relays).current
        self.carrier = Carrier(self.relay, config.ca)
        try:
            self.snapshot = self.look()
        except BaseException:
            self.carrier.close()
            raise
        self.files = GatewayFiles(self.carrier, self.snapshot.keys, config.policy.service)
        self.log = LogClient(config.policy.log, self.files.log)

    def close(self) -> None:
        """Close the connections."""
        self.carrier.close()

    def new_config(self, *, relay: str) -> ClientConfig:
        """Give the configuration of another client, with no memory, behind another address."""
        return replace(
            self.config, relays=(relay,), state=self._scratch / f"state-{self._number()}"
        )

    def new_state(self) -> StateFile:
        """Give the memory of a client that has never looked."""
        return StateFile(self._scratch / f"state-{self._number()}")

    def look(
        self,
        tamper: Tamper | None = None,
        *,
        carrier: Carrier | None = None,
        states: StateFile | None = None,
    ) -> Snapshot:
        """Look at the service as a client does, with what the gateway serves changed.

        Raises:
            OpenPCCError: the client refuses.
        """
        lookup = Lookup(
            self.config,
            carrier or self.carrier,
            states or self.new_state(),
            wait=lambda _: None,
            files=GatewayFiles
            if tamper is None
            else lambda way, keys, service: Tampered(way, keys, service, tamper),
        )
        return lookup.look(clock.now())

    @property
    def model(self) -> str:
        """Name a model that has trusted nodes.

        Raises:
            NotTriedError: none has.
        """
        for name, rows in self.snapshot.judged.items():
            if any(row.node is not None for row in rows):
                return name
        raise NotTriedError("the service has no trusted node")

    @property
    def judged(self) -> tuple[Judgement, ...]:
        """Give the trusted nodes of that model with their evidence."""
        rows = self.snapshot.judged[self.model]
        return tuple(row for row in rows if row.node is not None and row.bundle)

    @property
    def nodes(self) -> tuple[TrustedNode, ...]:
        """Give the trusted nodes of that model, of one suite."""
        found = [row.node for row in self.judged if row.node is not None]
        return tuple(node for node in found if node.kem_id == found[0].kem_id)

    def pair(self) -> tuple[Judgement, Judgement]:
        """Give two of them.

        Raises:
            NotTriedError: there are not two.
        """
        if len(self.judged) < 2:
            raise NotTriedError("it needs two nodes of one model")
        return self.judged[0], self.judged[1]

    def now(self) -> int:
        """Give the time as the decision counts it."""
        return max(clock.now(), self.snapshot.view.witnessed)

    def question(self, *, path: str = "/v1/chat/completions", content: str = "") -> bhttp.Request:
        """Write a request that a node serves."""
        body = content or json.dumps({"model": self.model, **QUESTION})
        return bhttp.Request(
            method="POST",
            scheme="https",
            authority=self.config.policy.service,
            path=path,
            headers=(("content-type", messages.JSON),),
            content=body.encode(),
        )

    def seal(
        self,
        nodes: Sequence[TrustedNode] = (),
        request: bhttp.Request | None = None,
        *,
        now: int | None = None,
        model: str = "",
    ) -> sealing.SealedRequest:
        """Seal a request as a client does."""
        return trust.seal(
            nodes or self.nodes[: sealing.MAX_CANDIDATES],
            bhttp.encode_request(request or self.question()),
            model=model or self.model,
            now=clock.now() if now is None else now,
        )

    def _number(self) -> int:
        return next(self._numbers)
