"""Attacks on payment: requests that are not paid, or with what was paid with before or elsewhere.

The attacker is whoever sends, at most with the user's own tokens: what he could do with those of
others he can do with these, but for the holder's key. On the client he is the issuer.
"""

import secrets
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from openpcc import clock
from openpcc.audit.attack import forged_tokens
from openpcc.audit.attack.attempt import Attack, NotTriedError, Refused, SucceededError
from openpcc.audit.attack.letters import Carry, Letter
from openpcc.audit.attack.sending import baseline, honest, post, refused
from openpcc.audit.attack.target import Target
from openpcc.errors import GatewayError, IssuerError, IssuerKeyError
from openpcc.protocol import sealing
from openpcc.protocol.errors import ProtocolError
from openpcc.protocol.payment import CarriedToken, Reclaim, Reclaimed, parse_reclaimed
from openpcc.tokens import issuance
from openpcc.tokens.held import HeldToken
from openpcc.tokens.payment import Payment
from openpcc.tokens.store import Store
from openpcc.tokens.wallet import STEP, Wallet

SAID = {Reclaimed.FREE: "free", Reclaimed.SPENT: "spent", Reclaimed.PENDING: "not yet"}
"""What a gateway says of a token that is asked back."""


def _unpaid(target: Target) -> Refused:
    target.require_tokens()
    baseline(target)
    return _paid_with(target, ())


def _short(target: Target) -> Refused:
    terms = target.require_tokens()
    baseline(target)
    with _unspent(target) as one:
        return _paid_with(target, (one,), max_output=2 * terms.output)


def _twice(target: Target) -> Refused:
    terms = target.require_tokens()
    baseline(target)
    with _unspent(target) as one:
        return _paid_with(target, (one, one), max_output=2 * terms.output)


def _reused(target: Target) -> Refused:
    target.require_tokens()
    return _paid_with(target, honest(target).tokens)


def _second_reply(target: Target) -> Refused:
    target.require_tokens()
    return refused(post(target, honest(target)))


def _forged(target: Target) -> Refused:
    terms = target.require_tokens()
    baseline(target)
    return _paid_with(target, (forged_tokens.forged(terms),))


def _foreign_key(target: Target) -> Refused:
    terms = target.require_tokens()
    baseline(target)
    return _paid_with(target, (forged_tokens.Stranger().token(terms),))


def _foreign_origin(target: Target) -> Refused:
    terms = target.require_tokens()
    baseline(target)
    return _paid_with(target, (forged_tokens.of_another_service(target, terms),))


def _other_proof(target: Target) -> Refused:
    target.require_tokens()
    baseline(target)
    with _unspent(target) as one:
        return _paid_with(target, (one,), carry=lambda held, _: held.pay(secrets.token_bytes(32)))


def _thief(target: Target) -> Refused:
    target.require_tokens()
    baseline(target)
    stranger = Ed25519PrivateKey.generate()

    def carry(held: HeldToken, digest: bytes) -> CarriedToken:
        proof = sealing.redemption_proof(stranger, digest)
        return CarriedToken(token=held.token, proof=proof)

    with _unspent(target) as one:
        return _paid_with(target, (one,), carry=carry)


def _stolen_back(target: Target) -> Refused:
    """Ask for a token of a request that never came, with another key than its holder's."""
    target.require_tokens()
    letter = target.seal()
    target.settle(letter, served=False)
    (held,), digest = letter.tokens, letter.request_digest
    found = _asked_back(target, held.ask_back(digest), digest)
    if found is not Reclaimed.FREE:
        raise NotTriedError(f"its holder asks for an unspent token, and it is {SAID[found]}")
    stranger = Ed25519PrivateKey.generate()
    proof = sealing.reclaim_proof(stranger, digest)
    try:
        _asked_back(target, CarriedToken(token=held.token, proof=proof), digest)
    except GatewayError as error:
        return Refused(checks=(error.code,), words=f"answered with {error.status}")
    raise SucceededError("whoever has seen a token can give it back, and learns what became of it")


def _spent_back(target: Target) -> Refused:
    target.require_tokens()
    letter = honest(target)
    (held,), digest = letter.tokens, letter.request_digest
    found = _asked_back(target, held.ask_back(digest), digest)
    if found is Reclaimed.FREE:
        raise SucceededError("the token that paid for a reply was given back")
    return Refused(checks=(SAID[found],), words="answered for the token")


def _issuer_key(target: Target) -> Refused:
    """Offer a client an issuer key of its own, by which its tokens could be told from others'."""
    terms = target.require_tokens()
    stranger, refusal = forged_tokens.Stranger(), None
    store = Store(target.new_folder(), target.config.policy.service, protection="file")
    try:
        wallet = Wallet(store)
        try:
            issuance.fill(wallet, stranger, terms, target=STEP, now=clock.now())
        except IssuerKeyError as error:
            refusal = Refused.by_client(error)
        except IssuerError:
            pass  # of the key's owner, who has what he wants by then
        if stranger.asked or wallet.pending():
            raise SucceededError("the client blinds tokens to a key that the log does not name")
    finally:
        store.close()
    if refusal is None:
        raise NotTriedError("the client asked the issuer for nothing")
    return refusal


def _paid_with(
    target: Target,
    tokens: Sequence[HeldToken],
    *,
    max_output: int = sealing.MIN_OUTPUT,
    carry: Carry = HeldToken.pay,
) -> Refused:
    """Send a request with these tokens, whosever they are; the gateway must refuse it."""
    payment = Payment(max_output=max_output, tokens=tuple(tokens))
    return refused(post(target, target.write(payment, carry=carry)))


@contextmanager
def _unspent(target: Target) -> Iterator[HeldToken]:
    """Take a token from the wallet that has paid for nothing; the wallet finds out what became."""
    letter: Letter = target.seal()
    try:
        yield letter.tokens[0]
    finally:
        target.settle(letter, served=False)


def _asked_back(target: Target, carried: CarriedToken, digest: bytes) -> Reclaimed:
    """Ask for a token back.

    Raises:
        GatewayError: the gateway refuses to say.
        NotTriedError: what it says is no answer.
    """
    body = Reclaim(request_digest=digest, tokens=(carried,)).encode()
    try:
        (found,) = parse_reclaimed(target.files.reclaim(body), 1)
    except ProtocolError as error:
        raise NotTriedError("what the gateway says of the token is no answer") from error
    return found


REUSED = Attack(
    name="token-reused",
    tried="a token that has paid for a request pays for another one",
    by="gateway",
    checks=("token-spent",),
    run=_reused,
)

SECOND_REPLY = Attack(
    name="token-second-reply",
    tried="the sealed bytes of a request whose reply has begun are sent again, for a second reply",
    by="gateway",
    checks=("token-spent",),
    run=_second_reply,
)

ATTACKS = (
    Attack(
        name="token-unpaid",
        tried="a request is sent without any token",
        by="gateway",
        checks=("token-count",),
        run=_unpaid,
    ),
    Attack(
        name="token-short",
        tried="a request is sent with fewer tokens than its budget costs",
        by="gateway",
        checks=("token-count",),
        run=_short,
    ),
    Attack(
        name="token-twice",
        tried="a token is carried twice in one request that costs two",
        by="gateway",
        checks=("token-count",),
        run=_twice,
    ),
    REUSED,
    SECOND_REPLY,
    Attack(
        name="token-forged",
        tried="a token is carried that names the issuer's key and that nobody signed",
        by="gateway",
        checks=("token-forged",),
        run=_forged,
    ),
    Attack(
        name="token-key",
        tried="a token is carried that the attacker signed with an issuer key of his own",
        by="gateway",
        checks=("token-key",),
        run=_foreign_key,
    ),
    Attack(
        name="token-origin",
        tried="a genuine token of the same issuer is carried that was made for another service",
        by="gateway",
        checks=("token-origin",),
        run=_foreign_origin,
    ),
    Attack(
        name="token-proof",
        tried="a token is carried with its holder's proof for another request",
        by="gateway",
        checks=("token-proof",),
        run=_other_proof,
    ),
    Attack(
        name="token-thief",
        tried="somebody who has seen a token, and not its holder's key, pays with it",
        by="gateway",
        checks=("token-proof",),
        run=_thief,
    ),
    Attack(
        name="token-stolen-back",
        tried="somebody who has not its holder's key asks for a token back",
        by="gateway",
        checks=("token-proof",),
        run=_stolen_back,
    ),
    Attack(
        name="token-spent-back",
        tried="the token that paid for a reply is asked back by its holder",
        by="gateway",
        checks=("spent",),
        run=_spent_back,
    ),
    Attack(
        name="token-issuer-key",
        tried="an issuer offers a client a key of its own, by which its tokens could be recognised",
        by="client",
        checks=("IssuerKeyError",),
        run=_issuer_key,
    ),
)
