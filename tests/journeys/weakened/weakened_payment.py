"""Takes the checks of payment out of a test's gateway; `sitecustomize` says when."""

from dataclasses import replace


def weaken(without) -> None:
    import gateway.admission
    import gateway.token_gate
    from gateway.errors import RefusedError
    from gateway.spent import MemorySpentStore, _Entry
    from openpcc.protocol.errors import TokenForgedError, TokenKeyError, UnsealableError
    from openpcc.protocol.payment import Reclaimed
    from openpcc.protocol.privacypass import Token, VerifiedToken, verify_token
    from openpcc.protocol.sealing import check_proof, redemption

    admit = MemorySpentStore.admit

    def forgiving(error_type):
        def verified(token, **facts):
            try:
                return verify_token(token, **facts)
            except error_type:
                found = Token.parse(token)
                return VerifiedToken(key_id=found.key_id, nonce=found.nonce)

        return verified

    def of_any_origin(token, *, keys, challenge_digest):
        return verify_token(token, keys=keys, challenge_digest=Token.parse(token).challenge_digest)

    def of_any_request(proof, *, nonce, request_digest):
        if redemption.holder_nonce(proof[: redemption.PUBLIC_SIZE]) != nonce:
            raise UnsealableError

    def by_any_holder(proof, *, nonce, request_digest):
        nonce = redemption.holder_nonce(proof[: redemption.PUBLIC_SIZE])
        check_proof(proof, nonce=nonce, request_digest=request_digest)

    async def for_another_request(store, tokens, digest, expires):
        held = [store._get(token) for token in tokens]
        if any(one and one.begun and one.digest == digest for one in held):
            raise RefusedError("token-spent")
        store._put(tokens, _Entry(digest=digest, expires=expires, begun=False))

    async def for_another_reply(store, tokens, digest, expires):
        for token in tokens:
            held = store._get(token)
            if held and held.digest == digest:
                store._put([token], replace(held, begun=False))
        await admit(store, tokens, digest, expires)

    def nothing(*_args, **_facts):
        return None

    without(gateway.admission, "verify_token", "token-forged", forgiving(TokenForgedError))
    without(gateway.admission, "verify_token", "token-key", forgiving(TokenKeyError))
    without(gateway.admission, "verify_token", "token-origin", of_any_origin)
    without(gateway.admission, "check_proof", "token-proof", of_any_request)
    without(gateway.admission, "check_proof", "token-thief", by_any_holder)
    without(gateway.admission, "check_reclaim", "token-stolen-back", nothing)
    without(gateway.admission.Terms, "check_set", "token-count", nothing)
    without(gateway.token_gate, "check_different", "token-twice", nothing)
    without(MemorySpentStore, "admit", "token-reused", for_another_request)
    without(MemorySpentStore, "admit", "token-second-reply", for_another_reply)
    without(MemorySpentStore, "_reclaim", "token-spent-back", lambda *_: Reclaimed.FREE)
