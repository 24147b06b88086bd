import socket
import stat
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from openpcc.errors import ConfigurationError
from openpcc.proxy.listen import TLS, Listen, bind, new_key, read_key, require_protection

KEY = "0123456789abcdef0123456789abcdef"
TLS_FILES = TLS(certificate=Path("cert.pem"), key=Path("key.pem"))


@pytest.mark.parametrize("text", ["127.0.0.1:0", "[::1]:8419", "localhost:1", "unix:/tmp/s"])
def test_loopback_and_unix_sockets_are_private(text):
    require_protection(Listen.parse(text), tls=None, key_file=None)


@pytest.mark.parametrize("text", ["0.0.0.0:8419", "192.0.2.1:80", "proxy.example:443", "[::]:8419"])
def test_rejects_a_public_address_without_tls_and_key(text):
    listen = Listen.parse(text)
    require_protection(listen, tls=TLS_FILES, key_file=Path("key"))
    for tls, key in ((None, None), (TLS_FILES, None), (None, Path("key"))):
        with pytest.raises(ConfigurationError, match="others can reach"):
            require_protection(listen, tls=tls, key_file=key)


@pytest.mark.parametrize(
    "text",
    ["", "8419", ":8419", "127.0.0.1", "h:08", "h:٣", "h:65536", "h:-1", "unix:", "a b:1", "h:1\n"],
)
def test_rejects_what_is_no_address(text):
    with pytest.raises(ConfigurationError, match="--listen"):
        Listen.parse(text)


@given(st.text())
def test_any_text_is_an_address_or_a_configuration_error(text):
    try:
        listen = Listen.parse(text)
    except ConfigurationError:
        return
    assert listen.path is not None or (listen.host and 0 <= listen.port <= 65535)


def test_a_port_in_use_is_named():
    with bind(Listen.parse("127.0.0.1:0")) as first:
        port = first.getsockname()[1]
        with (
            pytest.raises(ConfigurationError, match=str(port)),
            bind(Listen.parse(f"127.0.0.1:{port}")),
        ):
            pass


def test_a_unix_socket_is_its_owners_alone_and_removed(tmp_path):
    path = tmp_path / "s"
    with bind(Listen(path=path)):
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert not path.exists()


def test_a_socket_nobody_listens_on_is_replaced(tmp_path):
    path = tmp_path / "s"
    with socket.socket(socket.AF_UNIX) as left:
        left.bind(str(path))
    with bind(Listen(path=path)):
        pass


def test_rejects_a_path_that_is_taken(tmp_path):
    path = tmp_path / "s"
    with bind(Listen(path=path)):
        with pytest.raises(ConfigurationError, match="a program listens"), bind(Listen(path=path)):
            pass
        assert path.exists()
    path.write_text("kept")
    with pytest.raises(ConfigurationError, match="a file is there"), bind(Listen(path=path)):
        pass
    assert path.read_text() == "kept"


def test_every_start_has_another_key():
    assert new_key() != new_key()
    assert len(new_key()) > 40


def test_reads_a_chosen_key(tmp_path):
    path = key_file(tmp_path, KEY + "\n")
    assert read_key(path) == KEY


def test_rejects_a_key_that_others_can_read(tmp_path):
    path = key_file(tmp_path, KEY)
    path.chmod(0o640)
    with pytest.raises(ConfigurationError, match="chmod 600"):
        read_key(path)


@pytest.mark.parametrize("content", ["", "short", KEY + "\nmore", KEY + " x", "ü" * 40, "x" * 300])
def test_rejects_what_is_no_key_and_does_not_quote_it(tmp_path, content):
    with pytest.raises(ConfigurationError) as caught:
        read_key(key_file(tmp_path, content))
    assert "printable" in str(caught.value)
    assert not content or content not in str(caught.value)


def test_names_a_key_file_that_is_missing(tmp_path):
    with pytest.raises(ConfigurationError, match="nowhere"):
        read_key(tmp_path / "nowhere")


def key_file(folder: Path, content: str) -> Path:
    path = folder / "key"
    path.write_text(content)
    path.chmod(0o600)
    return path
