"""What the gateway copies, for how long, and how much of it: the origins are not trusted to fit."""

import asyncio

import pytest

from gateway.errors import RefusedError, UpstreamError
from gateway.mirror import ENTRY, File, Mirror, Origins
from gateway.outbound import Outbound
from tests.fakes.node import FarEnd, Files

ORIGINS = Origins(publisher="http://publisher.example", log="http://log.example")


@pytest.mark.parametrize(
    "path",
    [
        "/log/",
        "/log/../publication",
        "/log/%2e%2e/publication",
        "/log/tile/0/../../checkpoint",
        "/log/tile/0/000?x=1",
        "/log//checkpoint",
        "/log/checkpoint/",
        "/log/add",
        "/log/sequence.db",
        "/directory/" + "A" * 64 + "/0",
        "/directory/" + "a" * 64 + "/01",
        "/directory/" + "a" * 64 + "/0\n",
        "/bundle/" + "a" * 64 + "/../x",
        "//publisher.example/bundle/" + "a" * 64,
        "http://elsewhere.example/",
        "",
    ],
)
def test_names_no_other_file_than_the_documented_ones(path: str) -> None:
    with pytest.raises(RefusedError, match="not-found"):
        ORIGINS.find(path, sequence=1)


def test_directories_of_two_windows_are_two_files() -> None:
    path = "/directory/" + "a" * 64 + "/0"
    assert ORIGINS.find(path, sequence=1).key != ORIGINS.find(path, sequence=2).key


class World:
    def __init__(self, origin: FarEnd, files: Files, max_cached: int) -> None:
        self.now = 0.0
        self.files = files
        self.origin = origin
        self.outbound = Outbound(connect_timeout=3, reply_timeout=3, keep_alive=1, ca=None)
        self.mirror = Mirror(self.outbound, max_cached=max_cached, clock=lambda: self.now)

    async def get(self, path: str) -> bytes:
        url = f"{self.origin.url}{path}"
        return await self.mirror.get(File(route="log", key=path, url=url, kind="", limit=1000))


def run(body, *, max_cached: int = 1 << 20, **contents: bytes) -> World:
    files = Files({f"/{name}": data for name, data in contents.items()})

    async def within(found: World) -> None:
        async with found.outbound:
            await body(found)

    with FarEnd(files) as origin:
        found = World(origin, files, max_cached)
        asyncio.run(within(found))
    return found


def test_a_copy_that_was_wrong_once_is_not_wrong_for_ever() -> None:
    async def body(found: World) -> None:
        assert await found.get("/a") == b"an error page"
        found.files.by_path["/a"] = b"the tile"
        assert await found.get("/a") == b"an error page"
        found.now += 600
        assert await found.get("/a") == b"the tile"

    run(body, a=b"an error page")


def test_keeps_no_more_than_its_bound_of_large_files() -> None:
    async def body(found: World) -> None:
        for path in ("/a", "/b", "/c", "/a"):
            await found.get(path)
        assert [got.path for got in found.origin.got] == ["/a", "/b", "/c", "/a"]
        assert found.mirror._size <= 2 * (900 + ENTRY)

    run(body, max_cached=2 * (900 + ENTRY), a=bytes(900), b=bytes(900), c=bytes(900))


def test_keeps_no_more_than_its_bound_of_empty_files() -> None:
    names = [f"n{number}" for number in range(20)]

    async def body(found: World) -> None:
        for name in names:
            await found.get(f"/{name}")
        assert len(found.mirror._kept) == 10

    run(body, max_cached=10 * ENTRY, **dict.fromkeys(names, b""))


def test_a_file_over_its_limit_is_no_answer() -> None:
    async def body(found: World) -> None:
        with pytest.raises(UpstreamError):
            await found.get("/a")
        assert not found.mirror._kept

    run(body, a=bytes(1001))


def test_what_is_not_there_is_not_kept() -> None:
    async def body(found: World) -> None:
        for _ in range(2):
            with pytest.raises(RefusedError, match="not-found"):
                await found.get("/a")
        found.files.by_path["/a"] = b"now"
        assert await found.get("/a") == b"now"

    run(body)
