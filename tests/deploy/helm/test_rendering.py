"""The real engine renders every shape; Kubernetes' own schemas know every member of it."""

import json

import pytest

from tests.deploy.helm.charting import CHART, answer, engine, matrix, of_kind, render
from tests.deploy.helm.values import ALL, MATRIX, SERVICE, SIMULATED, together

pytestmark = pytest.mark.deploy

VERSIONS = ("1.31.0", "1.34.0", "1.37.0")
"""Of Kubernetes: the oldest that the tools know beside the newest, and one between."""

ELSEWHERE = {
    "ServiceMonitor": "monitoring.coreos.com/v1",
    "PrometheusRule": "monitoring.coreos.com/v1",
    "HTTPRoute": "gateway.networking.k8s.io/v1",
    "TLSRoute": "gateway.networking.k8s.io/v1alpha2",
}
"""Kinds that are no part of Kubernetes; there are no schemas of them here."""


@pytest.mark.parametrize("version", VERSIONS)
def test_kubernetes_knows_every_member(version: str):
    found = [one for every in matrix().values() for one in every if one["kind"] not in ELSEWHERE]
    different = {json.dumps(one, sort_keys=True): one for one in found}
    assert [text for text in engine("check", version, [*different.values()]) if text] == []


def test_the_schemas_refuse_a_misspelt_member():
    (deployment, *_) = of_kind(render(SERVICE), "Deployment")
    deployment["spec"]["template"]["spec"]["containers"][0]["livenessProb"] = {}
    (found,) = engine("check", VERSIONS[-1], [deployment])
    assert "livenessProb" in found


def test_other_kinds_are_of_the_versions_that_are_named():
    found = [one for one in matrix()["all"] if one["kind"] in ELSEWHERE]
    assert {one["kind"]: one["apiVersion"] for one in found} == ELSEWHERE


def test_nothing_to_complain_of_for_helm_lint():
    reports = engine("lint", CHART, [{"values": values} for values in MATRIX.values()])
    assert dict(zip(MATRIX, reports, strict=True)) == {name: [] for name in MATRIX}


def test_nothing_runs_that_was_not_asked_for():
    assert sorted(one["kind"] for one in matrix()["default"]) == ["NetworkPolicy", "ServiceAccount"]


def test_names_are_unique():
    for name, found in matrix().items():
        names = [(one["kind"], one["metadata"]["name"]) for one in found]
        assert len(set(names)) == len(names), name


def test_all_names_begin_with_the_chosen_one():
    assert all(one["metadata"]["name"].startswith("chat") for one in matrix()["placed"])


def test_an_upgrade_renders_what_an_install_does():
    assert render(ALL, upgrade=True) == render(ALL)


def test_a_changed_configuration_replaces_the_pods():
    changed = together(
        SERVICE, {"gateway": {"config": SERVICE["gateway"]["config"] + "poll = 2\n"}}
    )
    assert checksum(changed) != checksum(SERVICE)


def checksum(values: dict[str, object]) -> str:
    (gateway,) = of_kind(render(values), "Deployment")
    return str(gateway["spec"]["template"]["metadata"]["annotations"]["checksum/config"])


def test_the_notes_say_what_is_for_trials_only():
    notes = answer(MATRIX["simulated"])["notes"]
    assert "SIMULATED" in notes
    assert "can link addresses to requests" in notes
    assert "proves nothing to anybody" in notes


def test_the_notes_miss_a_notice():
    values = together(SERVICE, SIMULATED)
    values["gateway"]["config"] = values["gateway"]["config"].replace("notice = 10\n", "")
    notes = answer(values)["notes"]
    assert "gateway: no `notice`" in notes
