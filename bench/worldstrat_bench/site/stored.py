"""Pictures that were made before: of a built site, or of an archive that a maintainer made from one.

The machine that publishes has neither the data set nor predictions. So a maintainer's machine makes the pictures, packs
them (``site pictures``), and the build takes over what is of its own boards: the same targets, the same records.
"""

from __future__ import annotations

import re
import tempfile
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from pydantic import TypeAdapter, ValidationError

from worldstrat_bench.archives import DAMAGED, open_zip
from worldstrat_bench.downloads import OtherFileError, download
from worldstrat_bench.errors import InfrastructureError, InvalidArtefactError, UsageError
from worldstrat_bench.site.analysis import Analysis
from worldstrat_bench.site.config import BoardConfig
from worldstrat_bench.site.entries import Entry
from worldstrat_bench.site.pictures import TilePictures
from worldstrat_bench.site.render import Output

INDEX = "data/pictures.json"
LICENCE = "LICENCE.txt"
MOST_BYTES = 1_000_000_000
"""Size that a forge's pages may have; an archive that is larger could not be published."""

Files = Mapping[str, bytes]
_PART = r"[a-z0-9][a-z0-9._-]*"  # neither . nor ..
_NAME = re.compile(rf"(?:{_PART}/)?(?:data/pictures\.json|img/{_PART}/{_PART}\.(?:webp|js))")
CROP = re.compile(rb'wsbCrop\("[a-z0-9._-]+",\d+,\d+,"[A-Za-z0-9+/]+={0,2}"\);\n')
"""A script beside the pages: it hands over one crop of a picture, and nothing else."""
_OLDEST = (1980, 1, 1, 0, 0, 0)
_REMEDY = "make it with: worldstrat-bench site pictures SITE --out FILE"


@dataclass(frozen=True)
class PictureIndex:
    """``data/pictures.json`` of a division.

    Attributes
    ----------
    targets_sha256 : of the division whose tiles are shown.
    records : slug to the record whose predictions are shown.
    licence : line that names whose imagery it is.
    tiles : name of a tile to its pictures.
    """

    targets_sha256: str
    records: dict[str, str]
    licence: str
    tiles: dict[str, TilePictures]


_INDEX = TypeAdapter(PictureIndex)


def read_pictures(path: Path) -> Files:
    """Return the pictures and their indexes of a built site or of an archive, by path.

    Raises
    ------
    UsageError
        if there is nothing at `path`.
    InvalidArtefactError
        if an archive cannot be read, is too large, or holds anything else than pictures of the site.
    """
    if path.is_dir():
        files = [p for p in sorted(path.rglob("*")) if p.is_file() and _NAME.fullmatch(p.relative_to(path).as_posix())]
        return {p.relative_to(path).as_posix(): p.read_bytes() for p in files}
    if not path.is_file():
        raise UsageError("there are no pictures here", where=path, remedy=_REMEDY)
    try:
        with open_zip(path) as archive:
            members = archive.infolist()
            if sum(member.file_size for member in members) > MOST_BYTES:
                raise InvalidArtefactError(f"the pictures take more than {MOST_BYTES:,} bytes", where=path)
            found = {m.filename: archive.read(m) for m in members if m.filename != LICENCE}
    except DAMAGED as error:
        raise InvalidArtefactError(f"not an archive of pictures: {error}", where=path, remedy=_REMEDY) from None
    _check(found, path)
    return found


def _check(files: Files, where: Path) -> None:
    """Refuse an archive that holds a file of another name or kind, or not all that its indexes name.

    Crops are scripts, and pages run them: one that does anything else than hand over a picture is not published.
    """
    strange = [name for name in files if not _NAME.fullmatch(name)]
    strange += [name for name, data in files.items() if name.endswith(".js") and not CROP.fullmatch(data)]
    if strange:
        raise InvalidArtefactError(f"{strange[0][:80]!r} is not a picture of a site", where=where, remedy=_REMEDY)
    for name in (name for name in files if name.endswith(INDEX)):
        found = _index(files[name])
        if found is None:
            raise InvalidArtefactError(f"{name[:80]} is not an index of pictures", where=where, remedy=_REMEDY)
        prefix = name.removesuffix(INDEX)
        missing = [path for shown in found.tiles.values() for path in files_of(shown) if prefix + path not in files]
        if missing:
            raise InvalidArtefactError(f"{missing[0][:80]!r} is missing", where=where, remedy=_REMEDY)


def _index(data: bytes) -> PictureIndex | None:
    try:
        return _INDEX.validate_json(data)
    except ValidationError:
        return None


def index_document(analysis: Analysis, drawn: Sequence[str], licence: str, tiles: Mapping[str, TilePictures]) -> object:
    """Return the index of a division's pictures as JSON has it.

    Parameters
    ----------
    drawn : slugs of the entries that are shown.
    """
    entries = analysis.division.by_slug
    records = {slug: entries[slug].record.record_id for slug in sorted(drawn)}
    found = PictureIndex(analysis.division.targets_sha256, records, licence, dict(sorted(tiles.items())))
    return _INDEX.dump_python(found, mode="json")


def files_of(shown: TilePictures) -> list[str]:
    """Return the paths of a tile's files, from the division's folder."""
    keys = [layer.key for layer in shown.models]
    panels = [panel for panel in (shown.target, shown.input, *shown.models, *shown.errors, *shown.revisits) if panel]
    names = [f"d-{key}.webp" for key in keys] + [f"k-{key}.webp" for key in shown.close]
    names += [f"c-{key}-{x}-{y}.js" for key in ("target", *keys) for x, y in shown.cells]
    names += ["n-target.webp", "n-input.webp"] if shown.infrared else []
    return [*(panel.path for panel in panels), *(f"{shown.folder}/{name}" for name in names)]


def taken_over(output: Output, analysis: Analysis, files: Files) -> dict[str, TilePictures]:
    """Put the stored pictures of a division into a site: those of its targets, and of models whose record is the same.

    A model whose record is another one by now, or that no longer stands on the board, is left out of them.
    """
    division = analysis.division
    # The folder of a division can be another one where other boards are published; that of the same name comes first.
    for name in sorted((n for n in files if n.endswith(INDEX)), key=lambda n: (n != division.prefix + INDEX, n)):
        index = _index(files[name])
        if index is None or index.targets_sha256 != division.targets_sha256:
            continue
        entries = {e.slug: e for e in analysis.by_rank() if index.records.get(e.slug) == e.record.record_id}
        # None of its models is on the board with that record: the index of another folder may be of this one.
        if index.records and not entries:
            continue
        tiles = {t: _current(shown, entries) for t, shown in index.tiles.items() if t in analysis.row_of}
        prefix = name.removesuffix(INDEX)
        for path in dict.fromkeys(path for shown in tiles.values() for path in files_of(shown)):
            if prefix + path in files:
                output.put(division.prefix + path, files[prefix + path])
        output.put_json(division.prefix + INDEX, index_document(analysis, [*entries], index.licence, tiles))
        return tiles
    return {}


def _current(shown: TilePictures, entries: Mapping[str, Entry]) -> TilePictures:
    """Return the pictures of a tile with these entries alone, in their order and under their present titles."""
    order = {slug: i for i, slug in enumerate(entries)}
    pairs = [pair for pair in zip(shown.models, shown.errors, strict=True) if pair[0].key in order]
    pairs.sort(key=lambda pair: order[pair[0].key])
    titles = [entries[layer.key].title for layer, _ in pairs]
    return replace(
        shown,
        models=tuple(replace(layer, title=title) for title, (layer, _) in zip(titles, pairs, strict=True)),
        errors=tuple(replace(panel, title=title) for title, (_, panel) in zip(titles, pairs, strict=True)),
        close=tuple(key for key in shown.close if key in ("target", "input") or key in order),
    )


def pack(site: Path, out: Path) -> tuple[int, int]:
    """Write the pictures of a built site as an archive, the same bytes for the same pictures; return tiles and files.

    Raises
    ------
    UsageError
        if the site has no pictures.
    InvalidArtefactError
        if they are not whole.
    """
    files = read_pictures(site)
    _check(files, site)
    indexes = [found for name in files if name.endswith(INDEX) and (found := _index(files[name]))]
    if not indexes:
        what = "the site has no pictures" if site.is_dir() else "not a built site"
        raise UsageError(what, where=site, remedy="build it with --data and --predictions")
    licences = "".join(f"{line}\n" for line in dict.fromkeys(index.licence for index in indexes))
    with zipfile.ZipFile(out, "w", zipfile.ZIP_STORED) as archive:
        for name, data in sorted({**files, LICENCE: licences.encode()}.items()):
            archive.writestr(zipfile.ZipInfo(name, _OLDEST), data)
    return sum(len(index.tiles) for index in indexes), len(files)


@contextmanager
def archive_at_hand(config: BoardConfig, given: Path | None, *, fetch: bool) -> Iterator[Path | None]:
    """Give the pictures to take over: those at a path, else the archive that the board file names; None without any.

    Parameters
    ----------
    given : an archive or a built site.
    fetch : download the archive that the board file names. It is deleted afterwards.

    Raises
    ------
    InvalidArtefactError
        if it is not the file that the board file names.
    InfrastructureError
        if the network or the disk fails.
    """
    if given is not None or not fetch or not config.pictures_archive:
        yield given
        return
    with tempfile.TemporaryDirectory(prefix="wsb-pictures-") as folder:
        place = Path(folder) / "pictures.zip"
        try:
            download(config.pictures_archive, place, sha256=config.pictures_sha256, most_bytes=MOST_BYTES)
        except OtherFileError as error:
            raise InvalidArtefactError(str(error), where="pictures_archive", remedy=_REMEDY) from None
        except OSError as error:
            what = f"{config.pictures_archive} cannot be had: {error}"
            raise InfrastructureError(what, where="pictures_archive", remedy="give it with --pictures FILE") from None
        yield place
