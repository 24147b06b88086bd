import asyncio
import hashlib
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tests.transparency_log.server.logs import grow, note
from transparency_log.errors import StorageError
from transparency_log.server import public_files
from transparency_log.server.asgi import Receive, Scope, Send
from transparency_log.server.public_files import PublicFiles
from transparency_log.server.storage import LogStorage
from transparency_log.server.storage_config import (
    DirectoryConfig,
    SqliteConfig,
    create_storage,
    open_storage,
)
from transparency_log.tile import TilePath


class Site:
    """A log's public files, as a client sees them."""

    def __init__(self, storage: LogStorage, folder: Path | None) -> None:
        self.storage = storage
        self.files = PublicFiles(storage, folder)

    def ask(
        self, path: str, method: str = "GET", headers: dict[str, str] | None = None
    ) -> httpx.Response:
        """Send a request."""

        async def app(scope: Scope, receive: Receive, send: Send) -> None:
            await self.files.serve(scope, send)

        async def run() -> httpx.Response:
            transport = httpx.ASGITransport(app)
            async with httpx.AsyncClient(transport=transport, base_url="http://log") as client:
                return await client.request(method, path, headers=headers)

        return asyncio.run(run())


@pytest.fixture
def storage(tmp_path: Path) -> Iterator[LogStorage]:
    place = DirectoryConfig(path=tmp_path / "log"), SqliteConfig(path=tmp_path / "sequence.db")
    create_storage(*place)
    with open_storage(*place) as found:
        yield found


@pytest.fixture(params=["folder", "store"])
def site(request: pytest.FixtureRequest, storage: LogStorage, tmp_path: Path) -> Site:
    """A log of 300 entries, served from its folder, and as from another store."""
    grow(storage, 0, 300)
    storage.publish(note(300), size=300)
    return Site(storage, tmp_path / "log" if request.param == "folder" else None)


def test_checkpoint_is_text_and_kept_for_seconds(site: Site) -> None:
    answer = site.ask("/checkpoint")
    assert (answer.status_code, answer.content) == (200, note(300))
    assert answer.headers["content-type"] == "text/plain; charset=utf-8"
    assert answer.headers["cache-control"] == "max-age=5"
    assert answer.headers["etag"] == f'"{hashlib.sha256(note(300)).hexdigest()}"'


def test_checkpoint_is_not_sent_twice(site: Site) -> None:
    tag = site.ask("/checkpoint").headers["etag"]
    again = site.ask("/checkpoint", headers={"if-none-match": tag})
    assert (again.status_code, again.content) == (304, b"")
    assert again.headers["etag"] == tag
    assert site.ask("/checkpoint", headers={"if-none-match": '"other"'}).status_code == 200
    grow(site.storage, 300, 301)
    site.storage.publish(note(301), size=301)
    newer = site.ask("/checkpoint", headers={"if-none-match": tag})
    assert (newer.status_code, newer.content) == (200, note(301))


@pytest.mark.parametrize(
    "path", ["tile/0/000", "tile/0/001.p/44", "tile/1/000.p/1", "tile/entries/000"]
)
def test_tiles_are_bytes_and_kept_for_ever(site: Site, path: str) -> None:
    answer = site.ask(f"/{path}")
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "application/octet-stream"
    assert "immutable" in answer.headers["cache-control"]
    assert int(answer.headers["content-length"]) == len(answer.content) > 0


@pytest.mark.parametrize(
    "path",
    [
        "/tile/0/002",
        "/tile/0/000.p/256",
        "/tile/0/000.p/044",
        "/tile/0/0000",
        "/tile/0/x000/000",
        "/tile/00/000",
        "/tile/-1/000",
        "/tile/0/000/",
        "/tile/0/..%2f..%2fcheckpoint",
        "/tile/0/%30%30%30%00",
        "/tile/0/001.p/.44.new",
        "/tile/../.lock",
        "/tile/entries/000.p",
        "/tile/",
        "/tile/0/" + "x000/" * 20 + "000",
    ],
)
def test_nothing_else_is_there_and_no_cache_keeps_that(site: Site, path: str) -> None:
    answer = site.ask(path)
    assert answer.status_code == 404
    assert answer.headers["cache-control"] == "no-store"
    assert answer.headers["access-control-allow-origin"] == "*"


@pytest.mark.parametrize("path", ["/checkpoint", "/tile/0/000", "/tile/0/999"])
def test_pages_of_any_site_may_read(site: Site, path: str) -> None:
    assert site.ask(path).headers["access-control-allow-origin"] == "*"
    asked = site.ask(path, "OPTIONS", {"access-control-request-method": "GET"})
    assert asked.status_code == 204
    assert asked.headers["access-control-allow-methods"] == "GET, HEAD"
    assert asked.headers["access-control-allow-headers"] == "if-none-match"
    assert "access-control-allow-credentials" not in asked.headers


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH"])
def test_nobody_writes(site: Site, method: str) -> None:
    assert site.ask("/checkpoint", method).status_code == 405
    assert site.ask("/tile/0/000", method).status_code == 405


def test_no_checkpoint_before_the_first_one(storage: LogStorage) -> None:
    answer = Site(storage, None).ask("/checkpoint")
    assert answer.status_code == 404
    assert answer.headers["cache-control"] == "no-store"


def test_bytes_on_their_way_from_a_store_are_bounded(
    storage: LogStorage, monkeypatch: pytest.MonkeyPatch
) -> None:
    grow(storage, 0, 10)
    site = Site(storage, None)
    for _ in range(20):
        assert site.ask("/tile/0/000.p/10").status_code == 200
    monkeypatch.setattr(public_files, "MAX_UNDERWAY", 100)
    answer = site.ask("/tile/0/000.p/10")
    assert (answer.status_code, answer.headers["cache-control"]) == (503, "no-store")


def test_store_that_fails_is_an_answer_and_frees_its_place(
    storage: LogStorage, monkeypatch: pytest.MonkeyPatch
) -> None:
    def read(path: TilePath) -> bytes:
        raise StorageError("the store does not answer")

    site = Site(storage, None)
    with monkeypatch.context() as patch:
        patch.setattr(storage, "read", read)
        for _ in range(20):
            assert site.ask("/tile/0/000").status_code == 503
    assert site.ask("/tile/0/000").status_code == 404
