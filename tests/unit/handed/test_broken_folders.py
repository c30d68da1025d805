"""A folder of predictions with one fault: one clear message that names the file, and nothing is written."""

from __future__ import annotations

import io
import json
import os
import pickle
import zipfile
import zlib
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio
from numpy.typing import NDArray

import plain_bicubic as plain
from run_helpers import small_dataset
from worldstrat_bench.data.layout import open_dataset
from worldstrat_bench.errors import InvalidArtefactError, UsageError, WorldstratBenchError
from worldstrat_bench.handed import archive, rasters
from worldstrat_bench.handed import files as reading
from worldstrat_bench.handed.files import npy_array
from worldstrat_bench.handed.folder import find_files
from worldstrat_bench.handed.intake import HandInRequest, score_handed_in, take_in
from worldstrat_bench.handed.stated import Stated
from worldstrat_bench.run.events import Event, Progress
from worldstrat_bench.run.predictions import PredictionStore
from worldstrat_bench.run.request import RunOptions

SIDE = 48
OPTIONS = RunOptions(device="cpu", cache=False, threads=1)


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return small_dataset(tmp_path_factory.mktemp("broken") / "data", tiles=2)


@pytest.fixture(scope="module")
def names(data: Path) -> tuple[str, ...]:
    return open_dataset(data).names("test")


def good(side: int = SIDE) -> NDArray[np.float32]:
    rng = np.random.default_rng(0)
    return rng.uniform(0.05, 0.3, (3, side, side)).astype(np.float32)


def whole(folder: Path, names: tuple[str, ...]) -> Path:
    """A folder without a fault."""
    folder.mkdir()
    for name in names:
        np.save(folder / f"{name}.npy", good())
    return folder


def _header(shape: tuple[int, ...], kind: str = "<f4") -> bytes:
    stream = io.BytesIO()
    np.lib.format.write_array_header_1_0(stream, {"descr": kind, "fortran_order": False, "shape": shape})
    return stream.getvalue()


def _zip(path: Path, members: dict[str, bytes]) -> None:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as written:
        for name, content in members.items():
            written.writestr(name, content)


def _npy(array: NDArray[Any]) -> bytes:
    stream = io.BytesIO()
    np.save(stream, array)
    return stream.getvalue()


def _tensors(header: object, data: bytes = b"") -> bytes:
    text = json.dumps(header).encode()
    return len(text).to_bytes(8, "little") + text + data


def _raster(path: Path, image: NDArray[Any], **more: Any) -> None:
    plain.write_raster(path, image, **more)


def _wide_blocks(path: Path) -> None:
    form = {"driver": "GTiff", "count": 3, "height": SIDE, "width": SIDE, "dtype": "float64"}
    with rasterio.open(path, "w", **form, sparse_ok=True, tiled=True, blockxsize=8192, blockysize=4096):
        pass


def _holed(value: float) -> NDArray[np.float32]:
    image = good()
    image[:, 3, 4] = value
    return image


def _png(path: Path) -> None:
    _raster(path, (good() * 255).astype(np.uint8), driver="PNG")


def _flipped(path: Path) -> None:
    _png(path)
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


def _palette(path: Path) -> None:
    import rasterio

    with rasterio.open(path, "w", driver="PNG", count=1, height=SIDE, width=SIDE, dtype="uint8") as file:
        file.write(np.zeros((1, SIDE, SIDE), np.uint8))
        file.write_colormap(1, {0: (1, 2, 3, 255)})


def _cut(path: Path, write: Callable[[Path], None]) -> None:
    write(path)
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def _chunks(path: Path, kind: bytes = b"xyZw", data: bytes = b"", count: int = 20_000) -> None:
    """Write a PNG with more chunks than writers make, each of them valid."""
    _png(path)
    content, named = path.read_bytes(), kind + data
    one = len(data).to_bytes(4, "big") + named + zlib.crc32(named).to_bytes(4, "big")
    header = 8 + 25
    path.write_bytes(content[:header] + one * count + content[header:])


class Evil:
    """Opened by pickle, it makes a file."""

    def __reduce__(self) -> tuple[Any, tuple[str]]:
        return os.mkdir, ("opened-by-pickle",)


# What stands in place of the first tile's file: suffix, how it is written, and words of the message.
CONTENTS: dict[str, tuple[str, Callable[[Path], object], str]] = {
    "empty": (".npy", lambda p: p.write_bytes(b""), "is empty"),
    "text": (".npy", lambda p: p.write_text("hello"), "damaged or not a npy file"),
    "npy cut": (".npy", lambda p: _cut(p, lambda q: np.save(q, good())), "cut short"),
    "npy claims gigabytes": (".npy", lambda p: p.write_bytes(_header((3, 10**6, 10**6)) + b"0" * 99), "cut short"),
    "npy overflows": (".npy", lambda p: p.write_bytes(_header((3, 2**40, 2**40)) + b"0" * 99), "cut short"),
    "npy with too much": (".npy", lambda p: p.write_bytes(_npy(good()) + b"0"), "too long"),
    "pickle in npy": (".npy", lambda p: np.save(p, np.array([Evil()], object), allow_pickle=True), "real numbers"),
    "pickle": (".npy", lambda p: p.write_bytes(pickle.dumps(Evil())), "damaged"),
    "no numbers": (".npy", lambda p: np.save(p, np.full((3, SIDE, SIDE), "x")), "real numbers"),
    "complex": (".npy", lambda p: np.save(p, good().astype(complex)), "real numbers"),
    "bools": (".npy", lambda p: np.save(p, good() > 0.1), "real numbers"),
    "one band": (".npy", lambda p: np.save(p, good()[0]), "has shape"),
    "two tiles": (".npy", lambda p: np.save(p, np.stack([good()] * 2)), "has shape"),
    "twelve bands": (".npy", lambda p: np.save(p, np.concatenate([good()] * 4)), "has shape (12, 48, 48)"),
    "smaller than the inputs": (".npy", lambda p: np.save(p, good(20)), "smaller than the inputs"),
    "enormous side": (".npy", lambda p: np.save(p, np.zeros((3, 30, 5000), np.float16)), "at most 4096"),
    "NaN": (".npy", lambda p: np.save(p, _holed(np.nan)), "not finite"),
    "infinite": (".npy", lambda p: np.save(p, _holed(np.inf)), "not finite"),
    "beyond float32": (".npy", lambda p: np.save(p, _holed(1).astype(float) * 1e300), "not"),
    "digital numbers": (".npy", lambda p: np.save(p, good() * 10_000), "divide by 10,000"),
    "whole numbers": (".npy", lambda p: np.save(p, (good() * 10_000).astype(np.uint16)), "no scale"),
    "zip with a long directory": (
        ".npz",
        lambda p: _zip(p, {f"{i:04d}{'x' * 200}.npy": b"" for i in range(500)}),
        "too many files",
    ),
    "zip of nothing": (".npz", lambda p: _zip(p, {}), "holds no array"),
    "several arrays": (".npz", lambda p: np.savez(p, a=good(), b=good()), "2 arrays (a, b)"),
    "no zip": (".npz", lambda p: p.write_bytes(b"PK\3\4 nothing"), "damaged or not a npz file"),
    "zip bomb": (".npz", lambda p: _zip(p, {"prediction.npy": b"\0" * (2 << 20)}), "unpacks to more"),
    "pickle in npz": (".npz", lambda p: _zip(p, {"prediction.npy": pickle.dumps(Evil())}), "damaged"),
    "safetensors cut": (".safetensors", lambda p: _cut(p, lambda q: plain.write_safetensors(q, good())), "damaged"),
    "safetensors of another size": (
        ".safetensors",
        lambda p: p.write_bytes(_tensors({"x": {"dtype": "F32", "shape": [9, 9], "data_offsets": [0, 4]}}, b"0" * 4)),
        "damaged",
    ),
    "safetensors with a long header": (
        ".safetensors",
        lambda p: p.write_bytes(_tensors({"__metadata__": {"x": "y" * 100_000}}, b"")),
        "a header of more than 64 kB",
    ),
    "safetensors of bools": (
        ".safetensors",
        lambda p: p.write_bytes(_tensors({"x": {"dtype": "BOOL", "shape": [4], "data_offsets": [0, 4]}}, b"\1" * 4)),
        "type BOOL",
    ),
    "no TIFF": (".tif", lambda p: p.write_bytes(b"II*\0" + b"\0" * 40), "damaged or not a geotiff file"),
    "TIFF cut": (".tif", lambda p: _cut(p, lambda q: _raster(q, good())), "damaged"),
    "TIFF of one band": (".tif", lambda p: _raster(p, good()[:1]), "has 1 bands of float32, 3 are expected"),
    "TIFF with holes": (
        ".tif",
        lambda p: _raster(p, _holed(-9999), nodata=-9999),
        "1 pixels that it declares as no-data",
    ),
    "TIFF with holes of 0": (".tif", lambda p: _raster(p, _holed(0), nodata=0), "1 pixels that it declares as no-data"),
    "TIFF with holes of NaN": (
        ".tif",
        lambda p: _raster(p, _holed(np.nan), nodata=np.nan),
        "1 pixels that it declares as no-data",
    ),
    "TIFF with a scale of 0": (".tif", lambda p: _raster(p, good(), scale=0.0), "a scale must be above 0"),
    "TIFF in enormous blocks": (".tif", _wide_blocks, "blocks of 4096 x 8192 px"),
    "complex TIFF": (".tif", lambda p: _raster(p, good().astype(np.complex64)), "real numbers"),
    "PNG in a TIFF's name": (".tif", _png, "not a geotiff"),
    "PNG with a palette": (".png", _palette, "has a palette"),
    "PNG with a flipped bit": (".png", _flipped, "cut short or damaged"),
    "PNG of many chunks": (".png", _chunks, "chunks"),
    "PNG of remarks": (".png", lambda p: _chunks(p, b"zTXt", b"x" * 7000, 10), "64 kB of remarks"),
    "PNG cut": (".png", lambda p: _cut(p, _png), "cut short or damaged"),
    "PNG without a scale": (".png", _png, "no scale"),
    "PNG with clear pixels": (
        ".png",
        lambda p: _raster(p, np.concatenate([good(), good()[:1] * 0]).astype(np.uint8), driver="PNG"),
        "declares as no-data",
    ),
}


def refused(folder: Path, data: Path, out: Path, **more: Any) -> WorldstratBenchError:
    before = sorted(path.name for path in folder.parent.rglob("*"))
    with pytest.raises(WorldstratBenchError) as caught:
        take_in(HandInRequest(folder, "my-sr", data, out, **more), OPTIONS)
    assert sorted(path.name for path in folder.parent.rglob("*")) == before, "something was left behind"
    return caught.value


@pytest.mark.parametrize("fault", CONTENTS)
def test_a_file_that_is_not_a_prediction(
    data: Path, names: tuple[str, ...], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fault: str
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(reading, "MAX_BYTES", 1 << 20)
    monkeypatch.setattr(reading, "_LONGEST_HEADER", 1 << 16)
    monkeypatch.setattr(rasters, "_MOST_CHUNKS", 10_000)
    folder = whole(tmp_path / "files", names)
    (folder / f"{names[0]}.npy").unlink()
    suffix, write, says = CONTENTS[fault]
    write(folder / f"{names[0]}{suffix}")
    error = refused(folder, data, tmp_path / "out")
    assert isinstance(error, InvalidArtefactError)
    assert error.what.startswith(f"{names[0]}{suffix} ")
    assert says in error.what
    assert "\n" not in error.what
    assert error.remedy


def _link(folder: Path, name: str) -> None:
    (folder / name).rename(folder.parent / "elsewhere.npy")
    (folder / name).symlink_to(folder.parent / "elsewhere.npy")


def _pipe(folder: Path, name: str) -> None:
    (folder / name).unlink()
    os.mkfifo(folder / name)


def _folder(folder: Path, name: str) -> None:
    (folder / name).unlink()
    (folder / name).mkdir()


def _twice(folder: Path, name: str) -> None:
    np.savez(folder / name.replace(".npy", ".npz"), good())


# What is done to the folder, given the name of the first tile's file, and words of the one message.
FOLDERS: dict[str, tuple[Callable[[Path, str], object], str]] = {
    "missing": (lambda folder, name: (folder / name).unlink(), "has no prediction"),
    "foreign": (lambda folder, name: np.save(folder / "Atlantis-1.npy", good()), "Atlantis-1.npy belongs to no tile"),
    "train tile": (lambda folder, name: np.save(folder / "train.npy", good()), "belongs to no tile of the list"),
    "other letters": (lambda folder, name: (folder / name).rename(folder / name.upper()), "belongs to no tile"),
    "duplicate": (_twice, "is a second file of the tile"),
    "link": (_link, "is a link"),
    "pipe": (_pipe, "is not a regular file"),
    "folder": (_folder, "is a folder"),
    "MATLAB": (lambda folder, name: (folder / name).rename(folder / name.replace(".npy", ".mat")), "is a type of file"),
    "beside a TIFF": (lambda folder, name: (folder / f"{name}.aux.xml").write_text("<a/>"), "is a type of file"),
}


@pytest.mark.parametrize("fault", FOLDERS)
def test_a_folder_that_is_not_one_file_a_tile(data: Path, names: tuple[str, ...], tmp_path: Path, fault: str) -> None:
    folder = whole(tmp_path / "files", names)
    spoil, says = FOLDERS[fault]
    spoil(folder, f"{names[0]}.npy")
    error = refused(folder, data, tmp_path / "out")
    assert says in error.what
    assert error.remedy
    assert "faults" not in error.what, "one fault, one message"


@pytest.mark.parametrize("stated", [Stated(scale=10_000.0), Stated(offset=-0.1)])
def test_two_scales_contradict_each_other(data: Path, names: tuple[str, ...], tmp_path: Path, stated: Stated) -> None:
    folder = whole(tmp_path / "files", names)
    (folder / f"{names[0]}.npy").unlink()
    plain.write_raster(folder / f"{names[0]}.tif", (good() * 1e4).astype(np.uint16), scale=1e-4)
    error = refused(folder, data, tmp_path / "out", stated=stated)
    assert "another one is given" in error.what


def test_all_faults_are_told_at_once(data: Path, names: tuple[str, ...], tmp_path: Path) -> None:
    folder = whole(tmp_path / "files", names)
    (folder / f"{names[0]}.npy").unlink()
    np.save(folder / f"{names[1]}.npy", _holed(np.nan))
    np.save(folder / "Atlantis-1.npy", good())
    error = refused(folder, data, tmp_path / "out")
    first, *lines = error.what.splitlines()
    assert first == "3 faults in the predictions:"
    assert [line.split()[0] for line in sorted(lines)] == sorted(["Atlantis-1.npy", names[0], f"{names[1]}.npy"])


def test_a_good_folder_is_taken(data: Path, names: tuple[str, ...], tmp_path: Path) -> None:
    """The control: what every case above spoils; hidden files, a licence and other tiles of the list do no harm."""
    folder = whole(tmp_path / "files", names)
    for beside in (".DS_Store", "README.md", "LICENSE", "manifest.json"):
        (folder / beside).write_text("")
    take_in(HandInRequest(folder, "my-sr", data, tmp_path / "out", limit=1), OPTIONS)
    assert [path.stem for path in (tmp_path / "out" / "predictions").iterdir()] == [names[0]]


def test_a_tile_needs_the_native_size_only(data: Path, names: tuple[str, ...], tmp_path: Path) -> None:
    """Bands may come in any order, fortran order and byte order do not matter."""
    folder = tmp_path / "files"
    folder.mkdir()
    image = good()
    swapped = np.concatenate([image[::-1], image[:1] * 2])
    np.save(folder / f"{names[0]}.npy", np.asfortranarray(swapped).astype(">f8"))
    np.savez(folder / f"{names[1]}.npz", other=np.zeros(3), prediction=np.moveaxis(swapped, 0, 2)[None])
    stated = Stated.parse("b02, g ,RED,b08")
    take_in(HandInRequest(folder, "my-sr", data, tmp_path / "out", stated=stated), OPTIONS)
    store = PredictionStore(tmp_path / "out" / "predictions")
    for name in names:
        assert np.array_equal(store.read(name).image, np.concatenate([image, image[:1] * 2]))


@pytest.mark.parametrize(
    "bands", ["R,G", "R,G,G", "R,G,B,B04", "", "R,G,B," + ",".join(f"X{i}" for i in range(20)), "r;g;b"]
)
def test_bands_that_make_no_image(bands: str) -> None:
    with pytest.raises(UsageError, match="not the bands"):
        Stated.parse(bands)


@pytest.mark.parametrize("scale", [0.0, -1.0, float("nan"), float("inf")])
def test_scales_that_make_no_sense(scale: float) -> None:
    with pytest.raises(UsageError, match="scale"):
        Stated(scale=scale)


def test_the_run_does_not_lie_among_the_predictions(data: Path, names: tuple[str, ...], tmp_path: Path) -> None:
    folder = whole(tmp_path / "files", names)
    with pytest.raises(UsageError, match="among the predictions"):
        HandInRequest(folder, "my-sr", data, folder / "out")


def test_a_file_that_changes_is_not_stored(data: Path, names: tuple[str, ...], tmp_path: Path) -> None:
    folder = whole(tmp_path / "files", names)

    def change(event: Event) -> None:
        if isinstance(event, Progress) and event.done == event.total:
            np.save(folder / f"{names[0]}.npy", good() * np.float32(0.5))

    with pytest.raises(InvalidArtefactError, match="was changed while it was read"):
        take_in(HandInRequest(folder, "my-sr", data, tmp_path / "out"), OPTIONS, change)


def test_an_empty_folder_names_every_tile(tmp_path: Path) -> None:
    found = find_files(tmp_path, ["a", "b"], known=frozenset({"a", "b"}), ids={})
    assert [fault.name for fault in found.faults] == ["a", "b"]


def test_an_npy_file_is_a_view_of_its_bytes() -> None:
    content = _npy(np.arange(12.0).reshape(3, 4))
    assert np.shares_memory(npy_array(content), np.frombuffer(content, np.uint8))


def _linked(path: Path) -> None:
    member = zipfile.ZipInfo("x.npy")
    member.external_attr = 0o120777 << 16
    with zipfile.ZipFile(path, "w") as written:
        written.writestr(member, "/etc/passwd")


ARCHIVES: dict[str, tuple[Callable[[Path], object], str]] = {
    "no zip": (lambda p: p.write_bytes(b"PK\3\4"), "cannot be read"),
    "a link": (_linked, "is a link"),
    "two of one name": (lambda p: _zip(p, {"a/x.npy": b"1", "b/x.npy": b"2"}), "folders do not count"),
    "a bomb": (lambda p: _zip(p, {"x.npy": b"\0" * (2 << 20)}), "is larger than"),
}


@pytest.mark.parametrize("fault", ARCHIVES)
def test_an_archive_with_a_fault(data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fault: str) -> None:
    monkeypatch.setattr(archive, "MAX_BYTES", 1 << 20)
    write, says = ARCHIVES[fault]
    write(tmp_path / "files.zip")
    error = refused(tmp_path / "files.zip", data, tmp_path / "out")
    assert isinstance(error, InvalidArtefactError)
    assert says in error.what


def test_an_archive_never_writes_outside(tmp_path: Path) -> None:
    _zip(tmp_path / "files.zip", {"../../up.npy": b"1", "/root.npy": b"2", "c\\d.npy": b"3"})
    with archive.files_in(tmp_path / "files.zip") as folder:
        assert sorted(path.name for path in folder.iterdir()) == ["d.npy", "root.npy", "up.npy"]
        kept = folder.parent
    assert not kept.exists()
    assert [path.name for path in tmp_path.iterdir()] == ["files.zip"]


def test_what_was_interrupted_goes_on(
    data: Path, names: tuple[str, ...], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Ctrl-C after the first file: the same call stores the second one only, and the record is that of one call."""
    folder = whole(tmp_path / "files", names)
    written: list[str] = []
    write = PredictionStore.write

    def interrupted(store: PredictionStore, tile: str, *more: Any) -> str:
        if len(written) == 1:
            written.append("Ctrl-C")
            raise KeyboardInterrupt
        written.append(tile)
        return write(store, tile, *more)

    monkeypatch.setattr(PredictionStore, "write", interrupted)
    request = HandInRequest(folder, "my-sr", data, tmp_path / "out")
    options = replace(OPTIONS, download=False)
    with pytest.raises(KeyboardInterrupt):
        score_handed_in(request, options)
    record = score_handed_in(request, options)
    assert written == [names[0], "Ctrl-C", names[1]]
    assert record.record_id == score_handed_in(replace(request, out=tmp_path / "once"), options).record_id


def test_a_run_that_was_begun_with_other_words_is_not_continued(
    data: Path, names: tuple[str, ...], tmp_path: Path
) -> None:
    folder = whole(tmp_path / "files", names)
    request = HandInRequest(folder, "my-sr", data, tmp_path / "out")
    take_in(request, OPTIONS)
    for other in (Stated(("B", "G", "R")), Stated(scale=2.0), Stated(offset=0.1)):
        with pytest.raises(UsageError, match="other inputs"):
            take_in(replace(request, stated=other), OPTIONS)
    with pytest.raises(UsageError, match="model: my-sr, now yours"):
        take_in(replace(request, name="yours"), OPTIONS)
