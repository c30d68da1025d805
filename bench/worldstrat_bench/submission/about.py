"""The part of a ``submission.toml`` that says who and what: title, authors, status, corrections."""

from __future__ import annotations

from datetime import date
from typing import Annotated, Final

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator
from pydantic_core import PydanticCustomError

from worldstrat_bench.artefacts.state import Word

SLUG_PATTERN = r"^[a-z0-9](?:[a-z0-9-]{0,58}[a-z0-9])?$"
_URL = r"^https://[A-Za-z0-9.-]+(?::[0-9]{1,5})?/[!-#%-;=?-Z_a-z~\[\]]{0,900}$"

Sha256 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$", description="64 lower-case hexadecimal digits")]
Url = Annotated[str, Field(pattern=_URL, description="an https:// address")]
Line = Annotated[
    str, Field(min_length=1, max_length=200, pattern=r"^[^\x00-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]+$")
]


def _of_the_calendar(day: str) -> str:
    """Return a day that exists."""
    date.fromisoformat(day)  # ValueError says why
    return day


Day = Annotated[
    str,
    Field(pattern=r"^[0-9]{4}-[0-9]{2}-[0-9]{2}$", description="a day, as YYYY-MM-DD"),
    AfterValidator(_of_the_calendar),
]
MAX_PROSE: Final = 4000
Prose = Annotated[str, Field(max_length=MAX_PROSE)]


class Section(BaseModel):
    """A part of a manifest; unknown keys are errors, and nothing is converted."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)


class About(Section):
    """Title, authors and paper of a submission."""

    slug: Annotated[str, Field(pattern=SLUG_PATTERN, description="the name of the folder: a-z, 0-9 and -, at most 60")]
    title: Annotated[Line, Field(max_length=100, description="as pages show it")]
    authors: Annotated[tuple[Line, ...], Field(min_length=1, max_length=100, strict=False)]
    licence: Annotated[Line, Field(description="SPDX expression of the model's code, such as Apache-2.0")]
    paper: Url | None = None
    code: Url | None = None
    description: Annotated[Prose, Field(min_length=1, description="a few sentences: what the model is")]
    main: Annotated[
        bool,
        Field(description="of several entries of the same authors, the one that moves ranks; else it is the first"),
    ] = False
    status: Annotated[
        Word, Field(description="a withdrawn or disputed submission has no ranks, and keeps its page")
    ] = "active"
    status_date: Annotated[Day | None, Field(description="since when it is withdrawn or disputed")] = None
    status_reason: Annotated[Line | None, Field(min_length=10, description="why, for readers, in a sentence")] = None

    @model_validator(mode="after")
    def _explained(self) -> About:
        given = [self.status_date is not None, self.status_reason is not None]
        if given != [self.status != "active"] * 2:
            raise PydanticCustomError(
                "status",
                'status_date and status_reason come with status = "withdrawn" or "disputed", both, and only then',
            )
        return self


class Correction(Section):
    """One statement that was corrected after the merge."""

    date: Day
    what: Annotated[Line, Field(min_length=10, description="what was said before, and what is right")]


Corrections = Annotated[
    tuple[Correction, ...], Field(max_length=100, strict=False, description="what was corrected after the merge")
]
