"""The settings on docs/discovery.md are settings, and what cannot be asked is refused by name."""

import re
from pathlib import Path

import pytest

from gateway.config import PublisherConfig
from gateway.config_file import load
from gateway.errors import ConfigurationError
from gateway.places import AddressSource, ServiceSource, StaticSource
from gateway.publisher_app import places

FIXED = """
service = "demo.example"
log = "http://127.0.0.1:9"
service_key = "k"
status_keys = []
ohttp_keys = "o"
state = "s"
archive = "a"
"""


def settings(folder: Path, text: str, first: str = "") -> PublisherConfig:
    path = folder / "publisher.toml"
    path.write_text(f"{FIXED}{first}\n{text}")
    return load(path, PublisherConfig)


def test_every_block_of_the_page_is_read(root: Path, tmp_path: Path) -> None:
    page = (root / "docs" / "discovery.md").read_text()
    blocks = dict(re.findall(r"```toml (\w+)\n(.*?)```", page, re.S))
    assert set(blocks) == {"list", "addresses", "services"}
    found = settings(tmp_path, "\n".join(blocks.values()), 'dns_servers = ["127.0.0.1:5353"]')
    sources = places(found, lambda: 0.0)._sources
    assert [type(one) for one in sources] == [StaticSource, AddressSource, ServiceSource]
    for name in ("dns_time", "max_nodes"):
        row = re.search(rf"`{name}` \| (\d+) ", page)
        assert row is not None
        assert getattr(found, name) == int(row[1])


DNS = '[[dns]]\nname = "n.example"\n'


@pytest.mark.parametrize(
    ("text", "first", "words"),
    [
        ("", "", ["nodes", "at least one"]),
        (f'[[nodes]]\nurl = "http://{"n" * 1000}"', "", ["nodes[0].url", "1000"]),
        (f'{DNS}kind = "mx"', "", ["dns", "kind"]),
        (f'{DNS}kind = "address"', "", ["dns", "port"]),
        (f'{DNS}kind = "address"\nport = 65536', "", ["dns", "port"]),
        (f'{DNS}kind = "address"\nport = 1\nscheme = "https"', "", ["dns[0].scheme", "srv"]),
        (f'{DNS}kind = "srv"\nport = 1', "", ["dns", "port"]),
        (f'{DNS}kind = "srv"\nscheme = "ftp"', "", ["dns", "scheme"]),
        (f'{DNS}kind = "srv"\nweight = 1', "", ["dns[0].weight", "no such setting"]),
        (f'{DNS}kind = "srv"', 'dns_servers = ["dns.example"]', ["dns_servers"]),
        (f'{DNS}kind = "srv"', 'dns_servers = ["dns.example:53"]', ["dns_servers"]),
        (f'{DNS}kind = "srv"', 'dns_servers = ["10.0.0.1:0"]', ["dns_servers"]),
        (f'{DNS}kind = "srv"', "dns_time = 31", ["dns_time", "30"]),
        (f'{DNS}kind = "srv"', "max_nodes = 0", ["max_nodes"]),
        (f'{DNS}kind = "srv"', "max_nodes = 40001", ["max_nodes", "40000"]),
        *(
            (f'[[dns]]\nname = "{name}"\nkind = "srv"', "", ["dns[0].name", "whole name"])
            for name in ("", "a b", "N.example", "n.example.", "n..example", "10.0.0.1", "n/x", "*")
        ),
    ],
)
def test_refuses_by_name(tmp_path: Path, text: str, first: str, words: list[str]) -> None:
    with pytest.raises(ConfigurationError) as caught:
        settings(tmp_path, text, first)
    assert all(word in str(caught.value) for word in words), caught.value


def test_servers_may_have_ports(tmp_path: Path) -> None:
    text = f'{DNS}kind = "srv"'
    for servers in ('["10.0.0.1", "fd00::1"]', '["10.0.0.1:5353", "[fd00::1]:5353"]'):
        assert len(settings(tmp_path, text, f"dns_servers = {servers}").dns_servers) == 2
