"""Ends client, gateways, store, issuer and database at every step of issue, spend and retry.

Which steps there are the programs say themselves: `killable` for servers, `crashes` for clients.
After each test every token that was charged is in stock, or has paid for one reply:
`Payer.check_books`, which holds every write of the store against what may happen to a token.
"""

import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, nullcontext, suppress

import pytest

from openpcc import clock, repetition
from openpcc.errors import IssuerError, OpenPCCError
from openpcc.tokens import wallet
from openpcc.tokens.wallet import GRACE, STEP
from tests.journeys.killable_stack import GATEWAY, ISSUER, KillableStack, running_killable
from tests.journeys.payer import Payer
from tests.openpcc.tokens.crashes import every_crash

pytestmark = [
    pytest.mark.long,
    pytest.mark.timeout(300),
    pytest.mark.filterwarnings("ignore:This process"),  # it has threads: keepers only
]

EXPIRED = 240 + GRACE + 60
"""Seconds after which every request that ended can be asked back."""


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[KillableStack]:
    with running_killable(tmp_path_factory.mktemp("killed")) as stack:
        yield stack


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(repetition, "SHORTEST", 0.2)
    monkeypatch.setattr(repetition, "SPREAD", 0.1)
    # The nodes take no leap of half an hour: their beacons would be too old for their epochs.
    monkeypatch.setattr(wallet, "HOLD", EXPIRED)


@pytest.fixture
def payer(service: KillableStack, request: pytest.FixtureRequest) -> Iterator[Payer]:
    name = request.node.name.removeprefix("test_").translate(str.maketrans("_[", "--", "]"))
    made = Payer(service, name)
    yield made
    service.trap.disarm()
    made.close()


def settle(service: KillableStack, payer: Payer) -> None:
    """Ask everything back when its time has come, and count."""
    service.let_pass(EXPIRED)
    payer.ask_back()
    payer.check_books()


# Spend and retry.


def spend_at_every_step(
    service: KillableStack,
    payer: Payer,
    action: Callable[[], str],
    *,
    times: int = 1,
    meanwhile: Callable[[], AbstractContextManager[None]] = nullcontext,
    after: Callable[[], None] = lambda: None,
) -> list[bool]:
    """Make a request for each step of a gateway; give whether its whole reply came."""
    served = []
    payer.buy(64)
    payer.note()
    for _ in service.trap.every_step(GATEWAY, action, times=times):
        with meanwhile():
            served.append(payer.ask())
        if service.trap.sprung:
            after()
        service.wait_ready()
    settle(service, payer)
    assert len(served) > 12
    assert served[-1]
    return served


def test_a_gateway_is_killed(service: KillableStack, payer: Payer):
    served = spend_at_every_step(service, payer, lambda: "kill")
    assert served[0], "the other gateway takes what none has given to a node"


def test_both_gateways_are_killed(service: KillableStack, payer: Payer):
    served = spend_at_every_step(service, payer, lambda: "kill", times=2)
    assert not served[0]


def kill_store(service: KillableStack) -> Callable[[], str]:
    return lambda: f"SIGKILL {service.store.pid}"


def restart_store(service: KillableStack) -> None:
    service.store.kill()  # it is dead; its process is to be waited for
    service.store.start()


def test_the_store_is_killed_and_comes_back_at_once(service: KillableStack, payer: Payer):
    served = spend_at_every_step(
        service,
        payer,
        kill_store(service),
        meanwhile=lambda: service.revived(lambda: restart_store(service)),
    )
    assert not served[0], "`busy` is not tried again: it was not taken"
    assert True in served[:-2], "after `token-store` the same bytes are sent again"


def test_the_store_is_killed_and_comes_back_late(service: KillableStack, payer: Payer):
    served = spend_at_every_step(
        service, payer, kill_store(service), after=lambda: restart_store(service)
    )
    assert not served[0]


def test_the_store_stands_still(service: KillableStack, payer: Payer):
    served = spend_at_every_step(
        service,
        payer,
        lambda: f"SIGSTOP {service.store.pid}",
        after=service.store.go_on,
    )
    assert not served[0]


# Asking back.


@pytest.mark.parametrize("what", ["gateway", "store"])
def test_killed_while_tokens_are_asked_back(service: KillableStack, payer: Payer, what: str):
    payer.buy(16)
    payer.note()
    service.trap.arm(*[f"{GATEWAY} 5 kill"] * 2)
    assert not payer.ask()
    service.wait_ready()
    service.let_pass(EXPIRED)
    action = kill_store(service) if what == "store" else lambda: "kill"
    steps = 0
    for steps in service.trap.every_step(GATEWAY, action):  # noqa: B007 -- the last one counts
        with suppress(OpenPCCError):
            payer.ask_back_once()
        if what == "store" and service.trap.sprung:
            restart_store(service)
        service.wait_ready()
    assert steps > 6
    payer.ask_back()
    payer.check_books()
    assert payer.counts().stock == 16


# Issue.


def issue_at_every_step(
    service: KillableStack,
    payer: Payer,
    action: Callable[[], str],
    *,
    stride: int = 1,
    after: Callable[[], None] = lambda: None,
) -> int:
    """Buy a batch for each step of the issuer, until it is there; give how often that failed."""
    target, failed = 0, 0
    for _ in service.trap.every_step(ISSUER, action, stride=stride):
        target, ended = target + STEP, False
        end = time.monotonic() + 20
        while payer.counts().stock < target:
            assert time.monotonic() < end, "the batch does not come"
            try:
                payer.buy(target)
            except IssuerError:
                failed += 1
            if service.trap.sprung and not ended:
                after()
                ended = True
        assert payer.counts().stock == target
    service.wait_ready()
    payer.note()
    payer.check_books()
    return failed


def test_the_issuer_is_killed(service: KillableStack, payer: Payer):
    assert issue_at_every_step(service, payer, lambda: "kill") > 20


def test_the_issuers_database_connection_is_cut(service: KillableStack, payer: Payer):
    assert issue_at_every_step(service, payer, lambda: "cut") > 5


def test_the_issuers_database_crashes(service: KillableStack, payer: Payer):
    postgres = service.postgres
    failed = issue_at_every_step(
        service,
        payer,
        lambda: f"SIGQUIT {postgres.pid}",
        stride=3,  # it takes seconds to come back
        after=postgres.start,
    )
    assert failed > 5


# The client.


def test_the_client_is_killed_while_it_buys(service: KillableStack, payer: Payer):
    payer.transport.book.refresh(clock.now())
    for step in every_crash(lambda: payer.buy(payer.counts().stock + STEP)):
        payer.buy(step * STEP)
        assert payer.counts().stock == step * STEP, f"killed before step {step}"
    assert payer.counts().stock > 30 * STEP
    payer.note()
    payer.check_books()


@pytest.mark.parametrize("retry", [False, True])
def test_the_client_is_killed_while_it_pays(service: KillableStack, payer: Payer, *, retry: bool):
    payer.buy(96)
    payer.note()
    if retry:
        service.trap.arm(f"{GATEWAY} 1 kill")
    steps = 0
    for steps in every_crash(payer.ask):  # noqa: B007 -- the last one counts
        service.wait_ready()
        if retry:
            service.trap.arm(f"{GATEWAY} 1 kill")
    assert steps > (25 if retry else 20)
    service.trap.disarm()
    settle(service, payer)


def test_the_client_is_killed_while_it_asks_back(service: KillableStack, payer: Payer):
    payer.buy(16)
    payer.note()
    for _ in range(3):
        service.trap.arm(*[f"{GATEWAY} 5 kill"] * 2)
        payer.ask()
        service.wait_ready()
    assert payer.counts().sent == 3
    service.let_pass(EXPIRED)
    payer.transport.book.refresh(clock.now())
    steps = max(every_crash(payer.ask_back_once))
    assert steps > 20
    payer.ask_back()
    payer.check_books()
