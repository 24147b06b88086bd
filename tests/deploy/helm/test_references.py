"""Whatever an object names is there: pods, ports, files, accounts, volumes; or a value named it."""

from collections.abc import Iterator
from typing import Any

import pytest

from tests.deploy.helm.charting import Object, containers, matrix, of_kind, pods, selects
from tests.deploy.helm.values import MATRIX

pytestmark = pytest.mark.deploy

BROUGHT = {"tls.crt", "tls.key", "api.key"}
"""Files that a command names and that the chart does not make: of Secrets (README.md)."""


def shapes() -> Iterator[tuple[str, list[Object]]]:
    yield from matrix().items()


def component(labels: Object) -> object:
    return labels["app.kubernetes.io/component"]


def test_makers_select_their_own_pods_and_no_others():
    for shape, found in shapes():
        for maker in of_kind(found, "Deployment", "StatefulSet"):
            asked = maker["spec"]["selector"]["matchLabels"]
            chosen = [one["metadata"]["name"] for one, pod in pods(found) if selects(asked, pod)]
            assert chosen == [maker["metadata"]["name"]], shape


def test_services_budgets_and_spreads_select_pods_of_their_role():
    for shape, found in shapes():
        for labels, asked in selectors(found):
            chosen = [pod for _, pod in pods(found) if selects(asked, pod)]
            assert chosen, (shape, asked)
            roles = {component(pod["metadata"]["labels"]) for pod in chosen}
            assert roles == {component(labels)}, shape


def selectors(found: list[Object]) -> Iterator[tuple[Object, Object]]:
    for one in found:
        labels, spec = one["metadata"]["labels"], one.get("spec", {})
        if one["kind"] == "Service" and "selector" in spec:
            yield labels, spec["selector"]
        if one["kind"] == "PodDisruptionBudget":
            yield labels, spec["selector"]["matchLabels"]
    for _, pod in pods(found):
        for spread in pod["spec"]["topologySpreadConstraints"]:
            if spread["labelSelector"]:
                yield pod["metadata"]["labels"], spread["labelSelector"]["matchLabels"]


def test_ports_of_services_are_ports_of_containers():
    for shape, found in shapes():
        for service in of_kind(found, "Service"):
            for _, pod in pods(found):
                if selects(service["spec"].get("selector", {"": ""}), pod):
                    (one,) = pod["spec"]["containers"]
                    ports = {port["name"]: port["containerPort"] for port in one["ports"]}
                    for port in service["spec"]["ports"]:
                        assert ports[port["targetPort"]] == port["port"], shape


def test_control_ports_are_in_no_service_that_others_reach():
    for shape, found in shapes():
        for service in of_kind(found, "Service"):
            if not service["metadata"]["name"].endswith("-control"):
                assert all(port["port"] < 9000 for port in service["spec"]["ports"]), shape
            else:
                assert service["spec"]["clusterIP"] == "None"


def test_addresses_of_machines_stand_behind_the_name_of_nodes():
    slices = of_kind(matrix()["service"], "EndpointSlice")
    assert {one["addressType"]: addresses(one) for one in slices} == {
        "IPv4": ["10.1.0.7", "10.1.0.8"],
        "IPv6": ["fd00::7"],
    }
    for one in slices:
        assert one["metadata"]["labels"]["kubernetes.io/service-name"] == "openpcc-nodes"


def addresses(slice_: Object) -> list[str]:
    return [address for one in slice_["endpoints"] for address in one["addresses"]]


def test_every_file_that_a_command_names_is_put_there():
    for shape, found in shapes():
        for _, pod in pods(found):
            present = placed(found, pod)
            for one in pod["spec"]["containers"]:
                words = " ".join([*one["command"], *one.get("args", [])]).split()
                named = {w for w in words if w.startswith("/etc/openpcc/") and "." in w}
                missing = {w for w in named - present if w.rpartition("/")[2] not in BROUGHT}
                assert {w for w in missing if "/secrets/" not in w} == set(), shape


def placed(found: list[Object], pod: Object) -> set[str]:
    """Give the files that a pod's configuration consists of."""
    maps = {one["metadata"]["name"]: one for one in of_kind(found, "ConfigMap")}
    (prepare,) = [one for one in containers(pod) if one["name"] == "prepare"]
    put = {
        words[1].rpartition("/")[2]: words[2].removesuffix("/.").removesuffix("/")
        for line in prepare["args"][0].splitlines()
        if (words := line.split())[0] == "put"
    }
    assert put.keys() == {m["name"] for m in prepare["volumeMounts"]} - {"config"}
    files = set()
    for volume in pod["spec"]["volumes"]:
        if "configMap" in volume and volume["configMap"]["name"] in maps:
            one = maps[volume["configMap"]["name"]]
            for name in {**one.get("data", {}), **one.get("binaryData", {})}:
                files.add(f"{put[volume['name']]}/{name}")
    return files


def test_secrets_and_config_maps_are_made_here_or_named_by_a_value():
    for shape, found in shapes():
        made = {one["metadata"]["name"] for one in of_kind(found, "ConfigMap")}
        named = set(texts(MATRIX[shape]))
        for _, pod in pods(found):
            for volume in pod["spec"]["volumes"]:
                match volume:
                    case {"secret": {"secretName": name, "optional": False}}:
                        assert name in named, shape
                    case {"configMap": {"name": name, "optional": False}}:
                        assert name in made | named, shape
                    case {"secret": _} | {"configMap": _}:
                        pytest.fail(f"{shape}: {volume}")
                    case _:
                        pass


def texts(value: Any) -> Iterator[str]:
    match value:
        case dict():
            for one in value.values():
                yield from texts(one)
        case list():
            for one in value:
                yield from texts(one)
        case str():
            yield value
        case _:
            pass


def test_accounts_claims_targets_and_backends_are_there():
    for shape, found in shapes():
        names = {(one["kind"], one["metadata"]["name"]) for one in found}
        assert set(wanted(found)) <= names, shape


def wanted(found: list[Object]) -> Iterator[tuple[str, str]]:
    for maker, pod in pods(found):
        yield "ServiceAccount", pod["spec"]["serviceAccountName"]
        own = {one["metadata"]["name"] for one in maker["spec"].get("volumeClaimTemplates", [])}
        for volume in pod["spec"]["volumes"]:
            if "persistentVolumeClaim" in volume:
                yield "PersistentVolumeClaim", volume["persistentVolumeClaim"]["claimName"]
        volumes = {volume["name"] for volume in pod["spec"]["volumes"]} | own
        mounted = {m["name"] for one in containers(pod) for m in one["volumeMounts"]}
        assert mounted == volumes, maker["metadata"]["name"]
        if maker["kind"] == "StatefulSet":
            yield "Service", maker["spec"]["serviceName"]
    for one in of_kind(found, "HorizontalPodAutoscaler"):
        yield "Deployment", one["spec"]["scaleTargetRef"]["name"]
    for one in of_kind(found, "Ingress"):
        yield "Service", one["spec"]["rules"][0]["http"]["paths"][0]["backend"]["service"]["name"]
    for one in of_kind(found, "HTTPRoute", "TLSRoute"):
        yield "Service", one["spec"]["rules"][0]["backendRefs"][0]["name"]
