"""The names of everything that is measured on a tile, and which way is better.

Kept apart from the code that measures, so that pages, records and checks can name a metric without torch.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from typing import Literal

from worldstrat_bench.arguments import check_several, check_text, one_of
from worldstrat_bench.errors import UsageError

Direction = Literal["higher", "lower", "none"]
Returned = Literal["near-infrared", "expected-error"]
"""Words for what a model may return beside R, G and B."""


@dataclass(frozen=True)
class Measure:
    """One metric as readers meet it.

    Attributes
    ----------
    name : the column in ``tiles.csv`` and the key in a record.
    label : the heading on a page.
    direction : which way is better; "none" for a diagnostic without a better side.
    unit : as printed behind a value, "" for a pure number.
    decimals : digits after the point on a page.
    explanation : one line for readers who have not read the protocol.
    ranked : whether it ranks a board.
    weight : the column by which tiles are weighted in a mean, so that it is a ratio of sums; "" for equal weights.
    """

    name: str
    label: str
    direction: Direction
    unit: str
    decimals: int
    explanation: str
    ranked: bool = False
    weight: str = ""

    @property
    def arrow(self) -> str:
        """The sign of the direction as shown beside the label."""
        return {"higher": "↑", "lower": "↓", "none": ""}[self.direction]


@dataclass(frozen=True)
class OptionalMetric:
    """A metric outside the protocols, which adds columns to a run and ranks nothing.

    Attributes
    ----------
    name : after the "+" of ``--metrics``.
    version : of the definition; a change that gives other numbers changes it. Records hold it for every column.
    columns : the metrics that it adds to ``tiles.csv``.
    weights : further columns, by which metrics are weighted; no metrics themselves.
    needs : what it cannot do without, for help texts and docs.
    home : "module:function"; ``function(device)`` returns the computation, or why there is none on this machine.
    null : why a value is null if the computation says nothing else.
    automatic : computed wherever it can be, without being asked for.
    """

    name: str
    version: str
    columns: tuple[Measure, ...]
    needs: str
    home: str
    null: str
    automatic: bool = False
    weights: tuple[str, ...] = ()

    @property
    def names(self) -> tuple[str, ...]:
        """All its columns in ``tiles.csv``."""
        return (*(column.name for column in self.columns), *self.weights)


_STLPIPS = "Shift-tolerant learned perceptual distance (Ghildyal and Liu 2022), optional"
_WITHIN = "Share of the errors within the expected interval of"
_OPENSR = "a share, opensr-test (Aybar et al. 2024), optional"

OPTIONAL: dict[str, OptionalMetric] = {
    m.name: m
    for m in (
        OptionalMetric(
            name="psnr_nir",
            version="1",
            columns=(Measure("psnr_nir", "PSNR NIR", "higher", "dB", 2, "PSNR of the near infrared band, optional"),),
            needs="a prediction of four bands",
            home="worldstrat_bench.metrics.nir:load_psnr_nir",
            null="no pixel counts",
            automatic=True,
        ),
        OptionalMetric(
            name="sam4",
            version="1",
            columns=(Measure("sam4", "SAM 4", "lower", "°", 2, "Mean spectral angle of R, G, B and NIR, optional"),),
            needs="a prediction of four bands",
            home="worldstrat_bench.metrics.nir:load_sam4",
            null="no pixel has a spectrum",
            automatic=True,
        ),
        OptionalMetric(
            name="ndvi_mae",
            version="1",
            columns=(Measure("ndvi_mae", "NDVI error", "lower", "", 4, "Mean absolute error of NDVI, optional"),),
            needs="a prediction of four bands, and a pixel of the target with R + NIR above 0.05",
            home="worldstrat_bench.metrics.nir:load_ndvi",
            null="no pixel of the target has R + NIR above 0.05",
            automatic=True,
        ),
        OptionalMetric(
            name="uncertainty",
            version="1",
            columns=(
                Measure("coverage_68", "Within 68 %", "none", "", 3, f"{_WITHIN} 68 %: 0.68 is right, optional"),
                Measure("coverage_95", "Within 95 %", "none", "", 3, f"{_WITHIN} 95 %: 0.95 is right, optional"),
                Measure(
                    "ence",
                    "ENCE",
                    "lower",
                    "",
                    3,
                    "Relative distance of expected from actual error, by size of the former (Levi 2020), optional",
                ),
                Measure(
                    "ause",
                    "AUSE",
                    "lower",
                    "",
                    3,
                    "How much worse than by the true errors values are sorted by the expected ones, optional",
                ),
                Measure(
                    "crps", "CRPS", "lower", "", 4, "Score of the whole expected distribution, reflectance, optional"
                ),
            ),
            needs="a prediction with an expected error",
            home="worldstrat_bench.metrics.uncertainty:load_uncertainty",
            null="the prediction has no error",
            automatic=True,
        ),
        OptionalMetric(
            name="stlpips",
            version="1",
            columns=(Measure("stlpips", "ST-LPIPS", "lower", "", 4, _STLPIPS),),
            needs="the extra stlpips, which brings the weights",
            home="worldstrat_bench.metrics.stlpips_metric:load_shown_stlpips",
            null="the distance is not finite",
        ),
        OptionalMetric(
            name="opensr",
            version="1",
            columns=(
                Measure("opensr_improvement", "Improvement", "higher", "", 4, f"Detail nearer to the truth, {_OPENSR}"),
                Measure("opensr_omission", "Omission", "lower", "", 4, f"Detail that is missing, {_OPENSR}"),
                Measure("opensr_hallucination", "Hallucination", "lower", "", 4, f"Detail not in truth, {_OPENSR}"),
            ),
            needs="the extra opensr, and frame 0",
            home="worldstrat_bench.metrics.opensr:load_opensr",
            null="opensr-test finds no pixel to judge",
        ),
        OptionalMetric(
            name="spectral",
            version="1",
            columns=(
                Measure(
                    "resolution_m",
                    "Resolution",
                    "lower",
                    "m",
                    1,
                    "Half wavelength down to which detail is true: coherence with the target of 1/2, optional",
                ),
                Measure(
                    "contrast_nyquist",
                    "Contrast 10 m",
                    "none",
                    "",
                    2,
                    "How strongly true detail is shown at the input's Nyquist frequency, 1 for fully, optional",
                ),
                Measure(
                    "missed",
                    "Missed",
                    "lower",
                    "",
                    3,
                    "Share of the detail finer than the input's that is shown too weakly or strongly, optional",
                    weight="detail_energy",
                ),
                Measure(
                    "invented",
                    "Invented",
                    "lower",
                    "",
                    3,
                    "Energy finer than the input's that is unrelated to the target, a share of its own, optional",
                    weight="detail_energy",
                ),
            ),
            weights=("detail_energy",),
            needs="a target with detail, and three quarters of the window's weight away from no-data",
            home="worldstrat_bench.metrics.spectral:load_spectral",
            null="the value is not finite",
        ),
    )
}
"""Every optional metric by name. They rank nothing and do not belong to a protocol."""

RETURNED: dict[Returned, str] = {"near-infrared": "psnr_nir", "expected-error": "crps"}
"""For each of them a column that a run has if the model returned it."""

WEIGHTS = frozenset(name for metric in OPTIONAL.values() for name in metric.weights)
"""Columns of ``tiles.csv`` that weight others."""

MEASURES: dict[str, Measure] = {
    m.name: m
    for m in (
        Measure(
            "psnr",
            "PSNR",
            "higher",
            "dB",
            2,
            "Peak signal-to-noise ratio after registration and removal of a per-band bias",
            ranked=True,
        ),
        Measure("ssim", "SSIM", "higher", "", 3, "Structural similarity on the tile's own stretch (Wang et al. 2004)"),
        Measure(
            "lpips",
            "LPIPS",
            "lower",
            "",
            3,
            "Learned perceptual distance, AlexNet v0.1 (Zhang et al. 2018)",
            ranked=True,
        ),
        Measure("gain", "Gain", "higher", "dB", 2, "PSNR minus that of the reference bicubic on the same tile"),
        Measure("rmse", "RMSE", "lower", "", 4, "Root mean squared error, reflectance"),
        Measure("psnr_raw", "PSNR raw", "higher", "dB", 2, "PSNR after registration, bias kept"),
        Measure("psnr_unregistered", "PSNR unreg.", "higher", "dB", 2, "PSNR without registration, bias removed"),
        Measure("sam", "SAM", "lower", "°", 2, "Mean spectral angle between the R, G, B vectors"),
        Measure(
            "lr_consistency",
            "LR cons.",
            "none",
            "",
            4,
            "Mean absolute difference to the input after degrading the prediction to 10 m, reflectance",
        ),
        Measure(
            "lr_consistency_target",
            "LR cons. HR",
            "none",
            "",
            4,
            "LR consistency of the target itself on the same tile: what a perfect prediction would have",
        ),
        Measure("psnr_bicubic", "PSNR bicubic", "none", "dB", 2, "PSNR of the reference bicubic on the same tile"),
        Measure(
            "clipped",
            "Clipped",
            "none",
            "",
            4,
            "Share of values outside [0, 1] once the offset is removed, where the target is inside",
        ),
        Measure("mse", "MSE", "lower", "", 6, "Mean squared error, reflectance squared; 2022 protocols"),
        Measure("mae", "MAE", "lower", "", 4, "Mean absolute error, reflectance; 2022 protocols"),
        Measure("ssim_loss", "SSIM loss", "lower", "", 4, "Half of 1 - SSIM, clamped to 0..1; 2022 protocols"),
        *(column for metric in OPTIONAL.values() for column in metric.columns),
    )
}
"""Every metric by name, in the order in which pages show them."""

RANKED: tuple[str, ...] = tuple(m.name for m in MEASURES.values() if m.ranked)
"""The metrics that rank, each on its own board."""


def measure(name: str) -> Measure:
    """Return the measure of that name; an unknown one gets its own plain description, without a direction."""
    check_text(name, "name", "give the name of a metric")
    return MEASURES.get(name) or Measure(name, name, "none", "", 4, "Optional metric of this run")


def metric_named(name: object, known: Collection[str], what: str, where: str) -> str:
    """Return which of the known metrics a text means: its name or its label on pages, in letters of either case.

    Parameters
    ----------
    what : what to say of any other text, such as "no run has the metric".

    Raises
    ------
    UsageError
        for any other text.
    """
    return one_of(name, known, what, where, {measure(one).label: one for one in known})


def metrics_named(names: str | Iterable[object], known: Collection[str], what: str, where: str) -> tuple[str, ...]:
    """Return which of the known metrics some texts mean, each once; one text may name several with commas.

    Raises
    ------
    UsageError
        for a text that names none, for no text, or for what is not text.
    """
    check_several(names, where, "psnr,ssim")
    given = [part for part in names.split(",") if part.strip()] if isinstance(names, str) else list(names)
    if not given:
        raise UsageError("no metric is named", where=where, remedy=f"some of: {', '.join(known)}")
    return tuple(dict.fromkeys(metric_named(name, known, what, where) for name in given))


def optional_column(column: str) -> OptionalMetric | None:
    """Return the optional metric that a column of ``tiles.csv`` belongs to; None for any other column."""
    check_text(column, "column", "give the name of a column")
    return next((m for m in OPTIONAL.values() if column in m.names), None)


def parse_added(texts: Iterable[str], *, where: str = "--metrics", bare: bool = False) -> tuple[str, ...]:
    """Return the names of optional metrics, each once, in the order of the registry, from "+stlpips" and the like.

    >>> parse_added(["+opensr", "+stlpips", "+opensr"])
    ('stlpips', 'opensr')

    Parameters
    ----------
    bare : whether the "+" may be left out.

    Raises
    ------
    UsageError
        for an unknown name, or a text without "+" unless `bare`; lists the names there are.
    """
    asked, sign = set(), "" if bare else "+"
    check_several(texts, where, "+stlpips,+spectral")
    # A lone text would be taken letter by letter.
    for text in texts.split(",") if isinstance(texts, str) else texts:
        check_text(text, where, "give names of optional metrics")
        shown = text.strip().removeprefix("+") if bare else text
        name = one_of(shown, tuple(f"{sign}{name}" for name in OPTIONAL), "unknown optional metric", where)
        asked.add(name.removeprefix("+"))
    return tuple(name for name in OPTIONAL if name in asked)
