"""Who may speak to whom, read out of the policies: both ends agree, and nobody else may."""

from collections.abc import Iterator

import pytest

from tests.deploy.helm.charting import Object, matrix, of_kind, pods, selects

pytestmark = pytest.mark.deploy

Edge = tuple[str, str, int]
"""Who connects, to whom, at which port."""

TRIAL: set[Edge] = {
    ("relay", "gateway", 8001),
    ("gateway", "publisher", 8002),
    ("gateway", "log", 8090),
    ("gateway", "nodes", 8080),
    ("publisher", "log", 8090),
    ("publisher", "nodes", 8080),
    ("log", "witness", 8091),
    ("status", "log", 8090),
    ("tests", "relay", 8000),
}
"""The shape "simulated": everything in one release, for a trial."""


def role(pod: Object) -> str:
    return str(pod["metadata"]["labels"]["app.kubernetes.io/component"])


def own(found: list[Object]) -> list[Object]:
    """Give the policies of roles, without the one that denies everything."""
    policies = of_kind(found, "NetworkPolicy")
    return [one for one in policies if not one["metadata"]["name"].endswith("-deny")]


def edges(found: list[Object], direction: str, peers: str) -> Iterator[Edge]:
    """Give what one side allows between pods of the release."""
    for policy in own(found):
        me = policy["spec"]["podSelector"]["matchLabels"]["app.kubernetes.io/component"]
        for rule in policy["spec"][direction]:
            for peer in rule.get(peers, [{"podSelector": {"matchLabels": {}}}]):
                if set(peer) != {"podSelector"}:
                    continue
                for _, pod in pods(found):
                    if selects(peer["podSelector"]["matchLabels"], pod):
                        for port in rule["ports"]:
                            ends = (me, role(pod)) if peers == "to" else (role(pod), me)
                            yield *ends, port["port"]


def test_everybody_is_denied_everything_first():
    for shape, found in matrix().items():
        if shape == "no-policies":
            assert not of_kind(found, "NetworkPolicy")
            continue
        (deny,) = (
            o for o in of_kind(found, "NetworkPolicy") if o["metadata"]["name"].endswith("-deny")
        )
        assert deny["spec"].keys() == {"podSelector", "policyTypes"}
        assert deny["spec"]["policyTypes"] == ["Ingress", "Egress"]
        for _, pod in pods(found):
            assert selects(deny["spec"]["podSelector"]["matchLabels"], pod), shape


def test_every_role_has_one_policy_and_every_policy_a_role():
    for shape, found in matrix().items():
        roles = {role(pod) for _, pod in pods(found)}
        chosen = [
            one["spec"]["podSelector"]["matchLabels"]["app.kubernetes.io/component"]
            for one in own(found)
        ]
        assert sorted(chosen) == (sorted(roles) if shape != "no-policies" else []), shape


def test_who_may_speak_is_exactly_this():
    assert set(edges(matrix()["simulated"], "egress", "to")) == TRIAL


def test_whoever_may_speak_is_heard():
    for shape, found in matrix().items():
        spoken = set(edges(found, "egress", "to"))
        assert spoken <= set(edges(found, "ingress", "from")), shape


def test_whoever_is_heard_may_speak_but_for_the_public():
    public = {8000, 8003, 8090, 8091}
    for shape, found in matrix().items():
        heard = {edge for edge in edges(found, "ingress", "from") if edge[2] not in public}
        assert heard <= set(edges(found, "egress", "to")), shape


def test_every_peer_is_somebody():
    for shape, found in matrix().items():
        for policy in own(found):
            for direction, peers in (("ingress", "from"), ("egress", "to")):
                for rule in policy["spec"][direction]:
                    for peer in rule.get(peers, []):
                        asked = peer.get("podSelector", {}).get("matchLabels", {})
                        if "namespaceSelector" not in peer and asked:
                            assert any(selects(asked, pod) for _, pod in pods(found)), shape


def test_rules_name_ports_that_somebody_listens_on():
    for shape, found in matrix().items():
        listening = {
            (role(pod), port["containerPort"])
            for _, pod in pods(found)
            for port in pod["spec"]["containers"][0].get("ports", [])
        }
        for policy in own(found):
            me = policy["spec"]["podSelector"]["matchLabels"]["app.kubernetes.io/component"]
            for rule in policy["spec"]["ingress"]:
                assert {(me, port["port"]) for port in rule["ports"]} <= listening, shape
        assert {(to, port) for _, to, port in edges(found, "egress", "to")} <= listening, shape


def test_nodes_ask_nobody_not_even_dns():
    for shape in ("kata", "simulated"):
        (policy,) = [
            one for one in own(matrix()[shape]) if one["metadata"]["name"].endswith("-nodes")
        ]
        assert policy["spec"]["egress"] == []
        assert "Egress" in policy["spec"]["policyTypes"]


def test_machines_outside_are_reached_one_by_one():
    (gateway,) = [o for o in own(matrix()["service"]) if o["metadata"]["name"].endswith("-gateway")]
    blocks = [
        peer["ipBlock"]["cidr"]
        for rule in gateway["spec"]["egress"]
        for peer in rule["to"]
        if "ipBlock" in peer
    ]
    assert blocks == ["10.1.0.7/32", "10.1.0.8/32", "fd00::7/128"]


def test_control_ports_are_for_monitoring_alone():
    for shape, found in matrix().items():
        monitored = shape in ("monitored", "all")
        for policy in own(found):
            for rule in policy["spec"]["ingress"]:
                if any(port["port"] >= 9000 for port in rule["ports"]):
                    assert monitored, shape
                    (peer,) = rule["from"]
                    labels = peer["namespaceSelector"]["matchLabels"]
                    assert labels == {"kubernetes.io/metadata.name": "monitoring"}


def test_neither_gateway_nor_proxy_is_open_to_everybody():
    for found in matrix().values():
        for policy in own(found):
            if policy["metadata"]["name"].endswith(("-gateway", "-proxy", "-publisher")):
                assert all(rule.get("from") for rule in policy["spec"]["ingress"])
