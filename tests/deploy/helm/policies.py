"""What NetworkPolicies allow, by their rules, between the pods of one namespace.

A connection needs both ends: the policies that select its source for egress, and those that select
its target for ingress. An end that none selects is open.
"""

from collections.abc import Iterator, Sequence

from tests.deploy.helm.charting import Object, of_kind, selects


def allows(found: Sequence[Object], source: Object, target: Object, port: int) -> bool:
    """Say whether a pod may connect to another one's port."""
    ends = ((source, target, "Egress"), (target, source, "Ingress"))
    return all(_end_allows(found, me, other, kind, port) for me, other, kind in ends)


def _end_allows(
    found: Sequence[Object], me: Object, other: Object, kind: str, port: int
) -> bool:  # fmt: skip
    policies = [
        one["spec"]
        for one in of_kind(found, "NetworkPolicy")
        if kind in one["spec"]["policyTypes"]
        and selects(one["spec"]["podSelector"].get("matchLabels", {}), me)
    ]
    if not policies:
        return True
    rules = [rule for policy in policies for rule in policy.get(kind.lower(), [])]
    return any(_rule_allows(rule, other, kind, port) for rule in rules)


def _rule_allows(rule: Object, other: Object, kind: str, port: int) -> bool:
    ports = [one["port"] for one in rule.get("ports", [{"port": port}])]
    peers = rule.get("to" if kind == "Egress" else "from")
    return port in ports and (not peers or any(_is(peer, other) for peer in peers))


def _is(peer: Object, pod: Object) -> bool:
    """Say whether a peer means a pod of this namespace, whose address nobody knows beforehand."""
    inside = "podSelector" in peer and "namespaceSelector" not in peer
    return inside and selects(peer["podSelector"].get("matchLabels", {}), pod)


def connections(
    found: Sequence[Object], pods: Sequence[Object]
) -> Iterator[tuple[Object, Object, int]]:
    """Give every connection between pods that the policies allow, to ports that are listened on."""
    for target in pods:
        for one in target["spec"]["containers"][0].get("ports", []):
            for source in pods:
                if source is not target and allows(found, source, target, one["containerPort"]):
                    yield source, target, one["containerPort"]
