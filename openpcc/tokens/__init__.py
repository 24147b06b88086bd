"""Paying without a name: the client's tokens, from the issuer to the request that they pay for.

    terms     what the service's logged entry says of tokens: issuer, price, keys
    held      one token with its holder's key; payment: those that pay for one request
    vault     how rows of the wallet are encrypted; keystore: where the wallet's key is kept
    wallet    the SQLite file, one transaction a step; store: the file open; schema: its tables
    rows      what is in it, opened; examination: whether all of it is whole
    issuer    what is asked of the issuer; issuance: when, and by which key
    reclaim   what came to nothing is asked back
    keeper    the thread that does both, at random times; purse: all of it for a transport

DESIGN 4.4, docs/formats.md 11. docs/wallet.md says what it protects and what it does not.
"""
