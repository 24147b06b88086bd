"""Transparency log: the ground of trust for what software may run and what a service offers.

Reading a log, from the bytes up:

    note, vkey, cosignature, checkpoint     what is signed, and by whom
    merkle, prover, tile                    the tree and its files
    witness_policy, proof, log_range        what is believed: a witnessed checkpoint, a logged entry
    dsse, statement, entry                  what an entry says, and whose word it is
    release, status, service                the three kinds of entries
    scan, client, follow                    the newest entry of a chain; fetching; reading it all

Keeping one: `add_checkpoint` (a witness's judgement) and `server`. Everything but `client` and
`server` is pure. This package imports nothing of ours.
"""
