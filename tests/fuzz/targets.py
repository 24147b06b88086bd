"""Every target, by name; a test holds them against the parsers of `attestation/` and of tokens.

tests/fuzz/run.py snp_report --seconds 120        libFuzzer, through atheris
pytest tests/fuzz                                 the same functions, fixed inputs
"""

from tests.fuzz import (
    documents,
    entries,
    event_logs,
    forms,
    issuer,
    log,
    measure,
    nvidia,
    payment,
    privacypass,
    provenance,
    sev_snp,
    simulated,
    tdx,
    tpm,
    wallet,
)
from tests.fuzz.target import TARGETS, Target

__all__ = ["MODULES", "TARGETS", "Target"]

MODULES = (
    forms,
    documents,
    event_logs,
    simulated,
    sev_snp,
    tdx,
    nvidia,
    tpm,
    provenance,
    log,
    entries,
    privacypass,
    payment,
    issuer,
    measure,
    wallet,
)
"""Where the targets are; one module for each platform or protocol."""
