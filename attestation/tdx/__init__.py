"""Evidence of Intel TDX: quotes, the collateral that endorses them, and step 2 over both.

Files as of every platform: `evidence` (bytes and fields), `endorsements` (what Intel's certificates
say), `authenticate` (step 2), `explain` (the bytes behind each check). Of its own: `layout` (the
table of fields), `signatures` (those of a quote), `documents` and `tcb_data` (collateral as it
arrives), `collateral` (which of it counts), `tcb` (which level a machine reaches), `guest` (how a
TD must have been started) and `fields` (a quote for people).
"""
