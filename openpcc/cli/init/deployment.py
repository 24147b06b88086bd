"""Everything that the files of a new deployment are made of."""

from dataclasses import dataclass

from openpcc.cli.init.answers import Answers
from openpcc.cli.init.keys import Keys
from openpcc.cli.init.places import Places
from openpcc.cli.local_ca import LocalCA
from openpcc.cli.service_files import Trust


@dataclass(frozen=True, kw_only=True)
class Deployment:
    """Answers, and what was made for them."""

    answers: Answers
    places: Places
    keys: Keys
    trust: Trust
    ca: LocalCA | None
    """None: certificates are brought."""
    model_folder: str
    """Where nodes have the model's files."""
    now: int
