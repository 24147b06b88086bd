"""Runs rendered objects with `podman kube play`, and does what a cluster would do around it.

    controllers   a Deployment or StatefulSet becomes its pods, each with volumes of its own
    kubelet       probes are asked from here, and init containers end: podman 4.3 starts them over
                  and over in pods that are restarted, and asks probes with a curl in the image
    secrets       are mounted as maps are: podman 4.3 does not decode what they hold
    DNS           the names of Services, as aliases on podman's networks
    policies      each maker that may be spoken to has an internal network, on which are those alone
                  that its NetworkPolicies let in: others have no way. Ports are not told apart, nor
                  those who share such a network

Not here: an API server, a scheduler, emptyDir in memory, the owners and modes of mounted Secrets,
several replicas behind a virtual address.
"""

import base64
import copy
import functools
import itertools
import json
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

from tests.deploy import containers
from tests.deploy.helm.charting import Object, of_kind, pods, selects
from tests.deploy.helm.policies import connections

PREFIX = "chart-"
"""Of the names of everything that is made in podman's store, so that it can be removed."""


_command = functools.cache(containers.podman)
"""Looked up once: looking writes the command anew, which another thread may be running."""


def podman(*words: str | Path, seconds: float = 120, check: bool = True) -> str:
    """Run podman; gives what it printed."""
    done = subprocess.run(
        [_command(), *words], capture_output=True, text=True, timeout=seconds, check=False
    )
    if check and done.returncode:
        raise AssertionError(f"podman {' '.join(map(str, words))}: {done.stderr[-2000:]}")
    return done.stdout


@dataclass(frozen=True, kw_only=True)
class Running:
    """A pod that was started."""

    name: str
    pod: Object
    address: str

    @property
    def container(self) -> str:
        """Name of its container."""
        return f"{self.name}-{self.pod['spec']['containers'][0]['name']}"

    def probe(self, kind: str) -> int:
        """Ask a probe as a kubelet does; gives the status, 0 if nobody answers."""
        (one,) = self.pod["spec"]["containers"]
        asked = one[kind]["httpGet"]
        ports = {port["name"]: port["containerPort"] for port in one["ports"]}
        url = f"http://{self.address}:{ports[asked['port']]}{asked['path']}"
        try:
            with urllib.request.urlopen(url, timeout=5) as answer:
                return int(answer.status)
        except urllib.error.HTTPError as error:
            return error.code
        except OSError:
            return 0

    def wait(self, kind: str, *, seconds: float = 90) -> None:
        """Wait until a probe succeeds."""
        deadline = time.monotonic() + seconds
        while (status := self.probe(kind)) != 200:
            assert time.monotonic() < deadline, f"{self.name}: {kind} {status}\n{self.logs()}"
            time.sleep(0.3)

    def logs(self) -> str:
        """Give what it said."""
        return podman("logs", self.container, check=False)

    def run(self, *words: str) -> str:
        """Run something in its container."""
        return podman("exec", self.container, *words)

    def exit_code(self) -> int:
        """Wait for its end."""
        return int(podman("wait", self.container, seconds=180))

    def stop(self) -> int:
        """Ask it to end within its grace period; gives the exit code."""
        grace = str(self.pod["spec"]["terminationGracePeriodSeconds"])
        podman("stop", "-t", grace, self.container)
        return self.exit_code()

    def remove(self) -> None:
        """Remove it; its volume stays."""
        podman("pod", "rm", "-f", "-t", "0", self.name)


@dataclass(kw_only=True)
class Cluster:
    """All objects of all releases in one namespace, and what they name."""

    namespace: str
    objects: Sequence[Object]
    secrets: Mapping[str, Mapping[str, bytes]]
    maps: Mapping[str, Mapping[str, str]]
    folder: Path
    _heard: dict[str, set[str]] = field(default_factory=dict)
    _numbers: Iterator[int] = field(default_factory=itertools.count)

    def __post_init__(self) -> None:
        """Make the networks."""
        makers = {id(pod): maker["metadata"]["name"] for maker, pod in pods(self.objects)}
        present = [pod for _, pod in pods(self.objects)]
        for source, target, _ in connections(self.objects, present):
            self._heard.setdefault(makers[id(target)], set()).add(makers[id(source)])
        for name in self._heard:
            podman("network", "create", "--internal", f"{PREFIX}{name}")

    def start_all(self, makers: Iterable[str]) -> dict[str, Running]:
        """Start a pod of each."""
        names = tuple(makers)
        with ThreadPoolExecutor(max_workers=4) as pool:
            return dict(zip(names, pool.map(self.start, names), strict=True))

    def start(self, maker: str, number: int = 0) -> Running:
        """Start a pod of a maker."""
        (template,) = [pod for one, pod in pods(self.objects) if one["metadata"]["name"] == maker]
        name = f"{PREFIX}{maker}-{number}"
        unique = f"{name}-{next(self._numbers)}"
        path = self.folder / f"{unique}.yaml"
        documents = [*self._adapted(copy.deepcopy(template), name, unique)]
        path.write_text("\n---\n".join(json.dumps(one) for one in documents))
        networks = [f"--network={words}" for words in self._attachments(maker, template)]
        podman("kube", "play", *networks, path)
        return Running(name=name, pod=template, address=_address(name))

    def _attachments(self, maker: str, pod: Object) -> Iterator[str]:
        aliases = ",".join(f"alias={alias}" for alias in self._aliases(pod))
        for target, sources in self._heard.items():
            if target == maker:
                yield f"{PREFIX}{target}:{aliases}"
            elif maker in sources:
                yield f"{PREFIX}{target}"

    def _aliases(self, pod: Object) -> Iterator[str]:
        for service in of_kind(self.objects, "Service"):
            if selects(service["spec"].get("selector", {"": ""}), pod):
                name = service["metadata"]["name"]
                yield from (name, f"{name}.{self.namespace}.svc.cluster.local")

    def _adapted(self, pod: Object, name: str, unique: str) -> Iterator[Object]:
        """Make of a template what podman runs: the maps it mounts, and the pod.

        Volumes of podman are not those of one pod, so each gets a name of its own.
        """
        spec = pod["spec"]
        spec["restartPolicy"] = "Never"
        mounts = [m for one in spec["initContainers"] for m in one["volumeMounts"]]
        for one in spec["containers"]:
            mounts += one["volumeMounts"]
            for key in ("startupProbe", "livenessProbe", "readinessProbe", "lifecycle", "ports"):
                one.pop(key, None)  # podman would take each port of this machine
        if "state" not in {volume["name"] for volume in spec["volumes"]}:
            spec["volumes"].append({"name": "state", "persistentVolumeClaim": {}})
        for volume in spec["volumes"]:
            own = f"{unique}-{volume['name']}"
            yield from self._volume(volume, own, claim=f"{name}-claim")
            volume["name"] = own
        for mount in mounts:
            mount["name"] = f"{unique}-{mount['name']}"
        yield {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name}, "spec": spec}

    def _volume(self, volume: Object, own: str, *, claim: str) -> Iterator[Object]:
        match volume:
            case {"secret": secret}:
                del volume["secret"]
                volume["configMap"] = {"name": own}
                yield _map(own, binaryData=_encoded(self.secrets[secret["secretName"]]))
            case {"configMap": source}:
                found = self._config_map(source["name"])
                source["name"] = own
                yield found | {"metadata": {"name": own}}
            case {"persistentVolumeClaim": claimed}:
                claimed["claimName"] = _folder(claim)
            case {"emptyDir": _}:
                del volume["emptyDir"]
                volume["persistentVolumeClaim"] = {"claimName": _folder(own)}
            case _:
                pass

    def _config_map(self, name: str) -> Object:
        for one in of_kind(self.objects, "ConfigMap"):
            if one["metadata"]["name"] == name:
                return one
        return _map(name, data=dict(self.maps[name]))


def _map(name: str, **content: Mapping[str, str]) -> Object:
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}, **content}


def _encoded(files: Mapping[str, bytes]) -> dict[str, str]:
    return {name: base64.b64encode(data).decode() for name, data in files.items()}


def _folder(name: str) -> str:
    """Make a folder that the pod's group may write, as fsGroup says, unless it is there."""
    if not podman("volume", "ls", "-q", "--filter", f"name=^{name}$"):
        podman("volume", "create", "--opt", "o=uid=65532,gid=65532", name)
    return name


def _address(pod: str) -> str:
    """Give an address of a pod that this machine reaches."""
    infra = json.loads(podman("pod", "inspect", pod))["InfraContainerID"]
    (found,) = json.loads(podman("inspect", infra))
    return str(next(one["IPAddress"] for one in found["NetworkSettings"]["Networks"].values()))


def clean() -> None:
    """Remove all that was made here, and nothing else."""
    for kind, words in {
        "pod": ["rm", "-f", "-t", "0"],
        "volume": ["rm", "-f"],
        "network": ["rm", "-f"],
    }.items():
        names = podman(kind, "ls", "--format", "{{.Name}}").split()
        if ours := [name for name in names if name.startswith(PREFIX)]:
            podman(kind, *words, *ours)
