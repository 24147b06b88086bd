"""pbrsa-draft: partially blind RSA is not a token type we issue or accept."""

from tests.conformance.standard_cases.contract import CaseFile, not_applicable


def case_file(name: str) -> CaseFile | None:
    """Read `vectors.json`; no row applies."""
    if name != "vectors.json":
        return None
    return not_applicable("partially blind RSA is not used")
