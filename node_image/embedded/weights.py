"""Read `model.safetensors` into float32 arrays.

The layout, from the format's own description: an 8-byte little-endian header length, a JSON
header that maps each name to `{"dtype", "shape", "data_offsets": [begin, end]}`, then the data.
Offsets count from the end of the header; tensors fill the data without a gap or an overlap.

    10 00 00 00 00 00 00 00  {"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}}  00 00 80 3f
"""

import json
import math
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from node_image.embedded.errors import ModelFilesError

FloatArray = NDArray[np.float32]

MAX_FILE = 256 * 2**20
"""Bytes. A demonstration engine has no use for more, and it must not fill the node's memory."""

MAX_HEADER = 2**20
"""Bytes. A model of some dozen tensors needs a few thousand."""

_WIDTH = {"F32": 4, "F16": 2, "BF16": 2}


def read_bounded(path: Path, limit: int) -> bytes:
    """The bytes of a model file.

    Raises:
        ModelFilesError: it cannot be read, or is larger than `limit`.
    """
    try:
        with path.open("rb") as file:
            data = file.read(limit + 1)
    except OSError as error:
        raise ModelFilesError(f"{path.name} cannot be read") from error
    if len(data) > limit:
        raise ModelFilesError(f"{path.name} is larger than {limit} bytes")
    return data


def read_safetensors(data: bytes) -> dict[str, FloatArray]:
    """All tensors of a safetensors file, widened to float32.

    Raises:
        ModelFilesError: anything but a complete, gapless file of F32, F16 or BF16 tensors.
    """
    header, body = _split(data)
    entries = sorted(_entries(header), key=lambda entry: entry[3])
    tensors: dict[str, FloatArray] = {}
    position = 0
    for name, dtype, shape, begin, end in entries:
        if begin != position or end > len(body):
            raise ModelFilesError(f"tensor {name!r} leaves a gap, overlaps or runs over the end")
        if end - begin != math.prod(shape) * _WIDTH[dtype]:
            raise ModelFilesError(f"tensor {name!r} does not have the length of its shape")
        tensors[name] = _widen(body[begin:end], dtype).reshape(shape)
        position = end
    if position != len(body):
        raise ModelFilesError("bytes are left over after the last tensor")
    return tensors


def _split(data: bytes) -> tuple[dict[str, object], memoryview]:
    if len(data) < 8:
        raise ModelFilesError("the file is too short for a header length")
    length = int.from_bytes(data[:8], "little")
    if length > MAX_HEADER or 8 + length > len(data):
        raise ModelFilesError("the header length is out of bounds")
    try:
        header = json.loads(data[8 : 8 + length].decode())
    except (ValueError, RecursionError) as error:
        raise ModelFilesError("the header is not JSON") from error
    if not isinstance(header, dict):
        raise ModelFilesError("the header is not an object")
    header.pop("__metadata__", None)
    return header, memoryview(data)[8 + length :]


def _entries(header: dict[str, object]) -> list[tuple[str, str, list[int], int, int]]:
    entries = []
    for name, entry in header.items():
        match entry:
            case {"dtype": str(dtype), "shape": list(shape), "data_offsets": [begin, end]} if (
                dtype in _WIDTH and len(shape) <= 4 and all(map(_natural, [*shape, begin, end]))
            ):
                entries.append((name, dtype, shape, begin, end))
            case _:
                raise ModelFilesError(f"the header entry of {name!r} is not usable")
    return entries


def _natural(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 2**40


def _widen(data: memoryview, dtype: str) -> FloatArray:
    if dtype == "F32":
        return np.frombuffer(data, "<f4").astype(np.float32)
    if dtype == "F16":
        return np.frombuffer(data, "<f2").astype(np.float32)
    # BF16 is the upper half of a float32.
    return (np.frombuffer(data, "<u2").astype(np.uint32) << np.uint32(16)).view(np.float32)
