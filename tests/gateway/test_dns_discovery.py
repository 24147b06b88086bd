"""Nodes found by DNS, end to end: a real DNS server, nodes on real sockets, the publisher."""

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from gateway.config import DnsName
from gateway.places import LEAVING
from openpcc.protocol.messages import machine_digest
from tests.fakes.dns import DnsServer, host, service
from tests.fakes.node import FarEnd
from tests.fakes.tls import Authority
from tests.gateway.publishing import World, machines
from tests.gateway.surroundings import NodeScript

NAME = "nodes.test"


class Cluster:
    """Nodes on addresses of loopback, and a publisher that finds them by DNS."""

    def __init__(self, folder: Path, stack: ExitStack) -> None:
        self.folder, self.stack = folder, stack
        self.dns = stack.enter_context(DnsServer(folder))
        self.port = 0

    def node(self, script: NodeScript, last: int, tls: object = None) -> str:
        """Run a node on 127.0.0.`last`; all have one port. Give its address."""
        address = f"127.0.0.{last}"
        end = FarEnd(script, host=address, port=self.port, tls=tls)  # type: ignore[arg-type]
        self.port = self.stack.enter_context(end).port
        return address

    def publisher(self, **name: object) -> World:
        dns = DnsName(name=NAME, **name)  # type: ignore[arg-type]
        servers = (self.dns.address,)
        settings = {"dns": (dns,), "dns_servers": servers, "dns_time": 1.0}
        ca = self.folder / "tls" / "ca.pem"
        return World(self.folder, self.stack, [], ca=ca if ca.exists() else None, **settings)


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[Cluster]:
    with ExitStack() as stack:
        yield Cluster(tmp_path, stack)


def names(*listed: bytes | None) -> list[bytes | None]:
    return [None if one is None else machine_digest(one) for one in listed]


def urls(world: World) -> list[str]:
    return [node.url for node in world.window.publication.nodes]


def test_nodes_appear_and_disappear_with_their_addresses(cluster: Cluster) -> None:
    first = cluster.node(NodeScript(b"a"), 2)
    second, third = cluster.node(NodeScript(b"b"), 3), cluster.node(NodeScript(b"c"), 4)
    cluster.dns.records([host(NAME, first), host(NAME, second)])
    world = cluster.publisher(kind="address", port=cluster.port)
    world.rounds()
    before = machines(world.leaves())
    assert set(before) == set(names(b"a", b"b"))
    cluster.dns.records([host(NAME, second), host(NAME, third)])
    world.pass_time(600)
    world.rounds()
    after = machines(world.leaves())
    kept = before.index(machine_digest(b"b"))
    assert after[kept] == before[kept]
    assert set(after) == set(names(b"b", b"c"))
    gone = f"http://{first}:{cluster.port}"
    assert gone in urls(world)  # clients may hold its keys for a window yet
    world.pass_time(600)
    world.rounds()
    assert gone not in urls(world)


def test_dns_that_fails_empties_nothing(cluster: Cluster, caplog: pytest.LogCaptureFixture) -> None:
    address = cluster.node(NodeScript(b"a"), 2)
    cluster.dns.records([host(NAME, address)])
    world = cluster.publisher(kind="address", port=cluster.port)
    caplog.set_level("INFO", "openpcc.gateway")
    world.rounds()
    for fail in (cluster.dns.stop, lambda: cluster.dns.records([host("other.test", "10.0.0.1")])):
        fail()
        for _ in range(2):
            world.pass_time(LEAVING)
            world.rounds()
            assert machines(world.leaves()) == names(b"a")
    events = [record.msg for record in caplog.records]
    assert events.count("names-not-resolved") == 1
    assert not any("127." in str(vars(record)) for record in caplog.records if record.msg)


def test_a_machine_keeps_its_position_at_another_address(cluster: Cluster) -> None:
    first, other = cluster.node(NodeScript(b"a"), 2), cluster.node(NodeScript(b"b"), 3)
    second = cluster.node(NodeScript(b"a"), 4)
    cluster.dns.records([host(NAME, first), host(NAME, other)])
    world = cluster.publisher(kind="address", port=cluster.port)
    world.rounds()
    before = machines(world.leaves())
    cluster.dns.records([host(NAME, second), host(NAME, other)])
    world.pass_time(600)
    world.rounds()
    assert machines(world.leaves()) == before


def test_a_node_that_moves_within_a_window_is_routed_to_where_it_is(cluster: Cluster) -> None:
    node = NodeScript(b"a")
    start, end = FarEnd(node, host="127.0.0.2"), FarEnd(node, host="127.0.0.3", port=0)
    cluster.stack.enter_context(start)
    end._where = ("127.0.0.3", start.port)
    cluster.stack.enter_context(end)
    cluster.dns.records([host(NAME, "127.0.0.2")])
    world = cluster.publisher(kind="address", port=start.port)
    world.rounds()
    tag, sequence = world.window.tag, world.window.publication.sequence
    cluster.dns.records([host(NAME, "127.0.0.3")])
    world.rounds()
    assert urls(world) == [start.url]  # what is there still answers: nobody takes its keys
    start.stop()
    world.pass_time(61)
    world.rounds()
    (found,) = world.window.publication.nodes
    assert (found.url, found.keys) == (end.url, (node.key.id,))
    assert world.window.publication.sequence == sequence
    assert world.window.tag != tag


def test_srv_targets_are_held_to_their_names_and_keep_them_when_they_move(
    cluster: Cluster, tmp_path: Path
) -> None:
    authority = Authority(tmp_path / "tls")
    right = authority.issue("pod-0.nodes.test").context()
    wrong = authority.issue("pod-9.nodes.test").context()
    node, stranger = NodeScript(b""), NodeScript(b"s")
    first = cluster.node(node, 2, right)
    second = cluster.node(node, 3, right)
    third = cluster.node(stranger, 4, wrong)
    srv = [service(NAME, f"pod-{number}.nodes.test", cluster.port) for number in (0, 1)]
    cluster.dns.records([*srv, host("pod-0.nodes.test", first), host("pod-1.nodes.test", third)])
    world = cluster.publisher(kind="srv", scheme="https")
    world.pass_time(world.config.wait)
    world.rounds()
    (found,) = world.window.publication.nodes
    assert (found.url, found.server_name) == (f"https://{first}:{cluster.port}", "pod-0.nodes.test")
    assert machines(world.leaves()) == names(b"")
    cluster.dns.records([*srv, host("pod-0.nodes.test", second), host("pod-1.nodes.test", third)])
    world.rounds()
    (found,) = world.window.publication.nodes
    assert found.url == f"https://{second}:{cluster.port}"
