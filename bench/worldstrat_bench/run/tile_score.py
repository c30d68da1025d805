"""Result of scoring one tile, as the journal of a run keeps it. The journal may be a stranger's."""

from __future__ import annotations

from typing import Annotated, Final

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from worldstrat_bench.measures import MEASURES, optional_column
from worldstrat_bench.scoring.levels import Levels

_MOST_DAYS: Final = 100_000
"""Between two acquisitions: some centuries."""


_SHIFTS: Final = ("shift_y", "shift_x")
"""Of each draw; of the tile they have their own places."""


def _known(name: str) -> str:
    """Return a name if a metric or a shift has it: names become columns of tables and keys of lookups."""
    if name not in MEASURES and name not in _SHIFTS and optional_column(name) is None:
        raise ValueError(f"there is no metric {name[:60]!r}")
    return name


Metric = Annotated[str, AfterValidator(_known)]
Reason = Annotated[str, Field(max_length=10_000)]


class DrawValues(BaseModel):
    """The numbers of each draw of a tile, and of the mean image."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    each: tuple[dict[Metric, float | None], ...]
    mean_image: dict[Metric, float | None]


class Scored(BaseModel):
    """Result of scoring one tile; everything of its row in ``tiles.csv`` that is neither label nor outcome.

    Attributes
    ----------
    target_sha256 : of the decoded target.
    usable : False if the target has too few valid pixels: the tile is in no list then.
    cloud, days, detail : facts of the inputs and the target.
    values : metrics by name; of a failed tile empty.
    nulls : metric to the reason why it is null.
    shift_y, shift_x : px of the target grid.
    levels : what was added to the prediction's bands; the warnings of a run are made of it.
    curves : what optional metrics keep of the tile, by name, each number of six significant digits.
    draws : of a tile with several predictions; everything above is of all of them.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    target_sha256: str
    usable: bool
    cloud: float
    days: int = Field(ge=-_MOST_DAYS, le=_MOST_DAYS)
    detail: float | None = None
    values: dict[Metric, float | None] = Field(default_factory=dict)
    nulls: dict[Metric, Reason] = Field(default_factory=dict)
    shift_y: float | None = None
    shift_x: float | None = None
    shift_at_edge: bool | None = None
    clipped: float | None = None
    levels: Levels | None = None
    curves: dict[str, tuple[float, ...]] = Field(default_factory=dict)
    draws: DrawValues | None = None
