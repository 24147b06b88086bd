"""Published cases of real machines, as we read them and as the peers do."""

import json
import sys
import threading
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from pathlib import Path

from attestation import ahead, verifier, x509
from attestation.parts import Parts, read_parts
from attestation.policy import AppraisalPolicy

VECTORS = Path(__file__).resolve().parents[2] / "shared" / "vectors"


@dataclass(frozen=True, kw_only=True)
class Case:
    """A published case: its files by name, the time it is judged at, and what we read of it."""

    paths: dict[str, list[Path]]
    now: int
    parts: Parts
    policy: AppraisalPolicy

    @classmethod
    def read(cls, kind: str, name: str) -> "Case":
        folder = VECTORS / kind
        listed = json.loads((folder / "INDEX.json").read_bytes())["cases"]
        case = next(one for one in listed if one["id"] == name)
        files = {key: [one] if isinstance(one, str) else one for key, one in case["files"].items()}
        paths = {key: [folder / one for one in some] for key, some in files.items()}
        parts = read_parts(kind, [(key, one.read_bytes()) for key in paths for one in paths[key]])
        now = int(datetime.fromisoformat(case["at"]).timestamp())
        # The published lists are older than a client would take.
        policy = AppraisalPolicy(platforms=(parts.platform,), optional=frozenset({"2.recency"}))
        return cls(paths=paths, now=now, parts=parts, policy=policy)

    def judge(self) -> None:
        """Judge it as a client would, which reads its policy once."""
        appraisal = verifier.verify_parts(
            self.parts.platform,
            self.parts.quote,
            self.parts.endorsements,
            now=self.now,
            policy=self.policy,
        )
        assert appraisal.accepted, [one for one in appraisal.checks if one.refuses]

    def evidence(self) -> dict[str, bytes]:
        """Give what the peers read: the same bytes, a certificate without its armor."""
        if "quote" in self.paths:
            return {name: self.paths[name][0].read_bytes() for name in ("quote", "collateral")}
        vcek = x509.parse_certificate(self.paths["leaf"][0].read_bytes())
        return {"report": self.paths["report"][0].read_bytes(), "vcek": vcek.der}


def forget(*, but: str = "") -> None:
    """Forget what any function of ours remembers, but for those of one module."""
    settle()
    for clear in _forgetting(len(sys.modules), but):
        clear()


def settle() -> None:
    """Wait until nothing is verified ahead any more."""
    for one in threading.enumerate():
        if one.name == ahead.NAME:
            one.join()


@lru_cache(maxsize=4)
def _forgetting(loaded: int, but: str) -> tuple[Callable[[], None], ...]:
    """Find what to call; once for so many modules, for a search empties the processor's caches."""
    del loaded
    ours = [module for name, module in sys.modules.items() if name.startswith("attestation")]
    values = [value for module in ours for value in vars(module).values()]
    found = {id(one): one for one in values if hasattr(one, "cache_clear")}
    return tuple(one.cache_clear for one in found.values() if one.__module__ != but)
