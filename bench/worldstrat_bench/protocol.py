"""Protocols: what a score means, as immutable, named, versioned data.

A protocol is a TOML file in ``protocols/``; its sha256 goes into every record, and a released file never
changes (``protocols/released.toml`` lists the digests and a test compares them).
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from functools import cache
from importlib import resources
from pathlib import Path
from typing import Annotated, Any, Final, Literal

from pydantic import Field

from worldstrat_bench.arguments import one_of
from worldstrat_bench.artefacts.base import Part
from worldstrat_bench.errors import InvalidArtefactError, UsageError
from worldstrat_bench.toml_text import read_toml
from worldstrat_bench.typed import typed

DEFAULT_PROTOCOL = "wsb-1"

SAME_PREDICTION: Final = 1e-3
"""Reflectance by which two predictions of one tile may differ at any pixel (protocol 3.8)."""


Test = Literal["skewness-corrected-t", "t"]
"""A test of one estimate: Student's t with Hall's correction for skewness, or without it."""


class Inputs(Part):
    """Which revisits a model is offered, and how they are prepared."""

    level: Literal["L2A"]
    frames: int = Field(ge=1, le=16, description="revisits n = 1..frames are offered")
    clear_below: float = Field(description="a pixel is clear where its cloud mask is below this")
    cloudy_from: float = Field(description="frames with a smaller cloud share come before the rest")
    usable_share_min: float = Field(default=0.0, description="a frame with data on less of its pixels is not offered")
    side: int | None = Field(default=None, description="side in px to which frames are brought; none: native")


class TargetGrid(Part):
    """How the high-resolution image becomes the target."""

    kernel: Literal["bicubic-antialiased", "bilinear-antialiased"]
    side: int | None = Field(default=None, description="fixed side in px; none: the rule below")
    multiple: int = 4
    numerator: int = 3
    offset: int = 10
    denominator: int = 20
    hr_side_min: int = 160
    hr_side: int | None = Field(default=None, description="the only HR side in px that the protocol accepts")
    no_data_above: float = 1e-6
    valid_share_min: float = 0.5
    border: int = Field(ge=0, description="px left out on every side when scoring")
    clip_before: bool = Field(
        default=True, description="reflectance is clipped to [0, 1] before it is resampled, too, not only after"
    )

    @typed
    def size(self, hr_side: int) -> int:
        """Return the side of the target in px for a high-resolution image of side `hr_side` px; UsageError below 1."""
        if hr_side < 1:
            raise UsageError(f"an image of {hr_side} px has no target", where="hr_side", remedy="give its side in px")
        if self.side is not None:
            return self.side
        return self.multiple * ((self.numerator * hr_side + self.offset) // self.denominator)


class GaussianParabola(Part):
    """Registration of wsb: smoothed images, integer search, parabola vertex."""

    kind: Literal["gaussian-parabola"]
    sigma: float = Field(description="of the Gaussian, px")
    cut: int = Field(description="of the Gaussian, px")
    radius: int = Field(description="of the integer search, px")
    clear_share_min: float = Field(description="the clear mask is used from this share of valid pixels on")
    tie: float = Field(description="relative difference of J that counts as a tie")
    fraction: int = Field(description="shifts are rounded to 1/fraction px")
    lobes: int = Field(description="of the Lanczos kernel that moves the prediction")
    edge_share_warning: float


class ShiftedTruth(Part):
    """Registration of the 2022 scorer: chips, 81 sub-pixel shifts of the truth by a Lanczos-3 kernel."""

    kind: Literal["shifted-truth"]
    chip_starts: tuple[int, ...] = Field(description="in px of the low-resolution grid")
    chip_side: int = Field(description="in px of the low-resolution grid")
    lr_side: int
    radius: float = Field(description="of the search, px")
    step: float = Field(description="of the search, px")
    taps: int
    lobes: int
    cut_at_lobes: bool
    normalised: bool
    phase_epsilon: float = Field(description="added to the phase; 0 takes the limit 1")
    crop: int = Field(description="first row and column of the prediction that is compared")


class IntegerBest(Part):
    """Registration of the Kelvins PROBA-V challenge: every integer shift, the best score of each metric."""

    kind: Literal["integer-best"]
    radius: int


class OffsetFirst(Part):
    """A robust offset per band, added and clipped to [0, 1] before registration; then the bias, clipped again."""

    kind: Literal["offset-first"]
    pixels: Literal["clear"] = Field(description="it is taken over those that the registration compares")
    stride: int = Field(ge=1, description="rows and columns from which the offset starts, px")
    iterations: int = Field(ge=1, description="the offset is corrected at most this often")
    tolerance: float = Field(gt=0, description="and until it changes by less than this, reflectance")
    absurd_below: float = Field(le=0, description="a value that the first offset leaves below is clipped to [0, 1]")
    absurd_above: float = Field(ge=1, description="and one that it leaves above, reflectance")
    clipped_warning: float = Field(description="share of clipped values above the reference bicubic's that is named")
    bias_warning: float = Field(
        description="median correction above the reference bicubic's that is named, reflectance"
    )


class ClipFirst(Part):
    """A prediction is clipped to [0, 1] before anything else, as saving it as an image of integers does."""

    kind: Literal["clip-first"]


Offset = Annotated[OffsetFirst | ClipFirst, Field(discriminator="kind")]
Registration = Annotated[GaussianParabola | ShiftedTruth | IntegerBest, Field(discriminator="kind")]


class Metrics(Part):
    """Which metrics there are and the constants that they need."""

    names: tuple[str, ...]
    mse_floor: float | None = Field(default=None, description="MSE is at least this; none: no floor")
    ssim_window: int = 11
    ssim_sigma: float = 1.5
    stretch_white_min: float = 0.3
    stretch_percentile: float = 99.5
    sam_norm_min: float = 1e-6
    mtf_nyquist: float = 0.3
    lr_clear_share_min: float = 0.25
    lpips_net: Literal["alex"] = "alex"
    lpips_version: str = "0.1"
    lpips_backbone: str = "alexnet-owt-7be5be79"


class Aggregation(Part):
    """Means, their intervals, and from how many groups on pages show what."""

    estimator: Literal["ratio-over-groups"] = Field(description="sum of the values of all groups / number of tiles")
    error: Literal["cr2"] = Field(description="standard error with a correction for groups of unequal size")
    interval: Literal["skewness-corrected-t"] = Field(description="Hall 1992, effective groups - 1 degrees of freedom")
    confidence: float = Field(gt=0, lt=1)
    groups_min: float = Field(ge=2, description="effective groups from which there are an interval and a test")
    groups_interval: float = Field(ge=2, description="effective groups from which pages draw an interval")
    groups_rank: float = Field(ge=2, description="effective groups from which pages show ranks")
    macro_min_tiles: int = Field(description="tiles that an IPCC class needs to be in the macro mean")


class Ranking(Part):
    """When a model beats another."""

    metrics: tuple[str, ...]
    alpha: float = Field(gt=0, lt=1, description="chance of any wrong statement in a family of equal models")
    family: int = Field(ge=1, description="pairs in a family: one pair is tested at alpha / family")
    tests: tuple[Test, ...] = Field(min_length=1, description="of one pair; the p of each must be at most the level")
    margin: dict[str, float] = Field(description="the difference that a model must have at least")
    power: float = Field(gt=0, lt=1, description="of the detectable difference in a board's header")

    @property
    def level(self) -> float:
        """The level of the test of one pair, whatever other models there are."""
        return self.alpha / self.family


class Protocol(Part):
    """One protocol, as read from its file."""

    id: str = Field(pattern=r"^[a-z0-9][a-z0-9.-]{0,40}$")
    title: str
    family: Literal["wsb", "worldstrat-2022", "probav"]
    official: bool = Field(description="may rank the main boards")
    summary: str
    inputs: Inputs
    target: TargetGrid
    offset: Offset | None = Field(default=None, description="what happens to values outside [0, 1]; none: nothing")
    registration: Registration
    metrics: Metrics
    aggregation: Aggregation
    ranking: Ranking
    sha256: str = Field(pattern=r"^[0-9a-f]{64}$", description="of the file's bytes")


def protocol_ids() -> tuple[str, ...]:
    """Return the ids of the protocols that the package carries, sorted."""
    folder = resources.files("worldstrat_bench") / "protocols"
    names = (Path(entry.name) for entry in folder.iterdir())
    return tuple(sorted(p.stem for p in names if p.suffix == ".toml" and p.stem != "released"))


def load_protocol(name: str = DEFAULT_PROTOCOL) -> Protocol:
    """Return the protocol of that id.

    Raises
    ------
    UsageError
        if the package carries none of that name.
    """
    return _load(protocol_named(name))


def protocol_named(name: str) -> str:
    """Return the id that a text means; letter case does not matter.

    Raises
    ------
    UsageError
        if the package carries none of that name.
    """
    return one_of(name, protocol_ids(), "unknown protocol", "--protocol")


@cache
def _load(name: str) -> Protocol:
    return parse_protocol(resources.files("worldstrat_bench").joinpath("protocols", f"{name}.toml").read_bytes())


Stage = Literal["released", "not released", "changed", "not listed"]
"""Where a protocol's text stands: fixed for good, still open, or not the text whose digest is listed."""


@typed
def stage_of(protocol: Protocol) -> Stage:
    """Return where the text of a protocol stands, by the digests in ``protocols/released.toml``."""
    return stage_in(_released(), protocol)


@typed
def stage_in(released: Mapping[str, Any], protocol: Protocol) -> Stage:
    """Return where the text of a protocol stands, by the content of a ``released.toml``."""
    listed = released.get("sha256", {}).get(protocol.id)
    if listed is None:
        return "not listed"
    if listed != protocol.sha256:
        return "changed"
    return "not released" if protocol.id in released.get("not_yet_released", ()) else "released"


@cache
def _released() -> Mapping[str, Any]:
    text = resources.files("worldstrat_bench").joinpath("protocols", "released.toml").read_text(encoding="utf-8")
    return read_toml(text)


@typed
def same_task(a: Protocol, b: Protocol) -> bool:
    """Return whether a model is asked for the same under both: equal inputs, and an equal target.

    The border that scores leave out is not part of the target.
    """
    return a.inputs == b.inputs and a.target.model_copy(update={"border": b.target.border}) == b.target


@typed
def parse_protocol(content: bytes, *, where: object = "protocol") -> Protocol:
    """Read a protocol from the bytes of its file.

    Raises
    ------
    InvalidArtefactError
        if it is not TOML or does not follow the schema.
    """
    try:
        data = read_toml(content.decode("utf-8"))
        return Protocol.model_validate({**data, "sha256": hashlib.sha256(content).hexdigest()})
    except ValueError as error:
        raise InvalidArtefactError(f"not a protocol: {error}", where=where) from None
