"""A device that is reset or lost ends what was said of it. The GPUs are stand-ins, behind NVML."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from attestation.evidence import DevicesSection, EvidenceBundle
from node_image.agent.errors import ConfigurationError
from node_image.agent.identity import DEVICES_INTERVAL
from tests.node_image.agent.conftest import Loop
from tests.node_image.agent.stage import BEACON, Stage
from tests.standins.running import Gpus, gpus

GPU_IS_LOST = 15


@pytest.fixture
def cards() -> Iterator[Gpus]:
    with gpus(2) as running:
        yield running


@pytest.fixture
def with_gpus(machine: Path, cards: Gpus, tmp_path: Path) -> Path:
    """The folder of a simulated machine whose kernel has NVIDIA's driver."""
    folder = tmp_path / "machine"
    shutil.copytree(machine, folder)
    cards.offer(folder)
    return folder


def kinds(bundle: EvidenceBundle) -> list[str]:
    assert bundle.devices is not None
    return [device.kind for device in DevicesSection.parse(bundle.devices).devices]


def test_a_reset_ends_every_epoch_and_the_next_asks_anew(
    loop: Loop, fake_engine, with_gpus: Path, cards: Gpus
):
    async def body():
        stage = Stage(fake_engine, with_gpus)
        await stage.call("PUT", "/beacon", BEACON)
        before, key = await stage.bundle(), (await stage.keys())[0]
        assert kinds(before) == ["simulated-gpu", "nvidia-gpu", "nvidia-gpu"]
        (cards.folder / "gpu1" / "energy").write_text("1")
        await stage.identity.look()
        assert stage.identity.find([key.id]), "not yet looked again"
        stage.clock.advance(DEVICES_INTERVAL)
        await stage.identity.look()
        assert stage.identity.find([key.id]) is None
        after = await stage.bundle()
        assert after.keys != before.keys
        assert after.devices != before.devices
        stage.identity.erase()

    loop.run(body())


def test_a_lost_gpu_leaves_nothing_to_seal_to(
    loop: Loop, fake_engine, with_gpus: Path, cards: Gpus
):
    async def body():
        stage = Stage(fake_engine, with_gpus)
        await stage.call("PUT", "/beacon", BEACON)
        assert stage.node.waiting() is None
        cards.fail("nvmlDeviceGetHandleByIndex_v2", GPU_IS_LOST)
        stage.clock.advance(DEVICES_INTERVAL)
        await stage.identity.look()
        assert (await stage.call("GET", "/evidence")).code == "not-ready"
        stage.identity.erase()

    loop.run(body())


def test_gpus_that_do_not_answer_stop_the_start(fake_engine, with_gpus: Path, cards: Gpus):
    cards.fail("nvmlDeviceGetConfComputeGpuCertificate", GPU_IS_LOST)
    with pytest.raises(ConfigurationError, match="NVML: GPU is lost"):
        Stage(fake_engine, with_gpus)
