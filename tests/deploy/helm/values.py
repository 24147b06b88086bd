"""Values that the chart is rendered with: one service in every shape that it may have."""

import base64
import copy
from collections.abc import Mapping
from typing import Any

Values = dict[str, Any]

FILES = {"ohttp-keys": base64.b64encode(b"\x00public").decode()}
DIGEST = "sha256:" + "5e" * 32

GATEWAY = """\
service = "chat.example"
listen = "0.0.0.0:8001"
control = "0.0.0.0:9001"
notice = 10
drain = 60
ohttp_keys = ["secrets/ohttp-keys.json"]
publisher = "http://openpcc-publisher:8002"
log = "http://openpcc-log:8090"
"""
PUBLISHER = """\
service = "chat.example"
listen = "0.0.0.0:8002"
control = "0.0.0.0:9002"
log = "http://openpcc-log:8090"
log_token = "secrets/log.token"
service_key = "secrets/service.key"
status_keys = []
ohttp_keys = "ohttp-keys"
state = "/var/lib/openpcc/state"
archive = "/var/lib/openpcc/archive"

[[dns]]
name = "openpcc-nodes.inference.svc.cluster.local"
kind = "address"
port = 8080
"""
RELAY = """\
gateway = "http://openpcc-gateway:8001"
listen = "0.0.0.0:8000"
control = "0.0.0.0:9000"
notice = 7.5
drain = 60
"""
ISSUER = """\
name = "issuer.example"
listen = "0.0.0.0:8003"
control = "0.0.0.0:9003"
keys = "/var/lib/openpcc/keys"
[database]
kind = "sqlite"
path = "/var/lib/openpcc/issuer.db"
"""
ISSUERS = """\
name = "issuer.example"
listen = "0.0.0.0:8003"
control = "0.0.0.0:9003"
keys = "secrets/keys"
[database]
kind = "postgres"
dsn = "secrets/postgres.dsn"
"""
LOG = """\
origin = "log.example/1"
key = "secrets/log.key"
quorum = 1
listen = "0.0.0.0:8090"
control = "0.0.0.0:9090"
[store]
kind = "directory"
path = "/var/lib/openpcc/public"
[sequence]
kind = "sqlite"
path = "/var/lib/openpcc/sequence.db"
"""
WITNESS = """\
name = "witness.example"
key = "witness.key"
database = "/var/lib/openpcc/witness.db"
listen = "0.0.0.0:8091"
control = "0.0.0.0:9091"
"""
CLIENT = """\
version = 1
relay = "https://relay.example"
policy = "policy.toml"
state = "/var/lib/openpcc/state"
"""
HOST = 'listen = "0.0.0.0:8080"\ncontrol = "0.0.0.0:8081"\n[limits]\ndrain = 1260\n'
POLICY = "version = 1\n"


def role(name: str, config: str, **more: Any) -> Values:
    return {name: {"enabled": True, "config": config, **more}}


SERVICE: Values = {
    "service": "chat.example",
    "begin": {"before": "2027-01-15T12:00:00Z"},
    "nodes": {"external": ["10.1.0.7", "10.1.0.8", "fd00::7"]},
    **role("gateway", GATEWAY, existingSecret="openpcc-gateway"),
    **role("publisher", PUBLISHER, existingSecret="openpcc-publisher", files=FILES),
    **role("log", LOG, existingSecret="openpcc-log"),
}
"""An operator's release: gateway, publisher and log; machines outside the cluster."""

RELAY_ALONE: Values = role("relay", RELAY)
WITNESS_ALONE: Values = role("witness", WITNESS, existingSecret="openpcc-witness")
PROXY: Values = {
    **role("proxy", CLIENT, policy=POLICY, existingSecret="openpcc-proxy", names=["ai.example"]),
    "tls": {"proxy": "openpcc-proxy-tls", "ca": "openpcc-ca"},
}
STATUS: Values = {
    "status": {
        "enabled": True,
        "policy": POLICY,
        "existingSecret": "openpcc-status",
        "log": "https://log.example",
    },
}
TESTS: Values = {"tests": {"enabled": True, "config": CLIENT, "policy": POLICY}}
SIMULATED: Values = {
    "nodes": {
        "external": [],
        "simulated": {
            "enabled": True, "machines": ["openpcc-machine-1", "openpcc-machine-2"],
            "config": HOST, "files": FILES,
        },
    },
}  # fmt: skip
KATA: Values = {
    "nodes": {
        "external": [],
        "kata": {
            "enabled": True, "replicas": 2, "config": HOST,
            "image": {"repository": "registry.example/node", "digest": DIGEST},
            "runtimeClassName": "kata-qemu-tdx",
        },
    },
}  # fmt: skip
SCALED: Values = {
    "gateway": {"autoscaling": {"enabled": True}},
    "networkPolicy": {
        "extraEgress": {
            "issuer": [{"to": [{"ipBlock": {"cidr": "10.2.0.5/32"}}], "ports": [{"port": 5432}]}]
        }
    },
}
MONITORED: Values = {
    "monitoring": {"serviceMonitor": {"enabled": True}, "prometheusRule": {"enabled": True}}
}
INGRESS: Values = {
    "ingress": {
        "enabled": True, "className": "nginx",
        "rules": [{"role": "relay", "host": "relay.example", "tlsSecret": "relay-tls"}],
    }
}  # fmt: skip
ROUTES: Values = {
    "gatewayApi": {
        "enabled": True,
        "parentRefs": [{"name": "public", "namespace": "gateways"}],
        "routes": [
            {"role": "relay", "host": "relay.example", "mode": "http"},
            {"role": "gateway", "host": "gateway.example", "mode": "passthrough"},
        ],
    },
    "tls": {"gateway": "gateway-tls"},
}


def together(*parts: Mapping[str, Any]) -> Values:
    """Merge values as Helm merges several files: maps by key, the rest by the last."""
    merged: Values = {}
    for part in parts:
        for key, value in part.items():
            if isinstance(value, Mapping) and isinstance(merged.get(key), dict):
                merged[key] = together(merged[key], value)
            else:
                merged[key] = copy.deepcopy(value)
    return merged


TOKENS = role("issuer", ISSUER)
TOKENS_SCALED = role(
    "issuer", ISSUERS, persistence={"enabled": False}, replicas=3,
    existingSecret="openpcc-issuer", keysSecret="openpcc-issuer-keys",
)  # fmt: skip
ALL = together(
    SERVICE, RELAY_ALONE, WITNESS_ALONE, TOKENS, PROXY, STATUS, TESTS, SCALED, MONITORED, INGRESS,
    ROUTES, {"image": {"repository": "registry.example/openpcc", "digest": DIGEST}},
    {"imagePullSecrets": ["registry"]},
)  # fmt: skip

MATRIX: dict[str, Values] = {
    "default": {},
    "service": SERVICE,
    "relay": RELAY_ALONE,
    "witness": WITNESS_ALONE,
    "proxy": PROXY,
    "tokens": together(SERVICE, TOKENS),
    "tokens-scaled": together(SERVICE, TOKENS_SCALED),
    "simulated": together(SERVICE, RELAY_ALONE, WITNESS_ALONE, SIMULATED, STATUS, TESTS),
    "kata": together(SERVICE, KATA),
    "scaled": together(SERVICE, SCALED),
    "monitored": together(SERVICE, MONITORED),
    "ingress": together(RELAY_ALONE, INGRESS),
    "gateway-api": together(SERVICE, RELAY_ALONE, ROUTES),
    "log-elsewhere": together(
        SERVICE, STATUS, {"log": {"enabled": False}}
    ),
    "no-policies": together(SERVICE, {"networkPolicy": {"enabled": False}}),
    "placed": together(
        SERVICE,
        {
            "gateway": {
                "nodeSelector": {"pool": "web"}, "tolerations": [{"operator": "Exists"}],
                "priorityClassName": "high", "podLabels": {"team": "a"},
                "podAnnotations": {"note": "b"},
                "affinity": {"podAntiAffinity": {}},
                "topologySpreadConstraints": [
                    {
                        "maxSkew": 1, "topologyKey": "zone", "whenUnsatisfiable": "DoNotSchedule",
                        "labelSelector": {},
                    }
                ],
                "service": {"type": "LoadBalancer", "annotations": {"a": "b"}},
            },
            "fullnameOverride": "chat",
        },
    ),
    "all": ALL,
}  # fmt: skip
"""Every shape, by name."""
