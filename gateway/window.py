"""One window of a service: its nodes in their places, and what is served for it. Pure."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from hashlib import sha256

from gateway.directory import Directory
from gateway.evidence import Evidence
from gateway.publication import Publication
from gateway.resting import without_resting
from gateway.slots import Slots, Tenant, assign
from openpcc.protocol.messages import WINDOW
from openpcc.protocol.sealing import model_id
from transparency_log.release import MAX_MODELS
from transparency_log.service import Directory as CommittedDirectory
from transparency_log.service import ServedModel

VALIDITY = 2 * WINDOW
"""Seconds an entry is valid."""


@dataclass(frozen=True, kw_only=True)
class Window:
    """What is served for one window."""

    publication: Publication
    directories: Mapping[str, Directory] = field(repr=False)

    @cached_property
    def document(self) -> bytes:
        """The publication as it is served."""
        return self.publication.encode()

    @cached_property
    def tag(self) -> bytes:
        """The entity tag of the document."""
        return f'"{sha256(self.document).hexdigest()}"'.encode()

    def shard(self, model: str, number: int) -> bytes | None:
        """Give a shard of the directory of a model id in hex; None if there is none."""
        directory = self.directories.get(model)
        if directory is None:
            return None
        return directory.shard(number, sequence=self.publication.sequence)


@dataclass(frozen=True, kw_only=True)
class Listing:
    """The nodes of a window in their places; not in the log yet."""

    not_before: int
    slots: Mapping[str, Slots]
    directories: Mapping[str, Directory] = field(repr=False)
    evidence: tuple[Evidence, ...]

    @classmethod
    def of(
        cls, evidence: Sequence[Evidence], slots: Mapping[str, Slots], *, not_before: int
    ) -> "Listing":
        """Place nodes, those of the last window where they were; some rest (`resting`)."""
        models = _offered(evidence, slots)
        placed, directories = {}, {}
        for model in models:
            leaves = {tenant(one): one.leaf.encode() for one in evidence if model in one.models}
            placed[model] = without_resting(assign(slots.get(model, ()), leaves.keys()))
            directories[model] = Directory.build(model_id(model), placed[model], leaves)
        return cls(
            not_before=not_before,
            slots=placed,
            directories=directories,
            evidence=tuple(one for one in evidence if not set(models).isdisjoint(one.models)),
        )

    def served_models(self) -> tuple[ServedModel, ...]:
        """Give what the entry commits to."""
        return tuple(
            ServedModel(name=name, directory=CommittedDirectory(root=one.root, size=one.size))
            for name, one in self.directories.items()
        )


def _offered(evidence: Sequence[Evidence], slots: Mapping[str, Slots]) -> list[str]:
    """Name the models of a window, as many as an entry may have.

    Those of the last window come first, then those of the most nodes: names are a node's word, and
    one that makes many up must not push out what others serve, nor stop the service.
    """
    nodes = Counter(model for one in evidence for model in one.models)
    by_claim = sorted(nodes, key=lambda name: (name not in slots, -nodes[name], name))
    return sorted(by_claim[:MAX_MODELS])


def tenant(one: Evidence) -> Tenant:
    """Give what a node's position goes by."""
    return Tenant(machine=one.leaf.machine, place=one.place.name)


def grid(now: float) -> int:
    """Give the start of the window that `now` is in."""
    return int(now) // WINDOW * WINDOW
