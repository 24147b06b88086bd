"""The ground of trust in hardware: evidence, who endorses it, and what is made of it.

`verifier` judges an evidence bundle against `policy` and `reference_values`, without clock or I/O,
and `result` reports every check. `attester` collects a bundle on a machine. What differs between
platforms is in their folders, behind the seam of `claims`. Nothing here imports anything of ours.
"""
