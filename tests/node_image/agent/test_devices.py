"""A device that is reset or lost ends what was said of it. The GPUs are stand-ins, behind NVML."""

import asyncio
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import cast

import pytest

from attestation.evidence import DevicesSection, EvidenceBundle
from node_image.agent.engine_process import ProcessEngine
from node_image.agent.errors import ConfigurationError
from node_image.agent.identity import DEVICES_INTERVAL
from node_image.agent.main import start_engine
from tests.node_image.agent.conftest import Loop
from tests.node_image.agent.stage import BEACON, Stage
from tests.standins.running import Gpus, gpus

GPU_IS_LOST, NO_PERMISSION = 15, 4


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


def ready(cards: Gpus) -> bool:
    """Say whether the GPUs take work, as their driver was told last."""
    told = cards.folder / "ready"
    return told.exists() and told.read_text() == "1\n"


def test_gpus_take_work_only_after_the_first_evidence(
    loop: Loop, fake_engine, with_gpus: Path, cards: Gpus
):
    async def body():
        stage = Stage(fake_engine, with_gpus)
        await stage.identity.look()
        assert not ready(cards)
        assert not stage.identity.admitted.is_set()
        assert stage.node.waiting() == "a beacon"
        await stage.call("PUT", "/beacon", BEACON)
        assert ready(cards)
        assert stage.identity.admitted.is_set()
        stage.identity.erase()

    loop.run(body())


def test_an_engine_starts_once_its_gpus_take_work(
    loop: Loop, fake_engine, with_gpus: Path, cards: Gpus
):
    started: list[bool] = []

    class Engine:
        async def start(self) -> None:
            started.append(ready(cards))

    async def body():
        stage, engine = Stage(fake_engine, with_gpus), Engine()
        starting = asyncio.create_task(start_engine(cast(ProcessEngine, engine), stage.identity))
        await asyncio.sleep(0)
        assert started == []
        await stage.call("PUT", "/beacon", BEACON)
        await starting
        assert started == [True]
        stage.identity.erase()

    loop.run(body())


def test_a_machine_without_gpus_waits_for_nothing(loop: Loop, fake_engine, machine: Path):
    async def body():
        assert Stage(fake_engine, machine).identity.admitted.is_set()

    loop.run(body())


@pytest.mark.parametrize("mode", [{"tools": 1}, {"feature": 0}])
def test_open_gpus_take_no_work_and_nothing_is_served(
    loop: Loop, fake_engine, with_gpus: Path, cards: Gpus, mode: dict[str, int]
):
    async def body():
        (cards.folder / "ready").write_text("1\n")  # by an agent before this one
        cards.set_mode(**mode)
        stage = Stage(fake_engine, with_gpus)
        await stage.call("PUT", "/beacon", BEACON)
        assert not ready(cards)
        assert (await stage.call("GET", "/evidence")).code == "not-ready"
        cards.set_mode()
        await stage.identity.look()
        assert ready(cards)
        stage.identity.erase()

    loop.run(body())


def test_a_driver_that_lets_nobody_work_leaves_nothing_to_seal_to(
    loop: Loop, fake_engine, with_gpus: Path, cards: Gpus
):
    async def body():
        cards.fail("nvmlSystemSetConfComputeGpusReadyState", NO_PERMISSION)
        stage = Stage(fake_engine, with_gpus)
        await stage.call("PUT", "/beacon", BEACON)
        assert (await stage.call("GET", "/evidence")).code == "not-ready"
        stage.identity.erase()

    loop.run(body())


def test_a_gpu_that_was_reset_takes_no_work_before_it_has_answered_anew(
    loop: Loop, fake_engine, with_gpus: Path, cards: Gpus
):
    async def body():
        stage = Stage(fake_engine, with_gpus)
        await stage.call("PUT", "/beacon", BEACON)
        (cards.folder / "gpu1" / "energy").write_text("1")
        cards.fail("nvmlDeviceGetConfComputeGpuAttestationReport", GPU_IS_LOST)
        stage.clock.advance(DEVICES_INTERVAL)
        await stage.identity.look()
        assert not ready(cards)
        (cards.folder / "fail" / "nvmlDeviceGetConfComputeGpuAttestationReport").unlink()
        await stage.identity.look()
        assert ready(cards)
        stage.identity.erase()

    loop.run(body())


def test_gpus_that_do_not_answer_stop_the_start(fake_engine, with_gpus: Path, cards: Gpus):
    cards.fail("nvmlDeviceGetConfComputeGpuCertificate", GPU_IS_LOST)
    with pytest.raises(ConfigurationError, match="NVML: GPU is lost"):
        Stage(fake_engine, with_gpus)
