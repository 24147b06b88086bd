"""openai-api: example requests and answers are shapes for API tests, not verdicts."""

from tests.conformance.standard_cases.contract import CaseFile, not_applicable


def case_file(name: str) -> CaseFile | None:
    """Read `examples.json`; no row applies."""
    if name != "examples.json":
        return None
    return not_applicable("examples carry no verdicts")
