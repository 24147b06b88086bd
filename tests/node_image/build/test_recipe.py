"""node_image/build: what the recipe lets in, and what it does not."""

import re
import tomllib
from pathlib import Path

import pytest

from node_image.agent.config import PLATFORMS, load_image, load_settings


def values(path: Path, section: str, key: str) -> list[str]:
    """Give all values of a key of mkosi's or systemd's files, in order."""
    found: list[str] = []
    at, reading = "", False
    for line in path.read_text().splitlines():
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        if line.startswith("["):
            at, reading = line.strip("[]"), False
        elif line[0].isspace():
            found += [line.strip()] if reading else []
        else:
            name, _, value = line.partition("=")
            reading = (at, name) == (section, key)
            found += [value] if reading and value else []
    return found


@pytest.fixture(scope="module")
def recipe(root: Path) -> Path:
    return root / "node_image" / "build"


@pytest.fixture(scope="module")
def extra(recipe: Path) -> Path:
    return recipe / "mkosi.extra"


@pytest.fixture(scope="module")
def units(extra: Path) -> Path:
    return extra / "etc" / "systemd" / "system"


def files(recipe: Path) -> list[Path]:
    return [path for path in recipe.rglob("*") if path.is_file() and path.suffix != ".pyc"]


def test_no_file_names_a_host(recipe: Path):
    for path in files(recipe):
        assert not re.search(r"https?://|ftp://|\b(?:debian|pypi|python)\.(?:org|net)\b",
                             path.read_text()), path  # fmt: skip


def test_two_builds_have_the_same_identities(recipe: Path):
    main = recipe / "mkosi.conf"
    assert values(main, "Output", "Seed")
    assert values(main, "Content", "SourceDateEpoch")
    assert values(main, "Output", "SectorSize") == ["512"]


def test_the_root_is_verified_and_read_only(recipe: Path):
    root, tree = (
        recipe / "mkosi.repart" / name for name in ("10-root.conf", "11-root-verity.conf")
    )
    assert values(root, "Partition", "Format") == ["erofs"]
    assert values(root, "Partition", "Verity") == ["data"]
    assert values(tree, "Partition", "Verity") == ["hash"]
    assert values(root, "Partition", "VerityMatchKey") == values(
        tree, "Partition", "VerityMatchKey"
    )
    words = values(recipe / "mkosi.conf", "Content", "KernelCommandLine")
    assert {"ro", "root=/dev/mapper/root"} <= set(words)
    assert "rw" not in words


@pytest.mark.parametrize(
    "word",
    [
        "lockdown=confidentiality",
        "module.sig_enforce=1",
        "systemd.import_credentials=no",
        "systemd.gpt_auto=no",
        "ipv6.disable=1",
        "panic=-1",
    ],
)
def test_the_kernel_takes_nothing_of_the_hosts(recipe: Path, word: str):
    assert word in values(recipe / "mkosi.conf", "Content", "KernelCommandLine")


@pytest.mark.parametrize("conf", ["mkosi.conf", "mkosi.images/initrd/mkosi.conf"])
@pytest.mark.parametrize(
    "path",
    ["/usr/bin/sh", "/usr/bin/dash", "/usr/bin/bash", "/usr/sbin/agetty", "/usr/sbin/sulogin",
     "/usr/bin/login", "/usr/bin/su", "/usr/bin/apt*", "/usr/bin/dpkg*", "/usr/bin/perl*"],
)  # fmt: skip
def test_no_shell_login_or_package_manager_is_left(recipe: Path, conf: str, path: str):
    assert path in values(recipe / conf, "Content", "RemoveFiles")


@pytest.mark.parametrize("conf", ["mkosi.conf", "mkosi.images/initrd/mkosi.conf"])
def test_nothing_that_lets_somebody_in_is_installed(recipe: Path, conf: str):
    packages = " ".join(values(recipe / conf, "Content", "Packages"))
    assert not re.search(r"ssh|telnet|login|cloud-init|agent|sudo|curl|wget|resolved", packages)


def test_nobody_can_log_in(recipe: Path):
    assert values(recipe / "mkosi.conf", "Content", "RootPassword") == ["hashed:!*"]
    assert not values(recipe / "mkosi.conf", "Content", "Autologin")
    assert not values(recipe / "mkosi.conf", "Content", "Ssh")


@pytest.mark.parametrize("name", ["emergency.service", "rescue.service"])
@pytest.mark.parametrize("image", ["mkosi.extra", "mkosi.images/initrd/mkosi.extra"])
def test_a_failed_boot_ends_the_machine(recipe: Path, image: str, name: str):
    unit = recipe / image / "etc" / "systemd" / "system" / name
    assert values(unit, "Service", "ExecStart") == ["/usr/bin/systemctl --force --force poweroff"]


@pytest.mark.parametrize("name", ["node", "host", "firewall", "modules"])
def test_a_part_that_fails_ends_the_machine_and_says_why(units: Path, name: str):
    unit = units / f"openpcc-{name}.service"
    assert values(unit, "Unit", "FailureAction") == ["poweroff-force"]
    assert values(unit, "Service", "StandardError") == ["journal+console"]


def test_the_agent_starts_when_all_is_closed(units: Path):
    unit = units / "openpcc-node.service"
    before = ["openpcc-host.service", "openpcc-firewall.service", "openpcc-modules.service"]
    for key in ("Requires", "After"):
        assert set(before) <= set(values(unit, "Unit", key)[0].split())


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("CapabilityBoundingSet", "CAP_SETFCAP"),
        ("NoNewPrivileges", "yes"),
        ("ProtectSystem", "strict"),
        ("ProtectHome", "yes"),
        ("ProtectProc", "invisible"),
        ("ProtectKernelModules", "yes"),
        ("ProtectKernelTunables", "yes"),
        ("ProtectKernelLogs", "yes"),
        ("ProtectControlGroups", "yes"),
        ("ProtectClock", "yes"),
        ("ProtectHostname", "yes"),
        ("PrivateTmp", "yes"),
        ("DevicePolicy", "closed"),
        ("DeviceAllow", "/dev/tpmrm0 rw"),
        ("LockPersonality", "yes"),
        ("MemoryDenyWriteExecute", "yes"),
        ("RestrictAddressFamilies", "AF_UNIX AF_INET AF_NETLINK"),
        ("RestrictRealtime", "yes"),
        ("SystemCallArchitectures", "native"),
        ("SystemCallFilter", "@system-service @mount"),
        ("LimitCORE", "0"),
        ("UMask", "0077"),
    ],
)
def test_the_agent_is_confined(units: Path, key: str, value: str):
    assert values(units / "openpcc-node.service", "Service", key) == [value]


def test_what_reads_the_hosts_disk_has_nothing_else(units: Path):
    unit = units / "openpcc-host.service"
    assert "CapabilityBoundingSet=\n" in unit.read_text()
    assert values(unit, "Service", "PrivateNetwork") == ["yes"]
    assert values(unit, "Service", "DeviceAllow") == ["block-* r"]
    assert values(unit, "Service", "RestrictAddressFamilies") == ["none"]


def test_the_firewall_drops_and_opens_two_ports(extra: Path):
    rules = (extra / "etc" / "nftables.conf").read_text()
    for hook in ("input", "forward", "output"):
        assert f"type filter hook {hook} priority filter; policy drop;" in rules
    accepted = [line.strip() for line in rules.splitlines() if "accept" in line]
    assert accepted == [
        "ct state established accept",
        'iif "lo" accept',
        "tcp dport { 8080, 8081 } ct state new accept",
        "ct state established accept",
        'oif "lo" accept',
        'meta skuid "systemd-network" udp sport 68 udp dport 67 accept',
    ]


def test_no_address_before_the_firewall(units: Path):
    firewall = units / "openpcc-firewall.service"
    assert "systemd-networkd.service" in values(firewall, "Unit", "Before")[0].split()
    network = units / "systemd-networkd.service.d" / "firewall.conf"
    assert values(network, "Unit", "Requires") == ["openpcc-firewall.service"]


def test_nothing_is_kept(extra: Path, units: Path):
    journal = extra / "etc" / "systemd" / "journald.conf.d" / "node.conf"
    assert values(journal, "Journal", "Storage") == ["none"]
    for name in ("var.mount", "tmp.mount"):
        assert values(units / name, "Mount", "Type") == ["tmpfs"]
        assert {"nosuid", "nodev", "noexec"} <= set(
            values(units / name, "Mount", "Options")[0].split(",")
        )


def test_modules_are_closed_before_the_agent_starts(extra: Path, units: Path):
    closed = (extra / "usr" / "lib" / "openpcc" / "modules-closed.conf").read_text()
    assert "kernel.modules_disabled=1" in closed.splitlines()
    command = values(units / "openpcc-modules.service", "Service", "ExecStart")[0]
    assert command.endswith("/usr/lib/openpcc/modules-closed.conf")


@pytest.mark.parametrize("platform", sorted(PLATFORMS))
def test_the_agent_reads_the_images_file(recipe: Path, tmp_path: Path, platform: str):
    text = (recipe / "image.toml").read_text()
    for word, value in {
        "@PLATFORM@": platform,
        "@MACHINE@": str(tmp_path),
        "@DIGEST@": "0" * 64,
        "@RELEASE@": str(tmp_path / "release"),
        "/usr/lib/openpcc/confined-python": str(tmp_path / "release"),
        "/usr/share/openpcc/models/demo": str(tmp_path),
    }.items():
        assert word in text
        text = text.replace(word, value)
    (tmp_path / "release").write_text("a4" * 32)
    (tmp_path / "image.toml").write_text(text)
    image = load_image(tmp_path / "image.toml")
    assert (image.platform, image.model.digest) == (platform, bytes(32))


def test_a_wheel_is_taken_by_its_hash(recipe: Path):
    lock = (recipe / "wheels.txt").read_text()
    names = re.findall(r"^([a-z0-9-]+)==[^ ]+ \\$", lock, re.M)
    assert len(names) == len(re.findall(r"^[^ #\n]", lock, re.M))
    assert lock.count("--hash=sha256:") >= len(names)


def test_no_package_that_would_speak_to_a_network_is_taken(recipe: Path):
    lock = (recipe / "wheels.txt").read_text()
    assert not re.search(r"^(httpx|httpcore|requests|urllib3|huggingface|boto|openai)", lock, re.M)


def test_versions_are_those_that_are_tested(root: Path, recipe: Path):
    tested = (root / "requirements" / "dev.txt").read_text()
    for line in re.findall(r"^[a-z0-9-]+==[^ ]+", (recipe / "wheels.txt").read_text(), re.M):
        assert line in tested


def test_settings_of_the_host_for_the_image_are_read(tmp_path: Path):
    (tmp_path / "host.toml").write_text('listen = "0.0.0.0:8080"\ncontrol = "0.0.0.0:8081"\n')
    assert load_settings(tmp_path / "host.toml").listen == "0.0.0.0:8080"
    assert tomllib.loads((tmp_path / "host.toml").read_text())["control"].endswith("8081")


def test_only_named_programs_stay(recipe: Path):
    kept = set((recipe / "programs.txt").read_text().splitlines()[1:])
    assert not kept & {"sh", "bash", "dash", "login", "su", "agetty", "sulogin", "dd", "cat", "ip"}
    assert {"bwrap", "nft", "python3", "systemctl"} <= kept
    for name in ("mkosi.finalize", "mkosi.images/initrd/mkosi.finalize"):
        assert "-perm /6000 -exec chmod ug-s" in (recipe / name).read_text()


def test_the_tpm_is_the_agents_alone(extra: Path):
    rules = (extra / "etc" / "udev" / "rules.d" / "90-openpcc.rules").read_text()
    assert 'KERNEL=="tpm[0-9]*|tpmrm[0-9]*", OWNER="root", GROUP="root", MODE="0600"' in rules


def test_debug_measures_to_something_else_and_has_no_shell_either(recipe: Path):
    debug = recipe / "mkosi.profiles" / "debug" / "mkosi.conf"
    assert "openpcc.debug" in values(debug, "Content", "KernelCommandLine")
    assert "openpcc.debug" not in values(recipe / "mkosi.conf", "Content", "KernelCommandLine")
    for key in ("Packages", "RootPassword", "Autologin", "Ssh"):
        assert not values(debug, "Content", key)


def test_debug_names_no_release_whatever_its_host_says(recipe: Path):
    script = (recipe / "build.sh").read_text()
    assert "[[ $profile == debug ]] && release=/usr/share/openpcc/unreleased" in script
    assert "printf '%064d\\n' 0 >\"$work/openpcc/unreleased\"" in script


def test_hashes_are_of_whole_blocks_although_sectors_are_small(recipe: Path):
    tree = recipe / "mkosi.repart" / "11-root-verity.conf"
    for name in ("VerityDataBlockSizeBytes", "VerityHashBlockSizeBytes"):
        assert values(tree, "Partition", name) == ["4096"]


def test_a_build_of_a_lock_has_no_network(recipe: Path):
    script = (recipe / "build.sh").read_text()
    assert "[[ $lock ]] && without=(--net)" in script
    assert '--lock "$image/lock.json"' in (recipe / "verify.sh").read_text()


@pytest.mark.parametrize("profile", ["base", "gpu", "debug"])
def test_no_profile_opens_what_the_image_closes(recipe: Path, profile: str):
    conf = recipe / "mkosi.profiles" / profile / "mkosi.conf"
    assert values(conf, "Output", "ImageVersion") == [profile]
    for key in ("RemoveFiles", "RootPassword", "ExtraTrees", "Seed", "FinalizeScripts"):
        assert f"\n{key}=" not in conf.read_text()
