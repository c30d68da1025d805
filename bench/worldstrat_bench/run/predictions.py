"""``predictions/``: one safetensors file a tile, a plain artefact that can be scored again without the model."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from worldstrat_bench.artefacts.durable import remove_temporary, write_durably
from worldstrat_bench.data.task import Answer
from worldstrat_bench.errors import InvalidArtefactError
from worldstrat_bench.worker.inside.tensors import pieces_of
from worldstrat_bench.worker.validate import MAX_SIDE

_HEADER_LIMIT = 64 * 1024
_IMAGE, _ERROR = "prediction", "expected_error"


def answer_sha256(answer: Answer) -> str:
    """Return the sha256 of shapes and little-endian float32 values: of the image, then of an expected error."""
    digest = hashlib.sha256()
    for label, array in (("", answer.image), (f"{_ERROR} ", answer.expected_error)):
        if array is not None:
            digest.update(f"{label}float32 {'x'.join(map(str, array.shape))}\n".encode())
            digest.update(np.ascontiguousarray(array, dtype="<f4").data)
    return digest.hexdigest()


class PredictionStore:
    """The predictions of a run."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def path(self, tile: str) -> Path:
        """Return the file of a tile's prediction."""
        return self.folder / f"{tile}.safetensors"

    def has(self, tile: str) -> bool:
        """Return whether a prediction of the tile is stored."""
        return self.path(tile).is_file()

    def write(self, tile: str, answer: Answer, about: Mapping[str, str]) -> str:
        """Store a prediction and return its sha256; whole or not at all, and on the disk.

        `about` goes into the file's header: protocol, model and whatever else tells where the image is from.
        """
        self.folder.mkdir(parents=True, exist_ok=True)
        sha256 = answer_sha256(answer)
        metadata = {**about, "sha256": sha256, "outcome": "ok"}
        arrays = {_IMAGE: answer.image}
        if answer.expected_error is not None:
            arrays[_ERROR] = answer.expected_error
        write_durably(self.path(tile), pieces_of(arrays, metadata))
        return sha256

    def read(self, tile: str, sha256: str | None = None) -> Answer:
        """Return the prediction of a tile.

        Raises
        ------
        InvalidArtefactError
            if it is missing, damaged, or not the one that the journal knows by `sha256`.
        """
        path = self.path(tile)
        remedy = "remove the file and resume with `worldstrat-bench evaluate`, which predicts it again"
        try:
            answer = _load(path)
        except FileNotFoundError:
            raise InvalidArtefactError("a prediction is missing", where=path, remedy=remedy) from None
        # The last two: a header of brackets alone, and a side without end.
        except (OSError, ValueError, RecursionError, OverflowError) as error:
            raise InvalidArtefactError(f"a prediction cannot be read: {error}", where=path, remedy=remedy) from None
        if sha256 is not None and answer_sha256(answer) != sha256:
            raise InvalidArtefactError("a prediction was changed after the run", where=path, remedy=remedy)
        return answer

    def remove(self, tile: str, draws: int = 1) -> None:
        """Remove the prediction of a tile, and those of its further draws, if there are any."""
        self.path(tile).unlink(missing_ok=True)
        self.remove_further(tile, draws)

    def draw(self, number: int) -> PredictionStore:
        """Return the store of one draw, from 1; the first lies where the only one of other models does."""
        return self if number == 1 else PredictionStore(self.folder / f"draw-{number}")

    def has_all(self, tile: str, draws: int) -> bool:
        """Return whether the predictions of all draws are stored."""
        return all(self.draw(number).has(tile) for number in range(1, draws + 1))

    def remove_further(self, tile: str, draws: int) -> None:
        """Remove the predictions of the draws after the first."""
        for number in range(2, draws + 1):
            self.draw(number).path(tile).unlink(missing_ok=True)

    def clean(self) -> None:
        """Remove the temporary files of a process that was killed."""
        if self.folder.is_dir():
            for folder in (self.folder, *self.folder.glob("draw-*")):
                remove_temporary(folder)


def _load(path: Path) -> Answer:
    """Read the one layout that :meth:`PredictionStore.write` writes; anything else is a ValueError.

    Written out rather than left to the library because a run may come from others: the header has a size
    limit and at most two tensors, and nothing is allocated before the sizes agree.
    """
    if path.exists() and not path.is_file():  # to open a pipe would wait for its other end
        raise ValueError("it is not a regular file")
    with path.open("rb") as stream:
        # The header of one prediction is some hundred bytes; a length beyond the limit is another file or an attack.
        length = int.from_bytes(stream.read(8), "little")
        if not 2 <= length <= _HEADER_LIMIT:
            raise ValueError("not a safetensors file of one prediction")
        header = json.loads(stream.read(length))
        entries = header if isinstance(header, dict) else {}
        image = _shape(entries.get(_IMAGE), (3, 4))
        error = None
        if _ERROR in entries:
            error = _shape(entries[_ERROR], (1, image[0]))
            if error[1:] != image[1:]:
                raise ValueError("the expected error is of another size than the image")
        # The image is the larger one or as large, and was written first.
        shapes = [image] if error is None else [image, error]
        counts = [shape[0] * shape[1] * shape[2] for shape in shapes]
        if path.stat().st_size != 8 + length + 4 * sum(counts):
            raise ValueError("the file is cut short or too long")
        arrays = [
            _array(np.fromfile(stream, dtype="<f4", count=n), shape) for n, shape in zip(counts, shapes, strict=True)
        ]
    return Answer(*arrays)


def _shape(entry: Any, bands: tuple[int, ...]) -> tuple[int, int, int]:
    """Return the shape of a float32 image of so many bands, as a header states it; ValueError for anything else."""
    stated = entry if isinstance(entry, dict) else {}
    shape = stated.get("shape")
    if not isinstance(shape, list) or len(shape) != 3 or shape[0] not in bands or stated.get("dtype") != "F32":
        raise ValueError(f"not a float32 image of {' or '.join(map(str, bands))} bands")
    count, height, width = (int(size) for size in shape)
    if not (1 <= height <= MAX_SIDE and 1 <= width <= MAX_SIDE):
        raise ValueError(f"an image of {height} x {width} px: 1 to {MAX_SIDE} along an axis")
    return count, height, width


def _array(flat: NDArray[np.float32], shape: tuple[int, int, int]) -> NDArray[np.float32]:
    return flat.reshape(shape).astype(np.float32, copy=False)
