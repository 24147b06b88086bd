"""The issuer: knows accounts and how many tokens they take, never what a token pays for.

Theory of operation. A wallet sends blinded messages (RFC 9578, token type 0x0002) and a credential.
The issuer charges the account and signs what it cannot read; what the wallet unblinds looks like
any other token of that key. So the link between account and request is cut by the blinding alone:
nothing here has to be forgotten for it, and a hostile operator who keeps all of it learns no more.

    app        the two routes, in the order that docs/formats.md 11 fixes
    keys       a folder of signing keys, at most two of them live
    identity   a credential becomes an account: API key, or OIDC ID token (`id_tokens`, `jwks`)
    accounts   accounts, usage and charged batches (`sqlite_accounts`, `postgres_accounts`)
    main       the program `openpcc-issuer` and its commands
"""
