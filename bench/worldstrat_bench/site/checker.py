"""``site check``: links, ids, sizes, external requests, validity, and that a rebuild gives the same bytes."""

from __future__ import annotations

import csv
import gzip
import hashlib
import io
import json
import posixpath
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from urllib.parse import unquote
from xml.etree import ElementTree

from worldstrat_bench.artefacts.reference import References
from worldstrat_bench.errors import InvalidArtefactError
from worldstrat_bench.plain_files import LARGEST_DOCUMENT, read_plain
from worldstrat_bench.site.builder import compose
from worldstrat_bench.site.bundle import PAGE_ASSETS
from worldstrat_bench.site.entries import RejectedEntry, read_entries
from worldstrat_bench.site.finding import MANIFEST
from worldstrat_bench.site.html_check import Page, bad_schemes, is_external, read_page
from worldstrat_bench.site.pages_site import Manifest, read_manifest
from worldstrat_bench.site.snapshots import FOLDER, load_snapshots
from worldstrat_bench.site.stored import CROP, read_pictures
from worldstrat_bench.site.studies import read_studies

INDEX_GZIPPED = 60_000
TILE_PAGE_BYTES = 400_000
SHOWN = 200


@dataclass(frozen=True)
class CheckReport:
    """Result of a check.

    Attributes
    ----------
    pages, files : how many were looked at.
    index_gzipped, assets, largest_tile_page : sizes in bytes; the script and the style sheet of the page that loads
        most of them, and a tile page with the pictures it loads at once.
    rebuilt : whether a rebuild from the site's own records was compared.
    faults : in words, the file first; empty if the site is good.
    large : files that are larger than they should be, in words, where that is not a fault.
    """

    folder: Path
    files: int
    pages: int
    index_gzipped: int
    assets: int
    largest_tile_page: int
    rebuilt: bool
    faults: tuple[str, ...]
    large: tuple[str, ...] = ()


def check(
    folder: Path, *, rebuild: bool = True, sizes: bool = True, references: References | None = None
) -> CheckReport:
    """Check a built site.

    Parameters
    ----------
    sizes : whether a file that is too large is a fault. Where strangers' rows are published it must not be: they decide
        how many there are.
    references : what official records are held against; None for those that the package ships.

    Raises
    ------
    InvalidArtefactError
        if the folder holds no site at all.
    """
    manifest = _manifest(folder)
    files = {p.relative_to(folder).as_posix(): p.read_bytes() for p in sorted(folder.rglob("*")) if p.is_file()}
    pages = {path: read_page(data.decode("utf-8", "replace")) for path, data in files.items() if path.endswith(".html")}
    tile_pages = {
        path: len(files[path]) + _size(_loaded(path, page, files))
        for path, page in pages.items()
        if "/t/" in f"/{path}"
    }
    index = len(gzip.compress(files.get("index.html", b""), mtime=0))
    assets = {path: _loaded(path, page, files, (".css", ".js")) for path, page in pages.items()}
    faults = [
        *_manifest_faults(files, manifest),
        *(f"{path}: {fault}" for path, page in pages.items() for fault in page.faults),
        *_asset_faults(assets),
        *_link_faults(files, pages),
        *_format_faults(files),
    ]
    large = tuple(_size_faults(index, tile_pages))
    faults += large if sizes else ()
    # A rebuild reads the site's own copies, which are no longer its own if a file was changed.
    if rebuild and not faults:
        faults += _rebuild_faults(folder, files, manifest, references)
    return CheckReport(
        folder=folder,
        files=len(files),
        pages=len(pages),
        index_gzipped=index,
        assets=max(map(_size, assets.values()), default=0),
        largest_tile_page=max(tile_pages.values(), default=0),
        rebuilt=rebuild and not faults,
        faults=tuple(faults[:SHOWN]),
        large=() if sizes else large[:SHOWN],
    )


def _manifest(folder: Path) -> Manifest:
    remedy = "worldstrat-bench site build PATH... --out DIR"
    try:
        return read_manifest(read_plain(folder / MANIFEST, LARGEST_DOCUMENT).decode("utf-8"))
    except (OSError, ValueError) as error:
        raise InvalidArtefactError(
            f"this is not a built site: {error}", where=folder / MANIFEST, remedy=remedy
        ) from None


def _manifest_faults(files: Mapping[str, bytes], manifest: Manifest) -> Iterator[str]:
    for path in sorted(set(files) - set(manifest.files) - {MANIFEST}):
        yield f"{path}: not a file of this build"
    for path, digest in sorted(manifest.files.items()):
        if path not in files:
            yield f"{path}: missing"
        elif hashlib.sha256(files[path]).hexdigest() != digest:
            yield f"{path}: changed since the build"


def _link_faults(files: Mapping[str, bytes], pages: Mapping[str, Page]) -> Iterator[str]:
    ids = {path: set(page.ids) for path, page in pages.items()}
    for path, page in pages.items():
        yield from (f"{path}: link of a forbidden kind {href[:60]!r}" for href in bad_schemes(page.links))
        for href in {*page.links, *page.loads}:
            if is_external(href) or ":" in href.split("/", 1)[0]:
                continue
            target, _, fragment = href.partition("#")
            full = posixpath.normpath(posixpath.join(posixpath.dirname(path), unquote(target))) if target else path
            if full not in files:
                yield f"{path}: dead link {href[:80]!r}"
            # "#a=x&b=y" is a view that the script of the page reads, not an id.
            elif fragment and "=" not in fragment.split("&")[0] and fragment not in ids.get(full, set()):
                yield f"{path}: {href[:80]!r} names an id that is not there"


def _format_faults(files: Mapping[str, bytes]) -> Iterator[str]:
    for path, data in files.items():
        try:
            if path.endswith(".json"):
                json.loads(data)
            elif path.endswith((".xml", ".svg")):
                ElementTree.fromstring(data)  # our own output; entities were escaped
            elif path.endswith(".csv"):
                rows = list(csv.reader(io.StringIO(data.decode("utf-8")), strict=True))
                if len({len(row) for row in rows}) > 1:
                    yield f"{path}: rows of different length"
            elif path.endswith(".js") and not path.startswith("assets/") and not CROP.fullmatch(data):
                yield f"{path}: a script that is not a crop of a picture"
        except (ValueError, ElementTree.ParseError, csv.Error) as error:
            yield f"{path}: cannot be read: {str(error)[:80]}"


def _loaded(path: str, page: Page, files: Mapping[str, bytes], ends: str | tuple[str, ...] = "") -> dict[str, int]:
    """Return the sizes of the files that a page loads at once, by path: all of them, or those with certain endings."""
    loads = {posixpath.normpath(posixpath.join(posixpath.dirname(path), s)) for s in set(page.loads) - set(page.lazy)}
    return {load: len(files.get(load, b"")) for load in sorted(loads) if load.endswith(ends)}


def _size(loaded: Mapping[str, int]) -> int:
    return sum(loaded.values())


def _asset_faults(assets: Mapping[str, Mapping[str, int]]) -> Iterator[str]:
    """Yield the pages that load other than one script and one style sheet, or more bytes of them than a page may."""
    for path, loaded in assets.items():
        if [posixpath.splitext(load)[1] for load in loaded] != [".css", ".js"]:
            yield f"{path}: loads {', '.join(loaded) or 'nothing'}, not one style sheet and one script"
        if _size(loaded) > PAGE_ASSETS:
            yield f"{path}: {_size(loaded)} bytes of script and style sheet, more than {PAGE_ASSETS}"


def _size_faults(index: int, tile_pages: Mapping[str, int]) -> Iterator[str]:
    if index > INDEX_GZIPPED:
        yield f"index.html: {index} bytes gzipped, more than {INDEX_GZIPPED}"
    for path, size in tile_pages.items():
        if size > TILE_PAGE_BYTES:
            yield f"{path}: {size} bytes with its pictures, more than {TILE_PAGE_BYTES}"


def _rebuild_faults(
    folder: Path, files: Mapping[str, bytes], manifest: Manifest, references: References | None
) -> list[str]:
    """Build the site again from the records in it, pictures taken over."""
    entries, _ = read_entries([folder], of_site=True, references=references)
    refused = [RejectedEntry(source, reason) for source, reason in manifest.refused]
    snapshots = load_snapshots(folder / "data" / FOLDER)
    studies, _ = read_studies([folder], of_site=True)
    output, _, _ = compose(
        entries,
        refused,
        config=manifest.config,
        stored=read_pictures(folder),
        card_from=folder,
        references=references,
        snapshots=snapshots,
        studies=studies,
    )
    paths = sorted(set(files) | set(output.files))
    # Parquet files cannot be made again without it; their digests were compared above.
    if find_spec("pyarrow") is None:
        paths = [path for path in paths if not path.endswith(".parquet")]
    return [f"{path}: a rebuild gives other bytes" for path in paths if files.get(path) != output.files.get(path)]
