"""Everything on the page of the Python API, called with a wrong type and with a wrong value: an error that names it."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Iterator
from dataclasses import is_dataclass
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from pydantic import BaseModel

import worldstrat_bench as wsb
from conftest import ROOT
from factories import make_run
from worldstrat_bench.api import LowRes, SRModel, pad_frames
from worldstrat_bench.artefacts.result import load_result
from worldstrat_bench.artefacts.tiles import TileTable, format_tiles, parse_tiles
from worldstrat_bench.data.layout import Dataset
from worldstrat_bench.data.tile import Tile
from worldstrat_bench.errors import InvalidArtefactError, UsageError, WorldstratBenchError
from worldstrat_bench.preprocessing import complete, declare, parse_bands
from worldstrat_bench.protocol import load_protocol, parse_protocol
from worldstrat_bench.results.draw import draw
from worldstrat_bench.results.table import make_table
from worldstrat_bench.run.events import Tally
from worldstrat_bench.run.model import ModelRequest
from worldstrat_bench.run.request import RunRequest, ScoreRequest

PAGE = ROOT / "docs" / "api.md"
VALUE_ERRORS = ("worldstrat_bench.api.", "worldstrat_bench.preprocessing.")
"""What runs beside a model has no errors but Python's."""

BY_NAME: dict[str, object] = {
    "paths": "no-such-run",
    "bands": (3, 2),
    "kind": "forest",
    "out": "a.pdf",
    "model": "m",
    "data": "d",
    "prediction": np.zeros((3, 4, 4)),
    "target": np.zeros((3, 4, 4)),
    "targets": np.zeros((1, 3, 4, 4)),
    "batch": np.zeros((1, 3, 4, 4)),
    "root": "d",
    "run": "no-such-run",
    "tile": "t",
    "path": "p",
    "name": "psnr",
    "list_name": "auto",
    "protocol": load_protocol(),
    "a": load_protocol(),
    "b": load_protocol(),
    "released": {},
    "hr_side": 1054,
    "content": b"",
    "created": "2026",
    "rows": [],
    "names": ["psnr"],
    "tiles": ["t"],
    "index": [0],
    "value": 1.0,
    "column": "psnr",
    "texts": ["+stlpips"],
    "known": ["psnr"],
    "what": "unknown",
    "where": "here",
    "stage": "read",
    "done": 0,
    "total": 1,
    "tell": print,
    "limits": wsb.Limits(),
    "text": "B02",
    "given": {},
    "stated": {},
    "recorded": {},
    "lr": LowRes(torch.zeros(1, 2, 12, 4, 4), torch.ones(1, 2, 1, 4, 4).bool(), torch.zeros(1, 2, dtype=torch.long)),
    "frames": 1,
    "channels": 3,
    "outcome": "ok",
    "metric": "psnr",
}
"""An argument of each name that is of the right type."""

OPEN = {"data", "where", "content", "changes", "options", "what", "self", "event", "remedy", "known", "frame", "bare"}
"""Arguments that take anything, as text of a message, as JSON, or in one function or another."""

MADE_BY_THE_PACKAGE = (BaseModel, Exception)
"""Values whose constructors pydantic or nothing checks: only the package makes them."""

REQUESTS = (wsb.RunOptions, wsb.Limits, RunRequest, ModelRequest)
"""The dataclasses that users make."""


def public() -> Iterator[tuple[str, Callable[..., Any]]]:
    """Yield every function and method of the page with its address."""
    for address in re.findall(r"^::: (\S+)", PAGE.read_text(encoding="utf-8"), flags=re.MULTILINE):
        try:
            module = import_module(address)
        except ImportError:
            home, _, name = address.rpartition(".")
            found = [(name, getattr(import_module(home), name))]
        else:
            found = [(n, o) for n, o in vars(module).items() if n[0] != "_" and getattr(o, "__module__", "") == address]
        for name, value in found:
            if inspect.isclass(value):
                yield from methods(f"{address}.{name}", value)
            elif callable(value):
                yield f"{getattr(value, '__module__', address)}.{name}", value


def methods(address: str, owner: type) -> Iterator[tuple[str, Callable[..., Any]]]:
    # The one is written by authors of models, the other counts within a run.
    if owner in (Tally, SRModel):
        return
    made = issubclass(owner, MADE_BY_THE_PACKAGE) or (is_dataclass(owner) and owner not in REQUESTS)
    if not made:
        yield address, owner
    for name, value in vars(owner).items():
        if inspect.isfunction(value) and name[0] != "_":
            yield f"{address}.{name}", value


def cases() -> Iterator[tuple[str, Callable[..., Any], str]]:
    for address, function in public():
        for name, parameter in inspect.signature(function).parameters.items():
            plain = parameter.kind in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD) or name in OPEN
            if not plain and str(parameter.annotation) not in ("Any", "object"):
                yield address, function, name


CASES = list(cases())


@pytest.mark.parametrize(("address", "function", "name"), CASES, ids=[f"{a[17:]}({n})" for a, _, n in CASES])
def test_a_wrong_type_names_the_argument(
    address: str, function: Callable[..., Any], name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    given = {n: BY_NAME[n] for n, p in inspect.signature(function).parameters.items() if needed(n, p) and n != "self"}
    if function is RunRequest:
        given["model"] = ModelRequest("m")
    if "self" in inspect.signature(function).parameters:
        given = {"self": instance(address.rsplit(".", 2)[-2], tmp_path), **given}
    with pytest.raises((UsageError, ValueError) if address.startswith(VALUE_ERRORS) else UsageError) as caught:
        function(**given | {name: object()})
    assert re.search(r"object|not|no ", str(caught.value))
    if isinstance(caught.value, UsageError):
        assert caught.value.remedy
        said = f"{caught.value.where} {caught.value}".replace("-", "_")
        assert any(word in said for word in (name, *OTHERWISE.get(name, ())))


OTHERWISE = {
    "texts": ("metrics",),
    "root": ("data",),
    "name": ("protocol", "model"),
    "lr": ("inputs",),
    "cache_bytes": ("cache_gib",),
    "list_name": ("list",),
    "inputs": ("lr",),
    "parameters": ("parameter",),
}
"""Other words by which a message may name an argument: those of the command line."""


def needed(name: str, parameter: inspect.Parameter) -> bool:
    variable = parameter.kind in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD)
    return parameter.default is parameter.empty and not variable


def instance(owner: str, folder: Path) -> object:
    """Return one of those objects whose methods the page has."""
    run = folder / "run"
    record = make_run(run, tiles=3)
    made: dict[str, Callable[[], object]] = {
        "LowRes": lambda: BY_NAME["lr"],
        "Scorer": lambda: wsb.Scorer(device="cpu", metrics="psnr"),
        "Tile": lambda: Tile(None, folder, ()),  # type: ignore[arg-type]  # nothing of it is read
        "Record": lambda: record,
        "TargetGrid": lambda: load_protocol().target,
        "Preprocessing": declare,
        "TileTable": lambda: load_result(run).table,
    }
    return made[owner]()


IMAGE = np.full((3, 60, 60), 0.2, dtype=np.float32)
LR: Any = BY_NAME["lr"]
ONE: Any = ModelRequest("m")


def scorer(**more: Any) -> wsb.Scorer:
    return wsb.Scorer(device="cpu", metrics="psnr", **more).prepare(IMAGE[None])


VALUES: dict[str, tuple[Callable[[], object], type[Exception], str]] = {
    "device of a scorer": (lambda: wsb.Scorer(device="gpu"), UsageError, "unknown device"),
    "device without numbers": (lambda: wsb.Scorer(device="meta"), UsageError, "unknown device"),
    "metric of a scorer": (lambda: wsb.Scorer(device="cpu", metrics="psrn"), UsageError, "did you mean 'psnr'?"),
    "no metric": (lambda: wsb.score_pair(IMAGE, IMAGE, metrics=[]), UsageError, "no metric is named"),
    "text as an image": (lambda: wsb.score_pair(IMAGE.astype(str), IMAGE), UsageError, "not of real numbers"),
    "complex numbers": (lambda: wsb.score_pair(IMAGE, IMAGE.astype(complex)), UsageError, "not of real numbers"),
    "objects in a batch": (lambda: scorer().score(IMAGE[None].astype(object)), UsageError, "not of real numbers"),
    "a batch without its axis": (lambda: scorer().score(IMAGE), UsageError, "not (N, 3, H, W)"),
    "number of a target": (lambda: scorer().score(IMAGE[None], [3]), UsageError, "index holds 3, and there are 1"),
    "no target": (lambda: wsb.Scorer(device="cpu").score(IMAGE[None]), UsageError, "there are no targets"),
    "columns": (lambda: draw("x", "forest", "a.pdf", columns=3), UsageError, "3 columns"),
    "kind": (lambda: draw("x", "florest", "a.pdf"), UsageError, "did you mean 'forest'?"),
    "no run": (lambda: wsb.read_runs([]), UsageError, "no run is given"),
    "a run that is not there": (lambda: make_table("nowhere"), InvalidArtefactError, "no such run"),
    "prediction": (lambda: wsb.read_prediction("nowhere", "t"), InvalidArtefactError, "kept no predictions"),
    "record": (lambda: wsb.load_record("nowhere"), InvalidArtefactError, "no record"),
    "protocol": (lambda: parse_protocol(b"x ="), InvalidArtefactError, "not a protocol"),
    "tiles": (lambda: parse_tiles("x"), InvalidArtefactError, "header"),
    "a row without a tile": (lambda: format_tiles([{}]), UsageError, "names no tile"),
    "shards": (lambda: RunRequest(ONE, "d", "o", shard="1/4"), UsageError, "shard is of type str"),  # type: ignore[arg-type]
    "truth": (lambda: wsb.RunOptions(keep="no"), UsageError, "keep is of type str, not True or False"),  # type: ignore[arg-type]
    "limit": (lambda: wsb.Limits(tile_seconds="5"), UsageError, "tile_seconds is of type str"),  # type: ignore[arg-type]
    "folder of a run": (lambda: ScoreRequest(5, "d"), UsageError, "run is of type int"),  # type: ignore[arg-type]
    "size": (lambda: load_protocol().target.size(0), UsageError, "no target"),
    "engine": (lambda: wsb.evaluate("m", data="d", out="o", engine=5), UsageError, "engine"),  # type: ignore[arg-type]
    "bands": (lambda: parse_bands("B99"), ValueError, "there is no 'B99'"),
    "parameters": (lambda: complete({5: 5}), ValueError, "names to values"),  # type: ignore[dict-item]
    "scale": (lambda: declare(input_scale=None), ValueError, "input_scale is a number"),  # type: ignore[arg-type]
    "frames": (lambda: pad_frames(LR, 0), ValueError, "cannot make 0 frames"),
    "frame": (lambda: LR.rgb(2), ValueError, "there is no frame 2: there are 2"),
}


@pytest.mark.parametrize("name", VALUES)
def test_a_wrong_value_is_said(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    call, kind, words = VALUES[name]
    with pytest.raises(kind) as caught:
        call()
    assert words in str(caught.value)
    assert not isinstance(caught.value, WorldstratBenchError) or caught.value.where
    assert not list(tmp_path.iterdir())


def test_rows_of_a_table_and_tiles_of_a_dataset_are_there_or_named(tmp_path: Path) -> None:
    make_run(tmp_path, tiles=3)
    table: TileTable = load_result(tmp_path).table
    for call, words in (
        (lambda: table.text("ipc"), "did you mean 'ipcc'?"),
        (lambda: table.take([3]), "index holds 3, and there are 3"),
        (lambda: Dataset.tiles(Dataset(tmp_path, "mini", (), None), "x"), "unknown list"),  # type: ignore[arg-type]
    ):
        with pytest.raises(UsageError, match=re.escape(words)):
            call()


def test_numbers_of_numpy_and_texts_in_generators_are_taken() -> None:
    assert scorer().score(IMAGE[None], np.array([0]))["psnr"] == 100
    assert set(wsb.score_pair(IMAGE, torch.from_numpy(IMAGE), metrics=(n for n in ("PSNR", "ssim")))) == {
        "psnr",
        "ssim",
    }
    assert LR.rgb(np.int64(1)).shape == (1, 3, 4, 4)
    assert wsb.Limits(tile_seconds=float(np.float32(5))).tile_seconds == 5


def test_a_missing_argument_is_told_by_python() -> None:
    with pytest.raises(TypeError, match="missing 2 required positional arguments: 'kind' and 'out'"):
        draw("x")  # type: ignore[call-arg]
