"""The chart's pods at work: a whole service as `openpcc init` describes it, and a sealed request.

What is a cluster's and what is ours, `kubelet` says. The steps are those of the chart's README.
"""

import json
import ssl
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.deploy import containers
from tests.deploy.helm import forward, kubelet
from tests.deploy.helm.kubelet import Cluster, Running
from tests.deploy.helm.trial import KEY, NAMESPACE, WITNESSES, Trial, command

pytestmark = [pytest.mark.deploy, pytest.mark.timeout(600)]

REACH = "import socket, sys; socket.create_connection((sys.argv[1], int(sys.argv[2])), 3)"


@dataclass(frozen=True, kw_only=True)
class Service:
    """What runs."""

    trial: Trial
    cluster: Cluster
    pods: dict[str, Running]
    log_before: object
    """The log's StatefulSet as it was when there was a log alone."""


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    containers.built("server", "node")
    kubelet.clean()
    try:
        trial = Trial.make(tmp_path_factory.mktemp("trial") / "new")
        yield started(trial, tmp_path_factory.mktemp("pods"))
    finally:
        kubelet.clean()


def started(trial: Trial, folder: Path) -> Service:
    """Bring everything up: log and witnesses, then a release, then the rest."""
    maps = {
        "openpcc-ca": {"ca.crt": trial.ca.root.decode()},
        "ingress-script": {"forward.py": Path(forward.__file__).read_text()},
    }
    cluster = Cluster(
        namespace=NAMESPACE, objects=trial.objects(trial.whole()), secrets=trial.secrets(),
        maps=maps, folder=folder,
    )  # fmt: skip
    names = [*(f"{name}-witness" for name in WITNESSES), "openpcc-log", "ingress"]
    pods = cluster.start_all(names)
    before = log_set(trial.objects(trial.log_alone()))
    pods["openpcc-log"].wait("readinessProbe")
    with port_forward(pods["openpcc-log"].address, 8090) as port:
        trial.publish(f"http://127.0.0.1:{port}")
    cluster.objects = trial.objects(trial.whole())
    names = [f"openpcc-{name}" for name in ("node-1", "node-2", "publisher", "gateway", "relay")]
    pods |= cluster.start_all(names)
    pods["openpcc-gateway-1"] = cluster.start("openpcc-gateway", 1)
    for name in set(pods) - {"ingress"}:
        pods[name].wait("readinessProbe")
    return Service(trial=trial, cluster=cluster, pods=pods, log_before=before)


def log_set(objects: list[dict[str, object]]) -> object:
    (found,) = [o for o in objects if o["kind"] == "StatefulSet" and "log" in str(o["metadata"])]
    return found


@contextmanager
def port_forward(address: str, port: int) -> Iterator[int]:
    """Do what `kubectl port-forward` does."""
    words = [sys.executable, forward.__file__, "127.0.0.1", "0", address, str(port)]
    with subprocess.Popen(words, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            yield int(process.stdout.readline())
        finally:
            process.kill()


def test_the_second_step_leaves_the_log_as_it_is(service: Service):
    assert log_set(list(service.cluster.objects)) == service.log_before


def test_every_probe_is_served(service: Service):
    for name, pod in service.pods.items():
        for kind in ("startupProbe", "livenessProbe", "readinessProbe"):
            assert name == "ingress" or pod.probe(kind) == 200, (name, kind)


def test_helm_test_sends_a_sealed_request(service: Service):
    client = service.cluster.start("openpcc-tests")
    assert client.exit_code() == 0, client.logs()
    _, brace, answer = client.logs().partition("\n{")
    assert json.loads(brace + answer)["reply"]
    client.remove()


def test_the_proxy_answers_as_an_openai_api(service: Service):
    context = ssl.create_default_context(cadata=service.trial.ca.root.decode())
    body = {"model": "demo", "messages": [{"role": "user", "content": "Say hello."}]}
    proxy, said = answered(service.cluster, "openpcc-proxy", json.dumps(body), context)
    answer = json.loads(said)
    assert answer["choices"][0]["message"]["content"]
    assert proxy.stop() == 0
    proxy.remove()


def answered(
    cluster: Cluster, name: str, body: str, context: ssl.SSLContext
) -> tuple[Running, str]:
    """Start a proxy and ask it. One that cannot verify the service ends, and is started again."""
    for left in (2, 1, 0):
        proxy = cluster.start(name)
        try:
            return proxy, ask(proxy, body, context)
        except AssertionError:
            if not left:
                raise
            proxy.remove()
    raise AssertionError(name)


def ask(proxy: Running, body: str, context: ssl.SSLContext) -> str:
    """Ask from the pod itself: whom proxyFrom does not name has no way to it."""
    script = (
        "import ssl, sys, time, urllib.request\n"
        "context = ssl.create_default_context(cafile='/etc/openpcc/tls/ca.crt')\n"
        "context.check_hostname = False\n"
        "asked = urllib.request.Request('https://127.0.0.1:8010/v1/chat/completions',\n"
        "  data=sys.argv[1].encode(), headers={'authorization': 'Bearer ' + sys.argv[2],\n"
        "  'content-type': 'application/json', 'host': 'openpcc-proxy:8010'})\n"
        "for _ in range(100):\n"
        "  try: print(urllib.request.urlopen(asked, context=context).read().decode()); break\n"
        "  except urllib.error.URLError as e:\n"
        "    if hasattr(e, 'code'): raise\n"
        "    time.sleep(0.3)\n"
    )
    return proxy.run("python", "-c", script, body, KEY)


def test_the_status_is_renewed_again_and_again(service: Service):
    for _ in range(2):
        renewal = service.cluster.start("openpcc-status")
        assert renewal.exit_code() == 0, renewal.logs()
        renewal.remove()
    policy = service.trial.folder / "public/policy.toml"
    with port_forward(service.pods["openpcc-log"].address, 8090) as port:
        url = f"http://127.0.0.1:{port}"
        shown = command("openpcc-log", "status", "--policy", policy, "--log", url, "--json")
    assert json.loads(shown)["status"]["sequence"] == 2


def test_an_issuer_begins_with_a_key(service: Service):
    issuer = service.cluster.start("bank-issuer")
    issuer.wait("readinessProbe")
    config = "/etc/openpcc/issuer.toml"
    shown = issuer.run("openpcc-issuer", "keys", "list", "--json", "--config", config)
    assert json.loads(shown)["state"] == "in use"
    assert issuer.stop() == 0
    issuer.remove()


def test_nodes_reach_nobody(service: Service):
    node, log = service.pods["openpcc-node-1"], service.pods["openpcc-log"]
    with pytest.raises(AssertionError, match=r"unreachable|not known|resolution"):
        node.run("python", "-c", REACH, "openpcc-log", "8090")
    with pytest.raises(AssertionError, match="unreachable"):
        node.run("python", "-c", REACH, log.address, "8090")
    service.pods["openpcc-gateway"].run("python", "-c", REACH, "openpcc-log", "8090")


def test_a_log_goes_on_where_it_was(service: Service):
    log = service.pods["openpcc-log"]
    assert log.stop() == 0
    log.remove()
    again = service.cluster.start("openpcc-log")
    again.wait("readinessProbe")
    with urllib.request.urlopen(f"http://{again.address}:8090/checkpoint", timeout=5) as answer:
        assert int(answer.read().split(b"\n")[1]) >= 3
    service.pods["openpcc-log"] = again


def test_servers_end_within_their_grace_period(service: Service):
    for name in ("openpcc-relay", "openpcc-gateway", "openpcc-publisher", "openpcc-node-2"):
        assert service.pods[name].stop() == 0, service.pods[name].logs()
