"""The submissions that one is compared with: those that were there before it and would stand by themselves."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path

from worldstrat_bench.artefacts.owners import Owners
from worldstrat_bench.artefacts.places import record_folders
from worldstrat_bench.artefacts.result import Result
from worldstrat_bench.artefacts.state import ACTIVE, State, state_of
from worldstrat_bench.artefacts.verification import verification_in
from worldstrat_bench.submission.check_files import MAX_RECORDS
from worldstrat_bench.submission.check_record import submitted_result
from worldstrat_bench.submission.manifest import MANIFEST_NAME, MAX_MANIFEST_BYTES
from worldstrat_bench.toml_text import read_toml


@dataclass(frozen=True)
class Named:
    """Title and authors of another submission, and whether it is withdrawn or in dispute."""

    slug: str
    title: str
    authors: tuple[str, ...]
    state: State = ACTIVE


@dataclass(frozen=True)
class Siblings:
    """Folders of submissions.

    Attributes
    ----------
    owners : the order in which they were merged; without one each is compared with all others.
    later_too : whether one is compared with those that were merged after it as well: it is being changed, and they
        stand already.
    judge : returns whether a submission passes its check beside the siblings that are given; None: all of them do.
    """

    folders: tuple[Path, ...] = ()
    owners: Owners = field(default_factory=Owners)
    later_too: bool = False
    judge: Callable[[Path, Siblings], bool] | None = None
    _read: dict[Path, tuple[Result, ...]] = field(default_factory=dict, compare=False, repr=False)
    _named: dict[Path, Named | None] = field(default_factory=dict, compare=False, repr=False)
    _passed: dict[str, bool] = field(default_factory=dict, compare=False, repr=False)

    def place(self, slug: str) -> int:
        """Return the place in the order of merges; those that are not listed share the last one."""
        return self._places.get(slug, len(self._places))

    @cached_property
    def _places(self) -> dict[str, int]:
        return {slug: place for place, slug in enumerate(self.owners.slugs)}

    def before(self, slug: str) -> Iterator[Path]:
        """Yield the folders of others, without those merged after `slug`: theirs is what they have in common."""
        for folder in self.folders:
            if folder.name != slug and (self.later_too or self.place(folder.name) <= self.place(slug)):
                yield folder

    def results(self, slug: str) -> Iterator[tuple[Path, Result]]:
        """Yield (folder, result) of every readable result of those."""
        for folder in self.before(slug):
            yield from ((folder, result) for result in self._results(folder))

    def adds(self, slug: str, result: Result) -> bool:
        """Return whether a pull request adds the table of a result to a submission that the base has."""
        if not self.later_too:
            return False
        was = [folder for folder in self.folders if folder.name == slug]
        tables = {old.tiles_sha256 for folder in was for old in self._results(folder)}
        return bool(was) and result.tiles_sha256 not in tables

    def _results(self, folder: Path) -> tuple[Result, ...]:
        if folder not in self._read:
            found = (submitted_result(path) for path in record_folders(folder)[:MAX_RECORDS])
            self._read[folder] = tuple(result for result in found if isinstance(result, Result))
        return self._read[folder]

    def names(self, slug: str) -> Iterator[tuple[Path, Named]]:
        """Yield (folder, title and authors) of those whose manifest says them."""
        for folder in self.before(slug):
            if (named := self._name(folder)) is not None:
                yield folder, named

    def state(self, folder: Path) -> State:
        """Return whether a sibling is withdrawn or in dispute; active where its manifest does not say who it is."""
        named = self._name(folder)
        return ACTIVE if named is None else named.state

    def _name(self, folder: Path) -> Named | None:
        if folder not in self._named:
            self._named[folder] = _named(folder)
        return self._named[folder]

    def stands(self, folder: Path) -> bool:
        """Return whether a sibling keeps what it has from others: it passes, or maintainers computed its numbers.

        It is asked only of one that another collides with, so that a check costs what it did where none do. A row that
        counted is one that readers know: its name stays taken, whatever the check says of it today.
        """
        if self.judge is None or any(_computed(result, folder.name) for result in self._results(folder)):
            return True
        if folder.name not in self._passed:
            # Beside those alone that are surely earlier: of two whose order is not known neither refuses the other
            # twice over.
            place = self.place(folder.name)
            earlier = tuple(other for other in self.folders if self.place(other.name) < place)
            self._passed[folder.name] = self.judge(folder, replace(self, folders=earlier, later_too=False))
        return self._passed[folder.name]

    def note(self, slug: str, *, passed: bool) -> None:
        """Keep the verdict on a submission that was checked, so that it is not checked again for a later one."""
        if not self.later_too and slug in self._places:
            self._passed[slug] = passed


def _computed(result: Result, slug: str) -> bool:
    """Return whether maintainers computed a result as one of a submission: another's can be copied with the file."""
    found = verification_in(result.folder, result.record)
    return found is not None and found.computed and result.record.model.submission == slug


def _named(folder: Path) -> Named | None:
    path = folder / MANIFEST_NAME
    try:
        if path.is_symlink() or not path.is_file() or path.stat().st_size > MAX_MANIFEST_BYTES:
            return None
        manifest = read_toml(path.read_text(encoding="utf-8-sig"))
        title, authors = manifest["submission"]["title"], manifest["submission"]["authors"]
    except (OSError, ValueError, KeyError, TypeError):
        return None  # that submission's own check says what is wrong with it
    if not isinstance(title, str) or not isinstance(authors, list):
        return None
    # Anything but text is for its own check to refuse, and must not be written out here: an integer of 5000 digits
    # cannot be, and the error would be another submission's.
    named = tuple(author for author in authors[:100] if isinstance(author, str))
    return Named(folder.name, title, named, state_of(manifest))


def folders_in(submissions: Path) -> tuple[Path, ...]:
    """Return the folders of a folder of submissions, links left out."""
    if not submissions.is_dir():
        return ()
    return tuple(sorted(path for path in submissions.iterdir() if path.is_dir() and not path.is_symlink()))
