"""What stays and what is shared: snapshots and the history, links from elsewhere, the feed, citations."""

from __future__ import annotations

import hashlib
import json
import shutil
import subprocess
import sys
import zipfile
from io import BytesIO
from pathlib import Path
from xml.etree import ElementTree

import pandas as pd
import pytest
from PIL import Image
from playwright.sync_api import Browser, expect
from typer.testing import CliRunner

from factories import make_run
from site_browser import violations, visit
from worldstrat_bench.cli.app import app
from worldstrat_bench.errors import InvalidArtefactError, UsageError
from worldstrat_bench.protocol import load_protocol
from worldstrat_bench.site.checker import check
from worldstrat_bench.site.config import load_config
from worldstrat_bench.site.snapshots import load_snapshots

URL = "https://example.org/bench/"
REPOSITORY = "https://example.org/code/bench.git"
DOI = "10.5281/zenodo.1234567"


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A site with an address and two snapshots, between which a model entered and one got another record."""
    root = tmp_path_factory.mktemp("shared")
    board = root / "reports" / "board.toml"
    board.parent.mkdir()
    board.write_text(f'url = "{URL}"\nrepository = "{REPOSITORY}"\ndoi = "{DOI}"\n', encoding="utf-8")

    def run(name: str, gain: float, seed: int) -> None:
        shutil.rmtree(root / "runs" / name, ignore_errors=True)
        make_run(root / "runs" / name, model=name, tiles=36, release="mini", list_name="test", gain_db=gain, seed=seed)

    def command(*words: object) -> None:
        done = CliRunner().invoke(app, ["site", *map(str, words)])
        assert done.exit_code == 0, done.output

    run("plain", 0.0, 1)
    run("sharp", 1.0, 2)
    for name in ("2026-11", "2026-12"):
        command("build", root / "runs", "--out", root / "site", "--board", board)
        command("snapshot", name, "--site", root / "site", "--out", board.parent / "snapshots")
        run("new", 2.0, 3)
        run("plain", 0.3, 4)
    command("build", root / "runs", "--out", root / "site", "--board", board)
    return root


def test_a_snapshot_has_a_page_that_does_not_change(shared: Path, browser: Browser) -> None:
    site = shared / "site"
    with visit(browser, (site / "snapshot" / "2026-11.html").as_uri()) as seen:
        rows = seen.page.locator("tbody tr").all_inner_texts()
        assert [row.split("\t")[0] for row in rows] == ["sharp", "plain"]
        frozen = json.loads((site / "data/snapshots/2026-11.json").read_text(encoding="utf-8"))
        assert frozen["digest"] in seen.page.locator("main").inner_text()
        assert f"{URL}snapshot/2026-11.html" in seen.page.locator("pre").inner_text()
        assert violations(seen.page) == []
        seen.assert_quiet()
    assert check(site).faults == ()


def test_the_history_says_who_entered(shared: Path, browser: Browser) -> None:
    with visit(browser, (shared / "site" / "index.html").as_uri()) as seen:
        seen.page.locator("footer a", has_text="History").click()
        said = seen.page.locator("main").inner_text()
        assert "Entered: new" in said
        assert "New record: plain" in said
        assert "sharp: psnr rank 1 to 2" in said
        assert seen.page.locator("figure svg").count() == 1
        assert violations(seen.page) == []


def test_diff_compares_snapshots_and_sites(shared: Path) -> None:
    first = shared / "reports/snapshots/2026-11.json"
    done = CliRunner().invoke(app, ["site", "diff", str(first), str(shared / "site"), "--json"])
    (change,) = json.loads(done.output)
    assert (change["entered"], change["left"], change["replaced"]) == (["new"], [], ["plain"])
    done = CliRunner().invoke(app, ["site", "diff", str(first), str(first)])
    assert done.output.strip() == "nothing changed"


def test_a_snapshot_that_was_changed_is_refused(shared: Path, tmp_path: Path) -> None:
    text = (shared / "reports/snapshots/2026-11.json").read_text(encoding="utf-8")
    (tmp_path / "2026-11.json").write_text(text.replace('"title": "sharp"', '"title": "blunt"'), encoding="utf-8")
    with pytest.raises(InvalidArtefactError, match="the digest is not that of the boards"):
        load_snapshots(tmp_path)
    again = CliRunner().invoke(
        app,
        ["site", "snapshot", "2026-11", "--site", str(shared / "site"), "--out", str(shared / "reports/snapshots")],
    )
    assert isinstance(again.exception, UsageError)
    bad = CliRunner().invoke(app, ["site", "snapshot", "../x", "--site", str(shared / "site"), "--out", str(tmp_path)])
    assert isinstance(bad.exception, UsageError)


def test_links_from_elsewhere_are_absolute_with_an_address_and_absent_without(shared: Path, site: Path) -> None:
    page = (shared / "site" / "index.html").read_text(encoding="utf-8")
    assert f'<link rel="canonical" href="{URL}index.html">' in page
    assert f'<meta property="og:image" content="{URL}card.png">' in page
    assert 'property="og:description" content="new is first by PSNR' in page
    with Image.open(BytesIO((shared / "site" / "card.png").read_bytes())) as card:
        assert card.size == (1200, 630)
    plain = (site / "index.html").read_text(encoding="utf-8")
    assert "canonical" not in plain
    assert "og:image" not in plain
    assert not (site / "card.png").exists()


def test_the_feed_has_scores_and_absolute_links(shared: Path, site: Path) -> None:
    name = "{http://www.w3.org/2005/Atom}"
    for folder, start in ((shared / "site", URL), (site, "")):
        entries = ElementTree.parse(folder / "feed.xml").getroot().findall(f"{name}entry")
        links = [entry.find(f"{name}link") for entry in entries]
        assert all(link is not None and link.attrib["href"].startswith(start) for link in links)
        summaries = [entry.findtext(f"{name}summary") or "" for entry in entries]
        assert any("PSNR " in text and "rank " in text for text in summaries)


@pytest.mark.parametrize(
    ("key", "values"),
    [
        ("url", ("javascript:x", "https://example.org/bench", "ftp://example.org/")),
        (
            "repository",
            (
                "http://example.org/bench",
                "git@example.org:bench.git",
                "https://me:secret@example.org/bench",
                "https://example.org/bench?token=1",
                "https://example.org/a b",
                "https://example.org/$(id)",
                "https://example.org/}\\n",
                "https://-upload-pack/x",
                "https://example.org",
            ),
        ),
        ("doi", ("https://doi.org/10.5281/zenodo.1", "11.5281/zenodo.1", "10.5281/", "10.5281/a}b", "10.5281/<b>")),
    ],
)
def test_an_address_that_cannot_be_one_is_refused(tmp_path: Path, key: str, values: tuple[str, ...]) -> None:
    for value in values:
        (tmp_path / "board.toml").write_text(f'{key} = "{value}"\n', encoding="utf-8")
        with pytest.raises(InvalidArtefactError, match=key):
            load_config(tmp_path / "board.toml")


def test_board_model_and_data_can_be_cited(shared: Path, site: Path, browser: Browser) -> None:
    with visit(browser, (site / "index.html").as_uri()) as seen:
        seen.page.locator(".lead a", has_text="Cite").click()
        expect(seen.page.locator("#bibtex")).to_be_in_viewport()
        said = seen.page.locator("#cite pre").inner_text()
        assert "@software{worldstratbench" in said
        assert "@inproceedings{worldstrat2022" in said
        assert "url = " not in said
        assert "does not know its own address" in seen.page.locator("#cite").inner_text()
    with visit(browser, (site / "m" / "srcnn.html").as_uri()) as seen:
        assert "@misc{srcnn," in seen.page.locator("pre[aria-label='BibTeX of this model']").inner_text()
        assert "does not name the address of its repository" in seen.page.locator("#provenance").inner_text()
    board = next((shared / "site").glob("practice-*")) / "index.html"
    with visit(browser, board.as_uri()) as seen:
        seen.page.locator("#cite summary").click()
        said = seen.page.locator("#cite").inner_text()
        assert f"url = {{{URL}{board.parent.name}/index.html}}" in said
        assert f"repository = {{{REPOSITORY}}}" in said
        assert f"doi = {{{DOI}}}" in said
        assert "address" not in said.splitlines()[1]
        links = seen.page.locator("footer a")
        targets = [links.nth(i).get_attribute("href") for i in range(links.count())]
        assert targets[-2:] == [REPOSITORY, f"https://doi.org/{DOI}"]
        assert violations(seen.page) == []
    page = (board.parent / "m" / "sharp.html").read_text(encoding="utf-8")
    assert f"git clone {REPOSITORY} board\ncd board\n" in page
    assert "does not name the address" not in page


def test_a_board_is_copied_as_the_table_command_prints_it(site: Path, browser: Browser) -> None:
    with visit(browser, (site / "index.html").as_uri()) as seen:
        seen.page.locator(".copies summary").click()
        texts = seen.page.locator(".copies pre").all_inner_texts()
        assert texts[0].startswith("% needs \\usepackage{booktabs}")
        assert "fusion-transformer" in texts[1]
        assert "| --" in texts[1] or "|--" in texts[1] or "| :" in texts[1] or "|:" in texts[1]
        assert texts[2].count("\n") == 1 + 9 * 3


def test_a_page_that_is_not_there_has_a_page(site: Path, browser: Browser) -> None:
    with visit(browser, (site / "404.html").as_uri()) as seen:
        assert "no such page" in seen.page.locator("h1").inner_text()
        assert violations(seen.page) == []


def test_downloads_join(site: Path) -> None:
    tables = {name: pd.read_csv(site / "data" / f"{name}.csv") for name in ("board-clean", "board-full", "strata")}
    tables["tiles"] = pd.read_parquet(site / "data" / "tiles.parquet")
    board = tables["board-clean"]
    assert len(board) == 9
    for table in tables.values():
        assert set(zip(table["slug"], table["record_id"], strict=True)) >= set(
            zip(board["slug"], board["record_id"], strict=True)
        )
    means = tables["tiles"].query("slug == 'srcnn'").set_index("tile")["psnr"]
    assert len(means) == 394
    with zipfile.ZipFile(site / "data" / "all.zip") as archive:
        assert {"board-clean.csv", "board-clean.json", "strata.csv"} <= set(archive.namelist())
        assert archive.read("strata.csv") == (site / "data" / "strata.csv").read_bytes()


def test_the_lines_for_pandas_work_in_the_folder_of_the_site(site: Path, browser: Browser) -> None:
    with visit(browser, (site / "data.html").as_uri()) as seen:
        lines = seen.page.locator("pre").first.inner_text()
    code = f"{lines}\nprint(len(board), len(strata) > 1000)"
    done = subprocess.run([sys.executable, "-c", code], cwd=site, capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["9", "True"]


def test_the_method_is_in_words_and_beside_the_file_itself(site: Path, browser: Browser) -> None:
    with visit(browser, (site / "method.html").as_uri()) as seen:
        said = seen.page.locator("#wsb-1").inner_text()
        assert "160 px" in said
        assert "hr_side_min" not in said
        assert "1e-06" not in said
        seen.page.locator("#wsb-1 summary").first.click()
        text = seen.page.locator("#wsb-1 pre code").text_content() or ""
        assert load_protocol("wsb-1").sha256 == hashlib.sha256(text.encode()).hexdigest()
