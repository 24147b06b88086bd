"""What the issuer counts: answers by code and tokens by outcome, never anything of one account."""

from prometheus_client import Counter

from gateway.issuer.accounts import Charge
from gateway.telemetry import Telemetry

ROUTES = ("token-directory", "token-request")
"""Resources, by name; `other` is everything else."""


class IssuerTelemetry(Telemetry):
    """Counters of an issuer."""

    def __init__(self) -> None:
        super().__init__("issuer")
        self._tokens = Counter(
            "openpcc_issuer_tokens",
            "Tokens that were asked for, by what came of charging them.",
            ("outcome",),
            registry=self.registry,
        )

    def request(self, route: str, code: str) -> None:
        """Count an answer; `code` is `ok`, `gone`, `failed` or one of `errors.CODES`."""
        self._requests.labels(route if route in ROUTES else "other", code).inc()

    def charged(self, charge: Charge, count: int) -> None:
        """Count the tokens of a batch."""
        self._tokens.labels(charge.value).inc(count)
