"""``predictions/``: one safetensors file a tile, a plain artefact that can be scored again without the model."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from worldstrat_bench.artefacts.durable import remove_temporary, write_durably
from worldstrat_bench.errors import InvalidArtefactError
from worldstrat_bench.worker.inside.tensors import pieces_of

_HEADER_LIMIT = 64 * 1024


def image_sha256(image: NDArray[np.float32]) -> str:
    """sha256 of the shape and the little-endian float32 values of a (3, H, W) prediction."""
    digest = hashlib.sha256(f"float32 {'x'.join(map(str, image.shape))}\n".encode())
    digest.update(np.ascontiguousarray(image, dtype="<f4").data)
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

    def write(self, tile: str, image: NDArray[np.float32], about: Mapping[str, str]) -> str:
        """Store a (3, H, W) float32 prediction and return its sha256; whole or not at all, and on the disk.

        `about` goes into the file's header: protocol, model and whatever else tells where the image is from.
        """
        self.folder.mkdir(parents=True, exist_ok=True)
        sha256 = image_sha256(image)
        metadata = {**about, "sha256": sha256, "outcome": "ok"}
        write_durably(self.path(tile), pieces_of({"prediction": image}, metadata))
        return sha256

    def read(self, tile: str, sha256: str | None = None) -> NDArray[np.float32]:
        """Return the (3, H, W) float32 prediction of a tile.

        Raises
        ------
        InvalidArtefactError
            if it is missing, damaged, or not the one that the journal knows by `sha256`.
        """
        path = self.path(tile)
        remedy = "remove the file and resume with `worldstrat-bench evaluate`, which predicts it again"
        try:
            image = _load(path)
        except FileNotFoundError:
            raise InvalidArtefactError("a prediction is missing", where=path, remedy=remedy) from None
        except (OSError, ValueError) as error:
            raise InvalidArtefactError(f"a prediction cannot be read: {error}", where=path, remedy=remedy) from None
        if sha256 is not None and image_sha256(image) != sha256:
            raise InvalidArtefactError("a prediction was changed after the run", where=path, remedy=remedy)
        return image

    def remove(self, tile: str) -> None:
        """Remove a prediction if there is one."""
        self.path(tile).unlink(missing_ok=True)

    def clean(self) -> None:
        """Remove the temporary files of a process that was killed."""
        if self.folder.is_dir():
            remove_temporary(self.folder)


def _load(path: Path) -> NDArray[np.float32]:
    """Read the one layout that :meth:`PredictionStore.write` writes; anything else is a ValueError.

    Written out rather than left to the library because a run may come from others: the header has a size
    limit and one tensor, and nothing is allocated before the sizes agree.
    """
    with path.open("rb") as stream:
        length = int.from_bytes(stream.read(8), "little")
        if not 2 <= length <= _HEADER_LIMIT:
            raise ValueError("not a safetensors file of one prediction")
        header = json.loads(stream.read(length))
        entry = header.get("prediction") if isinstance(header, dict) else None
        entry = entry if isinstance(entry, dict) else {}
        shape = entry.get("shape")
        if not isinstance(shape, list) or len(shape) != 3 or shape[0] != 3 or entry.get("dtype") != "F32":
            raise ValueError("not a float32 image of three bands")
        sizes = [int(size) for size in shape]
        count = sizes[0] * sizes[1] * sizes[2]
        if min(sizes) < 1 or path.stat().st_size != 8 + length + 4 * count:
            raise ValueError("the file is cut short or too long")
        image = np.fromfile(stream, dtype="<f4", count=count)
    return image.reshape(sizes).astype(np.float32, copy=False)
