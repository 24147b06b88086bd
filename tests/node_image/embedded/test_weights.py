import json
import struct

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from safetensors.numpy import save

from node_image.embedded.errors import ModelFilesError
from node_image.embedded.weights import read_bounded, read_safetensors


def written(header: object, data: bytes) -> bytes:
    text = json.dumps(header).encode()
    return struct.pack("<Q", len(text)) + text + data


def entry(dtype: str = "F32", shape: object = (1,), offsets: object = (0, 4)) -> dict[str, object]:
    return {"dtype": dtype, "shape": shape, "data_offsets": offsets}


def test_reads_what_the_safetensors_library_writes():
    tensors: dict[str, np.ndarray] = {
        "a": np.arange(6, dtype=np.float32).reshape(2, 3),
        "b": np.array([1.5, -2.0], np.float16),
    }
    read = read_safetensors(save(tensors))
    assert read["a"].tolist() == [[0, 1, 2], [3, 4, 5]]
    assert read["b"].dtype == np.float32
    assert read["b"].tolist() == [1.5, -2.0]


def test_widens_bfloat16():
    read = read_safetensors(written({"a": entry("BF16", [2], [0, 4])}, b"\x80\x3f\x20\xc0"))
    assert read["a"].tolist() == [1.0, -2.5]


@pytest.mark.parametrize(
    ("header", "data"),
    [
        ({"a": entry(offsets=[0, 8])}, b"\0" * 8),  # longer than its shape
        ({"a": entry(offsets=[0, 8])}, b"\0" * 4),  # over the end
        ({"a": entry(offsets=[4, 8])}, b"\0" * 8),  # a gap before
        ({"a": entry(), "b": entry()}, b"\0" * 4),  # an overlap
        ({"a": entry()}, b"\0" * 5),  # bytes left over
        ({"a": entry("I64", [1], [0, 8])}, b"\0" * 8),
        ({"a": entry(shape=[-1])}, b"\0" * 4),
        ({"a": entry(shape=[True])}, b"\0" * 4),
        ({"a": entry(offsets=[0])}, b"\0" * 4),
        ({"a": 1}, b""),
        ([], b""),
    ],
)
def test_rejects_a_header_that_does_not_fit_its_data(header, data):
    with pytest.raises(ModelFilesError):
        read_safetensors(written(header, data))


@pytest.mark.parametrize("data", [b"", b"\0" * 7, b"\xff" * 8, struct.pack("<Q", 9) + b"{}"])
def test_rejects_a_header_length_out_of_bounds(data):
    with pytest.raises(ModelFilesError):
        read_safetensors(data)


@given(
    st.binary(max_size=64)
    | st.builds(written, st.dictionaries(st.text(), st.integers()), st.binary())
)
def test_any_bytes_give_tensors_or_our_error(data):
    try:
        read_safetensors(data)
    except ModelFilesError:
        pass


def test_reads_no_file_beyond_its_limit(tmp_path):
    (tmp_path / "file").write_bytes(b"12345")
    assert read_bounded(tmp_path / "file", 5) == b"12345"
    with pytest.raises(ModelFilesError, match="larger"):
        read_bounded(tmp_path / "file", 4)
    with pytest.raises(ModelFilesError, match="cannot be read"):
        read_bounded(tmp_path / "missing", 4)
