"""From runs to a paper: data frames, tables in every format, references. All carry the numbers of the records."""

from __future__ import annotations

import io
import re
import shutil
import subprocess
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from factories import invented_facts, make_run
from run_helpers import run_cli
from submission_factory import MANIFEST, make_submission, the_result
from worldstrat_bench import load_record, read_runs, read_scores
from worldstrat_bench.artefacts.bibtex import About, latex_text, model_entry
from worldstrat_bench.artefacts.tiles import parse_tiles
from worldstrat_bench.errors import InvalidArtefactError, UsageError
from worldstrat_bench.measures import measure
from worldstrat_bench.protocol import load_protocol
from worldstrat_bench.results.formats import caption, latex, markdown, table_frame
from worldstrat_bench.results.load import load_runs
from worldstrat_bench.results.references import bibtex
from worldstrat_bench.results.table import make_table
from worldstrat_bench.stats.estimate import group_index
from worldstrat_bench.stats.ranking import rank_tables

FACTS = invented_facts(80)
mini: Any = partial(make_run, tiles=FACTS, release="mini", list_name="test")


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Three models: one far ahead in PSNR, two that are not told apart."""
    root = tmp_path_factory.mktemp("runs")
    mini(root / "ahead", model="ahead_50%&co", gain_db=4.0)
    mini(root / "one", model="one", gain_db=0.8, spread_db=0.3)
    mini(root / "two", model="two", gain_db=0.8, spread_db=0.3)
    return [root / "one", root / "ahead", root / "two"]


def test_tiles_have_types_and_the_values_of_the_table(runs: list[Path]) -> None:
    frame = read_runs([str(path) for path in runs])
    assert len(frame) == 3 * len(FACTS)
    for name in ("run", "model", "protocol", "outcome", "ipcc", "latitude", "age", "cloud_class", "detail_class"):
        assert isinstance(frame[name].dtype, pd.CategoricalDtype), name
    assert frame["tile"].dtype == "string"
    assert frame["shift_at_edge"].dtype == "boolean"
    assert frame["in_test"].all()
    table = parse_tiles((runs[1] / "tiles.csv").read_bytes())
    own = frame[frame["run"] == "ahead_50%&co"].set_index("tile")
    for name, values in table.numbers.items():
        assert own[name].dtype == np.float64
        np.testing.assert_array_equal(own[name].to_numpy(), values)
    np.testing.assert_allclose(own["gain"], own["psnr"] - own["psnr_bicubic"])


def test_a_failed_tile_keeps_its_row(tmp_path: Path) -> None:
    mini(tmp_path / "a", failed={FACTS[2].tile: "timeout"})
    frame = read_runs(tmp_path / "a").set_index("tile")
    assert frame.loc[FACTS[2].tile, "outcome"] == "timeout"
    assert np.isnan(frame.loc[FACTS[2].tile, "psnr"])  # type: ignore[arg-type]
    table = make_table([tmp_path / "a"])
    assert {cell.mean for row in table.cells for cell in row} == {None}
    assert "| – |" in markdown(table)
    assert "failed on 1 tile and" in markdown(table)


def test_scores_are_those_of_the_records(runs: list[Path]) -> None:
    frame = read_scores(runs)
    assert frame["n"].dtype == np.int64
    record = load_record(runs[0])
    own: Any = frame[frame["record_id"] == record.record_id].set_index(["list", "axis", "stratum", "metric"])
    assert not own.index.has_duplicates
    for axis, strata in record.scores["test"].strata.items():
        for stratum, summaries in strata.items():
            for metric, summary in summaries.items():
                row = own.loc[("test", axis, stratum, metric)]
                assert (row["n"], row["mean"]) == (summary.n, summary.mean)
    assert own.loc[("test", "all", "all", "psnr"), "ci_low"] == record.scores["test"].micro["psnr"].ci_low
    assert own.loc[("test", "macro", "all", "psnr"), "mean"] == record.scores["test"].macro["psnr"]


def test_the_formats_carry_the_same_numbers(runs: list[Path], tmp_path: Path) -> None:
    pytest.importorskip("pyarrow")
    arguments = ["table", *runs, "--metrics", "psnr,lpips", "--strata", "ipcc"]
    frame = table_frame(make_table(runs, ["psnr", "lpips"], "ipcc"))
    csv = pd.read_csv(io.StringIO(run_cli(*arguments, "--format", "csv").out), keep_default_na=True)
    run_cli(*arguments, "--format", "parquet", "--out", tmp_path / "t.parquet")
    parquet = pd.read_parquet(tmp_path / "t.parquet")
    numbers = ["n", "mean", "ci_low", "ci_high"]
    for other in (csv, parquet):
        np.testing.assert_array_equal(other[numbers].to_numpy(float), frame[numbers].to_numpy(float))
        assert other["run"].tolist() == frame["run"].tolist()
    scores = read_scores(runs).set_index(["run", "list", "axis", "stratum", "metric"])
    for row in frame.itertuples():
        record: Any = scores.loc[(row.run, row.list, row.axis, row.stratum, row.metric)]  # type: ignore[index]
        assert (record["mean"], record["n"]) == (row.mean, row.n)
    shown = [_as_shown(row.metric, row.mean, row.ci_low, row.ci_high) for row in frame.itertuples()]
    text = run_cli(*arguments, "--format", "markdown", "--intervals").out
    assert sorted(re.findall(r"(?<=[|*] )?\d+\.\d+(?: \[[^]]+\])?(?=\*\* \||\*\*| \|)", text)) == sorted(shown)
    tex = run_cli(*arguments, "--format", "latex", "--intervals").out
    body = [line.replace(r"\\", "") for line in tex.splitlines() if line.startswith("    ") and "&" in line]
    cells = [re.sub(r"\\textbf\{(.*)\}", r"\1", cell.strip()) for line in body for cell in line.split(" & ")[1:]]
    assert sorted(cell for cell in cells if re.match(r"\d+\.", cell)) == sorted(shown)


def _as_shown(metric: Any, mean: Any, low: Any, high: Any) -> str:
    d = measure(metric).decimals
    return f"{mean:.{d}f}" + ("" if np.isnan(low) else f" [{low:.{d}f}, {high:.{d}f}]")


def test_bold_and_letters_are_those_of_a_board(runs: list[Path]) -> None:
    table = make_table(runs, ["psnr"])
    assert table.runs[0].name == "ahead_50%&co"
    assert [row[0].best for row in table.cells] == [True, False, False]
    tables = {run.name: run.result.table for run in table.runs}
    board = rank_tables(tables, [fact.tile for fact in FACTS], "psnr", load_protocol("wsb-1"))
    assert [row[0].letters for row in table.cells] == [standing.letters for standing in board.standings]
    text = markdown(table, letters=True)
    assert re.search(r"\*\*\d\d\.\d\d\*\* a \|", text)
    assert "PSNR: b = " in text
    alone = make_table(runs[1:2], ["psnr"])
    assert not alone.cells[0][0].best  # of one model nothing is said


def test_a_caption_leaves_the_names_of_models_as_they_are(tmp_path: Path) -> None:
    mini(tmp_path / "a", model="esrgan-x4_rgb", limit=20)
    mini(tmp_path / "b", model="other")
    text = caption(make_table([tmp_path / "a"]), letters=False)
    assert "esrgan-x4_rgb is a part of a run" in text
    assert ". This is not an official test set" in text
    done = run_cli("table", tmp_path / "a", "--out", tmp_path / "t.tex")
    assert r"esrgan-x4\_rgb is a part" in (tmp_path / "t.tex").read_text(encoding="utf-8"), done.err


def test_the_caption_of_one_metric_is_of_that_metric_alone(runs: list[Path]) -> None:
    text = latex(make_table(runs, "psnr,ssim", "ipcc"), letters=True)
    first, second = (part.partition(r"\label")[0] for part in text.split(r"\caption{")[1:])
    assert "PSNR: " in first
    assert "SSIM: " not in first
    assert "SSIM: " in second
    assert "PSNR" not in second


def test_a_list_of_twenty_groups_is_told_apart_as_pages_and_compare_do(tmp_path: Path) -> None:
    """The higher limit of 30 effective groups is for strata, of which there are many."""
    few = FACTS[:24]
    paths = [
        mini(tmp_path / name, tiles=few, model=name, gain_db=gain, spread_db=0.3)
        for name, gain in (("a", 4.0), ("b", 0.8))
    ]
    assert len(paths) == 2
    table = make_table([tmp_path / "a", tmp_path / "b"], ["psnr"])
    effective = load_runs(tmp_path / "a")[0].result.record.scores["test"].micro["psnr"].effective_groups
    assert 5 <= effective < 30
    assert [row[0].best for row in table.cells] == [True, False]
    assert "is bold" in caption(table, letters=False)
    strata = make_table([tmp_path / "a", tmp_path / "b"], ["psnr"], "ipcc")
    assert not any(cell.best for row in strata.cells for cell in row[1:])


def test_the_paragraph_on_methods_is_safe_in_latex_and_true_of_synthetic_scenes(runs: list[Path]) -> None:
    text = run_cli("table", *map(str, runs[:2]), "--methods").out
    assert "synthetic" in text
    assert "Sentinel-2 L2A revisits" not in text
    safe = run_cli("table", *map(str, runs[:2]), "--methods", "--format", "latex").out
    assert "95 \\%" in safe
    assert "≤" not in safe
    assert safe.count("%") == safe.count("\\%")


def test_small_sets_and_diagnostics_have_no_bold(runs: list[Path], tmp_path: Path) -> None:
    diagnostic = make_table(runs, ["lr_consistency"])
    assert not any(cell.best or cell.letters for row in diagnostic.cells for cell in row)
    few = [mini(tmp_path / name, tiles=FACTS[:8], model=name, gain_db=gain) for name, gain in (("a", 9.0), ("b", 0.0))]
    assert len(few) == 2
    small = make_table([tmp_path / "a", tmp_path / "b"], ["psnr"])
    assert group_index(load_runs(tmp_path / "a")[0].result.table.groups)[1] <= 8
    assert not any(cell.best for row in small.cells for cell in row)


def test_latex_is_well_formed_and_compiles_where_there_is_a_tex(runs: list[Path], tmp_path: Path) -> None:
    text = latex(make_table(runs, None, "ipcc"), intervals=True, letters=True)
    assert text.count(r"\begin{table}") == text.count(r"\end{table}") == 3
    assert r"ahead\_50\%\&co" in text
    for block in re.findall(r"\\begin\{tabular\}\{(l r*|lr*)\}(.*?)\\end\{tabular\}", text, re.DOTALL):
        rows = [line for line in block[1].splitlines() if line.endswith(r"\\")]
        assert len(rows) == 4
        assert {len(re.split(r"(?<!\\)&", row)) for row in rows} == {len(block[0])}
        assert [rule in block[1] for rule in (r"\toprule", r"\midrule", r"\bottomrule")] == [True] * 3
    balanced = re.sub(r"\\[{}]", "", text)
    assert balanced.count("{") == balanced.count("}")
    engine = next((name for name in ("tectonic", "pdflatex") if shutil.which(name)), None)
    if engine is None:
        return
    document = (
        "\\documentclass{article}\\usepackage{booktabs}\\usepackage[T1]{fontenc}\\begin{document}\n"
        + text
        + "\\end{document}\n"
    )
    (tmp_path / "t.tex").write_text(document, encoding="utf-8")
    done = subprocess.run([engine, "t.tex"], cwd=tmp_path, capture_output=True, timeout=300, check=False)
    assert done.returncode == 0, done.stdout[-2000:]


def test_names_cannot_leave_their_cell() -> None:
    hostile = "\\input{/etc/passwd} $x$ a_b^c ~ # % & {}"
    assert not re.search(r"(?<!\\)[$&#%_]", latex_text(hostile).replace(r"\textbackslash{}", ""))
    assert r"\input" not in latex_text(hostile)
    assert latex_text("a\nb\x07") == "a b "


def test_references_name_models_data_and_benchmark(runs: list[Path], tmp_path: Path) -> None:
    done = run_cli("table", *runs, "--bib", tmp_path / "refs.bib", "--methods")
    text = (tmp_path / "refs.bib").read_text(encoding="utf-8")
    assert set(re.findall(r"^@\w+\{([^,]+),$", text, re.MULTILINE)) == {
        "ahead-50-co-1-0",
        "one-1-0",
        "two-1-0",
        "worldstrat2022",
        "worldstratbench",
        "ssim2004",
        "lpips2018",
    }
    assert text.count("{") == text.count("}")
    record = load_record(runs[0])
    for part in (record.protocol.sha256[:12], record.dataset.targets_sha256[:12], record.record_id[:12], "80 tiles"):
        assert part in done.out
    assert "lpips2018" not in bibtex(load_runs(runs), {}, ["psnr"])


def test_a_submission_is_cited_with_its_authors(tmp_path: Path) -> None:
    folder = make_submission(tmp_path)
    run_cli("table", the_result(folder), "--bib", tmp_path / "refs.bib")
    text = (tmp_path / "refs.bib").read_text(encoding="utf-8")
    assert re.search(r"^  author = \{\{.+\}\},$", text.split("@inproceedings")[0], re.MULTILINE)


def test_runs_that_may_not_stand_together_are_refused(runs: list[Path], tmp_path: Path) -> None:
    mini(tmp_path / "other", targets_sha256="1" * 64)
    mini(tmp_path / "handed", handed_in=True)
    for other, words in (("other", "differ in their targets"), ("handed", "handed in")):
        with pytest.raises(UsageError, match=words):
            make_table([runs[0], tmp_path / other])
    with pytest.raises(UsageError, match="given twice"):
        read_runs([runs[0], runs[0]])
    with pytest.raises(UsageError, match="no run"):
        read_runs([])
    with pytest.raises(UsageError, match="of type int"):
        read_scores([7])  # type: ignore[list-item]
    with pytest.raises(InvalidArtefactError, match="no such run"):
        read_runs(tmp_path / "nothing")


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--metrics", "msssim"], "no run has the metric"),
        (["--strata", "biome"], "unknown axis"),
        (["--list", "clean"], "no list"),
        (["--format", "word"], "unknown format"),
        (["--format", "parquet"], "needs a file"),
        (["--out", "/nonexistent/t.md"], "cannot be written"),
        (["--out", "/nonexistent/t.xlsx"], "tells no format"),
        (["--metrics", "PNSR"], "did you mean 'psnr'?"),
        (["--metrics", ","], "no metric is named"),
    ],
)
def test_bad_arguments_are_said(runs: list[Path], arguments: list[str], words: str) -> None:
    done = run_cli("table", *runs, *arguments)
    assert done.code in (2, 6)
    assert words in done.err


@pytest.mark.parametrize(
    ("name", "asked", "start", "said"),
    [
        ("t.csv", [], "run,record_id", ""),
        ("t.TEX", [], "% needs", ""),
        ("t.md", [], "| Model", ""),
        ("t", [], "| Model", ""),
        ("t.csv", ["--format", "Markdown"], "| Model", "holds markdown, as --format says, and its name says csv"),
        ("t.xlsx", ["--format", "csv"], "run,record_id", ""),
    ],
)
def test_the_name_of_the_file_says_the_format(
    runs: list[Path], tmp_path: Path, name: str, asked: list[str], start: str, said: str
) -> None:
    done = run_cli("table", *runs, "--out", tmp_path / name, *asked, "--metrics", "PSNR, Ssim", "--strata", "IPCC")
    assert (done.code, done.out) == (0, "")
    assert (tmp_path / name).read_text(encoding="utf-8").startswith(start) or "**PSNR" in (tmp_path / name).read_text(
        encoding="utf-8"
    )
    assert said in done.err
    assert bool(done.err) == bool(said)


def test_models_of_one_name_are_told_apart(tmp_path: Path) -> None:
    for name in ("x", "y"):
        mini(tmp_path / name, model="same", seed=ord(name))
    assert [run.name for run in load_runs([tmp_path / "x", tmp_path / "y"])] == ["same (x)", "same (y)"]


def test_a_submission_has_the_name_of_its_page(tmp_path: Path) -> None:
    folder = make_submission(tmp_path, manifest=MANIFEST.replace('title = "my-sr"', 'title = "My SR ×4"'))
    assert [run.name for run in load_runs(the_result(folder))] == ["My SR ×4"]
    assert "a: My SR ×4" in run_cli("compare", the_result(folder), the_result(folder)).out
    (folder / "submission.toml").write_text(MANIFEST.replace('title = "my-sr"', 'title = "verified by maintainers"'))
    assert [run.name for run in load_runs(the_result(folder))] == ["my-sr"]
    (folder / "submission.toml").write_text("not [ toml")
    assert [run.name for run in load_runs(the_result(folder))] == ["my-sr"]


def test_an_address_of_a_stranger_ends_no_field_of_a_reference(runs: list[Path]) -> None:
    about = About("A title", ("A. Author",), paper="https://example.org/}},note={forged")
    entry = model_entry("key", load_record(runs[0]), about)
    assert "url = {https://example.org/%7D%7D,note=%7Bforged}," in entry
    assert entry.count("note=") == 1
