"""Stored predictions: exact, and nothing else is taken for one."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import safetensors.numpy
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from worldstrat_bench.errors import InvalidArtefactError
from worldstrat_bench.run.predictions import PredictionStore, image_sha256


def image(height: int = 5, width: int = 7) -> NDArray[np.float32]:
    return np.random.default_rng(0).standard_normal((3, height, width)).astype(np.float32)


def test_what_is_read_is_what_was_written(tmp_path: Path) -> None:
    store = PredictionStore(tmp_path / "predictions")
    sha256 = store.write("Amnesty POI-1-2", image(), {"protocol": "wsb-1", "model": "bicubic"})
    assert sha256 == image_sha256(image())
    assert store.has("Amnesty POI-1-2")
    np.testing.assert_array_equal(store.read("Amnesty POI-1-2", sha256), image())
    assert [p.name for p in store.folder.iterdir()] == ["Amnesty POI-1-2.safetensors"]


def test_it_is_an_ordinary_safetensors_file(tmp_path: Path) -> None:
    store = PredictionStore(tmp_path)
    sha256 = store.write("t", image(), {"protocol": "wsb-1"})
    np.testing.assert_array_equal(safetensors.numpy.load_file(store.path("t"))["prediction"], image())
    with safetensors.safe_open(store.path("t"), "numpy") as file:
        assert file.metadata() == {"protocol": "wsb-1", "sha256": sha256, "outcome": "ok"}


def test_a_view_is_stored_as_it_looks(tmp_path: Path) -> None:
    store = PredictionStore(tmp_path)
    view = image(8, 6)[:, ::-1, ::2]
    sha256 = store.write("t", view, {})
    np.testing.assert_array_equal(store.read("t", sha256), view)


def test_shape_is_part_of_the_digest() -> None:
    assert image_sha256(np.zeros((3, 2, 8), np.float32)) != image_sha256(np.zeros((3, 4, 4), np.float32))


def test_missing_and_changed_predictions_are_named(tmp_path: Path) -> None:
    store = PredictionStore(tmp_path)
    with pytest.raises(InvalidArtefactError, match="missing"):
        store.read("t")
    sha256 = store.write("t", image(), {})
    content = bytearray(store.path("t").read_bytes())
    content[-1] ^= 1
    store.path("t").write_bytes(content)
    with pytest.raises(InvalidArtefactError, match="changed after the run"):
        store.read("t", sha256)
    store.remove("t")
    store.remove("t")
    assert not store.has("t")


def header(**entry: object) -> bytes:
    text = json.dumps({"prediction": entry}).encode()
    return len(text).to_bytes(8, "little") + text


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\xff" * 64,
        (2).to_bytes(8, "little") + b"[]",
        (9).to_bytes(8, "little") + b"not json!",
        header(),
        header(dtype="F32", shape=[3, 4]),
        header(dtype="F64", shape=[3, 1, 1]) + b"\0" * 24,
        header(dtype="F32", shape=[3, 0, 4]),
        header(dtype="F32", shape=[3, -1, -1]) + b"\0" * 12,
        header(dtype="F32", shape=[3, 10**9, 10**9]),
        header(dtype="F32", shape=[3, 2, 2]) + b"\0" * 47,
        header(dtype="F32", shape=[3, 2, 2]) + b"\0" * 49,
        header(dtype="F32", shape=[3, "a", 2]),
    ],
)
def test_what_is_not_a_prediction_is_refused(tmp_path: Path, content: bytes) -> None:
    store = PredictionStore(tmp_path)
    store.path("t").write_bytes(content)
    with pytest.raises(InvalidArtefactError, match="cannot be read"):
        store.read("t")


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=50, deadline=None)
@given(st.binary(max_size=200))
def test_arbitrary_bytes_are_refused(tmp_path: Path, content: bytes) -> None:
    store = PredictionStore(tmp_path)
    store.path("t").write_bytes(content)
    with pytest.raises(InvalidArtefactError):
        store.read("t")
