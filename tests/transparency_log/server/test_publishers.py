from pathlib import Path

import pytest

from transparency_log.entry import EntryKind
from transparency_log.errors import ConfigurationError
from transparency_log.server.publishers import (
    MAX_PUBLISHERS,
    NotAPublisherError,
    PublisherConfig,
    Publishers,
)

TOKENS = {"release": "a" * 16, "service": "b" * 128}


@pytest.fixture
def configured(tmp_path: Path) -> list[PublisherConfig]:
    for name, token in TOKENS.items():
        (tmp_path / name).touch(mode=0o600)
        (tmp_path / name).write_text(token)
    kinds = frozenset([EntryKind.RELEASE])
    return [
        PublisherConfig(name="release", token=tmp_path / "release", kinds=kinds),
        PublisherConfig(name="service", token=tmp_path / "service", entries_per_day=5),
    ]


def test_token_says_who_it_is(configured: list[PublisherConfig]) -> None:
    publishers = Publishers(configured)
    for one in configured:
        found = publishers.authenticate(f"Bearer {TOKENS[one.name]}".encode())
        assert (found.account, found.kinds) == (one.account, one.kinds)
        assert TOKENS[one.name] not in repr(found)


@pytest.mark.parametrize(
    "field",
    [
        None,
        b"",
        b"Bearer",
        b"Bearer ",
        b"Bearer " + b"a" * 15,
        b"Bearer " + b"a" * 17,
        b"Bearer  " + b"a" * 16,
        b"Bearer " + b"a" * 16 + b" ",
        b"bearer " + b"a" * 16,
        b"Basic " + b"a" * 16,
        b"a" * 16,
        b"Bearer \xff\xfe",
    ],
)
def test_anything_else_is_nobody(configured: list[PublisherConfig], field: bytes | None) -> None:
    with pytest.raises(NotAPublisherError):
        Publishers(configured).authenticate(field)


def test_as_many_publishers_as_the_waiting_room_has_shares(
    configured: list[PublisherConfig],
) -> None:
    for wrong in ([], configured * (MAX_PUBLISHERS // 2 + 1)):
        with pytest.raises(ConfigurationError, match="publishers"):
            Publishers(wrong)


def test_shared_name_or_token_is_refused(configured: list[PublisherConfig], tmp_path: Path) -> None:
    again = PublisherConfig(name="release", token=tmp_path / "service")
    with pytest.raises(ConfigurationError, match="one name"):
        Publishers([configured[0], again])
    other = PublisherConfig(name="other", token=tmp_path / "release")
    with pytest.raises(ConfigurationError, match="one token"):
        Publishers([*configured, other])
