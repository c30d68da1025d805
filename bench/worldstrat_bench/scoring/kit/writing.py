"""The folder of the kit."""

from __future__ import annotations

import json
from importlib import resources
from pathlib import Path
from typing import Any

import numpy as np
import torch

from worldstrat_bench import __version__
from worldstrat_bench.errors import InfrastructureError, UsageError
from worldstrat_bench.metrics.optional import load_optional
from worldstrat_bench.protocol import load_protocol
from worldstrat_bench.scoring.kit.comparing import TOLERANCE
from worldstrat_bench.scoring.kit.numbers import LEARNED, numbers_of
from worldstrat_bench.scoring.kit.pairs import PROTOCOL, Pair, make_pairs
from worldstrat_bench.scoring.wsb import WsbScorer
from worldstrat_bench.threads import one_torch_thread


def write_kit(folder: Path) -> dict[str, Any]:
    """Write the kit into a new or empty folder; the same numpy and torch write the same bytes.

    Returns
    -------
    What is in ``kit.json``.

    Raises
    ------
    UsageError
        if it is not a folder, or holds something.
    InfrastructureError
        if it cannot be written.
    """
    if folder.exists() and not folder.is_dir():
        raise UsageError("is not a folder", where=folder, remedy="name a new or an empty folder")
    if folder.exists() and any(folder.iterdir()):
        raise UsageError("the folder is not empty", where=folder, remedy="name a new or an empty folder")
    pairs = make_pairs()
    scorer = WsbScorer(load_protocol(PROTOCOL), torch.device("cpu"), optional=load_optional(()))
    index = _index(pairs)
    try:
        with one_torch_thread():
            for pair in pairs:
                _write_pair(folder / pair.folder, pair, scorer)
        (folder / "README.md").write_text(_readme(pairs), encoding="utf-8")
        _write_json(folder / "kit.json", index)  # last: a folder with it is complete
    except OSError as error:
        raise InfrastructureError(f"cannot write the kit: {error.strerror}", where=folder) from None
    return index


def _index(pairs: tuple[Pair, ...]) -> dict[str, Any]:
    protocol = load_protocol(PROTOCOL)
    return {
        "protocol": {"id": protocol.id, "sha256": protocol.sha256},
        "worldstrat_bench": __version__,
        "numpy": np.__version__,
        "torch": torch.__version__,
        "licence": "CC0-1.0",
        "tolerance": TOLERANCE,
        "left_out": list(LEARNED),
        "pairs": [{"folder": pair.folder, "section": pair.rule, "stresses": pair.stresses} for pair in pairs],
    }


def _write_pair(folder: Path, pair: Pair, scorer: WsbScorer) -> None:
    folder.mkdir(parents=True)
    _write_arrays(folder / "inputs.npz", pair.inputs.arrays())
    numbers = numbers_of(pair.inputs, scorer)
    _write_arrays(folder / "expected.npz", numbers.arrays)
    small = {name: numbers.arrays[name].tolist() for name in ("offset", "bias", "mismatch")}
    _write_json(folder / "expected.json", {**numbers.values, **small})


def _write_arrays(path: Path, arrays: dict[str, Any]) -> None:
    np.savez_compressed(path, **arrays)


def _write_json(path: Path, document: dict[str, Any]) -> None:
    path.write_text(json.dumps(document, indent=1, sort_keys=True, allow_nan=False) + "\n", encoding="utf-8")


def _readme(pairs: tuple[Pair, ...]) -> str:
    text = resources.files("worldstrat_bench.scoring.kit").joinpath("readme.txt").read_text(encoding="utf-8")
    rows = "\n".join(f"| `{pair.folder}` | {pair.rule} | {pair.stresses} |" for pair in pairs)
    return text.replace("{version}", __version__).replace("{rows}", rows)
