"""The page of a model: its state, samples that maintainers ran again, what ran beside it, how to make it again."""

from __future__ import annotations

import html
import json
import re
import shutil
from pathlib import Path
from typing import Any

import pytest

from factories import make_run
from site_scenes import write_manifest, write_verification
from worldstrat_bench.artefacts.record import Record, build_record
from worldstrat_bench.artefacts.state import state_of
from worldstrat_bench.printed import plain_reason
from worldstrat_bench.site import build
from worldstrat_bench.site.checker import check

STATE = {"status_date": "2026-11-26", "status_reason": "The training list held test tiles."}
LOCK = "edgekernels==1.2.0 --hash=sha256:" + "a" * 64 + "\n"
PACKAGES = {"numpy": "2.4.6", "safetensors": "0.8.0", "torch": "2.14.1", "edgekernels": "1.2.0", "locked-sr": "0.3"}


def submit(root: Path, slug: str, **manifest: Any) -> tuple[Path, Record]:
    """Write a submission of the practice board; return the folder of its record, and the record."""
    run = root / slug / "results" / "wsb-1" / "x"
    record = make_run(
        run,
        model=slug,
        submission=slug,
        tiles=12,
        release="mini",
        list_name="test",
        lpips=False,
        gain_db=len(slug) / 9,
    )
    write_manifest(root / slug, slug=slug, title=slug, **manifest)
    return run, record


def lock(run: Path) -> None:
    """Let a record say that its environment was built from a lock, and lay that beside the manifest."""
    content = json.loads((run / Record.FILE).read_text(encoding="utf-8"))
    created, _, _ = (content.pop(key) for key in ("created", "record_id", "schema_version"))
    content["environment"]["packages"] = PACKAGES
    content["model"] |= {"lock_sha256": "c" * 64, "distribution": "locked_sr", "version": "0.3"}
    build_record(created=created, **content).save(run / Record.FILE)
    (run.parents[2] / "requirements.lock").write_text(LOCK, encoding="utf-8")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a practice board: submissions in every state, with and without a verification of a kind."""
    root = tmp_path_factory.mktemp("pages")
    submissions = root / "s"
    write_verification(*submit(submissions, "plain"))
    write_verification(*submit(submissions, "disputed", status="disputed", **STATE))
    submit(submissions, "withdrawn", status="withdrawn", **STATE)
    sampled, record = submit(submissions, "sampled")
    write_verification(sampled, record, scope="sample")
    foreign, _ = submit(submissions, "foreign")
    shutil.copy(sampled / "verification.json", foreign)
    failed, record = submit(submissions, "failed")
    write_verification(failed, record, scope="sample", passed=False)
    later, record = submit(submissions, "later")
    write_verification(later, record, scope="sample")
    text = (later / "verification.json").read_text(encoding="utf-8")
    (later / "verification.json").write_text(text.replace("2026-02-03T", "2999-02-03T"), encoding="utf-8")
    lock(submit(submissions, "locked")[0])
    unlocked, _ = submit(submissions, "unlocked")
    (unlocked.parents[2] / "requirements.lock").write_text("", encoding="utf-8")
    build([submissions], root / "out")
    assert check(root / "out").faults == ()
    return next((root / "out").glob("practice-*"))


def page(folder: Path, slug: str) -> str:
    return html.unescape((folder / "m" / f"{slug}.html").read_text(encoding="utf-8"))


def row(text: str, label: str) -> str:
    """Return a row of the card or of the provenance; "" if there is none."""
    found = re.search(rf"<dt>{label}</dt><dd><bdi>(.*?)</bdi></dd>", text)
    return found[1] if found else ""


def mark(text: str) -> str:
    found = re.search(r"<h1>.*?<small[^>]*>(.*?)</small></h1>", text)
    assert found is not None
    return found[1]


def note(text: str) -> str:
    return text[text.index("note = {") :].split("\n")[0]


@pytest.mark.parametrize(
    ("slug", "said"),
    [
        ("disputed", "verified, disputed on 2026-11-26"),
        ("withdrawn", "self-reported, withdrawn on 2026-11-26"),
        ("plain", "✔ verified"),
        ("sampled", "self-reported"),
    ],
)
def test_a_state_stands_wherever_the_status_does(folder: Path, slug: str, said: str) -> None:
    text = page(folder, slug)
    assert mark(text) == said
    assert f"data (synthetic), {said.removeprefix('✔ ')}, " in note(text)
    state = said.partition(", ")[2]
    begin = f"{state.capitalize()}, so that it has no rank. Its numbers are " if state else ""
    assert row(text, "Status").startswith(f"{begin}{said.split(',')[0].removeprefix('✔ ')}")


def test_runs_that_are_not_ranked_are_links_to_their_pages(folder: Path) -> None:
    data = (folder.parent / "data.html").read_text(encoding="utf-8")
    assert f'<dt><a href="{folder.name}/m/disputed.html"><bdi>disputed</bdi></a></dt><dd><bdi>disputed on' in data


def test_a_date_of_a_state_is_a_date() -> None:
    """It stands beside the title without quotes, so that other text of a manifest must not come with it."""
    about = {"status": "disputed", "status_date": "1 May, ✔ verified", "status_reason": "r"}
    assert state_of({"submission": about}).brief == "disputed"
    assert state_of({"submission": {**about, "status_date": "2026-11-26"}}).brief == "disputed on 2026-11-26"
    assert state_of({}).brief == ""


def test_a_sample_is_told_and_is_not_a_status(folder: Path) -> None:
    text = page(folder, "sampled")
    assert row(text, "Status").startswith(
        "self-reported. M. Maintainer ran 12 of its 12 tiles again on 2026-02-03, and they agree; the numbers are "
        "still the authors'. Computed by the authors. We checked"
    )
    assert "✔" not in text
    rows = (folder / "data" / "board-test.csv").read_text(encoding="utf-8").splitlines()
    assert [",verified," in line for line in rows if line.startswith("sampled,")] == [False]


@pytest.mark.parametrize("slug", ["foreign", "failed", "later", "plain", "unlocked"])
def test_what_is_not_a_sample_of_the_record_is_not_told(folder: Path, slug: str) -> None:
    """Of another record, one that found a difference, one dated in the future, one of the whole list, and none."""
    assert "tiles again on" not in page(folder, slug)


def test_what_ran_beside_the_model_is_named(folder: Path) -> None:
    text = page(folder, "locked")
    assert row(text, "Packages beside the model") == "edgekernels 1.2.0"
    assert row(text, "Lock") == f"{'c' * 64}, digest of what the lock installs, not of the file"
    # Not the file: a site cannot tell whether it is the one that was installed from.
    assert not list(folder.rglob("*.lock"))


def test_an_empty_lock_has_no_row_and_no_file(folder: Path) -> None:
    text = page(folder, "unlocked")
    assert row(text, "Lock") == ""
    assert "requirements.lock" not in text
    assert not (folder / "data/runs/unlocked/requirements.lock").exists()


def test_the_commands_say_what_a_record_of_mini_does_not_know(folder: Path, tmp_path: Path) -> None:
    said = "# Add the options that the tiles were made with, where they are not the defaults (--size, --seed, "
    text = page(folder, "plain")
    assert said in text[: text.index("worldstrat-bench data mini mini --test-tiles 12\n")]
    make_run(tmp_path / "runs" / "m", model="m", tiles=12, release="mine", list_name="test")
    build([tmp_path / "runs"], tmp_path / "out")
    assert said not in next((tmp_path / "out").rglob("m/m.html")).read_text(encoding="utf-8")


REASONS = [
    ("no LPIPS weights on this machine: --lpips-weights FILE with a.pth", "no LPIPS weights on the machine of the run"),
    (
        "LPIPS weights cannot be had: the name example.org does not resolve here; --lpips-weights FILE takes a copy",
        "LPIPS weights cannot be had",
    ),
    ("ST-LPIPS needs pip install worldstrat-bench[stlpips]: No module named 'lpips'", "ST-LPIPS was not installed"),
    ("1 of 12 tiles: failed: ValueError: x; 2 of 12 tiles: no pixel counts", None),
    ("no pixel of the target has R + NIR above 0.05", "no pixel of the target has R + NIR above 0.05"),
]


@pytest.mark.parametrize(("reason", "said"), REASONS)
def test_why_a_metric_is_null_is_said_in_words(reason: str, said: str | None) -> None:
    assert plain_reason(reason) == (said or "1 of 12 tiles: failed; 2 of 12 tiles: no pixel counts")


def test_no_page_and_no_caption_holds_a_hint_for_a_command_line(tmp_path: Path) -> None:
    for i, name in enumerate(("ours", "theirs")):
        run = tmp_path / "runs" / name
        make_run(run, model=name, tiles=12, release="mini", list_name="test", lpips=False, gain_db=float(i))
        content = json.loads((run / Record.FILE).read_text(encoding="utf-8"))
        created, _, _ = (content.pop(key) for key in ("created", "record_id", "schema_version"))
        build_record(created=created, **content | {"nulls": {"lpips": REASONS[i][0]}}).save(run / Record.FILE)
    build([tmp_path / "runs"], tmp_path / "out")
    (board,) = (tmp_path / "out").glob("practice-*")
    copied = html.unescape((board / "index.html").read_text(encoding="utf-8").partition('class="copies"')[2])
    # Of LaTeX and of Markdown.
    assert copied.count("LPIPS of all 2 models was not computed.") == copied.count("LPIPS of ") == 2
    text = page(board, "theirs")
    assert "No LPIPS: <bdi>LPIPS weights cannot be had</bdi>" in text
    assert "no lpips on 12 of 12 tiles of list test (LPIPS weights cannot be had)" in text
    assert not [p for p in board.rglob("*.html") if "--lpips-weights" in p.read_text(encoding="utf-8")]
