"""docs/log-storage.md says what the log's programs do and say."""

import re
from pathlib import Path

import pytest

from transparency_log.server.s3_store import CHECKPOINT_HEADERS, RIVALS, TILE_HEADERS
from transparency_log.server.storage_config import (
    DirectoryConfig,
    PostgresConfig,
    S3Config,
    SqliteConfig,
    read_sequence,
    read_store,
)
from transparency_log.server.toml_table import read_table


@pytest.fixture(scope="module")
def page(root: Path) -> str:
    return (root / "docs" / "log-storage.md").read_text()


def test_examples_are_read_as_the_page_says(page: str, tmp_path: Path) -> None:
    found = []
    for block in re.findall(r"```toml\n(.*?)```", page, re.DOTALL):
        (tmp_path / "log.toml").write_text(block)
        table = read_table(tmp_path / "log.toml")
        (tmp_path / "postgres.dsn").touch(mode=0o600)
        (tmp_path / "postgres.dsn").write_text("host=/run/postgresql")
        found += [read_store(table.table("store")), read_sequence(table.table("sequence"))]
        table.end()
    assert [type(one) for one in found] == [
        DirectoryConfig,
        SqliteConfig,
        S3Config,
        PostgresConfig,
    ]
    assert S3Config(
        bucket="log.example",
        prefix="log/",
        endpoint="https://s3.example",
        region="eu-central-1",
    ) in found  # fmt: skip


def test_what_the_operator_is_said_to_see_is_what_the_log_says(page: str, root: Path) -> None:
    rows = re.findall(r"^\| [^|]+ \| ([^|]*exit code[^|]*) \|", page, re.MULTILINE)
    said = [text for row in rows for text in re.findall(r"`([^`/]+)`", row)]
    sources = "".join(
        path.read_text() for path in (root / "transparency_log" / "server").glob("*.py")
    )
    assert len(said) >= 5
    assert [text for text in said if text not in sources] == []


def test_numbers_and_headers_are_those_of_the_store(page: str) -> None:
    assert RIVALS == 8
    assert "eight writers at once" in page
    assert f"{2 * RIVALS + 3} small requests" in page
    for headers in (CHECKPOINT_HEADERS, TILE_HEADERS):
        assert headers["ContentType"] in page
        assert f'"{headers["CacheControl"]}"' in page
