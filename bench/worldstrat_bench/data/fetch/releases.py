"""The releases of WorldStrat: their files, published checksums and URLs.

This is the one place where URLs of the real archives are built. They have not been exercised: the machine on which
this was written reaches no archive. The pattern is that of Zenodo's records (``/records/<id>/files/<name>``).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib import resources
from types import MappingProxyType

from worldstrat_bench.arguments import one_of
from worldstrat_bench.toml_text import read_toml

METADATA = "metadata.csv"
SPLIT = "stratified_train_val_test_split.csv"
DEFAULT_RELEASE = "v1.1"
ZENODO_FILE = "https://zenodo.org/records/{record}/files/{name}?download=1"


@dataclass(frozen=True)
class PublishedFile:
    """A file as its archive publishes it; ``size_bytes`` is None where no size is published."""

    name: str
    url: str
    md5: str
    size_bytes: int | None


@dataclass(frozen=True)
class Release:
    """One release: its files by name, and which two archives hold the pixels."""

    name: str
    files: Mapping[str, PublishedFile]

    @property
    def archives(self) -> tuple[str, str]:
        """The archives of HR and of L2A, in this order."""
        suffix = ".zip" if "hr_dataset.zip" in self.files else ".tar.gz"
        return f"hr_dataset{suffix}", f"lr_dataset_l2a{suffix}"


@cache
def releases() -> Mapping[str, Release]:
    """Return all releases by name."""
    text = resources.files("worldstrat_bench.data.facts").joinpath("releases.toml").read_text(encoding="utf-8")
    found = {}
    for name, entry in read_toml(text)["releases"].items():
        files = {
            file: PublishedFile(
                file, ZENODO_FILE.format(record=entry["zenodo"], name=file), published["md5"], published.get("bytes")
            )
            for file, published in entry.items()
            if isinstance(published, dict)
        }
        found[name] = Release(name, MappingProxyType(files))
    return MappingProxyType(found)


def release_named(name: str) -> Release:
    """Return the release `name`; raises UsageError for an unknown one."""
    return releases()[one_of(name, sorted(releases()), "unknown release", "--release")]


def recognise(md5s: Mapping[str, str]) -> str | None:
    """Return the release whose two CSV files have these md5 sums (by file name), or None."""
    for release in releases().values():
        if all(md5s.get(file) == release.files[file].md5 for file in (METADATA, SPLIT)):
            return release.name
    return None
