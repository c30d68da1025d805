"""What pages say of a practice set without LPIPS: its licence, how to make it again, numbers and names in words."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest

from factories import make_run
from site_scenes import write_manifest
from statistics_reference import detectable
from worldstrat_bench.printed import counted
from worldstrat_bench.protocol import load_protocol
from worldstrat_bench.results.formats import caption as table_caption
from worldstrat_bench.results.table import make_table
from worldstrat_bench.site import build
from worldstrat_bench.site.config import BoardConfig
from worldstrat_bench.site.entries import read_entries
from worldstrat_bench.site.licences import caption, footer
from worldstrat_bench.site.pages_board import board_facts, board_sentences
from worldstrat_bench.site.sorting import list_divisions
from worldstrat_bench.stats.ranking import RankedBoard, rank
from worldstrat_bench.worker.isolation import PROBES


@pytest.fixture(scope="module")
def board(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a practice board of two models, none of which has LPIPS."""
    root = tmp_path_factory.mktemp("wording")
    for i, name in enumerate(("m0", "m1")):
        make_run(
            root / "runs" / name,
            model=name,
            tiles=30,
            release="mini",
            list_name="test",
            seed=i,
            lpips=False,
            gain_db=float(i),
        )
    build([root / "runs"], root / "out")
    return next((root / "out").glob("practice-*"))


def read(path: Path) -> str:
    return path.read_text(encoding="utf-8")


def test_no_page_of_synthetic_data_names_a_satellites_owner(board: Path) -> None:
    for page in board.parent.rglob("*.html"):
        assert "Airbus" not in read(page), page
        assert "Imagery of the mini data set: synthetic, CC0" in read(page), page


def test_licences_follow_from_the_release() -> None:
    assert "Airbus" in footer(["v1.0", "v1.1"])
    assert "synthetic" not in footer(["v1.1"])
    assert "Airbus" in caption(["v1.1"])
    assert caption(["mini"]) == "Synthetic imagery, CC0."
    assert footer(["mini", "v1.0"]).count("CC0") == 1
    assert "<b>" not in footer(["<b>"])
    assert footer([]) == ""


def test_the_commands_make_the_mini_data_set(board: Path) -> None:
    page = read(board / "m" / "m0.html")
    assert "worldstrat-bench data mini mini --test-tiles 30\nworldstrat-bench evaluate m0 --data mini " in page
    assert "WORLDSTRAT" not in page


def test_a_metric_that_no_record_has_is_not_a_second_board(board: Path) -> None:
    index = read(board / "index.html")
    assert "No LPIPS yet: no record has it (weights were missing)." in index
    assert 'aria-label="Order"' not in index
    assert not (board / "by-lpips.html").exists()
    compare = read(board / "compare.html")
    assert "Who beats whom by PSNR" in compare
    assert "Who beats whom by LPIPS" not in compare
    assert '<option value="lpips"' not in compare
    assert "No LPIPS: <bdi>the AlexNet weights" in read(board / "m" / "m0.html")


def test_a_metric_that_records_have_is_a_board_of_its_own(tmp_path: Path) -> None:
    make_run(tmp_path / "m", tiles=12, release="mini", list_name="test")
    build([tmp_path / "m"], tmp_path / "out")
    folder = next((tmp_path / "out").glob("practice-*"))
    assert 'aria-label="Order">Sort by' in read(folder / "index.html")
    assert "yet: no record has it" not in read(folder / "index.html")
    assert (folder / "by-lpips.html").is_file()


def test_differences_are_those_of_the_board(board: Path) -> None:
    page = read(board / "m" / "m0.html")
    assert (
        "Against 1 model next to it on list test, 30 tiles: differences of the means on the board, paired by tile"
        in page
    )
    for page_name in ("gallery.html", "index.html"):
        assert "median model" not in read(board / page_name)


def test_the_board_is_marked_as_the_current_page(board: Path) -> None:
    link = 'index.html" aria-current="page">Board</a>'
    assert link in read(board / "index.html")
    assert 'index.html" aria-current="true">Board</a>' in read(board.parent / "index.html")
    stratum = read(next(board.glob("s/*.html")))
    assert 'strata.html" aria-current="true">Strata</a>' in stratum
    assert 'index.html">Board</a>' in stratum


def test_one_is_not_many(board: Path) -> None:
    assert [counted(n, "entry", "entries") for n in (0, 1, 2)] == ["0 entries", "1 entry", "2 entries"]
    assert counted(1, "model") == "1 model"
    assert "A tile of the list test." in read(next(board.glob("t/*.html")))


def test_a_single_model_has_no_difference_to_detect(tmp_path: Path) -> None:
    make_run(tmp_path / "m", tiles=36, release="mini", list_name="test")
    (division,) = list_divisions(read_entries([tmp_path])[0])
    boards = {"psnr": division.boards["test", "psnr"]}
    assert board_facts(boards, 36) == ["36 tiles", "35 groups (34.1 effective)", "1 model ranked by PSNR"]
    assert board_sentences(boards) == []
    build([tmp_path / "m"], tmp_path / "out")
    pages = [path for path in (tmp_path / "out").rglob("*.html") if "Told apart: " in read(path)]
    assert pages == []


def test_a_column_that_no_row_fills_is_not_drawn_on_a_models_page(tmp_path: Path) -> None:
    """The macro mean is over classes of at least ten tiles: a board of few tiles has none."""
    for tiles in (12, 120):
        make_run(tmp_path / f"m{tiles}", model=f"m{tiles}", tiles=tiles, release="mini", list_name="test")
    build([tmp_path / "m12", tmp_path / "m120"], tmp_path / "out")
    for tiles, drawn in ((12, False), (120, True)):
        page = read(next((tmp_path / "out").rglob(f"m/m{tiles}.html")))
        head, first, *_ = page.split('<table id="scores"')[1].split("</tr>")
        assert ('data-key="macro"' in head) == drawn
        assert head.count("<th scope") == first.count("<th scope") + first.count("<td")


def test_the_method_explains_the_words_of_provenance(board: Path) -> None:
    page = read(board.parent / "method.html")
    about = page.split('id="provenance"')[1].split("<h3>")[0]
    assert {*re.findall("<code>(.*?)</code>", about)} == {*PROBES, "requirements.lock"}
    assert "<dt>none</dt><dd>No training data. The model has no weights.</dd>" in page


def test_no_page_shows_markup_as_text(board: Path) -> None:
    assert [path for path in board.parent.rglob("*.html") if "`" in read(path)] == []


def ranked(models: int, metric: str = "psnr") -> tuple[RankedBoard, list[list[float]]]:
    """A board of so many models on 60 tiles, and the values in its order."""
    values = np.random.default_rng(2).normal(0, 1, (models, 60)) + np.linspace(0, 3, models)[:, None]
    columns = {f"m{i}": row for i, row in enumerate(values)}
    found = rank(columns, [f"{i}" for i in range(60)], metric=metric, protocol=load_protocol("wsb-1"))
    return found, [columns[standing.model].tolist() for standing in found.standings]


@pytest.mark.parametrize("models", [2, 20, 21, 40])
def test_a_board_says_what_it_can_tell_apart_and_what_chance_alone_would(models: int) -> None:
    found, rows = ranked(models)
    said = board_sentences({"psnr": found})
    sentence = re.fullmatch(
        r"PSNR: two neighbours here are told apart about four times in five if they truly differ by (\d\.\d{3}) dB; "
        r"smaller differences can be real, and some are told apart\.",
        said[0],
    )
    assert sentence
    assert float(sentence[1]) == pytest.approx(detectable(rows, [f"{i}" for i in range(60)]), rel=1e-3, abs=6e-4)
    # Up to 20 models the chance of any wrong verdict is at most 5 %: there is nothing to add.
    wrong = {21: "0.1", 40: "0.2"}
    assert said[1:] == [
        f"PSNR: if all {models} models were equal, {count} wrong verdicts would be expected among their pairs."
        for count in [wrong.get(models)]
        if count
    ]


def test_a_metric_without_a_unit_is_said_without_one() -> None:
    said = board_sentences({"lpips": ranked(21, "lpips")[0]})
    assert [text.split(":")[0] for text in said] == ["LPIPS", "LPIPS"]
    assert re.search(r"truly differ by 0\.\d+; smaller", said[0])


def test_the_page_of_a_board_says_so(board: Path) -> None:
    text = read(board / "index.html")
    assert re.search(r"PSNR: two neighbours here are told apart about four times in five .* by \d+\.\d{3} dB;", text)
    assert "wrong verdicts" not in text


def test_told_apart_is_explained_where_it_is_first_said(board: Path) -> None:
    page = read(board / "index.html")
    meaning = "in at most 1 of 3,800 cases, by each of two tests, and it is at least 0.05 dB of PSNR."
    assert page.count(meaning) == 1
    assert page.index(meaning) < page.index("<table")


def test_too_few_groups_give_no_verdict_anywhere_on_a_stratum(board: Path) -> None:
    """Between the limits of intervals and of ranks the dots are hollow and the words say why."""
    pages = {path: read(path) for path in board.glob("s/*.html")}
    small = [page for page in pages.values() if "too few groups of tiles for a verdict; exploratory." in page]
    assert small
    for page in small:
        # The figure is drawn for two widths, with the first model as the only filled dot of each.
        assert page.count('class="pt"') == 2
        assert 'class="ho"' in page
        assert 'class="wk"' not in page
        assert "told apart from the first" not in page


def test_practice_on_generated_scenes_says_so(board: Path, tmp_path: Path) -> None:
    assert "Practice on synthetic scenes, no satellite data." in read(board / "index.html")
    make_run(tmp_path / "m", tiles=12, release="mine", list_name="test")
    build([tmp_path / "m"], tmp_path / "out")
    other = read(next((tmp_path / "out").glob("practice-*")) / "index.html")
    assert "official test list but mine data" in other
    assert "synthetic scenes" not in other


def test_a_lead_of_a_model_trained_on_such_scenes_is_marked(tmp_path: Path) -> None:
    for i, (slug, data) in enumerate((("photos", "DIV2K"), ("same", "Scenes of data mini's generator"))):
        run = tmp_path / "runs" / slug
        make_run(run, model=slug, tiles=30, release="mini", list_name="test", seed=i, gain_db=float(i), submission=slug)
        write_manifest(run, slug=slug, title=slug)
        with (run / "submission.toml").open("a", encoding="utf-8") as file:
            file.write(f'[training]\ndatasets = ["{data}"]\n')
    build([tmp_path / "runs"], tmp_path / "out")
    said = "was trained on scenes like those of this board"
    assert "same, by its authors&#39; account, " + said in read(tmp_path / "out" / "index.html")
    build([tmp_path / "runs" / "photos"], tmp_path / "other")
    assert said not in read(tmp_path / "other" / "index.html")


def test_a_self_reported_page_does_not_deny_the_rank_it_shows(board: Path) -> None:
    assert "On an official board a rank, letters and a place in a figure belong to verified" in read(
        board / "m/m0.html"
    )


def test_the_page_that_chooses_explains_its_conditions(board: Path) -> None:
    page = read(board / "choose.html")
    form, after = page.split("<form", 1)[1].split('<div id="choice"', 1)
    assert "No model of this board has a speed yet" in form
    assert "Permissive: any use. Allows commercial use: " in form
    assert after.startswith(' data-verified="../method.html#verified"')
    assert 'id="verified"' in read(board.parent / "method.html")


def test_the_method_begins_with_psnr_in_short_and_does_not_contradict_itself(board: Path) -> None:
    page = read(board.parent / "method.html")
    short = page.split('<section id="short">', 1)[1].split("</section>", 1)[0]
    assert short.count("<li>") == 5
    assert "up to 8 px" in short
    assert "steps of 1/16 px" in short
    assert "A protocol never changes" not in page
    assert page.index('id="short"') < page.index("<table")


def test_references_say_when_where_and_on_what_data(board: Path, tmp_path: Path) -> None:
    page = read(board / "m/m0.html")
    assert "year = {20" in page
    assert "note = {practice board, mini data (synthetic), self-reported, " in page
    assert 'href="../index.html#bibtex"' in page
    assert "url = " not in page
    assert "note = {practice board, mini data (synthetic), protocol wsb-1" in read(board / "index.html")
    make_run(tmp_path / "runs" / "m", model="m", tiles=12, release="mini", list_name="test")
    build([tmp_path / "runs"], tmp_path / "out", config=BoardConfig(url="https://example.org/b/"))
    (folder,) = (tmp_path / "out").glob("practice-*")
    assert f"url = {{https://example.org/b/{folder.name}/m/m.html}}" in read(folder / "m/m.html")
    assert f"url = {{https://example.org/b/{folder.name}/index.html}}" in read(folder / "index.html")


def test_the_last_command_names_what_it_compares_with(board: Path) -> None:
    page = read(board / "m/m0.html")
    saved = "# save record.json and tiles.csv of this page (Files, below) in a folder named published\n"
    assert saved + "worldstrat-bench compare run published\n" in page


def test_a_table_to_copy_explains_only_what_it_bears_and_says_a_reason_once(tmp_path: Path) -> None:
    for i in range(3):
        make_run(tmp_path / f"m{i}", model=f"m{i}", tiles=30, release="mini", list_name="test", seed=i, lpips=False)
    table = make_table(sorted(tmp_path.iterdir()), ["psnr", "lpips"])
    said = table_caption(table, letters=True)
    assert said.count("LPIPS of ") == 1
    assert "LPIPS of all 3 models was not computed." in said
    bold = any(cell.best for cells in table.cells for cell in cells)
    assert ("is bold" in said) == bold
    assert ("share a letter" in said) == any(cell.letters for cells in table.cells for cell in cells)
    alone = table_caption(make_table([tmp_path / "m0"], ["psnr"]), letters=True)
    assert "is bold" not in alone
    assert "share a letter" not in alone


def test_a_tile_names_the_best_and_the_worst_model_in_words(board: Path) -> None:
    page = read(next(board.glob("t/*.html")))
    names = re.search(r"Best: <bdi>(.*?)</bdi>; worst: <bdi>(.*?)</bdi>\. \d+ models", page)
    rows = re.findall(r'<th scope="row"><a href="../m/[^"]*"><bdi>(.*?)</bdi>', page.split('id="models"', 1)[1])
    assert names is not None
    assert names.groups() == (rows[0], rows[-1])


def test_a_stratum_says_its_number_of_tiles_once(board: Path) -> None:
    for path in board.glob("s/*.html"):
        lead = re.search(r'<p class="lead">(.*?)</p>', read(path))
        assert lead is not None
        assert len(re.findall(r"\d+ tiles?\b", lead[1])) == 1, lead[1]
