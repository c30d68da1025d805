"""``board.toml``: which boards are published, and which metrics they show beside the ranks."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Final, Literal

from pydantic import Field, ValidationError, model_validator

from worldstrat_bench.arguments import one_of
from worldstrat_bench.artefacts.base import Part, first_problem
from worldstrat_bench.artefacts.harness import KnownHarnesses, released_harnesses
from worldstrat_bench.artefacts.owners import Owners, load_owners
from worldstrat_bench.artefacts.record import Record, Sha256
from worldstrat_bench.errors import InvalidArtefactError, UsageError
from worldstrat_bench.measures import MEASURES, metric_named
from worldstrat_bench.plain_files import read_plain
from worldstrat_bench.run.known import SUBMISSIONS, with_history
from worldstrat_bench.site.text import safe_url
from worldstrat_bench.stats.boards import KINDS, Kind
from worldstrat_bench.toml_text import read_toml

_REMEDY = "reports/board.toml of the repository is an example"


Commit = Annotated[str, Field(pattern=r"^[0-9a-f]{40}([0-9a-f]{24})?$")]

# These stand in commands, in BibTeX and in links. Without spaces, quotes, braces, @, ? and # they mean the same in all
# of them, and an address cannot hold a password.
Address = Annotated[
    str, Field(max_length=200, pattern=r"^(https://[A-Za-z0-9][A-Za-z0-9.-]*(:[0-9]+)?/[A-Za-z0-9_./~-]+)?$")
]
Doi = Annotated[str, Field(max_length=100, pattern=r"^(10\.[0-9]{4,9}/[A-Za-z0-9][A-Za-z0-9._;()/:-]*)?$")]


class BoardConfig(Part):
    """Content of ``reports/board.toml``; without a file these are the values."""

    kinds: tuple[Kind, ...] = Field(default=KINDS, description="boards that are published")
    beside: tuple[str, ...] = Field(
        default=("ssim", "stlpips", "resolution_m", "contrast_nyquist", "gain"),
        description="metrics beside the ranked ones; an optional one where a row has it",
    )
    tile_columns: tuple[str, ...] = Field(
        default=("psnr", "gain", "lpips", "ssim", "rmse", "sam", "lr_consistency", "lr_consistency_target"),
        description="metrics of a tile page",
    )
    released: tuple[Sha256, ...] = Field(
        default=(),
        description="digests of the released harnesses; reports/harness.toml of the repository adds its own",
    )
    commits: tuple[Commit, ...] | None = Field(
        default=None,
        description="commits that the main branch was at; the git history of the repository adds its own",
    )
    shallow: bool = Field(default=False, description="older commits are missing from that history")
    merged: tuple[str, ...] = Field(
        default=(), description="submissions in the order of their merges; reports/owners.toml gives it"
    )
    owners: dict[str, tuple[str, ...]] = Field(
        default_factory=dict, description="logins that may change a submission; reports/owners.toml gives them"
    )
    records: tuple[Sha256, ...] = Field(
        default=(), description="records in the order of their merges; reports/owners.toml gives it"
    )
    url: str = Field(default="", description="address of the published site, ending in /; none: no absolute links")
    repository: Address = Field(
        default="", description="https address from which git clones the repository that publishes the site"
    )
    doi: Doi = Field(default="", description="DOI under which this benchmark is cited, 10.…")
    pictures: Literal["all", "gallery"] = Field(
        default="all", description="tiles that have pictures where a build is given the data"
    )
    pictures_archive: Address = Field(
        default="", description="https address of pictures that a maintainer made: site pictures makes the archive"
    )
    pictures_sha256: Sha256 | Literal[""] = Field(default="", description="digest of that archive")
    gallery: int = Field(default=12, ge=1, le=60, description="tiles in each part of the gallery")

    @model_validator(mode="after")
    def _archive_has_its_digest(self) -> BoardConfig:
        if bool(self.pictures_archive) != bool(self.pictures_sha256):
            raise ValueError("pictures_archive and pictures_sha256 come together")
        return self

    @property
    def known(self) -> KnownHarnesses:
        """The harnesses that others can get."""
        commits = None if self.commits is None else frozenset(self.commits)
        return KnownHarnesses(frozenset(self.released), commits, self.shallow)

    def about(self, records: Sequence[Record]) -> BoardConfig:
        """Return what decides about some records alone: a site keeps that, to be built again from itself."""
        ids, slugs = {r.record_id for r in records}, {r.model.submission for r in records}
        named = {r.harness.commit for r in records}
        return self.model_copy(
            update={
                "commits": None if self.commits is None else tuple(sorted({*self.commits} & named)),
                "merged": tuple(slug for slug in self.merged if slug in slugs),
                "owners": {slug: own for slug, own in self.owners.items() if slug in slugs},
                "records": tuple(record for record in self.records if record in ids),
            }
        )


DEFAULTS: Final = BoardConfig()
_LARGEST: Final = 1 << 20
"""Bytes of a board file."""


def load_config(path: Path | None) -> BoardConfig:
    """Read a ``board.toml``; None gives the defaults.

    Raises
    ------
    InvalidArtefactError
        if it is missing, not TOML, has an unknown key, or names an unknown metric.
    """
    if path is None:
        return DEFAULTS
    try:
        config = BoardConfig.model_validate(read_toml(read_plain(path, _LARGEST).decode("utf-8-sig")))
    except ValidationError as error:
        raise InvalidArtefactError(f"not a board file: {first_problem(error)}", where=path, remedy=_REMEDY) from None
    except (OSError, ValueError) as error:
        raise InvalidArtefactError(f"not a board file: {str(error)[:300]}", where=path, remedy=_REMEDY) from None
    try:
        for key in ("beside", "tile_columns"):
            named = tuple(metric_named(name, MEASURES, "unknown metric", key) for name in getattr(config, key))
            config = config.model_copy(update={key: named})
    except UsageError as error:
        raise InvalidArtefactError(f"{error.where}: {error.what}", where=path, remedy=error.remedy) from None
    if config.url and (safe_url(config.url) is None or not config.url.endswith("/")):
        what = f"url {config.url[:80]!r} is not an http address that ends in /"
        raise InvalidArtefactError(what, where=path, remedy=_REMEDY)
    return config


def of_repository(
    config: BoardConfig, board: Path | None, paths: Sequence[Path]
) -> tuple[BoardConfig, tuple[InvalidArtefactError, ...]]:
    """Return what a board file says together with what its repository knows, and what of that cannot be used.

    The repository is the one whose ``reports`` folder holds the board file, else the one of the first folder
    ``submissions``. A list that cannot be used keeps nothing from being published: it is taken for empty.
    """
    root = _repository(board, paths)
    if root is None:
        return config, ()
    faults: list[InvalidArtefactError] = []
    released, owners = frozenset[str](), Owners()
    try:
        released = released_harnesses(root)
    except InvalidArtefactError as error:
        faults.append(error)
    try:
        owners = load_owners(root)
    except InvalidArtefactError as error:
        faults.append(error)
    known = with_history(released | {*config.released}, root)
    commits = config.commits if known.commits is None else tuple(sorted(known.commits | {*(config.commits or ())}))
    found = {
        "released": tuple(sorted(known.released)),
        "commits": commits,
        "shallow": known.shallow,
        "merged": (*config.merged, *owners.slugs),
        "owners": {**config.owners, **owners.by_slug},
        "records": (*config.records, *owners.records),
    }
    return config.model_copy(update=found), tuple(faults)


def _repository(board: Path | None, paths: Sequence[Path]) -> Path | None:
    if board is not None and (folder := board.resolve().parent).name == "reports":
        return folder.parent
    return next((path.resolve().parent for path in paths if path.resolve().name == SUBMISSIONS), None)


def only_kinds(config: BoardConfig, kinds: Sequence[str]) -> BoardConfig:
    """Return what a board file says, for these kinds of boards only.

    Raises
    ------
    UsageError
        for a kind that there is not.
    """
    asked = {one_of(kind, KINDS, "unknown kind of board", "--division") for kind in kinds}
    return config.model_copy(update={"kinds": tuple(kind for kind in KINDS if kind in asked)})
