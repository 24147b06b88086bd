"""Evidence of Intel TDX: quotes, the collateral that endorses them, and step 2 over both.

Files as of every platform: `evidence` (bytes and fields), `endorsements` (what Intel's certificates
say), `authenticate` (step 2), `explain` (the bytes behind each check). Of its own: `layout` (the
table of fields), `collateral` (TCB info and QE identity) and `tcb` (which level a machine reaches).
"""
