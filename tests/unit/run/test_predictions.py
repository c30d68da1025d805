"""Stored predictions: exact, and nothing else is taken for one."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import numpy as np
import pytest
import safetensors.numpy
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from worldstrat_bench.data.task import Answer
from worldstrat_bench.errors import InvalidArtefactError
from worldstrat_bench.run.predictions import PredictionStore, answer_sha256


def image(height: int = 5, width: int = 7) -> NDArray[np.float32]:
    return np.random.default_rng(0).standard_normal((3, height, width)).astype(np.float32)


def test_what_is_read_is_what_was_written(tmp_path: Path) -> None:
    store = PredictionStore(tmp_path / "predictions")
    sha256 = store.write("Amnesty POI-1-2", Answer(image()), {"protocol": "wsb-1", "model": "bicubic"})
    assert sha256 == answer_sha256(Answer(image()))
    assert store.has("Amnesty POI-1-2")
    np.testing.assert_array_equal(store.read("Amnesty POI-1-2", sha256).image, image())
    assert [p.name for p in store.folder.iterdir()] == ["Amnesty POI-1-2.safetensors"]


def test_it_is_an_ordinary_safetensors_file(tmp_path: Path) -> None:
    store = PredictionStore(tmp_path)
    sha256 = store.write("t", Answer(image()), {"protocol": "wsb-1"})
    np.testing.assert_array_equal(safetensors.numpy.load_file(store.path("t"))["prediction"], image())
    with safetensors.safe_open(store.path("t"), "numpy") as file:
        assert file.metadata() == {"protocol": "wsb-1", "sha256": sha256, "outcome": "ok"}


def test_a_view_is_stored_as_it_looks(tmp_path: Path) -> None:
    store = PredictionStore(tmp_path)
    view = image(8, 6)[:, ::-1, ::2]
    sha256 = store.write("t", Answer(view), {})
    np.testing.assert_array_equal(store.read("t", sha256).image, view)


def test_shape_is_part_of_the_digest() -> None:
    flat, square = (Answer(np.zeros(shape, np.float32)) for shape in ((3, 2, 8), (3, 4, 4)))
    assert answer_sha256(flat) != answer_sha256(square)


def test_the_digest_of_an_image_is_what_it_was_before_there_were_expected_errors() -> None:
    """Journals of finished runs hold it."""
    expected = hashlib.sha256(b"float32 3x5x7\n" + image().astype("<f4").tobytes()).hexdigest()
    assert answer_sha256(Answer(image())) == expected


@pytest.mark.parametrize("bands", [3, 4])
@pytest.mark.parametrize("spread", [1, 0])
def test_four_bands_and_an_expected_error_are_kept(tmp_path: Path, bands: int, spread: int) -> None:
    chance = np.random.default_rng(1)
    whole = chance.random((bands, 5, 7), dtype=np.float32)
    error = chance.random((spread or bands, 5, 7), dtype=np.float32)
    store = PredictionStore(tmp_path)
    sha256 = store.write("t", Answer(whole, error), {})
    found = store.read("t", sha256)
    np.testing.assert_array_equal(found.image, whole)
    assert found.expected_error is not None
    np.testing.assert_array_equal(found.expected_error, error)
    assert found.has_nir == (bands == 4)
    assert sha256 not in (answer_sha256(Answer(whole)), answer_sha256(Answer(whole, error + 1)))
    loaded = safetensors.numpy.load_file(store.path("t"))
    np.testing.assert_array_equal(loaded["expected_error"], error)


@pytest.mark.parametrize("shape", [(2, 5, 7), (1, 5, 6), (1, 7, 5), (3, 5), (0, 5, 7)])
def test_an_expected_error_of_another_shape_is_refused(tmp_path: Path, shape: tuple[int, ...]) -> None:
    store = PredictionStore(tmp_path)
    store.folder.mkdir(exist_ok=True)
    safetensors.numpy.save_file({"prediction": image(), "expected_error": np.zeros(shape, np.float32)}, store.path("t"))
    with pytest.raises(InvalidArtefactError, match="cannot be read"):
        store.read("t")


def test_missing_and_changed_predictions_are_named(tmp_path: Path) -> None:
    store = PredictionStore(tmp_path)
    with pytest.raises(InvalidArtefactError, match="missing"):
        store.read("t")
    sha256 = store.write("t", Answer(image()), {})
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
