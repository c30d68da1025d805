"""The two CSV files: fetched first, fetched once, never mixed with those of another release."""

from __future__ import annotations

import hashlib
import json
import shutil

from worldstrat_bench.data.fetch.releases import METADATA, SPLIT
from worldstrat_bench.data.fetch.remote import RemoteFile
from worldstrat_bench.data.fetch.sources import Source
from worldstrat_bench.data.fetch.store import Store, disk_errors
from worldstrat_bench.data.fetch.wanted import check_tables
from worldstrat_bench.errors import DataError


def get_small_files(source: Source, store: Store, notes: Store) -> dict[str, str]:
    """Put the two files into place below `notes` (`store` unless it is a dry run); return their md5 by file name.

    Raises
    ------
    DataError
        if `store` holds other versions of them.
    InfrastructureError
    """
    contents = {name: _content(source, store, name) for name in (METADATA, SPLIT)}
    for name, content in contents.items():
        _refuse_other_release(store, name, content)
    _put_into_place(notes, contents)
    for name, content in contents.items():
        place = source.csv_files[name]
        if isinstance(place, RemoteFile):
            notes.write_note(_note(name), _origin(place, _md5(content)))
    return {name: _md5(content) for name, content in contents.items()}


def _put_into_place(notes: Store, contents: dict[str, bytes]) -> None:
    """Give the files their names once they have been read as tables: a wrong page must not stay behind as one."""
    with disk_errors(notes.root):
        aside = notes.partial()
        aside.mkdir(parents=True)
        try:
            for name, content in contents.items():
                (aside / name).write_bytes(content)
            check_tables(aside / METADATA, aside / SPLIT)
            for name in contents:
                if not notes.path(name).is_file():
                    notes.adopt(aside / name, name)
        finally:
            shutil.rmtree(aside, ignore_errors=True)


def _content(source: Source, store: Store, name: str) -> bytes:
    """Return the file as the source has it, read from the folder if an earlier fetch put the same version there."""
    place = source.csv_files[name]
    path = store.path(name)
    if isinstance(place, RemoteFile) and path.is_file():
        with disk_errors(path):
            present = path.read_bytes()
        if source.published is not None and _md5(present) == source.published.files[name].md5:
            return present
        # A mirror publishes no checksum: there an unchanged ETag or date says that the file is still the one that was
        # read.
        noted = store.read_note(_note(name))
        if noted is not None and place.identity().validator and noted == _origin(place, _md5(present)):
            return present
    return source.read_csv(name)


def _origin(place: RemoteFile, md5: str) -> bytes:
    identity = place.identity()
    fields = {"url": place.url, "size": identity.size, "validator": identity.validator, "md5": md5}
    return json.dumps(fields, sort_keys=True).encode()


def _refuse_other_release(store: Store, name: str, content: bytes) -> None:
    present = store.path(name)
    with disk_errors(present):
        if present.exists() and present.read_bytes() != content:
            raise DataError(
                f"the folder's {name} is not the source's: two releases must not be mixed",
                where=present,
                remedy="fetch into an empty folder, or remove the file if it is damaged",
            )


def _note(name: str) -> str:
    return f"{name}.origin"


def _md5(content: bytes) -> str:
    return hashlib.md5(content, usedforsecurity=False).hexdigest()
