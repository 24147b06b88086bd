"""node_image/build/mkosi.profiles/gpu, and the lists beside it: what a GPU adds, and what it takes.

Nothing here has seen a GPU. What is held is that the parts of the profile fit each other, and that
it opens nothing but what docs/decisions/0025 says.
"""

import re
from pathlib import Path
from types import SimpleNamespace

import pytest

from node_image.agent.config import load_image
from node_image.agent.confined import Sandbox
from node_image.agent.gpu_nodes import nodes
from tests.node_image.build.test_recipe import values

BEFORE = ("module.sig_enforce=1", "lockdown=confidentiality")
"""Words that would refuse a driver signed by nobody."""


@pytest.fixture(scope="module")
def recipe(root: Path) -> Path:
    return root / "node_image" / "build"


@pytest.fixture(scope="module")
def profile(recipe: Path) -> Path:
    return recipe / "mkosi.profiles" / "gpu"


@pytest.fixture(scope="module")
def units(profile: Path) -> Path:
    return profile / "mkosi.extra" / "etc" / "systemd" / "system"


@pytest.fixture(scope="module")
def resolved(recipe: Path) -> SimpleNamespace:
    """Give the Debian packages that were resolved: in the image, and for its build."""
    text = (recipe / "gpu" / "packages.txt").read_text()
    assert text.startswith("# ")
    image, build = text.partition("\n")[2].split("\n\n")
    return SimpleNamespace(image=versions(image), build=versions(build))


def versions(lines: str) -> dict[str, str]:
    found = dict(re.findall(r"^([a-z0-9][a-z0-9.+-]*) ([0-9][A-Za-z0-9.+~:-]*)$", lines, re.M))
    assert len(found) == len(lines.strip().splitlines())
    return found


def command_line(recipe: Path) -> tuple[list[str], list[str]]:
    """Give the words of every profile, and those of this one."""
    key = ("Content", "KernelCommandLine")
    return (
        values(recipe / "mkosi.conf", *key),
        values(recipe / "mkosi.profiles" / "gpu" / "mkosi.conf", *key),
    )


def test_the_command_line_is_that_of_all_but_for_two_words(recipe: Path):
    every, ours = command_line(recipe)
    assert ours == [word for word in every if word not in BEFORE]
    assert set(BEFORE) <= set(every)


def test_the_words_of_before_are_taken_away_first(profile: Path):
    text = (profile / "mkosi.conf").read_text()
    assert text.count("KernelCommandLine=\nKernelCommandLine=\n") == 1


def test_what_the_words_did_is_done_before_the_network(units: Path):
    lock = units / "openpcc-lockdown.service"
    assert values(lock, "Service", "ExecStart")[0].endswith("node_image.agent.lockdown")
    assert "openpcc-modules.service" in values(lock, "Unit", "Requires")
    assert "openpcc-modules.service" in values(lock, "Unit", "After")[0].split()
    network = units / "systemd-networkd.service.d" / "lockdown.conf"
    for key in ("Requires", "After"):
        assert values(network, "Unit", key) == ["openpcc-lockdown.service"]


def test_the_agent_starts_behind_lock_gpus_and_bundle(units: Path):
    agent = units / "openpcc-node.service.d" / "gpu.conf"
    needed = {
        "openpcc-lockdown.service",
        "openpcc-gpu-persistence.service",
        "usr-lib-openpcc-bundle.mount",
    }
    for key in ("Requires", "After"):
        assert set(values(agent, "Unit", key)[0].split()) == needed


def test_gpus_are_open_before_modules_are_closed(units: Path):
    gpu, kept = units / "openpcc-gpu.service", units / "openpcc-gpu-persistence.service"
    assert "systemd-modules-load.service" in values(gpu, "Unit", "After")[0].split()
    assert values(kept, "Unit", "After") == ["openpcc-gpu.service"]
    assert values(kept, "Unit", "Before") == ["openpcc-modules.service"]
    closing = units / "openpcc-modules.service.d" / "gpu.conf"
    assert values(closing, "Unit", "Requires") == ["openpcc-gpu-persistence.service"]
    assert "--uvm-persistence-mode" in values(kept, "Service", "ExecStart")[0].split()


@pytest.mark.parametrize(
    "name",
    ["openpcc-gpu.service", "openpcc-gpu-persistence.service", "openpcc-lockdown.service",
     "openpcc-bundle.service", "usr-lib-openpcc-bundle.mount",
     "systemd-modules-load.service.d/gpu.conf"],
)  # fmt: skip
def test_a_part_that_fails_ends_the_machine(units: Path, name: str):
    assert values(units / name, "Unit", "FailureAction") == ["poweroff-force"]
    if not name.endswith(".mount"):
        assert values(units / name, "Service", "StandardError") == ["journal+console"]


def test_nothing_has_more_rights_than_it_names(units: Path):
    rights = {
        path.relative_to(units).as_posix(): values(path, "Service", "CapabilityBoundingSet")
        for path in sorted(units.rglob("*"))
        if path.is_file() and "CapabilityBoundingSet" in path.read_text()
    }
    assert rights == {
        "openpcc-gpu-persistence.service": ["CAP_SYS_ADMIN"],
        "openpcc-gpu.service": ["CAP_MKNOD"],
        "openpcc-lockdown.service": [],
        "openpcc-node.service.d/gpu.conf": ["CAP_SYS_ADMIN"],
    }


def test_devices_of_the_driver_and_no_others_are_allowed(units: Path):
    for name in ("openpcc-gpu-persistence.service", "openpcc-node.service.d/gpu.conf"):
        allowed = values(units / name, "Service", "DeviceAllow")
        assert allowed == [
            f"char-{one} rw" for one in ("nvidia", "nvidia-frontend", "nvidiactl", "nvidia-uvm")
        ]


def test_the_engine_gets_the_devices_that_are_made(profile: Path):
    sandbox = Sandbox.load(profile / "mkosi.extra/usr/lib/openpcc/confined.toml")
    numbers = "Character devices:\n195 nvidia\n511 nvidia-uvm\n"
    made = {str(one.path) for one in nodes(numbers, ["Device Minor: 0\n", "Device Minor: 1\n"])}
    matched = {path for path in made if any(Path(path).match(one) for one in sandbox.devices)}
    assert matched == made
    assert not any(Path("/dev/tpmrm0").match(one) for one in sandbox.devices)


def test_the_engine_sees_neither_quotes_nor_settings_of_the_kernel(profile: Path):
    sandbox = Sandbox.load(profile / "mkosi.extra/usr/lib/openpcc/confined.toml")
    assert set(sandbox.kernel) == {"/proc", "/sys/devices", "/sys/bus/pci"}


def test_modules_are_loaded_that_are_made_and_kept(recipe: Path, profile: Path):
    load = (profile / "mkosi.extra/etc/modules-load.d/gpu.conf").read_text().splitlines()[1:]
    script = (profile / "mkosi.build.chroot").read_text()
    assert load == ["ecdh_generic", "nvidia", "nvidia-uvm"]
    assert "for name in nvidia nvidia-uvm; do" in script
    kept = values(profile / "mkosi.conf", "Content", "KernelModulesInclude")
    # mkosi compares what stands behind the first folder below the kernel's version.
    for found in ("nvidia/nvidia.ko", "nvidia/nvidia-uvm.ko", "crypto/ecdh_generic.ko.xz"):
        assert any(re.search(one, found) for one in kept), found
    for other in ("nvidia/nvidia-drm.ko", "nvidia/nvidia-modeset.ko", "video/fbdev/nvidia/x.ko"):
        assert not any(re.search(one, other) for one in kept), other


def test_modules_are_entered_where_mkosi_looks_for_them(profile: Path):
    script = profile / "mkosi.postinst.chroot"
    assert 'do depmod "${kernel##*/}"; done' in script.read_text()
    assert script.stat().st_mode & 0o111


def test_nothing_signs_modules_by_itself(profile: Path):
    packages = values(profile / "mkosi.conf", "Content", "BuildPackages")
    assert "nvidia-open-kernel-source" in packages
    assert not [name for name in packages if "dkms" in name]


def test_the_bundle_is_opened_before_it_is_mounted_where_the_engine_is(units: Path, profile: Path):
    mount = units / "usr-lib-openpcc-bundle.mount"
    assert values(mount, "Unit", "Requires") == ["openpcc-bundle.service"]
    assert set(values(mount, "Mount", "Options")[0].split(",")) == {"ro", "nosuid", "nodev"}
    where = values(mount, "Mount", "Where")[0]
    sandbox = Sandbox.load(profile / "mkosi.extra/usr/lib/openpcc/confined.toml")
    assert sandbox.python.startswith(f"{where}/")
    rules = (profile / "mkosi.extra/etc/udev/rules.d/91-openpcc-bundle.rules").read_text()
    assert rules.count('=="openpcc-bundle", SYMLINK+="openpcc-bundle"') == 2


def test_the_agent_reads_the_images_file(profile: Path, tmp_path: Path):
    text = (profile / "image.toml").read_text()
    for word, value in {
        "@PLATFORM@": "sev-snp",
        "@MACHINE@": str(tmp_path),
        "@RELEASE@": str(tmp_path / "release"),
        "@DIGEST@": "0" * 64,
        "@MODEL@": "demo",
        "/usr/lib/openpcc/confined-python": str(tmp_path / "release"),
        "/usr/lib/openpcc/bundle/models/demo": str(tmp_path),
    }.items():
        assert word in text
        text = text.replace(word, value)
    (tmp_path / "release").write_text("a4" * 32)
    (tmp_path / "image.toml").write_text(text)
    image = load_image(tmp_path / "image.toml")
    assert (image.engine, image.model.name) == ("vllm", "demo")
    assert not {"--enforce-eager", "--trust-remote-code"} & set(image.engine_arguments)


def test_every_package_of_the_profile_was_resolved(recipe: Path, profile: Path, resolved):
    ours = profile / "mkosi.conf"
    asked = values(recipe / "mkosi.conf", "Content", "Packages")
    assert set(asked + values(ours, "Content", "Packages")) <= resolved.image.keys()
    assert set(values(ours, "Content", "BuildPackages")) <= resolved.build.keys()
    assert not resolved.image.keys() & resolved.build.keys()


def test_driver_firmware_and_modules_are_of_one_version(resolved):
    of_driver = {"firmware-nvidia-gsp", "libcuda1", "libnvidia-ml1", "libnvidia-ptxjitcompiler1"}
    found = {resolved.image[name].partition("-")[0] for name in of_driver}
    assert found == {resolved.build["nvidia-open-kernel-source"].partition("-")[0]}


def test_modules_are_made_for_the_kernel_of_the_image(resolved):
    (kernel,) = [name for name in resolved.image if re.fullmatch(r"linux-image-[0-9].*", name)]
    headers = kernel.replace("linux-image-", "linux-headers-")
    assert resolved.build[headers] == resolved.image[kernel]


def test_no_compiler_is_in_the_image(resolved):
    assert not [name for name in resolved.image if re.match(r"(gcc|cpp|binutils|make)(-1|$)", name)
                and name != "gcc-14-base"]  # fmt: skip


@pytest.fixture(scope="module")
def wheels(recipe: Path) -> dict[str, str]:
    text = (recipe / "gpu" / "vllm.txt").read_text()
    pattern = r"^([a-z0-9-]+)==([^ ]+) \\\n    --hash=sha256:[0-9a-f]{64}$"
    found = dict(re.findall(pattern, text, re.M))
    assert 2 * len(found) + 1 == len(text.splitlines())
    return found


def test_every_wheel_of_the_engine_is_named_by_one_hash(recipe: Path, wheels):
    asked = re.findall(r"^([a-z]+)==(.+)$", (recipe / "gpu" / "vllm.in").read_text(), re.M)
    assert asked
    assert all(wheels[name] == version for name, version in asked)


def test_the_engines_cuda_runs_on_the_driver(wheels, resolved):
    runtime = wheels["nvidia-cuda-runtime-cu12"]
    driver = resolved.image["libcuda1"].split(".")[0]
    # NVIDIA, CUDA Compatibility, table 1: 12.x needs 525 or later, 13.x 580 or later.
    assert (runtime.split(".")[0], int(driver) >= 525) == ("12", True)
    assert not [name for name in wheels if name.endswith("-cu13")]


def test_the_agents_own_environment_has_no_engine(recipe: Path, wheels):
    image = (recipe / "wheels.txt").read_text()
    assert {"vllm", "torch"} <= wheels.keys()
    assert not re.search(r"^(vllm|torch)==", image, re.M)
