"""``data export``: what a model would get, as files that any program reads. The high-resolution image is never read."""

from __future__ import annotations

import hashlib
import io
import os
import secrets
import shutil
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import get_args

import numpy as np

from worldstrat_bench.api import BANDS
from worldstrat_bench.arguments import one_of
from worldstrat_bench.artefacts.durable import write_durably
from worldstrat_bench.artefacts.record import ProtocolRef
from worldstrat_bench.data.inputs import read_tile
from worldstrat_bench.data.layout import Dataset, list_named, open_dataset
from worldstrat_bench.data.reading import TileInputs, check_frames
from worldstrat_bench.data.split import licence_text, release_names
from worldstrat_bench.data.tile import Tile
from worldstrat_bench.errors import InfrastructureError, UsageError
from worldstrat_bench.handed.geotiff import Georeference, georeference_of, write_frame
from worldstrat_bench.handed.manifest import ExportedTile, ExportManifest, Format, Identities
from worldstrat_bench.protocol import DEFAULT_PROTOCOL, Protocol, load_protocol, protocol_named

Contents = Mapping[str, bytes]

_SYNTHETIC = "Synthetic data of data mini: no licence is needed."
_UNKNOWN = "The licence of the data set holds for these files, too."


@dataclass(frozen=True)
class ExportRequest:
    """Tiles and form of an export.

    Attributes
    ----------
    out : a new or empty folder.
    frames : most revisits of a tile, best first.
    limit : only the first so many tiles.
    anonymous : file that keeps which random id stands for which tile, outside of `out`; None: tiles keep their names.

    Raises
    ------
    UsageError
        for an unknown format, or a file of ids that would lie in the export.
    """

    out: Path
    data: Path
    list_name: str = "auto"
    frames: int = 8
    format: Format = "geotiff"
    protocol: str = DEFAULT_PROTOCOL
    limit: int | None = None
    anonymous: Path | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "format", one_of(self.format, get_args(Format), "unknown format", "--format"))
        object.__setattr__(self, "list_name", list_named(self.list_name))
        object.__setattr__(self, "protocol", protocol_named(self.protocol))
        if self.anonymous is not None and self.anonymous.exists():
            remedy = "give another name: an earlier export cannot be scored without its ids"
            raise UsageError("there is a file of ids already", where=self.anonymous, remedy=remedy)
        if self.anonymous is not None and self.out.resolve() in self.anonymous.resolve().parents:
            remedy = "keep it elsewhere: whoever has the export must not have the names"
            raise UsageError("the file of ids lies in the export", where=self.anonymous, remedy=remedy)


def export_inputs(request: ExportRequest, progress: Callable[[int, int], None] = lambda done, total: None) -> Path:
    """Write the inputs of every tile of a list, and a manifest; return the folder.

    All of it is written beside `out` and renamed when it is complete.

    Raises
    ------
    UsageError
        if `out` is not empty, or the protocol does not offer that many frames.
    DataError
        if tiles are missing or damaged.
    InfrastructureError
        if the disk is full or fails.
    """
    protocol = load_protocol(request.protocol)
    check_frames(request.frames, protocol)
    dataset = open_dataset(request.data)
    tiles = dataset.tiles(request.list_name, request.limit)
    ids = _ids(tiles, request)
    part = _part_of(request.out)
    try:
        part.mkdir(parents=True)
        written: list[ExportedTile] = []
        for done, tile in enumerate(tiles):
            progress(done, len(tiles))
            inputs = read_tile(tile, protocol=protocol, frames=request.frames)
            written.append(_write_tile(part, ids[tile.name], tile, inputs, request))
        _manifest(request, protocol, dataset, written).save(part / ExportManifest.FILE)
        if request.anonymous is not None:
            _without_times(part)
        if request.anonymous is not None:
            # Before the export gets its name: without its ids its predictions could not be scored.
            Identities(ids={key: name for name, key in sorted(ids.items())}).save(request.anonymous)
        part.replace(request.out)
    except OSError as error:
        what = f"the export cannot be written: {error.strerror or error}"
        raise InfrastructureError(what, where=request.out, remedy="make room, or give another folder") from None
    finally:
        shutil.rmtree(part, ignore_errors=True)
    progress(len(tiles), len(tiles))
    return request.out


def _without_times(folder: Path) -> None:
    """Set the times of all files to one: they were written in the order of the list, by which they could be named."""
    now = time.time_ns()
    for path in (*folder.rglob("*"), folder):
        os.utime(path, ns=(now, now))


def _part_of(out: Path) -> Path:
    """Return the folder to write to until all is complete; that of a killed process is removed."""
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise UsageError("the folder is not empty", where=out, remedy="give a new or an empty folder")
    part = out.absolute().with_name(f".{out.name}.part")
    if part.is_symlink():
        raise UsageError("there is a link where the export is prepared", where=part, remedy="remove it")
    shutil.rmtree(part, ignore_errors=True)
    return part


def _ids(tiles: Sequence[Tile], request: ExportRequest) -> dict[str, str]:
    """Map each tile to its id: its name, or one drawn at random, which says nothing of the tile."""
    if request.anonymous is None:
        return {tile.name: tile.name for tile in tiles}
    drawn: set[str] = set()
    while len(drawn) < len(tiles):
        drawn.add(secrets.token_hex(6))
    # Sorted ids would be dealt out in the order of names: which tile gets which is drawn, too.
    return {
        tile.name: key for tile, key in zip(tiles, sorted(drawn, key=lambda _: secrets.token_bytes(8)), strict=True)
    }


def _write_tile(folder: Path, key: str, tile: Tile, inputs: TileInputs, request: ExportRequest) -> ExportedTile:
    named = request.anonymous is None
    places = _places(tile, inputs) if named else (None,) * inputs.task.frames
    files = _as_geotiff(key, inputs, places) if request.format == "geotiff" else _as_npz(key, inputs, places)
    for path, content in files.items():
        (folder / path).parent.mkdir(exist_ok=True)
        write_durably(folder / path, content)
    task = inputs.task
    return ExportedTile(
        id=key,
        height=task.height,
        width=task.width,
        native_height=task.size[0],
        native_width=task.size[1],
        days=tuple(int(day) for day in task.days[0]),
        inputs_sha256=task.sha256,
        files={path: hashlib.sha256(content).hexdigest() for path, content in files.items()},
    )


def _places(tile: Tile, inputs: TileInputs) -> tuple[Georeference | None, ...]:
    """Return where each frame lies, on the grid that all frames of the tile share."""
    files = {revisit.n: revisit.data for revisit in tile.revisits}
    return tuple(georeference_of(files[n], inputs.task.size) for n in inputs.revisits)


def _as_geotiff(key: str, inputs: TileInputs, places: Sequence[Georeference | None]) -> Contents:
    files: dict[str, bytes] = {}
    task = inputs.task
    for t, place in enumerate(places):
        about = {"days": str(int(task.days[0, t])), "frame": str(t + 1)}
        files[f"{key}/frame-{t + 1}.tif"] = write_frame(task.images[0, t], place, BANDS, about)
        files[f"{key}/clear-{t + 1}.tif"] = write_frame(task.clear[0, t].astype(np.uint8), place, ("clear",), about)
    return files


def _as_npz(key: str, inputs: TileInputs, places: Sequence[Georeference | None]) -> Contents:
    task = inputs.task
    arrays = {
        "images": task.images[0],
        "clear": task.clear[0],
        "days": task.days[0],
        "target_size": np.array([task.height, task.width]),
    }
    known = [place for place in places if place is not None]
    if len(known) == len(places):
        arrays["crs"] = np.array([place.crs for place in known])
        arrays["transform"] = np.array([place.transform for place in known])
    buffer = io.BytesIO()
    np.savez(buffer, allow_pickle=False, **arrays)
    return {f"{key}.npz": buffer.getvalue()}


def _manifest(
    request: ExportRequest, protocol: Protocol, dataset: Dataset, tiles: Sequence[ExportedTile]
) -> ExportManifest:
    release = dataset.release
    return ExportManifest(
        protocol=ProtocolRef(id=protocol.id, sha256=protocol.sha256),
        release=release,
        list=dataset.resolve_list(request.list_name),
        frames=request.frames,
        format=request.format,
        bands=BANDS,
        anonymous=request.anonymous is not None,
        licence=licence_text() if release in release_names() else _SYNTHETIC if release == "mini" else _UNKNOWN,
        # By id: in the order of the list, anonymous tiles could be named.
        tiles=tuple(sorted(tiles, key=lambda tile: tile.id)),
    )
