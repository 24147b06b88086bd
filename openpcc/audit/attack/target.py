"""What is attacked: the service behind one relay, as an ordinary client of it knows it.

A `Target` looks at the service once, honestly. Every attack begins from what that look found; where
even that fails there is nothing to attack, and the audit ends there.
"""

import itertools
import json
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TypeVar

from openpcc import clock, relays, trust
from openpcc.audit.attack import allowance, letters
from openpcc.audit.attack.allowance import Allowance
from openpcc.audit.attack.attempt import NotAskedError, NotTriedError
from openpcc.audit.attack.hostile import Tamper, Tampered
from openpcc.audit.attack.letters import Alter, Carry, Letter
from openpcc.audit.attack.stack_keys import StackKeys
from openpcc.carrier import Carrier
from openpcc.config import ClientConfig
from openpcc.gateway_files import GatewayFiles
from openpcc.judging import Judgement
from openpcc.lookup import Lookup, Snapshot
from openpcc.protocol import bhttp, messages, sealing
from openpcc.state import StateFile
from openpcc.tokens.held import HeldToken
from openpcc.tokens.payment import Payment
from openpcc.tokens.terms import Terms
from openpcc.tokens.wallet import Sealed
from openpcc.trust import TrustedNode
from transparency_log.client import LogClient

LONGEST = 1800
"""Seconds after which nothing more is tried; against a healthy service all takes some ten."""

QUESTION = {"max_tokens": 8, "messages": [{"role": "user", "content": "Say hello."}]}
"""What an honest client asks, beside the model."""

RECENT = 10
"""Seconds for which an honest request that was served and paid for shows that others would be."""

S = TypeVar("S", bound=Sealed)


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
        terms: what requests are paid with; None: admission is open.
        purse: what may be spent of the user's wallet; None: nothing, or nothing need be.
    """

    def __init__(self, config: ClientConfig, scratch: Path, stack: StackKeys) -> None:
        """Look at the service.

        Raises:
            OpenPCCError: it cannot be looked at, or is refused without any attack.
        """
        self._scratch = scratch
        self._numbers = itertools.count()
        self._served = -float(RECENT)
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
        self.terms = Terms.of(self.snapshot.service)
        self.purse: Allowance | None = None
        if self.terms is not None:
            self.purse = allowance.allowance_of(config)

    def close(self) -> None:
        """Close the connections, and the wallet."""
        if self.purse is not None:
            self.purse.close()
        self.carrier.close()

    def new_config(self, *, relay: str) -> ClientConfig:
        """Give the configuration of another client, with no memory and no wallet of its own."""
        return replace(self.config, relays=(relay,), state=self.new_folder(), tokens=None)

    def new_folder(self) -> Path:
        """Name a folder that nobody has used; it is thrown away at the end."""
        return self._scratch / f"state-{self._number()}"

    def new_state(self) -> StateFile:
        """Give the memory of a client that has never looked."""
        return StateFile(self.new_folder())

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
        alter: Alter = letters.as_sealed,
        named: bytes | None = None,
        count: int = 1,
    ) -> Letter:
        """Seal a request as a client does, for the smallest budget, and pay for it.

        Args:
            nodes: the candidates; left out: those that a client would take.
            request: what a node reads; left out: one that it serves.
            now: to seal at; left out: now.
            alter: what becomes of it before it is paid for and sent.
            named: digest of tokens that the header is sealed with; left out: of those that pay.
            count: tokens, if it is paid for: what the header costs when it is sent.

        Raises:
            NotTriedError: it cannot be paid for.
        """

        def make(payment: Payment | None) -> Letter:
            return self.write(
                payment,
                nodes=nodes,
                request=request,
                now=now,
                alter=alter,
                named=named,
            )

        return self.pay(make, count=count)

    def write(
        self,
        payment: Payment | None,
        *,
        nodes: Sequence[TrustedNode] = (),
        request: bhttp.Request | None = None,
        now: int | None = None,
        alter: Alter = letters.as_sealed,
        named: bytes | None = None,
        carry: Carry = HeldToken.pay,
    ) -> Letter:
        """Seal a request that these tokens pay for, whosever they are; see `seal`."""
        digest = sealing.NO_TOKENS if payment is None else payment.token_digest
        sealed = trust.seal(
            nodes or self.nodes[: sealing.MAX_CANDIDATES],
            bhttp.encode_request(request or self.question()),
            model=self.model,
            now=clock.now() if now is None else now,
            max_output=0 if payment is None else payment.max_output,
            token_digest=digest if named is None else named,
        )
        return letters.write(sealed, payment, alter=alter, carry=carry)

    def pay(self, make: Callable[[Payment | None], S], *, count: int = 1) -> S:
        """Have a request of the smallest budget made, and paid for where the service asks for it.

        Raises:
            NotTriedError: it cannot be paid for.
        """
        if self.terms is None:
            return make(None)
        purse = allowance.require(self.purse)
        return purse.take(count, self.terms, make, max_output=sealing.MIN_OUTPUT, now=clock.now())

    def require_purse(self) -> Allowance | None:
        """Give what a whole client pays with; None: nothing is to be paid.

        Raises:
            NotTriedError: there is nothing to pay with.
        """
        return None if self.terms is None else allowance.require(self.purse)

    def settle(self, letter: Letter, *, served: bool) -> None:
        """Note in the wallet what became of a request."""
        if self.purse is None:
            return
        if served:
            self.purse.served(letter.request_digest)
        else:
            self.purse.released(letter.request_digest, expires=letter.expires)

    @property
    def was_served(self) -> bool:
        """Whether a paid request was served a moment ago: another one would cost, and show no more.

        With open admission an honest request costs nothing, and every attack makes its own.
        """
        return self.terms is not None and clock.ticks() - self._served < RECENT

    def note_served(self) -> None:
        """Note that an honest request was served."""
        self._served = clock.ticks()

    def require_tokens(self) -> Terms:
        """Give the terms of a service that is paid.

        Raises:
            NotAskedError: its admission is open.
        """
        if self.terms is None:
            raise NotAskedError("the admission is open: nothing is paid")
        return self.terms

    def _number(self) -> int:
        return next(self._numbers)
