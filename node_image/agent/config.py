"""The two files a node starts from: the host's few settings, and what the image fixes.

`--config` belongs to the host. Its keys are a closed list (docs/formats.md section 3.4), and its
exact bytes are quoted in the evidence, so a client sees them. `--image` belongs to the measured
image and holds everything that can touch content. An unknown key in either stops the boot. Relative
paths are relative to the file that names them.
"""

import re
from dataclasses import dataclass
from pathlib import Path

from node_image.agent.errors import ConfigurationError
from node_image.agent.toml_table import TomlTable, read_table
from transparency_log.server.problems import found, wrong

PYTHON = "engine_python"
"""Key of the engine's interpreter."""

PLATFORMS = frozenset({"sev-snp", "tdx", "sev-snp-vtpm", "tdx-vtpm", "simulated", "simulated-vtpm"})
ENGINES = frozenset({"embedded", "vllm"})

RENEWAL_MARGIN = 1380
"""Seconds before `not_after` at which the next epoch is made: two directory windows of 600 s until
every client knows it, 120 s in which clients no longer use the old one, and a minute to make it."""

SHORTEST_EPOCH = RENEWAL_MARGIN + 420
LONGEST_EPOCH = 86400
"""Seconds; the policy of clients accepts no longer epoch (DESIGN 4.1)."""


@dataclass(frozen=True, kw_only=True)
class Settings:
    """What the host may choose."""

    listen: str = "127.0.0.1:0"
    """Address for gateways, host:port. Port 0: any free port, told on standard output."""
    control: str = "127.0.0.1:0"
    """Address for /healthz, /readyz and /metrics; the host's own network only."""
    gateway: str | None = None
    """Who is meant to forward to this node. Left out: not said. Shown in the evidence, no more."""
    max_requests: int = 64
    """Requests in flight; the next one is refused with `busy`."""
    max_request_bytes: int = 64 * 2**20
    """Bytes of one sealed request; longer is refused unread with `too-large`."""
    drain: int = 0
    """Seconds after SIGTERM that requests are still taken, for clients who hold this node's keys;
    1260 turns nobody away. 0: open requests may end, no more."""
    exact: bytes = b""
    """The file itself, as the evidence quotes it."""


@dataclass(frozen=True, kw_only=True)
class Model:
    """The one model a node serves."""

    name: str
    path: Path
    digest: bytes | None = None
    """What the release names it by; other files stop the boot. Left out: whatever is there is
    measured, and clients refuse what the release does not name."""


@dataclass(frozen=True, kw_only=True)
class Image:
    """What the measured image fixes."""

    platform: str
    """One of docs/formats.md section 3."""
    machine: Path
    """Folder with what the platform's attester needs."""
    release: bytes
    """Leaf hash of this image's release entry, read from the file that `release` names."""
    model: Model
    engine: str = "embedded"
    """`embedded` or `vllm`."""
    engine_python: Path | None = None
    """Interpreter of the engine's own environment. Left out: the agent's interpreter."""
    engine_arguments: tuple[str, ...] = ()
    """Further arguments of the engine; named in the release and digested in every receipt."""
    epoch: int = 3600
    """Seconds that the keys of one epoch are offered."""


def load(config: Path, image: Path) -> tuple[Settings, Image]:
    """Read both files.

    Raises:
        ConfigurationError: a line for each problem of either.
    """
    try:
        settings = load_settings(config)
    except ConfigurationError as error:
        try:
            load_image(image)
        except ConfigurationError as other:
            raise ConfigurationError(f"{error}\n{other}") from other
        raise
    return settings, load_image(image)


def load_settings(path: Path) -> Settings:
    """Read the host's file.

    Raises:
        ConfigurationError: unreadable, not TOML, or a line for each problem.
    """
    table, exact = read_table(path)
    limits = table.child("limits")
    settings = Settings(
        listen=table.address("listen", Settings.listen),
        control=table.address("control", Settings.control),
        gateway=table.optional_text("gateway"),
        max_requests=limits.integer("max_requests", Settings.max_requests, 1, 4096),
        max_request_bytes=limits.integer(
            "max_request_bytes", Settings.max_request_bytes, 4096, 64 * 2**20
        ),
        drain=limits.integer("drain", Settings.drain, 0, 3600),
        exact=exact,
    )
    limits.end()
    table.end()
    return settings


def load_image(path: Path) -> Image:
    """Read the image's file and the release hash it points to.

    Raises:
        ConfigurationError: as for `load_settings`, or a path it names is missing.
    """
    table, _ = read_table(path)
    platform, machine = table.choice("platform", PLATFORMS), table.folder("machine")
    release = table.file("release", _release)
    model = _model(table.child("model"))
    python, engine = _engine(table, path)
    arguments = table.texts("engine_arguments")
    epoch = table.integer("epoch", Image.epoch, SHORTEST_EPOCH, LONGEST_EPOCH)
    table.end()
    return Image(
        platform=platform,
        machine=machine,
        release=_release(release),
        model=model,
        engine=engine,
        engine_python=python,
        engine_arguments=arguments,
        epoch=epoch,
    )


def _model(table: TomlTable) -> Model:
    name, path, text = table.text("name"), table.folder("path"), table.optional_text("digest")
    digest = None
    if text is not None and re.fullmatch(r"[0-9a-f]{64}", text, re.ASCII):
        digest = bytes.fromhex(text)
    elif text:
        expected = "64 hex digits, as `node_image.measure model` gives them"
        table.refuse("digest", wrong(expected=expected, found=found(text)))
    table.end()
    return Model(name=name, path=path, digest=digest)


def _engine(table: TomlTable, path: Path) -> tuple[Path | None, str]:
    """Take the engine's interpreter and name."""
    engine, text = table.choice("engine", ENGINES, Image.engine), table.optional_text(PYTHON)
    if engine == "vllm" and text is None:
        expected = "the interpreter of vLLM's own environment"
        table.refuse(PYTHON, wrong(expected=expected, found="nothing", remedy="add it"))
    if not text:
        return None, engine
    # Not resolved: a virtual environment is known by the path of its link, not by its target.
    python = (path.parent / text).absolute()
    if not python.is_file():
        table.refuse(PYTHON, f"{python}: no such interpreter; make the engine's environment")
    return python, engine


def _release(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            text = file.read(80).decode("ascii")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigurationError(f"{path}: cannot be read as text") from error
    if not re.fullmatch(r"[0-9a-f]{64}\n?", text):
        expected = "the 64 hex digits of the release's leaf hash"
        text = wrong(expected=expected, found="something else", remedy="put them there")
        raise ConfigurationError(f"{path}: {text}")
    return bytes.fromhex(text.strip())
