"""An image folder whose release is signed, logged and witnessed."""

import hashlib
from collections.abc import Mapping
from typing import Any

from attestation.measure.recompute import Values, measure
from tests.fakes import image
from tests.fakes.world import World
from transparency_log.release import Devices, Engine, EventRule, Model, PlatformReference


def reference(values: Values) -> PlatformReference:
    """Give what a release says of computed values."""
    return PlatformReference(
        measurement=values.measurement,
        registers=values.registers,
        devices=Devices(count=0, kinds=()),
        events={
            index: tuple(
                EventRule(
                    type=rule.type,
                    digests=tuple(sorted(rule.digests)),
                    least=rule.least,
                    most=rule.most,
                )
                for rule in rules
            )
            for index, rules in values.events.items()
        },
    )


def platforms(found: Mapping[str, bytes]) -> dict[str, PlatformReference]:
    """Give what a release says of an image."""
    return {
        name: reference(
            measure(
                machine,
                image.artifacts(found),
                models=image.MODELS,
                engine_arguments=image.ARGUMENTS,
            )
        )
        for name, machine in image.parsed(found).machines.items()
    }


def publish(world: World, found: Mapping[str, bytes], **changes: Any) -> bytes:
    """Release and list an image in a log that begins with it; give the proof file.

    Keywords are those of a release.
    """
    said = {
        "image": hashlib.sha256(found["disk"]).digest(),
        "platforms": platforms(found),
        "models": tuple(Model(name=name, digest=digest) for name, digest in image.MODELS),
        "engine": Engine(name="vllm", version="1", arguments=image.ARGUMENTS),
        **changes,
    }
    world.log.entries.clear()
    world.release_index = 0
    world.release = world.add_release(**said)
    world.status = world.add_status([world.release])
    return world.proof(world.release_index)
