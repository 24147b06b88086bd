"""Values that cannot be meant are refused before anything is made, with words that name the key."""

import pytest

from tests.deploy.helm import values as given
from tests.deploy.helm.charting import CHART, engine, refusal
from tests.deploy.helm.values import SERVICE, Values, together

pytestmark = pytest.mark.deploy

SHAPES: dict[str, tuple[Values, str]] = {
    "a number as text": ({"gateway": {"replicas": "two"}}, "'/gateway/replicas': got string"),
    "no pod": ({"relay": {"replicas": 0}}, "'/relay/replicas': minimum: got 0, want 1"),
    "a switch as text": ({"log": {"enabled": "yes"}}, "'/log/enabled': got string, want boolean"),
    "a misspelt role": ({"gatway": {}}, "'gatway' not allowed"),
    "a misspelt key": ({"gateway": {"replica": 1}}, "'/gateway': additional properties 'replica'"),
    "latest": ({"image": {"tag": "latest"}}, "'/image/tag'"),
    "half a digest": ({"image": {"digest": "sha256:abc"}}, "'/image/digest'"),
    "a size without unit": ({"log": {"persistence": {"size": "20 GB"}}}, "'/log/persistence/size'"),
    "limits without memory": (
        {"relay": {"resources": {"limits": {"memory": None}}}}, "'/relay/resources/limits'"
    ),
    "another role's secret name": ({"log": {"existingSecret": "My_Secret"}}, "/log/existingSecret"),
    "a local time": ({"begin": {"before": "2027-01-15 12:00"}}, "'/begin/before'"),
    "a host name as a node": ({"nodes": {"external": ["node.example"]}}, "'/nodes/external/0'"),
    "an impossible address": ({"nodes": {"external": ["10.0.0.256"]}}, "'/nodes/external/0'"),
    "half a release": ({"nodes": {"release": "ab"}}, "'/nodes/release'"),
    "no runtime class": ({"nodes": {"kata": {"runtimeClassName": ""}}}, "runtimeClassName"),
    "a file that is not base64": ({"publisher": {"files": {"a": "?"}}}, "'/publisher/files/a'"),
    "a file with a path": ({"publisher": {"files": {"../a": ""}}}, "/publisher/files"),
    "a secret in values": ({"gateway": {"secrets": {"key": "x"}}}, "'secrets' not allowed"),
    "an environment": ({"gateway": {"env": []}}, "'env' not allowed"),
    "a route to the publisher": (
        {"gatewayApi": {"routes": [{"role": "publisher", "host": "a.example", "mode": "http"}]}},
        "'/gatewayApi/routes/0/role'",
    ),
    "a fifth mode": (
        {"gatewayApi": {"routes": [{"role": "relay", "host": "a.example", "mode": "tcp"}]}},
        "'/gatewayApi/routes/0/mode'",
    ),
    "a port out of range": (
        {"networkPolicy": {"dns": {"port": 70000}}}, "'/networkPolicy/dns/port'"
    ),
    "a rule of nobody": ({"networkPolicy": {"extraEgress": {"web": []}}}, "'web' not allowed"),
    "six fields of cron": ({"status": {"schedule": "0 0 7 * * *"}}, "'/status/schedule'"),
}  # fmt: skip


def changed(role: str, old: str, new: str) -> Values:
    config = SERVICE[role]["config"]
    assert old in config
    return together(SERVICE, {role: {"config": config.replace(old, new)}})


MEANINGS: dict[str, tuple[Values, str]] = {
    "an empty configuration": (
        together(SERVICE, {"log": {"config": ""}}), "log.config: empty; paste log.toml"
    ),
    "half a configuration": (
        together(SERVICE, {"gateway": {"config": "listen = "}}), "gateway.config: not TOML"
    ),
    "another port": (
        changed("gateway", "0.0.0.0:8001", "0.0.0.0:80"),
        'gateway.config: listen: expected "0.0.0.0:8001", found "0.0.0.0:80"',
    ),
    "a control port on loopback": (
        changed("log", "0.0.0.0:9090", "127.0.0.1:9090"),
        'log.config: control: expected "0.0.0.0:9090", found "127.0.0.1:9090"',
    ),
    "another service": (
        changed("publisher", "chat.example", "other.example"),
        'publisher.config: service: expected "chat.example"',
    ),
    "no secret": (
        together(SERVICE, {"publisher": {"existingSecret": ""}}),
        "publisher.existingSecret: name the Secret; make it with: kubectl create secret",
    ),
    "state beside the configuration": (
        changed("log", "/var/lib/openpcc/public", "public"), "log.config: store.path: expected"
    ),
    "state outside its volume": (
        changed("publisher", "/var/lib/openpcc/state", "/var/lib/openpcc/../state"),
        "publisher.config: state: expected",
    ),
    "a proxy that forgets": (
        together(given.PROXY, {"proxy": {"config": 'state = "state"'}}),
        "proxy.config: state: expected a path below /var/lib/openpcc",
    ),
    "a proxy without certificate": (
        together(given.PROXY, {"tls": {"proxy": ""}}), "proxy: needs proxy.policy, and tls.proxy"
    ),
    "gateways that forget each other's tokens": (
        together(SERVICE, {"gateway": {"config": given.GATEWAY + 'spent = "memory"\n'}}),
        "gateway.replicas: several gateways",
    ),
    "two issuers on one volume": (
        together(SERVICE, given.TOKENS, {"issuer": {"replicas": 2}}), "issuer.replicas: with a"
    ),
    "an issuer without keys": (
        together(SERVICE, given.TOKENS_SCALED, {"issuer": {"keysSecret": ""}}), "issuer.keysSecret"
    ),
    "no machine": (
        together(SERVICE, given.SIMULATED, {"nodes": {"simulated": {"machines": []}}}),
        "nodes.simulated.machines",
    ),
    "real and simulated nodes": (
        together(SERVICE, given.KATA, given.SIMULATED), "no policy accepts both"
    ),
    "a node on another port": (
        together(SERVICE, given.KATA, {"nodes": {"kata": {"config": 'listen = "0.0.0.0:1"'}}}),
        'nodes.kata.config: listen: expected "0.0.0.0:8080"',
    ),
    "a node without image": (
        together(SERVICE, given.KATA, {"nodes": {"kata": {"image": {"repository": ""}}}}),
        "nodes.kata.image.repository: name the image",
    ),
    "a way to a role that is not there": (
        together(SERVICE, given.INGRESS), "ingress.rules[0].role: relay is not enabled"
    ),
    "plain TLS through a gateway": (
        together(given.RELAY_ALONE, given.ROUTES, {"tls": {"relay": "relay-tls"}}),
        "gatewayApi.routes[0].mode: passthrough goes with tls.relay",
    ),
    "a test that writes beside its configuration": (
        together(SERVICE, given.TESTS, {"tests": {"config": 'state = "state"'}}),
        "tests.config: state: expected a path below /var/lib/openpcc",
    ),
    "a status for nobody": (
        together(SERVICE, given.STATUS, {"status": {"policy": ""}}), "status: needs policy"
    ),
    "a span the wrong way round": (
        together(SERVICE, {"gateway": {"autoscaling": {"enabled": True, "maxReplicas": 1}}}),
        "gateway.autoscaling: minReplicas is above maxReplicas",
    ),
}  # fmt: skip


CASES = SHAPES | MEANINGS


@pytest.fixture(scope="module")
def said() -> dict[str, str]:
    answers = engine("render", CHART, [{"values": values} for values, _ in CASES.values()])
    return {
        case: found.get("error", "rendered") for case, found in zip(CASES, answers, strict=True)
    }


@pytest.mark.parametrize("case", CASES)
def test_what_is_wrong_is_named(case: str, said: dict[str, str]):
    assert CASES[case][1] in said[case]


def test_everything_that_is_wrong_is_named_at_once():
    values = changed("gateway", "0.0.0.0:8001", "0.0.0.0:80")
    values["log"]["existingSecret"] = ""
    words = refusal(values)
    assert "gateway.config: listen" in words
    assert "log.existingSecret" in words
