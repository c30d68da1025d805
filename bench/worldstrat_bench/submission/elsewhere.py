"""The records of a board that is not in this checkout: those of a published site, of a built one, or of a checkout."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from urllib.parse import urlsplit

import requests

from worldstrat_bench.errors import InfrastructureError, InvalidArtefactError, UsageError
from worldstrat_bench.plain_files import LARGEST_DOCUMENT, read_plain
from worldstrat_bench.submission.check_files import SUBMISSIONS
from worldstrat_bench.submission.siblings import folders_in

SITE = "data/site.json"
"""Lists every file of a built site with its sha256."""

_MAX_BYTES = 8_000_000
_MAX_FILES = 4_000
_NAME = r"[A-Za-z0-9][A-Za-z0-9._-]{0,120}"
_WANTED = re.compile(
    rf"(?:{_NAME}/){{0,3}}data/"
    rf"(?:runs/{_NAME}/(?:record\.json|tiles\.csv|verification\.json|submission\.toml)|board-{_NAME}\.json)"
)
_REMEDY = "give the address or the folder of a leaderboard, or a checkout of its repository"


@dataclass(frozen=True)
class Elsewhere:
    """Submissions of another place.

    Attributes
    ----------
    submissions : folders of submissions, if the place is a checkout.
    runs : folders with a record, its tiles and its manifest, if it is a site.
    ranked : ids of the records that the site ranks.
    """

    submissions: tuple[Path, ...] = ()
    runs: tuple[Path, ...] = ()
    ranked: frozenset[str] = frozenset()


@contextmanager
def board_at(place: str) -> Iterator[Elsewhere]:
    """Yield what is at a place: an https address or a folder.

    Raises
    ------
    UsageError
        for another kind of place.
    InvalidArtefactError
        for a site whose files are not those that it lists.
    InfrastructureError
        if the network fails.
    """
    if re.match(r"[a-z]+://", place):
        with TemporaryDirectory(prefix="worldstrat-board-") as scratch:
            _fetch(place, Path(scratch))
            yield _of_site(Path(scratch))
        return
    folder = Path(place)
    if (folder / SITE).is_file():
        yield _of_site(folder)
        return
    inner = folder if folder.resolve().name == SUBMISSIONS else folder / SUBMISSIONS
    if not inner.is_dir():
        raise UsageError("there is no leaderboard and no folder of submissions", where=place, remedy=_REMEDY)
    yield Elsewhere(submissions=folders_in(inner))


def _of_site(folder: Path) -> Elsewhere:
    runs = (path.parent for path in folder.rglob("data/runs/*/record.json") if not path.is_symlink())
    ranked: set[str] = set()
    for path in folder.rglob("data/board-*.json"):
        ranked |= set(_ranked(path))
    return Elsewhere(runs=tuple(sorted(runs)), ranked=frozenset(ranked))


def _ranked(path: Path) -> Iterator[str]:
    """Yield the ids of the records in the JSON of a board; what has no rank there is not in it."""
    try:
        for entry in json.loads(read_plain(path, LARGEST_DOCUMENT))["entries"]:
            yield str(entry["record_id"])
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        raise InvalidArtefactError("this is not the board of a site", where=path, remedy=_REMEDY) from None


def _fetch(address: str, folder: Path) -> None:
    """Copy records and boards of a published site, each checked against the digest that the site states."""
    parts = urlsplit(address)
    # Plain http is for a server on this machine alone: elsewhere records could be exchanged on the way.
    if parts.scheme != "https" and (parts.scheme, parts.hostname) not in (("http", "127.0.0.1"), ("http", "localhost")):
        raise UsageError("only https addresses are taken", where=address, remedy=_REMEDY)
    base = address.removesuffix("index.html").rstrip("/")
    with requests.Session() as session, ThreadPoolExecutor(8) as pool:
        wanted = _listed(_get(session, f"{base}/{SITE}"), f"{base}/{SITE}")
        for path, content in pool.map(lambda path: (path, _get(session, f"{base}/{path}")), wanted):
            if hashlib.sha256(content).hexdigest() != wanted[path]:
                what, remedy = "the file is not the one that the site lists", "the site is being published: try again"
                raise InvalidArtefactError(what, where=f"{base}/{path}", remedy=remedy)
            (folder / path).parent.mkdir(parents=True, exist_ok=True)
            (folder / path).write_bytes(content)


def _listed(text: bytes, where: str) -> Mapping[str, str]:
    """Return path and sha256 of the records and boards that a site lists."""
    try:
        files = json.loads(text)["files"]
        found = {path: str(digest) for path, digest in files.items() if _WANTED.fullmatch(path)}
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        raise InvalidArtefactError("this is not the list of a site's files", where=where, remedy=_REMEDY) from None
    if len(found) > _MAX_FILES:
        raise InvalidArtefactError(f"the site has more than {_MAX_FILES} such files", where=where, remedy=_REMEDY)
    return found


def _get(session: requests.Session, url: str) -> bytes:
    try:
        with session.get(url, timeout=60, stream=True) as answer:
            if answer.status_code == requests.codes.not_found:
                raise UsageError("there is no leaderboard", where=url, remedy=_REMEDY)
            answer.raise_for_status()
            content = b""
            for piece in answer.iter_content(1 << 16):
                content += piece
                if len(content) > _MAX_BYTES:
                    raise InvalidArtefactError(f"larger than {_MAX_BYTES // 10**6} MB", where=url, remedy=_REMEDY)
            return content
    except requests.RequestException as error:
        remedy = "look at the network, or give a checkout of the repository instead"
        raise InfrastructureError(f"the site cannot be read: {error}", where=url, remedy=remedy) from None
