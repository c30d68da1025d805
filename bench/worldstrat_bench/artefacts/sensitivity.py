"""``sensitivity.json``: the means of models under other defensible choices of a protocol.

The file states means and verdicts alone; places, shares and what moves them follow from these, so that nothing in it
can contradict itself. It may come from a stranger: names have a length, lists a size, numbers are finite.
"""

from __future__ import annotations

from typing import Annotated, Any, ClassVar, Literal

from pydantic import Field

from worldstrat_bench.artefacts.base import Artefact, Part
from worldstrat_bench.artefacts.record import Finite, Name, ProtocolRef, Sha256

Word = Annotated[str, Field(min_length=1, max_length=40)]
Verdicts = Annotated[str, Field(pattern=r"^[01]{1,100}$")]


class ChoiceMade(Part):
    """One choice of the protocol with its other options."""

    key: Word
    title: Annotated[str, Field(min_length=1, max_length=80)]
    usual: Word = Field(description="what the protocol does")
    others: Annotated[tuple[Word, ...], Field(min_length=1, max_length=10)]


class ModelOfStudy(Part):
    """One run of the study."""

    name: Name
    record_id: Sha256


class VariantScores(Part):
    """The models under one variant."""

    changed: Annotated[dict[Word, Word], Field(max_length=10)] = Field(
        description="choice to option where it is another than the protocol's; empty for the protocol itself"
    )
    tiles: int = Field(ge=0, description="tiles of the list that count")
    means: Annotated[tuple[Finite, ...], Field(max_length=100)] = Field(
        description="PSNR of the models in their order, dB; empty if the variant gives none"
    )
    reason: Annotated[str, Field(max_length=200)] = Field(default="", description='why there are none; "" if there are')
    beats: Annotated[tuple[Verdicts, ...], Field(max_length=100)] = Field(
        default=(), description="row beats column by the protocol's tests; empty where they do not apply"
    )


class Sensitivity(Artefact):
    """All variants of one study."""

    FILE: ClassVar = "sensitivity.json"
    KIND: ClassVar = "sensitivity report"
    REMEDY: ClassVar = "worldstrat-bench sensitivity RUN... --data DIR --out DIR writes it again"
    MAX_BYTES: ClassVar = 2_000_000

    schema_version: Literal[1] = 1
    protocol: ProtocolRef
    list: Annotated[str, Field(min_length=1, max_length=200)]
    targets_sha256: Sha256 = Field(description="of the decoded targets of the runs")
    harness_version: Name
    choices: Annotated[tuple[ChoiceMade, ...], Field(min_length=1, max_length=20)]
    models: Annotated[tuple[ModelOfStudy, ...], Field(min_length=2, max_length=100)]
    variants: Annotated[tuple[VariantScores, ...], Field(min_length=1, max_length=2000)] = Field(
        description="the protocol itself, each option alone, and all pairs of options of two choices"
    )

    def _check_content(self, document: Any) -> None:
        """Refuse variants that do not fit models and choices, or a study without the protocol itself."""
        count, options = len(self.models), {c.key: {c.usual, *c.others} for c in self.choices}
        if self.variants[0].changed or not self.variants[0].means:
            raise ValueError("the first variant is not the protocol itself with its means")
        for i, variant in enumerate(self.variants):
            if any(option not in options.get(key, ()) for key, option in variant.changed.items()):
                raise ValueError(f"variants.{i}.changed: an option that choices do not name")
            if len(variant.means) not in (0, count):
                raise ValueError(f"variants.{i}.means: {len(variant.means)} of {count} models")
            sizes = {len(variant.beats), *(len(row) for row in variant.beats)}
            if variant.beats and (sizes != {count} or not variant.means):
                raise ValueError(f"variants.{i}.beats: not {count} x {count}")
        if len({tuple(sorted(v.changed.items())) for v in self.variants}) < len(self.variants):
            raise ValueError("variants: the same one twice")
