"""``spectra.csv`` beside runs that tests invent."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from pathlib import Path

import numpy as np

from worldstrat_bench.artefacts.record import Record, record_id
from worldstrat_bench.artefacts.spectra import BINS, SPECTRA, format_spectra


def add_spectra(folder: Path, blur: float, tiles: Iterable[str]) -> None:
    """Curves of an image that keeps a share `blur` ** bin of its amplitude, and the record that names their file."""
    share = blur ** np.arange(BINS)
    rows = []
    for number, tile in enumerate(tiles):
        truth = (number + 1.0) * np.ones(BINS)
        curves = {"target": truth, "prediction": truth * share**2, "cross": truth * share}
        rows.append((tile, {f"spectrum_{name}": tuple(values) for name, values in curves.items()}))
    put_spectra(folder, format_spectra(rows))


def put_spectra(folder: Path, text: str) -> None:
    """Write the file, and a record that names it."""
    (folder / SPECTRA).write_text(text, encoding="utf-8", newline="")
    record = Record.load(folder / "record.json")
    files = record.files | {SPECTRA: hashlib.sha256(text.encode()).hexdigest()}
    changed = record.model_copy(update={"files": files})
    changed.model_copy(update={"record_id": record_id(changed.model_dump(mode="json"))}).save(folder / "record.json")
