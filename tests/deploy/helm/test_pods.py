"""What every pod may do, over all shapes: nothing but run one program as nobody, within limits."""

import re
import tomllib
from collections.abc import Iterator

import pytest

from gateway.issuer.telemetry import IssuerTelemetry
from gateway.telemetry import Telemetry
from tests.deploy.helm.charting import CHART, Object, containers, matrix, of_kind, pods
from tests.deploy.helm.values import DIGEST
from transparency_log.server.metrics import LogMetrics, WitnessMetrics

pytestmark = pytest.mark.deploy

ALONE = {"publisher", "log", "witness"}
"""Roles of which two with one key would contradict each other."""


def every() -> Iterator[tuple[str, Object, Object]]:
    """Give each pod of each shape, with a name for it."""
    for name, found in matrix().items():
        for maker, pod in pods(found):
            yield f"{name}: {maker['kind']} {maker['metadata']['name']}", maker, pod


def wrong(test: object) -> list[str]:
    """Name the containers that fail a test."""
    assert callable(test)
    return [
        f"{name}/{one['name']}"
        for name, _, pod in every()
        for one in containers(pod)
        if not test(one)
    ]


def test_no_pod_is_privileged():
    assert wrong(
        lambda one: (
            one["securityContext"]
            == {
                "allowPrivilegeEscalation": False,
                "readOnlyRootFilesystem": True,
                "capabilities": {"drop": ["ALL"]},
            }
        )
    ) == []  # fmt: skip


def test_every_pod_is_nobody_with_a_filter_of_system_calls():
    for name, _, pod in every():
        context = pod["spec"]["securityContext"]
        assert context["runAsNonRoot"] is True, name
        assert context["runAsUser"] == context["runAsGroup"] == context["fsGroup"] == 65532, name
        assert context["seccompProfile"] == {"type": "RuntimeDefault"}, name
        assert context["fsGroupChangePolicy"] == "OnRootMismatch", name


def test_no_pod_has_anything_of_its_host():
    for name, _, pod in every():
        assert not pod["spec"].keys() & {"hostNetwork", "hostPID", "hostIPC", "hostUsers"}, name
        kinds = {kind for volume in pod["spec"]["volumes"] for kind in volume if kind != "name"}
        assert kinds <= {"emptyDir", "configMap", "secret", "persistentVolumeClaim"}, name


def test_no_pod_may_ask_the_cluster():
    for name, _, pod in every():
        assert pod["spec"]["automountServiceAccountToken"] is False, name
        assert pod["spec"]["enableServiceLinks"] is False, name
    for found in matrix().values():
        assert not of_kind(found, "Role", "RoleBinding", "ClusterRole", "ClusterRoleBinding")
        for account in of_kind(found, "ServiceAccount"):
            assert account["automountServiceAccountToken"] is False


def test_every_container_has_limits():
    def limited(one: Object) -> bool:
        found = one["resources"]
        return all({"cpu", "memory"} <= found[kind].keys() for kind in ("requests", "limits"))

    assert wrong(limited) == []
    for name, _, pod in every():
        for volume in pod["spec"]["volumes"]:
            assert "sizeLimit" in volume.get("emptyDir", {"sizeLimit": ""}), name


def test_nothing_stands_in_the_environment():
    assert wrong(lambda one: not one.keys() & {"env", "envFrom"}) == []


def test_the_chart_makes_no_secret():
    assert [one for found in matrix().values() for one in of_kind(found, "Secret")] == []


def test_images_have_a_version_or_the_digest_that_was_given():
    assert wrong(lambda one: re.search(r":[0-9][^:]*$|@sha256:[0-9a-f]{64}$", one["image"])) == []
    for _, pod in pods(matrix()["all"]):
        assert all(one["image"].endswith(f"@{DIGEST}") for one in containers(pod))


def test_what_is_mounted_can_be_written_only_where_state_is():
    for name, _, pod in every():
        for one in pod["spec"]["containers"]:
            writable = {m["mountPath"] for m in one["volumeMounts"] if not m.get("readOnly")}
            assert writable == {"/tmp", "/var/lib/openpcc"}, name


def test_secrets_reach_only_the_container_that_copies_them():
    for name, _, pod in every():
        secret = {v["name"] for v in pod["spec"]["volumes"] if "secret" in v}
        for one in containers(pod):
            mounted = {m["name"] for m in one["volumeMounts"]}
            assert one["name"] == "prepare" or not mounted & secret, name


def test_what_must_not_be_doubled_is_one_and_keeps_its_volume():
    seen = set()
    for found in matrix().values():
        for one in of_kind(found, "StatefulSet"):
            role = one["metadata"]["labels"]["app.kubernetes.io/component"]
            if role in ALONE:
                seen.add(role)
                assert one["spec"]["replicas"] == 1
                retained = one["spec"]["persistentVolumeClaimRetentionPolicy"]
                assert set(retained.values()) == {"Retain"}
    assert seen == ALONE


def test_servers_have_time_to_drain():
    grace = {
        one["metadata"]["name"]: pod["spec"]["terminationGracePeriodSeconds"]
        for name in ("simulated", "kata")
        for one, pod in pods(matrix()[name])
    }
    assert grace["openpcc-gateway"] >= 10 + 60
    assert grace["openpcc-relay"] >= 7.5 + 60
    assert grace["openpcc-node"] >= 1260


def test_probes_ask_ports_that_the_container_has():
    for name, _, pod in every():
        (one,) = pod["spec"]["containers"]
        ports = {port["name"] for port in one.get("ports", [])}
        for probe in ("startupProbe", "livenessProbe", "readinessProbe"):
            assert (probe in one) == bool(ports), name
            for how in ("httpGet", "tcpSocket"):
                assert one.get(probe, {}).get(how, {"port": "main"})["port"] in ports | {"main"}
            path = one.get(probe, {}).get("httpGet", {}).get("path")
            assert path in (None, "/readyz" if probe == "readinessProbe" else "/healthz"), name


def test_configurations_listen_where_the_container_says():
    for found in matrix().values():
        texts = {one["metadata"]["name"]: one["data"] for one in of_kind(found, "ConfigMap")}
        for maker, pod in pods(found):
            ports = {
                p["name"]: p["containerPort"] for p in pod["spec"]["containers"][0].get("ports", [])
            }
            name = maker["metadata"]["name"]
            if "control" in ports:
                (text, *_) = [t for f, t in texts[name].items() if f.endswith(".toml")]
                config = tomllib.loads(text)
                assert config["listen"] == f"0.0.0.0:{ports['main']}"
                assert config["control"] == f"0.0.0.0:{ports['control']}"


def counted() -> str:
    """Give all that the programs count."""
    telemetries = [Telemetry("gateway"), IssuerTelemetry()]
    for one in telemetries:
        one.request("sealed", "ok")
        one.attempt("taken")
    texts = [one.metrics() for one in telemetries]
    return b"".join([*texts, LogMetrics(lambda: 0).text(), WitnessMetrics().text()]).decode()


def test_scaling_is_by_a_metric_that_exists():
    for found in matrix().values():
        for one in of_kind(found, "HorizontalPodAutoscaler"):
            (metric,) = one["spec"]["metrics"]
            assert f"# TYPE {metric['pods']['metric']['name']} gauge" in counted()


def test_alerts_are_about_metrics_that_exist():
    named = set(re.findall(r"\bopenpcc_\w+", (CHART / "alerts.yaml").read_text()))
    assert named
    assert {one for one in named if f"\n{one}" not in counted()} == set()


def test_ways_in_do_not_buffer():
    (ingress,) = of_kind(matrix()["ingress"], "Ingress")
    annotations = ingress["metadata"]["annotations"]
    for name in ("proxy-buffering", "proxy-request-buffering"):
        assert annotations[f"nginx.ingress.kubernetes.io/{name}"] == "off"
    (route,) = of_kind(matrix()["gateway-api"], "HTTPRoute")
    assert route["spec"]["rules"][0]["timeouts"]["request"] == "0s"
