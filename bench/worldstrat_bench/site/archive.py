"""Downloads of a whole division: a zip of its tables, and all tiles of all entries as Parquet."""

from __future__ import annotations

import io
import zipfile
from importlib.util import find_spec

from worldstrat_bench.site.board_csv import KEYS
from worldstrat_bench.site.divisions import Division
from worldstrat_bench.site.render import Output

ARCHIVE, TILES = "all.zip", "tiles.parquet"
_OLDEST = (1980, 1, 1, 0, 0, 0)


def build_archives(out: Output, division: Division) -> None:
    """Write both, Parquet where pyarrow is installed; the zip holds the tables that the division has by now."""
    folder = f"{division.prefix}data/"
    if find_spec("pyarrow") is not None and division.shown:
        out.put(folder + TILES, tiles_parquet(division))
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
        for path in sorted(out.files):
            name = path.removeprefix(folder)
            if path.startswith(folder) and "/" not in name and name.endswith((".csv", ".json")):
                # A fixed date: a rebuild gives the same bytes.
                archive.writestr(zipfile.ZipInfo(name, _OLDEST), out.files[path], zipfile.ZIP_DEFLATED, 1)
    out.put(folder + ARCHIVE, buffer.getvalue())


def tiles_parquet(division: Division) -> bytes:
    """Return one row a tile and entry: the keys of the entry, then the columns of ``tiles.csv``, null for no value."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    tables = []
    for entry in division.shown:
        table, count = entry.table, len(entry.table)
        columns: dict[str, object] = {
            KEYS[0]: pa.array([entry.slug] * count).dictionary_encode(),
            KEYS[1]: pa.array([entry.record.record_id] * count).dictionary_encode(),
            "tile": list(table.tiles),
        }
        columns |= {name: list(values) for name, values in table.texts.items() if name != "tile"}
        columns |= {name: pa.array(values, from_pandas=True) for name, values in table.numbers.items()}
        columns |= {name: pa.array(list(values), pa.bool_()) for name, values in table.flags.items()}
        tables.append(pa.table(columns))
    buffer = io.BytesIO()
    pq.write_table(pa.concat_tables(tables, promote_options="permissive"), buffer, compression="zstd")
    return buffer.getvalue()
