"""node_image/agent/config.py"""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from node_image.agent.config import load, load_image, load_settings
from node_image.agent.errors import ConfigurationError
from node_image.agent.toml_table import TomlTable
from transparency_log.server.problems import Problems

SETTINGS = """
listen = "127.0.0.1:9001"
control = "[::1]:9002"
gateway = "gateway.example"
[limits]
max_requests = 8
max_request_bytes = 65536
"""

IMAGE = """
platform = "simulated"
machine = "machine"
release = "release"
engine = "embedded"
engine_arguments = ["--max-model-len", "512"]
epoch = 3600
[model]
name = "demo"
path = "model"
"""


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "machine").mkdir()
    (tmp_path / "model").mkdir()
    (tmp_path / "release").write_text("a4" * 32 + "\n")
    return tmp_path


def settings(folder, text):
    (folder / "node.toml").write_text(text)
    return load_settings(folder / "node.toml")


def image(folder, text):
    (folder / "image.toml").write_text(text)
    return load_image(folder / "image.toml")


def test_reads_the_hosts_settings_and_keeps_their_bytes(folder):
    found = settings(folder, SETTINGS)
    assert (found.listen, found.control) == ("127.0.0.1:9001", "[::1]:9002")
    assert (found.max_requests, found.max_request_bytes) == (8, 65536)
    assert found.gateway == "gateway.example"
    assert found.exact == SETTINGS.encode()


def test_an_image_may_name_the_digest_of_its_model(folder):
    assert image(folder, IMAGE).model.digest is None
    named = image(folder, f'{IMAGE}digest = "{"5a" * 32}"')
    assert named.model.digest == bytes.fromhex("5a" * 32)


@pytest.mark.parametrize("text", ["5a", "5A" * 32, "5a" * 33, "x" * 64])
def test_another_spelling_of_a_digest_stops_the_boot(folder, text):
    with pytest.raises(ConfigurationError, match="digest"):
        image(folder, f'{IMAGE}digest = "{text}"')


def test_an_empty_settings_file_means_the_defaults(folder):
    found = settings(folder, "")
    assert (found.listen, found.gateway, found.max_requests) == ("127.0.0.1:0", None, 64)


def test_reads_the_images_file(folder):
    found = image(folder, IMAGE)
    assert found.release == bytes.fromhex("a4" * 32)
    assert found.model.path == folder / "model"
    assert found.engine_arguments == ("--max-model-len", "512")


@pytest.mark.parametrize(
    "text",
    [
        SETTINGS + "\nmax_streams = 1",
        'model = "x"\n' + SETTINGS,
        'platform = "simulated"\n' + SETTINGS,
        "engine = 1",
        "listen = 9001",
        'listen = "9001"',
        'listen = "host:070"',
        'listen = "host:65536"',
        "limits = 1",
        "[limits]\nmax_requests = 0",
        "[limits]\nmax_requests = true",
        "[limits]\nmax_request_bytes = 67108865",
        "listen = ",
    ],
)
def test_a_setting_that_is_not_listed_or_not_in_range_stops_the_boot(folder, text):
    with pytest.raises(ConfigurationError):
        settings(folder, text)


@pytest.mark.parametrize(
    ("old", "new", "names"),
    [
        ('platform = "simulated"', 'platform = "sgx"', "platform"),
        ('platform = "simulated"', "", "platform"),
        ('machine = "machine"', 'machine = "nowhere"', "machine"),
        ('release = "release"', 'release = "nowhere"', "release"),
        ('path = "model"', 'path = "nowhere"', "path"),
        ('name = "demo"', 'name = ""', "name"),
        ('name = "demo"', 'name = "demo"\nquantised = true', "quantised"),
        ("epoch = 3600", "epoch = 60", "epoch"),
        ("epoch = 3600", "epoch = 86401", "epoch"),
        ("epoch = 3600", 'epoch = 3600\nlisten = "0.0.0.0:1"', "listen"),
        ('engine = "embedded"', 'engine = "vllm"', "engine_python"),
        ('engine = "embedded"', 'engine_python = "nowhere"', "nowhere"),
        ('engine_arguments = ["--max-model-len", "512"]', "engine_arguments = [1]", "engine_arg"),
    ],
)
def test_a_mistake_in_the_image_names_the_key(folder, old, new, names):
    assert old in IMAGE
    with pytest.raises(ConfigurationError, match=names) as caught:
        image(folder, IMAGE.replace(old, new))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("text", ["", "A4" * 32, "a4" * 31, "a4" * 33, "a4" * 32 + "\n\n"])
def test_the_release_file_has_one_spelling(folder, text):
    (folder / "release").write_text(text)
    with pytest.raises(ConfigurationError, match="64 hex digits"):
        image(folder, IMAGE)


def test_a_missing_or_endless_file_is_named(folder):
    with pytest.raises(ConfigurationError, match=r"nowhere\.toml"):
        load_settings(folder / "nowhere.toml")
    with pytest.raises(ConfigurationError, match="shorten"):
        settings(folder, "#" * 70000)


@given(st.dictionaries(st.text(max_size=8), st.integers() | st.text() | st.lists(st.integers())))
def test_any_table_is_read_or_refused(tmp_path_factory, values):
    problems = Problems(tmp_path_factory.getbasetemp() / "file", ConfigurationError)
    table = TomlTable(values, problems)
    try:
        table.address("a", "h:1")
        table.integer("b", 1, 0, 9)
        table.texts("c")
        table.end()
    except ConfigurationError:
        pass


def test_every_problem_of_both_files_is_named_at_once(folder):
    (folder / "host.toml").write_text(
        'listen = "here"\ncontrol = 1\nplatform = "tdx"\n[limits]\ndrain = -1\nstreams = 1\n'
    )
    (folder / "short").write_text("a4")
    (folder / "image.toml").write_text(
        'platform = "sgx"\nmachine = "none"\nrelease = "short"\nengine = "vllm"\nepoch = 1\n'
        'engine_arguments = [1]\nquantised = true\n[model]\npath = "none"\ndigest = "5a"\n'
    )
    with pytest.raises(ConfigurationError) as caught:
        load(folder / "host.toml", folder / "image.toml")
    lines = str(caught.value).splitlines()
    keys = [(line.split(": ")[0].rpartition("/")[2], line.split(": ")[1]) for line in lines]
    assert sorted(keys) == sorted(
        [
            *(("host.toml", one) for one in
              ("listen", "control", "platform", "limits.drain", "limits.streams")),
            *(("image.toml", one) for one in
              ("platform", "machine", "release", "engine_python", "epoch", "engine_arguments",
               "quantised", "model.name", "model.path", "model.digest")),
        ]
    )  # fmt: skip
    assert all(";" in line for line in lines)
