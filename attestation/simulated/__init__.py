"""The simulated platform: the same steps as real ones, without hardware, and so without protection.

Its root is made at set-up, lives for seven days and is never in git. docs/formats.md, 3.5.
"""
