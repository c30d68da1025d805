"""Write the package data of ``worldstrat_bench.data.facts`` from its sources.

    python tools/build_facts.py FACTS GEOPANDAS_WHEEL

FACTS is a folder with ``worldstrat_test_tiles.csv``, ``worldstrat_never_split.txt`` and ``releases.toml``;
GEOPANDAS_WHEEL is a wheel of geopandas before 1.0, which carries Natural Earth 1:110m (public domain):
``pip download geopandas==0.14.4 --no-deps``.
"""

from __future__ import annotations

import csv
import io
import json
import struct
import sys
import tomllib
import zipfile
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

from worldstrat_bench.data import continent, split

OUT = Path(__file__).resolve().parent.parent / "bench" / "worldstrat_bench" / "data" / "facts"
SHAPES = "geopandas/datasets/naturalearth_lowres/naturalearth_lowres"
CREDIT = (
    "Derived from the stratified split of WorldStrat (Cornebise, Orsolic, Kalaitzis 2022, arXiv 2207.06418),\n"
    "CC BY 4.0; changed: test tiles and tiles in no split only, joined with groups, continents and leaks."
)
LICENCE = """\
HR imagery: CC BY-NC 4.0, SPOT imagery (c) Airbus DS; no commercial use, attribution wherever it is shown.
LR imagery and labels: CC BY 4.0, contains modified Copernicus Sentinel data.
Cite: Cornebise, Orsolic, Kalaitzis (2022), Open High-Resolution Satellite Imagery: The WorldStrat Dataset,
arXiv 2207.06418."""

Point = tuple[float, float]


def main(facts: Path, wheel: Path) -> None:
    """Write every file of the package data."""
    (OUT / "continents.json").write_text(continents_json(wheel), encoding="utf-8")
    (OUT / "official_tiles.csv").write_text(tiles_csv(facts), encoding="utf-8")
    (OUT / "releases.toml").write_text(releases_toml(facts), encoding="utf-8")
    notice = f"official_tiles.csv: {CREDIT}\n\ncontinents.json: made with Natural Earth 1:110m, public domain.\n"
    (OUT / "NOTICE.txt").write_text(notice, encoding="utf-8")


def tiles_csv(facts: Path) -> str:
    """Return the table of the test tiles and of the tiles in no split, with attribution in comment lines."""
    buffer = io.StringIO()
    buffer.writelines(f"# {line}\n" for line in CREDIT.splitlines())
    writer = csv.writer(buffer, lineterminator="\n")
    writer.writerow(("tile", "split", "ipcc", "smod", "source", "continent", "lon", "lat", "leak"))
    rows = []
    with (facts / "worldstrat_test_tiles.csv").open(newline="", encoding="utf-8") as file:
        for row in csv.DictReader(file):
            lon, lat = (float(row[k]) if row[k] else None for k in ("lon", "lat"))
            labels = split.ipcc_label(row["ipcc"]), split.smod_label(row["smod"]), row["source"]
            place = continent.continent_of(lon, lat), row["lon"], row["lat"]
            rows.append((row["tile"], "test", *labels, *place, row["leak"]))
    for tile in (facts / "worldstrat_never_split.txt").read_text(encoding="utf-8").split("\n"):
        if tile:
            labels = split.UNLABELLED, split.UNLABELLED, split.source_of(tile)
            rows.append((tile, "none", *labels, continent.UNLOCATED, "", "", ""))
    writer.writerows(sorted(rows))
    return buffer.getvalue()


def releases_toml(facts: Path) -> str:
    """Checksums of the small files of each release, and the licence text."""
    document = tomllib.loads((facts / "releases.toml").read_text(encoding="utf-8"))
    lines = ["# Checksums as published by the archives of WorldStrat (Zenodo records named below)."]
    for key, name in (("v1_0", "v1.0"), ("v1_1", "v1.1")):
        lines += ["", f'[releases."{name}"]', f"zenodo = {document[key]['zenodo']}"]
        for file, entry in document[key]["files"].items():
            fields = ", ".join(f"{field} = {json.dumps(value)}" for field, value in entry.items())
            lines.append(f'"{file}" = {{ {fields} }}')
    lines += ["", "[licence]", f'text = """\n{LICENCE}\n"""', ""]
    return "\n".join(lines)


def continents_json(wheel: Path) -> str:
    """Outer rings of Natural Earth's countries in hundredths of a degree, each a start and differences."""
    with zipfile.ZipFile(wheel) as archive:
        shapes = list(read_shapes(archive.read(f"{SHAPES}.shp")))
        table = list(read_table(archive.read(f"{SHAPES}.dbf")))
    entries = [
        {"continent": row["continent"], "russia": row["iso_a3"] == "RUS", "ring": encode(ring)}
        for row, rings in zip(table, shapes, strict=True)
        for ring in rings
        # the one country of "Seven seas" is not on a continent; shapefiles write holes counter-clockwise
        if not row["continent"].startswith("Seven seas") and area(ring) < 0
    ]
    lines = ",\n".join(json.dumps(entry, separators=(",", ":")) for entry in entries)
    return f'{{"credit":"Made with Natural Earth 1:110m, public domain","outlines":[\n{lines}\n]}}\n'


def read_shapes(content: bytes) -> Iterator[list[list[Point]]]:
    """Yield the rings of every polygon record of a .shp file (ESRI Shapefile Technical Description, 1998)."""
    offset = 100
    while offset < len(content):
        (words,) = struct.unpack_from(">i", content, offset + 4)
        start = offset + 8
        kind, parts, points = struct.unpack_from("<i32x2i", content, start)
        if kind != 5:
            raise SystemExit(f"not a polygon: shape type {kind}")
        firsts = [*struct.unpack_from(f"<{parts}i", content, start + 44), points]
        flat = struct.unpack_from(f"<{2 * points}d", content, start + 44 + 4 * parts)
        vertices = list(zip(flat[::2], flat[1::2], strict=True))
        yield [vertices[a:b] for a, b in pairwise(firsts)]
        offset = start + 2 * words


def read_table(content: bytes) -> Iterator[dict[str, str]]:
    """Yield the records of a dBase III table, as text."""
    count, header, width = struct.unpack_from("<IHH", content, 4)
    fields = []
    for at in range(32, header - 1, 32):
        fields.append((content[at : at + 11].split(b"\0")[0].decode(), content[at + 16]))
    for i in range(count):
        row, at = {}, header + i * width + 1
        for name, size in fields:
            row[name] = content[at : at + size].decode("latin-1").strip()
            at += size
        yield row


def area(ring: list[Point]) -> float:
    """Signed area, positive counter-clockwise."""
    return sum(x0 * y1 - x1 * y0 for (x0, y0), (x1, y1) in pairwise(ring)) / 2


def encode(ring: list[Point]) -> list[int]:
    """Hundredths of a degree: the first vertex, then differences."""
    numbers, x, y = [], 0, 0
    for lon, lat in ring:
        nx, ny = round(100 * lon), round(100 * lat)
        numbers += [nx - x, ny - y]
        x, y = nx, ny
    return numbers


if __name__ == "__main__":
    if len(sys.argv) != 3:
        raise SystemExit(__doc__)
    main(Path(sys.argv[1]), Path(sys.argv[2]))
