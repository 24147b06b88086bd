"""Who may speak to whom, read out of the policies: this and no more."""

import pytest

from tests.deploy.helm.charting import Object, matrix, of_kind, pods, render, selects
from tests.deploy.helm.policies import allows, connections
from tests.deploy.helm.values import SERVICE, together

pytestmark = pytest.mark.deploy

TRIAL = {
    ("relay", "gateway", 8001),
    ("gateway", "publisher", 8002),
    ("gateway", "log", 8090),
    ("gateway", "nodes", 8080),
    ("publisher", "log", 8090),
    ("publisher", "nodes", 8080),
    ("log", "witness", 8091),
    ("tests", "relay", 8000),
}
"""The shape "simulated": everything in one release, for a trial."""

STRANGER: Object = {"metadata": {"labels": {"app": "stranger"}}, "spec": {"containers": [{}]}}
"""A pod of somebody else, which no policy binds."""


def role(pod: Object) -> str:
    return str(pod["metadata"]["labels"].get("app.kubernetes.io/component", "stranger"))


def spoken(found: list[Object]) -> set[tuple[str, str, int]]:
    """Give who may connect to whom, a stranger among them."""
    present = [*(pod for _, pod in pods(found)), STRANGER]
    return {(role(a), role(b), port) for a, b, port in connections(found, present)}


def own(found: list[Object], name: str) -> Object:
    """Give the policy of a role."""
    (policy,) = [
        one
        for one in of_kind(found, "NetworkPolicy")
        if one["metadata"]["name"].endswith(f"-{name}")
    ]
    spec: Object = policy["spec"]
    return spec


def test_who_may_speak_is_exactly_this():
    public = {("stranger", "relay", 8000), ("stranger", "log", 8090), ("stranger", "witness", 8091)}
    assert spoken(matrix()["simulated"]) == TRIAL | public


def test_without_policies_everybody_may():
    assert ("stranger", "gateway", 9001) in spoken(matrix()["no-policies"])


def test_of_strangers_only_the_public_is_reached():
    for shape, found in matrix().items():
        if shape != "no-policies":
            reached = {(to, port) for source, to, port in spoken(found) if source == "stranger"}
            assert reached <= {("relay", 8000), ("issuer", 8003), ("log", 8090), ("witness", 8091)}


def test_everybody_is_denied_everything_first():
    for shape, found in matrix().items():
        if shape == "no-policies":
            assert not of_kind(found, "NetworkPolicy")
            continue
        deny = own(found, "deny")
        assert deny.keys() == {"podSelector", "policyTypes"}
        assert deny["policyTypes"] == ["Ingress", "Egress"]
        for _, pod in pods(found):
            assert selects(deny["podSelector"]["matchLabels"], pod), shape


def test_every_role_has_one_policy_and_every_policy_a_role():
    for shape, found in matrix().items():
        chosen = [
            one["spec"]["podSelector"]["matchLabels"]["app.kubernetes.io/component"]
            for one in of_kind(found, "NetworkPolicy")
            if not one["metadata"]["name"].endswith("-deny")
        ]
        roles = {role(pod) for _, pod in pods(found)}
        assert sorted(chosen) == (sorted(roles) if shape != "no-policies" else []), shape


def test_every_peer_is_somebody():
    for shape, found in matrix().items():
        for policy in of_kind(found, "NetworkPolicy"):
            for direction, peers in (("ingress", "from"), ("egress", "to")):
                for rule in policy["spec"].get(direction, []):
                    for peer in rule.get(peers, []):
                        asked = peer.get("podSelector", {}).get("matchLabels", {})
                        if "namespaceSelector" not in peer and asked:
                            assert any(selects(asked, pod) for _, pod in pods(found)), shape


def test_every_rule_is_of_use():
    """A rule of egress whose port nobody listens on, or whose target does not listen to it."""
    for shape, found in matrix().items():
        pairs = {(source, to) for source, to, _ in spoken(found)}
        for policy in of_kind(found, "NetworkPolicy"):
            me = policy["spec"]["podSelector"]["matchLabels"].get("app.kubernetes.io/component")
            for rule in policy["spec"].get("egress", []):
                for peer in rule.get("to", []):
                    if set(peer) == {"podSelector"}:
                        to = peer["podSelector"]["matchLabels"]["app.kubernetes.io/component"]
                        assert (me, to) in pairs, (shape, me, to)


def test_nodes_ask_nobody_not_even_dns():
    for shape in ("kata", "simulated"):
        assert own(matrix()[shape], "nodes")["egress"] == []


def test_machines_outside_are_reached_one_by_one():
    for name in ("gateway", "publisher"):
        blocks = [
            peer["ipBlock"]["cidr"]
            for rule in own(matrix()["service"], name)["egress"]
            for peer in rule["to"]
            if "ipBlock" in peer
        ]
        assert blocks == ["10.1.0.7/32", "10.1.0.8/32", "fd00::7/128"]


def test_control_ports_are_for_monitoring_alone():
    for shape, found in matrix().items():
        rules = [
            rule
            for policy in of_kind(found, "NetworkPolicy")
            for rule in policy["spec"].get("ingress", [])
            if any(port["port"] >= 9000 for port in rule["ports"])
        ]
        assert bool(rules) == (shape in ("monitored", "all"))
        for rule in rules:
            (peer,) = rule["from"]
            labels = peer["namespaceSelector"]["matchLabels"]
            assert labels == {"kubernetes.io/metadata.name": "monitoring"}


def test_relays_elsewhere_are_let_in_by_name():
    labels = {"app.kubernetes.io/component": "relay", "app.kubernetes.io/instance": "relays"}
    values = together(
        SERVICE, {"networkPolicy": {"gatewayFrom": [{"podSelector": {"matchLabels": labels}}]}}
    )
    found = render(values)
    (gateway,) = [
        pod for maker, pod in pods(found) if maker["metadata"]["name"].endswith("-gateway")
    ]
    relay = {"metadata": {"labels": labels}, "spec": {}}
    assert allows(found, relay, gateway, 8001)
    assert not allows(found, relay, gateway, 9001)
    assert not allows(found, STRANGER, gateway, 8001)
