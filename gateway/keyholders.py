"""Which node has which key, for as long as clients may use it. Pure.

Requests are routed by key id. A node stays routed to while clients may hold its keys, listed or
not: one that drains still answers. A key has one holder, and the first place that was listed with
it is its holder for as long as that place can be asked (`discovery.Discovery.held`). Evidence is
public: a node could show a neighbour's as its own, and have the neighbour's requests sent to
itself, where they do not open. When the holder's place is gone, whoever shows the key is the same
node elsewhere, and all its keys go with it.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace

from gateway.evidence import Evidence
from gateway.publication import MAX_NODE_KEYS


@dataclass(frozen=True, kw_only=True)
class Keyholder:
    """A node that requests are routed to.

    Attributes:
        url: where it is.
        server_name: what its certificate has to name; empty: the URL's host.
        leaf: hash of its newest leaf.
        keys: key ids that clients may use, each with the end of the last window that listed it.
    """

    url: str
    server_name: str
    leaf: bytes
    keys: Mapping[bytes, int]


Keyholders = Mapping[str, Keyholder]
"""By the name of their places."""


def sole_holders(
    evidence: Sequence[Evidence], known: Keyholders, held: Collection[str]
) -> list[Evidence]:
    """Leave out nodes that show key ids of another one whose place is held, or two at once."""
    holders = {key: name for name, one in known.items() for key in one.keys if name in held}
    sole = []
    for one in evidence:
        name, ids = one.place.name, one.leaf.node_key_ids
        if all(holders.get(key, name) == name for key in ids):
            holders.update(dict.fromkeys(ids, name))
            sole.append(one)
    return sole


def moves(evidence: Sequence[Evidence], known: Keyholders) -> dict[str, str]:
    """Say which nodes are elsewhere now: old and new names of places. `evidence` is of holders."""
    holders = {key: name for name, one in known.items() for key in one.keys}
    return {
        holders[key]: one.place.name
        for one in evidence
        for key in one.leaf.node_key_ids
        if key in holders and holders[key] != one.place.name
    }


def located(known: Keyholders, evidence: Sequence[Evidence]) -> Keyholders:
    """Bring up to date where the holders are; no key is added. `evidence` is of holders."""
    shown = {key: one.place.name for one in evidence for key in one.leaf.node_key_ids}
    elsewhere = moves(evidence, known)
    found: dict[str, Keyholder] = {}
    for name, one in known.items():
        for key, end in one.keys.items():
            where = shown.get(key, elsewhere.get(name, name))
            before = found.get(where) or replace(known.get(where, one), keys={})
            found[where] = replace(before, keys={**before.keys, key: end})
    for seen in evidence:
        place = seen.place
        if place.name in found:
            found[place.name] = replace(
                found[place.name], url=place.url, server_name=place.server_name
            )
    return found


def listed(
    known: Keyholders, evidence: Sequence[Evidence], *, until: int, now: float
) -> Keyholders:
    """Add the keys of a window to those known, and drop those whose last window has run out."""
    shown = {key: one.place.name for one in evidence for key in one.leaf.node_key_ids}
    merged = {
        name: replace(
            one, keys={key: end for key, end in one.keys.items() if shown.get(key, name) == name}
        )
        for name, one in known.items()
    }
    for one in evidence:
        place, before = one.place, merged.get(one.place.name)
        keys = {} if before is None else before.keys
        merged[place.name] = Keyholder(
            url=place.url,
            server_name=place.server_name,
            leaf=one.leaf.leaf_hash(),
            keys={**keys, **dict.fromkeys(one.leaf.node_key_ids, until)},
        )
    return live(merged, now)


def live(known: Keyholders, now: float) -> Keyholders:
    """Drop keys whose last window has run out, and nodes without any."""
    kept = {
        name: replace(one, keys=_newest({k: end for k, end in one.keys.items() if end > now}))
        for name, one in known.items()
    }
    return {name: one for name, one in kept.items() if one.keys}


def _newest(keys: Mapping[bytes, int]) -> dict[bytes, int]:
    """Give as many keys as a publication holds: one node must not make it unreadable."""
    newest = sorted(keys, key=lambda key: -keys[key])[:MAX_NODE_KEYS]
    return {key: keys[key] for key in newest}
