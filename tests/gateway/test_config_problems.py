"""A configuration with many mistakes: as many lines, each with file, key, found and remedy."""

import datetime
import io
import os
from contextlib import redirect_stderr
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.config import GatewayConfig, PublisherConfig, RelayConfig
from gateway.config_file import load
from gateway.errors import ConfigurationError
from gateway.issuer.config import IssuerConfig
from gateway.issuer.main import main as issuer
from gateway.main import main as gateway
from gateway.relay import main as relay
from openpcc.cli import toml
from tests.gateway.service import SERVICE, made_keys

PROGRAMS = {"gateway": gateway, "publisher": gateway, "relay": relay, "issuer": issuer}
KINDS = (GatewayConfig, PublisherConfig, RelayConfig, IssuerConfig)


def secret(path: Path, text: str, *, mode: int = 0o600) -> str:
    path.touch(mode=0o600)
    path.write_text(text)
    path.chmod(mode)
    return path.name


def pair(folder: Path, name: str) -> None:
    """Write a certificate and its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)])
    now = datetime.datetime.now(datetime.UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now)
        .not_valid_after(now + datetime.timedelta(days=1))
        .sign(key, hashes.SHA256())
    )
    (folder / f"{name}.pem").write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    pem = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    secret(folder / f"{name}.key", pem.decode())


def refusal(role: str, config: Path, *more: str) -> list[str]:
    """Run a program that must refuse to start, in this process; give its lines."""
    words = ["--config", str(config), *more]
    words += ["--role", "publisher"] if role == "publisher" else []
    errors = io.StringIO()
    with redirect_stderr(errors), pytest.raises(SystemExit) as ended:
        PROGRAMS[role](words)
    assert ended.value.code == 2
    return errors.getvalue().splitlines()


def broken(role: str, folder: Path) -> dict[str, object]:
    """Give a configuration in which every value is wrong, or what lies behind it."""
    common: dict[str, object] = {
        "listen": "8000", "control": "127.0.0.1:99999", "drain": 0, "notice": -1, "porst": 1,
        "connect_timeout": "3", "ca": secret(folder / "ca.pem", "no certificate"),
    }  # fmt: skip
    match role:
        case "relay":
            return {**common, "gateway": "gateway.example", "max_request": 0}
        case "gateway":
            return {
                **common, "service": "https://x", "publisher": "ftp://x", "admission": "closed",
                "ohttp_keys": ["none.json", secret(folder / "open.json", "{}", mode=0o644)],
                "replay": "redis://user:pw@host", "poll": 0, "store_timeout": True,
                "store_password": secret(folder / "short", "short"),
            }  # fmt: skip
        case "publisher":
            return {
                **common, "service": SERVICE, "log": "http://127.0.0.1:9/", "candidates": 9,
                "service_key": secret(folder / "service.key", "AAAA"), "status_keys": ["no key"],
                "log_token": "none.token", "ohttp_keys": secret(folder / "public", "no keys"),
                "state": "none.json", "archive": "none", "pace": ["fast"], "poll": 151,
                "proofs": [secret(folder / "a.proof", "no proof")], "max_nodes": 0,
                "nodes": [{"url": "x"}, {"ulr": "http://x"}],
                "dns": [{"name": "10.0.0.1", "kind": "mx"}],
                "tokens": {"issuer": "http://issuer.example", "name": "a b", "output": 1000},
            }  # fmt: skip
        case _:
            return {
                **common, "name": "https://x", "keys": "none", "quota": -1, "usage_days": 0,
                "database": {"kind": "oracle", "path": "x"},
                "providers": [
                    {"issuer": "", "audience": "x", "algorithms": ["HS256"], "jwks_file": "none"},
                    {"issuer": "x", "audience": "x", "algorithms": ["ES256"], "jwks": "ftp://x"},
                ],
            }  # fmt: skip


COMMON = ("listen", "control", "drain", "notice", "porst", "connect_timeout", "ca")

WRONG = {
    "relay": ("gateway", "max_request"),
    "gateway": ("service", "publisher", "log", "admission", "ohttp_keys[0]", "ohttp_keys[1]",
                "replay", "poll", "store_timeout", "store_password"),
    "publisher": ("log", "candidates", "service_key", "status_keys", "log_token", "ohttp_keys",
                  "state", "archive", "pace", "poll", "proofs[0]", "max_nodes", "nodes[0].url",
                  "nodes[1].url", "nodes[1].ulr", "dns[0].name", "dns[0].kind", "tokens.issuer",
                  "tokens.name", "tokens.output"),
    "issuer": ("name", "keys", "quota", "usage_days", "database", "providers[0].issuer",
               "providers[0].algorithms", "providers[0].jwks_file", "providers[1].jwks"),
}  # fmt: skip


@pytest.mark.parametrize("role", WRONG)
@pytest.mark.parametrize("flags", [("--check-config",), ()], ids=["check", "start"])
def test_every_problem_is_named_at_once(tmp_path: Path, role: str, flags: tuple[str, ...]) -> None:
    config = tmp_path / f"{role}.toml"
    config.write_text(toml.write(broken(role, tmp_path)))
    lines = refusal(role, config, *flags)
    program = "gateway" if role == "publisher" else role
    prefix = f"openpcc-{program}: {config}: "
    keys = [line.removeprefix(prefix).split(": ")[0] for line in lines]
    assert sorted(keys) == sorted((*COMMON, *WRONG[role]))
    assert all(line.startswith(prefix) and ";" in line for line in lines)
    assert not any("pw" in line for line in lines)


def test_a_certificate_must_belong_to_its_key(tmp_path: Path) -> None:
    for name in ("one", "other"):
        pair(tmp_path, name)
    config = tmp_path / "relay.toml"
    settings: dict[str, object] = {"gateway": "http://127.0.0.1:9", "tls_certificate": "one.pem"}
    config.write_text(toml.write({**settings, "tls_key": "one.key"}))
    relay(["--config", str(config), "--check-config"])
    (tmp_path / "one.key").chmod(0o644)
    (line,) = refusal("relay", config)
    assert "tls_key" in line
    assert "chmod 600" in line
    config.write_text(toml.write({**settings, "tls_key": "other.key"}))
    (line,) = refusal("relay", config)
    assert "a key of another certificate" in line


def test_two_mistakes_that_only_show_together(tmp_path: Path) -> None:
    made_keys(tmp_path)
    settings: dict[str, object] = {
        "service": SERVICE, "publisher": "http://127.0.0.1:9", "log": "http://127.0.0.1:9",
        "ohttp_keys": ["ohttp-keys.json", "ohttp-keys.json"], "admission": "tokens",
    }  # fmt: skip
    config = tmp_path / "gateway.toml"
    config.write_text(toml.write(settings))
    lines = refusal("gateway", config)
    assert sorted(line.split(": ")[2] for line in lines) == ["ohttp_keys", "spent"]


VALUES = st.recursive(
    st.integers() | st.text(max_size=4) | st.booleans() | st.floats(allow_nan=True),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=3), inner),
    max_leaves=5,
)


@given(
    st.sampled_from(KINDS),
    st.dictionaries(
        st.sampled_from(
            ["listen", "gateway", "service", "ohttp_keys", "nodes", "dns", "tokens", "database",
             "providers", "name", "keys", "drain", "poll", "pace", "spent", "x\ny"]
        ),
        VALUES,
    ),
)  # fmt: skip
@settings(deadline=None)  # it writes files
def test_any_table_is_read_or_refused_in_lines(
    tmp_path_factory: pytest.TempPathFactory,
    kind: type[GatewayConfig],
    table: dict[str, object],
) -> None:
    path = tmp_path_factory.getbasetemp() / f"any-{os.getpid()}.toml"
    path.write_text(toml.write(table))
    assert all(line.startswith(f"{path}: ") for line in lines_of(path, kind))


def lines_of(path: Path, kind: type[GatewayConfig]) -> list[str]:
    try:
        load(path, kind)
    except ConfigurationError as error:
        return str(error).splitlines()
    return []
