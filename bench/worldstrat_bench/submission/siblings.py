"""The submissions that one is compared with: those that were there before it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from worldstrat_bench.artefacts.owners import Owners
from worldstrat_bench.artefacts.places import record_folders
from worldstrat_bench.artefacts.result import Result
from worldstrat_bench.submission.check_record import submitted_result


@dataclass(frozen=True)
class Siblings:
    """Folders of submissions.

    Attributes
    ----------
    owners : the order in which they were merged; without one each is compared with all others.
    """

    folders: tuple[Path, ...] = ()
    owners: Owners = field(default_factory=Owners)
    _read: dict[Path, tuple[Result, ...]] = field(default_factory=dict, compare=False, repr=False)

    def before(self, slug: str) -> Iterator[Path]:
        """Yield the folders of others, without those merged after `slug`: theirs is what they have in common."""
        place = self.owners.place(slug)
        for folder in self.folders:
            if folder.name != slug and self.owners.place(folder.name) <= place:
                yield folder

    def results(self, slug: str) -> Iterator[tuple[str, Result]]:
        """Yield (slug, result) of every readable result of those."""
        for folder in self.before(slug):
            if folder not in self._read:
                found = (submitted_result(path) for path in record_folders(folder))
                self._read[folder] = tuple(result for result in found if isinstance(result, Result))
            yield from ((folder.name, result) for result in self._read[folder])


def folders_in(submissions: Path) -> tuple[Path, ...]:
    """Return the folders of a folder of submissions, links left out."""
    if not submissions.is_dir():
        return ()
    return tuple(sorted(path for path in submissions.iterdir() if path.is_dir() and not path.is_symlink()))
