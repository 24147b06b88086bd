"""DNS as discovery uses it, against a real server, a hostile one and none."""

import asyncio
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import dns.flags
import dns.message
import dns.rrset
import pytest

from gateway.errors import UpstreamError
from gateway.resolver import Resolver, Target
from tests.fakes.dns import DnsServer, host, service


def resolver(port: int, within: float = 5.0) -> Resolver:
    return Resolver([("127.0.0.1", port)], within=within)


def addresses(port: int, name: str, within: float = 5.0) -> list[str]:
    found = asyncio.run(resolver(port, within).addresses(name))
    return [str(one) for one in found]


def targets(port: int, name: str, within: float = 5.0) -> tuple[Target, ...]:
    return asyncio.run(resolver(port, within).targets(name))


def test_a_real_server_gives_addresses_and_targets_in_order(tmp_path: Path) -> None:
    many = [f"10.1.{number >> 8}.{number & 255}" for number in range(600)]
    with DnsServer(tmp_path) as server:
        server.records(
            [
                host("n.test", "10.0.0.10"),
                host("n.test", "10.0.0.9", "fd00::1"),
                *(host("many.test", one) for one in many),
                *(service("_s._tcp.test", "n.test", port) for port in (9, 8)),
                service("_s._tcp.test", "", 0),
                host("bare.test", "169.254.169.254"),
            ]
        )
        assert addresses(server.port, "n.test") == ["10.0.0.9", "10.0.0.10", "fd00::1"]
        assert set(addresses(server.port, "many.test")) == set(many)  # over TCP, as it must
        assert targets(server.port, "_s._tcp.test") == (
            Target(name="n.test", port=8),
            Target(name="n.test", port=9),
        )
        for name in ("none.test", "n.elsewhere", "bare.test"):
            with pytest.raises(UpstreamError):
                addresses(server.port, name)
        for name in ("n.test", "none.test"):
            with pytest.raises(UpstreamError):
                targets(server.port, name)


Answer = Callable[[bytes], bytes]


@contextmanager
def answering(answer: Answer) -> Iterator[int]:
    """Serve UDP by a function of the question; give the port."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as server:
        server.bind(("127.0.0.1", 0))
        server.settimeout(0.1)
        stop = threading.Event()

        def serve() -> None:
            while not stop.is_set():
                try:
                    question, where = server.recvfrom(4096)
                except TimeoutError:
                    continue
                if data := answer(question):
                    server.sendto(data, where)

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        try:
            yield server.getsockname()[1]
        finally:
            stop.set()
            thread.join(10)


def records(kind: str, *texts: str) -> Answer:
    """Answer every question of a kind with these records, and others with none."""

    def answer(question: bytes) -> bytes:
        asked = dns.message.from_wire(question)
        response = dns.message.make_response(asked)
        (first,) = asked.question
        if dns.rdatatype.to_text(first.rdtype) == kind:
            response.answer.append(dns.rrset.from_text(first.name, 0, "IN", kind, *texts))
        return response.to_wire()

    return answer


def test_addresses_at_which_nothing_of_ours_can_be_are_left_out() -> None:
    strange = ["169.254.169.254", "0.0.0.0", "224.0.0.1", "10.0.0.1"]
    with answering(records("A", *strange)) as port:
        assert addresses(port, "n.test") == ["10.0.0.1"]
    with answering(records("AAAA", "fe80::1", "ff02::1", "::", "fd00::2")) as port:
        assert addresses(port, "n.test") == ["fd00::2"]


def test_metadata_services_are_left_out_in_every_spelling() -> None:
    with answering(records("A", "100.100.100.200", "168.63.129.16", "10.0.0.1")) as port:
        assert addresses(port, "n.test") == ["10.0.0.1"]
    mapped = ["::ffff:169.254.169.254", "::ffff:0.0.0.0", "64:ff9b::169.254.169.254"]
    others = ["::169.254.169.254", "2002:a9fe:a9fe::1", "fd00:ec2::254", "fd20:ce::254"]
    with answering(records("AAAA", *mapped, *others, "fd00::2", "::1")) as port:
        assert addresses(port, "n.test") == ["::1", "fd00::2"]


def test_targets_that_could_not_stand_in_a_url_are_left_out() -> None:
    names = [r"a\032b.test.", r"a\@b.test.", r"a/b.test.", ".", "good.test.", "A.Test."]
    with answering(records("SRV", *(f"0 0 80 {name}" for name in names), "0 0 0 p.test.")) as port:
        assert targets(port, "s.test") == (
            Target(name="a.test", port=80),
            Target(name="good.test", port=80),
        )


def other_id(question: bytes) -> bytes:
    return bytes([question[0] ^ 1, *records("A", "10.0.0.1")(question)[1:]])


def truncated(question: bytes) -> bytes:
    response = dns.message.make_response(dns.message.from_wire(question))
    response.flags |= dns.flags.TC  # and nobody listens on TCP
    return response.to_wire()


@pytest.mark.parametrize(
    "answer",
    [
        lambda _: b"",
        lambda _: b"\x00",
        lambda question: question,
        lambda question: question[:2] + b"\xff" * 40,
        lambda question: records("A", "10.0.0.1")(question)[:-2],
        other_id,
        truncated,
    ],
    ids=["silence", "a byte", "echo", "noise", "cut", "another id", "truncated"],
)
def test_an_answer_that_is_none_is_an_error_without_names(answer: Answer) -> None:
    with answering(answer) as port, pytest.raises(UpstreamError) as caught:
        addresses(port, "n.test", within=0.3)
    assert "n.test" not in str(caught.value)
    assert "127.0.0.1" not in str(caught.value)


def test_a_server_that_is_not_there_is_an_error() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as taken:
        taken.bind(("127.0.0.1", 0))
        port = taken.getsockname()[1]
    with pytest.raises(UpstreamError):
        addresses(port, "n.test", within=0.3)
