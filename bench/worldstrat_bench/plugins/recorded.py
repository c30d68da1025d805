"""Files that installers recorded as those of a distribution, by where they really lie. Nothing of them is run.

A RECORD spells places as its wheel did: ``lib64`` is a link to ``lib`` in most environments, so that one file has two
names. And a wheel can bring the RECORD of another distribution along, which then takes the place of the true one.
"""

from __future__ import annotations

import csv
import io
import os
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Final

from worldstrat_bench.plain_files import read_plain
from worldstrat_bench.plugins.reach import entries_of

_LARGEST_RECORD: Final = 16 << 20
"""Bytes: that of torch has 1.5 MB, and a stranger's may have gigabytes."""


def place_of(file: Path) -> Path:
    """Return where a file lies, the links above it followed and the file itself not."""
    return Path(os.path.realpath(file.parent)) / file.name


def inner_name(site: Path, name: str) -> str | None:
    """Return the name that a recorded file has in a folder of packages; None if it lies elsewhere."""
    if "\0" in name:
        return None
    place, own = place_of(site / name), Path(os.path.realpath(site))
    return place.relative_to(own).as_posix() if place.is_relative_to(own) else None


def brought_by_a_wheel(files: Iterable[Path], site_paths: Sequence[Path]) -> bool:
    """Return whether a distribution recorded one of some ``.pth`` files, or has changed what another one recorded."""
    wanted = {place_of(file) for file in files}
    if not wanted:
        return False
    sites = {Path(os.path.realpath(site)) for site in site_paths}
    for own, text in _records(site_paths):
        if text is None:
            return True
        try:
            for row in csv.reader(io.StringIO(text, newline="")):
                # To look up where each file of torch lies would take a second.
                if not row or not row[0].endswith((".pth", "RECORD")) or "\0" in row[0]:
                    continue
                place = place_of(own.parent.parent / row[0])
                # Packages bring metadata of what they hold copies of, in folders of their own.
                of_another = place.name == "RECORD" and place.parent.parent in sites and place != own
                if place in wanted or of_another:
                    return True
        except csv.Error:  # what it lists is not known
            return True
    return False


def record_text(record: Path) -> str | None:
    """Return the text of a RECORD; None if it is too large to be read, so that what it lists is not known.

    Raises
    ------
    OSError
        if it cannot be read.
    """
    content = read_plain(record, _LARGEST_RECORD)
    return content.decode("utf-8", "replace") if len(content) <= _LARGEST_RECORD else None


def _records(site_paths: Sequence[Path]) -> Iterator[tuple[Path, str | None]]:
    """Yield the place of every RECORD in some folders of packages, with its text as :func:`record_text` has it."""
    for folder in (folder for site in site_paths for folder in entries_of(site)):
        if folder.name.endswith(".dist-info"):
            own = place_of(folder / "RECORD")
            try:
                yield own, record_text(own)
            except OSError:
                continue
