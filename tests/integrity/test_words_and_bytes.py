"""Names that look like other words, logs that steer a terminal, archives that fill a disk, cells that are formulas."""

from __future__ import annotations

import html
import os
import re
import shutil
import zipfile
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest

from factories import make_run
from worldstrat_bench.artefacts.result import read_result
from worldstrat_bench.errors import InvalidArtefactError
from worldstrat_bench.handed import archive
from worldstrat_bench.handed.archive import files_in
from worldstrat_bench.results.formats import markdown, spreadsheet_safe
from worldstrat_bench.results.load import Named
from worldstrat_bench.results.table import table_of
from worldstrat_bench.stats.names import author_fault, name_fault
from worldstrat_bench.submission.faults import escape_markdown
from worldstrat_bench.worker.log import ModelLog

VERIFIED = [
    "verified",
    "v.e.r.i.f.i.e.d",
    "ѵerified",
    "ᴠerified",
    "ʋerified",
    "veri\ufe0efied",
    "verifi℮d",
    "Verífied",
    "Certified by the organisers",
    "self reported",
    "The maintainers",
]
PEOPLE = [
    "Ada Lovelace",
    "Jörg Müller",
    "王小明",
    "Владимир Иванов",
    "Nguyễn Văn A",
    "Ólafur Ragnar",
    "O'Neill-Smith Jr.",
    "Γιώργος Παπαδόπουλος",
    "山田太郎 (NTT)",
    "K. Ø. Åsgård",
]


@pytest.mark.parametrize("name", VERIFIED)
def test_no_author_is_called_what_only_pages_say(name: str) -> None:
    assert author_fault(name)


@pytest.mark.parametrize("name", ["Ada ✅", "★ Ada", "Ada ✓"])
def test_no_author_bears_a_sign(name: str) -> None:
    assert "not a letter" in author_fault(name)


@pytest.mark.parametrize("name", PEOPLE)
def test_people_are_called_as_they_are(name: str) -> None:
    assert author_fault(name) == ""


def test_titles_of_honest_networks_stay() -> None:
    for title in ("SwinIR", "SRGAN+", "α-SR", "HighRes-net 2", "EDSR ×4", "Versatile field net"):
        assert name_fault(title) == ""
    assert name_fault("v.e.r.i.f.i.e.d")


def logged(tmp_path: Path, *chunks: bytes) -> str:
    """What a log holds of a model that prints these pieces one by one."""
    ours, theirs = os.pipe()
    log = ModelLog(tmp_path / "log.txt", 1 << 20)
    log.note("of the harness")
    thread = log.follow(ours)
    for chunk in chunks:
        os.write(theirs, chunk)
    os.close(theirs)
    thread.join()
    log.flush()
    return (tmp_path / "log.txt").read_bytes().decode("utf-8", "replace")


def test_a_log_holds_no_controls_and_no_lines_of_the_harness_but_its_own(tmp_path: Path) -> None:
    text = "a\x9b31mred\x9d0;title\x9c b\u202ec\u2066d [worldstrat-bench] isolation full: everything held\nüñ – ok\n"
    found = logged(tmp_path, text.encode())
    assert found.count("[worldstrat-bench]") == 1
    assert "[model: worldstrat-bench] isolation full" in found
    assert not any("\x80" <= c <= "\x9f" or c in "\u202e\u2066" for c in found)
    assert "üñ – ok" in found


def test_nor_in_pieces(tmp_path: Path) -> None:
    text = "x\x9by [worldstrat-bench] z – \u202e".encode()
    found = logged(tmp_path, *(text[i : i + 1] for i in range(len(text))), b"end\xc2")
    assert found.count("[worldstrat-bench]") == 1
    assert "xy [model: worldstrat-bench] z – end" in found


def bomb(path: Path, files: int, size: int) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as held:
        for i in range(files):
            held.writestr(f"t{i}.npy", bytes(size))
    return path


def test_an_archive_is_measured_before_it_is_unpacked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = bomb(tmp_path / "predictions.zip", 6, 1 << 20)
    with files_in(path) as folder:
        assert len(list(folder.iterdir())) == 6  # small, however well it is packed
    monkeypatch.setattr(archive, "LARGEST_UNLIKELY", 4 << 20)
    with pytest.raises(InvalidArtefactError, match="6 MiB, more than 50 times its own size"), files_in(path):
        pass
    monkeypatch.setattr(archive, "LARGEST_UNLIKELY", 8 << 20)
    monkeypatch.setattr(shutil, "disk_usage", lambda folder: type("Usage", (), {"free": 10 << 20}))
    with pytest.raises(InvalidArtefactError, match="half of what is free"), files_in(path):
        pass


def test_files_of_an_archive_do_not_share_bytes(tmp_path: Path) -> None:
    path = bomb(tmp_path / "predictions.zip", 2, 1 << 12)
    content = bytearray(path.read_bytes())
    second = content.rindex(b"PK\x01\x02")
    content[second + 42 : second + 46] = (4).to_bytes(4, "little")  # where the second file begins
    path.write_bytes(content)
    with pytest.raises(InvalidArtefactError, match=r"in the bytes of another file|cannot be read"), files_in(path):
        pass


@pytest.fixture(scope="module")
def table(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], str]:
    """The row of a run of some name in a table in Markdown."""
    folder = tmp_path_factory.mktemp("table")
    make_run(folder, tiles=12, release="mini", list_name="test")
    result = read_result(folder)
    return lambda name: markdown(table_of((Named(name, result),), "test", ["psnr"])).splitlines()[2].split(" | ")[0][2:]


@pytest.mark.parametrize("name", ["ok :white_check_mark:", ":+1:", "see #17", "a:tada:b", "x::100::y"])
def test_no_name_becomes_a_sign_or_a_link_on_a_forge(table: Callable[[str], str], name: str) -> None:
    """Forges read codes and numbers of issues in the text that Markdown has made, escapes or not."""
    for text in (escape_markdown(name), table(name)):
        seen = re.sub(r"\\(.)", r"\1", html.unescape(text))
        assert not re.search(r":[a-z0-9_+-]+:|#[0-9]", seen)
        assert name in seen.replace("\u200b", "")


@pytest.mark.parametrize("name", ["SRCNN: 8 frames", "α-SR, ratio 4:1", "C# net", "a : b : c"])
def test_other_names_stay_as_they_are(table: Callable[[str], str], name: str) -> None:
    for text in (escape_markdown(name), table(name)):
        assert "\u200b" not in text


def test_no_cell_of_a_table_is_a_formula() -> None:
    names = ['=HYPERLINK("http://evil")', "+1", "-x", "@a", "honest-sr"]
    frame = pd.DataFrame({"run": names, "mean": [1.0, -2, 3, 4, 5]})
    found = spreadsheet_safe(frame)
    assert [text[0] for text in found["run"]] == ["'", "'", "'", "'", "h"]
    assert list(found["mean"]) == [1.0, -2, 3, 4, 5]
