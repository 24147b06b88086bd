"""Audits: what a stranger can check of a log, a gateway and its nodes, and what they withstand.

    report      what an audit found, as data: the one model of every run
    document    the same as JSON, read back strictly; `ear` as a signed result
    page        the same as one self-contained page: `picture`, `found`, `facts`, `style`, `words`
    appraisal   a report of the trust decision as part of an audit
    log, gateway, node, attack, receipt     the runs; each gives a report

Only for auditors: no client asks anything of this package.
"""
