"""References in BibTeX, and a sentence on how the numbers of a table were made."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from worldstrat_bench.artefacts.bibtex import WORLDSTRAT, About, citation_key, harness_entry, model_entry
from worldstrat_bench.artefacts.record import Record
from worldstrat_bench.printed import counted
from worldstrat_bench.results.load import Named
from worldstrat_bench.results.table import Table

LPIPS = r"""@inproceedings{lpips2018,
  title = {The Unreasonable Effectiveness of Deep Features as a Perceptual Metric},
  author = {Zhang, Richard and Isola, Phillip and Efros, Alexei A. and Shechtman, Eli and Wang, Oliver},
  booktitle = {IEEE Conference on Computer Vision and Pattern Recognition},
  year = {2018},
}
"""

SSIM = r"""@article{ssim2004,
  title = {Image Quality Assessment: From Error Visibility to Structural Similarity},
  author = {Wang, Zhou and Bovik, Alan C. and Sheikh, Hamid R. and Simoncelli, Eero P.},
  journal = {IEEE Transactions on Image Processing},
  volume = {13},
  number = {4},
  pages = {600--612},
  year = {2004},
}
"""


def bibtex(runs: Sequence[Named], about: Mapping[str, About], metrics: Iterable[str] = ()) -> str:
    """Return references of the models, the data, this benchmark and the learned metric.

    Parameters
    ----------
    about : name of a run to what its submission says; others are named as their record does.
    metrics : those that are shown.
    """
    keys: set[str] = set()
    models = []
    for run in runs:
        record = run.result.record
        # Runs of one model at one version are cited once.
        key = citation_key(record.model.submission or f"{record.model.name}-{record.model.version or ''}")
        if key not in keys:
            models.append(model_entry(key, record, about.get(run.name)))
        keys.add(key)
    shown = set(metrics)
    named = [entry for metric, entry in (("ssim", SSIM), ("lpips", LPIPS)) if metric in shown]
    return "\n".join([*models, WORLDSTRAT, harness_entry(runs[0].result.record), *named])


def methods(table: Table) -> str:
    """Return the paragraph of a paper on how its numbers came about, from the records."""
    records = [run.result.record for run in table.runs]
    data, rules = records[0].dataset, table.protocol
    versions = sorted({_version(record) for record in records})
    ids = ", ".join(record.record_id[:12] for record in records)
    # Of predictions that were handed in the seed is not known.
    seeds = sorted({str(record.seed) for record in records if record.predictions is None})
    aligned = "Predictions are registered to the target as that protocol says"
    if rules.family == "wsb":
        aligned = "Each prediction is registered to its target by one sub-pixel shift, and a bias per band is removed"
    sure = f"{100 * rules.aggregation.confidence:g} %"
    parts = [
        f"Models were evaluated with worldstrat-bench {' and '.join(versions)}",
        f"A score is what the protocol {rules.id} (sha256 {rules.sha256[:12]}) says",
        f"The test set is the list {table.list_name} of {_release(data.release)}, {counted(table.tiles, 'tile')}",
        f"The sha256 of the targets begins with {data.targets_sha256[:12]}",
        _inputs(records[0]),
        aligned,
        (
            f"Means are over tiles. Intervals ({sure}) and tests take groups of tiles as independent, with the CR2 "
            "correction for unequal groups and the correction of Hall for skewness"
        ),
        (
            f"A model counts as better if p ≤ {rules.ranking.level:.2g} in each test of the paired difference: "
            f"{', '.join(rules.ranking.tests)}"
        ),
        *([f"Seeds: {', '.join(seeds)}"] if seeds else []),
        f"Records: {ids}",
    ]
    failed = sum(record.scores[table.list_name].failed for record in records)
    if failed:
        parts.append(f"{counted(failed, 'tile')} failed; a model with a failed tile has no mean")
    return ". ".join(parts) + "."


def _version(record: Record) -> str:
    harness = record.harness
    if not harness.commit:
        return harness.version
    return f"{harness.version} (commit {harness.commit[:12]}{', changed' if harness.dirty else ''})"


def _release(release: str) -> str:
    return f"WorldStrat {release}" if release.startswith("v") else f"the data set {release} (not official)"


def _inputs(record: Record) -> str:
    if record.predictions is not None:
        return "Predictions were made elsewhere and handed in as files"
    if record.dataset.inputs == "synthetic":
        return "Inputs were simulated from the high-resolution images by a sensor model"
    if record.dataset.release == "mini":
        return "Scenes and inputs are synthetic, made by the harness: no satellite took them"
    return "Inputs are the real Sentinel-2 L2A revisits of each tile, best first; models saw no high-resolution image"
