"""Platforms whose guest is measured by a virtual TPM: a TPM quote under a key the hardware names.

`authenticate` makes the argument; everything else here reads bytes.
"""
