"""Which choices of a protocol a study varies: data in TOML, and the variants that follow from them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from importlib import resources
from itertools import combinations
from pathlib import Path
from typing import Annotated, Final, Generic, Literal, TypeVar

from pydantic import Field

from worldstrat_bench.artefacts.base import Part, parse_toml, read_file
from worldstrat_bench.artefacts.sensitivity import ChoiceMade
from worldstrat_bench.errors import InvalidArtefactError
from worldstrat_bench.protocol import GaussianParabola, Protocol, load_protocol

Level = Literal["bias", "gain and bias", "nothing"]
Kernel = Literal["bicubic", "area", "mtf"]
Average = Literal["mean of dB", "dB of mean MSE"]
Tiles = Literal["all", "not cloudy"]
Weights = Literal["micro", "macro"]

T = TypeVar("T")
_NAME: Final = "file of variants"
_REMEDY: Final = "leave out --variants, or change a copy of sensitivity/variants.toml of the package"
_MAX_BYTES: Final = 100_000
SCORED: Final = ("radius", "sigma", "border", "level", "target")
"""Choices for which predictions are scored again; the others only sum up the tiles in another way."""


class Choice(Part, Generic[T]):
    """One choice: the option of the protocol, and others that could as well be taken."""

    title: str = Field(min_length=1, max_length=80)
    usual: T
    others: tuple[T, ...] = Field(max_length=10)


class Choices(Part):
    """Content of a file of variants; see ``sensitivity/variants.toml``."""

    protocol: str
    cloudy_from: float = Field(gt=0, le=1, description="a tile is left out from this cloudy share on")
    radius: Choice[Annotated[int, Field(ge=1, le=32)]]
    sigma: Choice[Annotated[float, Field(ge=0.5, le=6)]]
    border: Choice[Annotated[int, Field(ge=0, le=60)]]
    level: Choice[Level]
    target: Choice[Kernel]
    average: Choice[Average]
    tiles: Choice[Tiles]
    weights: Choice[Weights]

    @property
    def named(self) -> dict[str, Choice[object]]:
        """Choice by its key, in the order of the file's schema."""
        return {key: getattr(self, key) for key in type(self).model_fields if key not in ("protocol", "cloudy_from")}

    @property
    def made(self) -> tuple[ChoiceMade, ...]:
        """The choices that have other options, as a report states them."""
        return tuple(
            ChoiceMade(key=key, title=own.title, usual=word(own.usual), others=tuple(map(word, own.others)))
            for key, own in self.named.items()
            if own.others
        )


@dataclass(frozen=True)
class Setting:
    """One way to score a tile."""

    radius: int
    sigma: float
    border: int
    target: Kernel
    level: Level


@dataclass(frozen=True)
class Variant:
    """One way to score and to sum up; `changed` holds what is not the protocol's, as words."""

    changed: Mapping[str, str]
    setting: Setting
    average: Average
    tiles: Tiles
    weights: Weights


def word(option: object) -> str:
    """Return an option as reports write it.

    >>> word(2.0), word("area")
    ('2', 'area')
    """
    return f"{option:g}" if isinstance(option, int | float) else str(option)


def load_choices(path: Path | None = None) -> Choices:
    """Read a file of variants; None for that of the package.

    Raises
    ------
    InvalidArtefactError
        if it is missing, of another form, or does not state what its protocol does.
    """
    if path is None:
        content = resources.files("worldstrat_bench.sensitivity").joinpath("variants.toml").read_bytes()
    else:
        content = read_file(path, _NAME, _MAX_BYTES, _REMEDY)
    where = path or "variants.toml"
    choices = parse_toml(Choices, content, name=_NAME, where=where, remedy=_REMEDY)
    if fault := _fault(choices):
        raise InvalidArtefactError(f"not a valid {_NAME}: {fault}", where=where, remedy=_REMEDY)
    return choices


def _fault(choices: Choices) -> str:
    protocol = load_protocol(choices.protocol)
    search = protocol.registration
    if not isinstance(search, GaussianParabola):
        return f"protocol: {protocol.id} has other choices; wsb-1 can be varied"
    does = {
        "radius": search.radius,
        "sigma": search.sigma,
        "border": protocol.target.border,
        "level": "bias",
        "target": "bicubic",
        "average": "mean of dB",
        "tiles": "all",
        "weights": "micro",
    }
    # A study says what changes when a choice is changed: that holds only if the first option is the protocol's own.
    for key, choice in choices.named.items():
        if choice.usual != does[key]:
            return f"{key}.usual: {protocol.id} has {does[key]}"
        if len({choice.usual, *choice.others}) <= len(choice.others):
            return f"{key}.others: an option twice, or the usual one"
    return ""


def variants(choices: Choices) -> tuple[Variant, ...]:
    """Return the protocol itself, each other option alone, and all pairs of options of two choices."""
    options = [(key, option) for key, choice in choices.named.items() for option in choice.others]
    # Pairs show whether choices add up. All combinations would be thousands of scores a tile, and tell little more.
    pairs = [dict(pair) for pair in combinations(options, 2) if pair[0][0] != pair[1][0]]
    return tuple(_variant(choices, changed) for changed in ({}, *({k: o} for k, o in options), *pairs))


def _variant(choices: Choices, changed: Mapping[str, object]) -> Variant:
    taken = {key: changed.get(key, choice.usual) for key, choice in choices.named.items()}
    setting = Setting(**{key: taken.pop(key) for key in SCORED})  # type: ignore[arg-type]  # the schema checked them
    words = {key: word(option) for key, option in changed.items()}
    return Variant(words, setting, **taken)  # type: ignore[arg-type]


def protocol_of(choices: Choices) -> Protocol:
    """Return the protocol that is varied."""
    return load_protocol(choices.protocol)
