"""AMD SEV-SNP: the guest's report, signed by a key of the chip (VCEK) or of its host (VLEK).

Sources: AMD 56860 (SEV-SNP firmware ABI, the report), AMD 57230 (VCEK and VLEK certificates).
"""
