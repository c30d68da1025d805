"""``reports/owners.toml``: whose a submission is, in the order in which submissions were merged."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Final, Literal

from pydantic import Field

from worldstrat_bench.artefacts.base import Part, parse_toml, read_file
from worldstrat_bench.artefacts.record import Sha256
from worldstrat_bench.errors import InvalidArtefactError

OWNERS_FILE: Final = "reports/owners.toml"
MAX_BYTES: Final = 4_000_000
_KIND, _REMEDY = "list of owners", "docs/maintainers.md says what a maintainer writes there at a merge"

Slug = Annotated[str, Field(pattern=r"^[a-z0-9](?:[a-z0-9-]{0,58}[a-z0-9])?$")]
Login = Annotated[str, Field(pattern=r"^[A-Za-z0-9](?:[A-Za-z0-9_-]{0,98}[A-Za-z0-9_])?$")]


class Owned(Part):
    """One submission."""

    slug: Slug
    owners: tuple[Login, ...] = Field(description="logins on the forge; none: only maintainers change it")
    records: tuple[Sha256, ...] = Field(
        default=(), description="record ids in the order of their merges; of two on a board the last one is shown"
    )


class Owners(Part):
    """All submissions, the first merged first."""

    schema_version: Literal[1] = 1
    submission: tuple[Owned, ...] = ()

    @property
    def slugs(self) -> tuple[str, ...]:
        """The submissions that are listed."""
        return tuple(one.slug for one in self.submission)

    @property
    def records(self) -> tuple[str, ...]:
        """The records that are listed."""
        return tuple(record for one in self.submission for record in one.records)

    def of(self, slug: str) -> tuple[str, ...]:
        """Return who may change a submission, beside the maintainers."""
        return next((one.owners for one in self.submission if one.slug == slug), ())

    @property
    def by_slug(self) -> dict[str, tuple[str, ...]]:
        """Slug to its owners."""
        return {one.slug: one.owners for one in self.submission}

    def owns(self, login: str | None, slug: str) -> bool:
        """Return whether a login owns a submission; forges do not tell case apart in a login."""
        return login is not None and login.casefold() in {owner.casefold() for owner in self.of(slug)}

    def place(self, slug: str) -> int:
        """Return the place in the order of merges; those that are not listed share the last one."""
        return self.slugs.index(slug) if slug in self.slugs else len(self.submission)


def parse_owners(content: bytes | str) -> Owners:
    """Read the text of a list of owners.

    Raises
    ------
    InvalidArtefactError
        if it cannot be used, or names a submission twice.
    """
    found = parse_toml(Owners, content, name=_KIND, where=OWNERS_FILE, remedy=_REMEDY)
    # The first entry would win everywhere and hide the second owner's.
    if len(set(found.slugs)) < len(found.submission):
        raise InvalidArtefactError("a submission is listed twice", where=OWNERS_FILE, remedy=_REMEDY)
    return found


def load_owners(root: Path) -> Owners:
    """Return the owners that a repository lists; an empty list without the file.

    Parameters
    ----------
    root : of the repository, the folder above ``reports``.

    Raises
    ------
    InvalidArtefactError
        if there is a list that cannot be used.
    """
    path = root / OWNERS_FILE
    return parse_owners(read_file(path, _KIND, MAX_BYTES, _REMEDY)) if path.exists() else Owners()
