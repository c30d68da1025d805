"""Titles and authors that are read as another's, or as a verdict of the pages."""

from __future__ import annotations

import importlib.resources
import json
from pathlib import Path

import pytest

from submission_factory import MANIFEST, make_submission
from worldstrat_bench.site.text import clean
from worldstrat_bench.stats.names import alike, author_fault, name_fault, skeleton, word_fault
from worldstrat_bench.submission.check import check

HONEST = (
    "SwinIR",
    "Real-ESRGAN x4+",
    "EDSR ×4",
    "α-SR",
    "Fusion (β), 8 frames",
    "José's net v1.0",
    "Нейросеть",
    "超解像",
    "Small network, multi-frame",
    "Łódź-Net",
    "초해상도",
    "Bicubic",
)
FORGED = (
    "SwinIR ✓ verified",
    "SwinIR ✔",
    "SwinIR verified",
    "Verified",
    "VERIF1ED net",
    "ver-i-fied",
    "νerified",
    "Official",
    "SwіnIR",
    "ЅwinIR",
    "SwinΙR",
    "Ｓwin",
    "𝐒win",
    "Sw\u200binIR",
    "S\u202ewin",
    "SwinIR\u0301",
    "SwinIR™",
    "★ SwinIR",
    "SwinIR 🥇",
    "ſwin",
    "SR²",
    "Swin|R",
    "αβ net",
    "---",
    "ꓢꓪꓲꓠ",
    "ՏԝіnIR",
    "maintainers' choice",
    "<b>SwinIR</b>",
)


def submitted(root: Path, slug: str, title: str, author: str = "Ada Example") -> Path:
    """A submission of that title and author."""
    text = MANIFEST.replace('title = "my-sr"', f'title = "{title}"').replace('"my-sr"', f'"{slug}"')
    return make_submission(root, slug, manifest=text.replace("Ada Example", author), record=False)


def rules(folder: Path) -> set[str]:
    return {fault.rule for fault in check([folder]).errors}


@pytest.mark.parametrize("title", HONEST)
def test_honest_titles_pass(title: str) -> None:
    assert name_fault(title) == ""


@pytest.mark.parametrize("title", FORGED)
def test_titles_that_say_or_hide_something_are_refused(title: str) -> None:
    assert name_fault(title) != ""


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("SwinIR", "SwinlR"),
        ("SwinIR", "Swin1R"),
        ("SwinIR", "swin ir"),
        ("SwinIR", "Swin-IR"),
        ("SwinIR", "SwinIR."),
        ("SwinIR 2", "Swin.IR. 2"),
        ("COMET", "СОМЕТ"),
        ("modern", "modem"),
        ("HAT", "НАТ"),
        ("HAT", "ΗΑΤ"),
        ("Résnet", "Resnet"),
        ("SR0", "SRO"),
        ("EDSR x4", "EDSR ×4"),
        ("Łódź", "Lodz"),
        ("ニ", "二"),
    ],
)
def test_what_readers_take_for_each_other_has_one_skeleton(one: str, other: str) -> None:
    assert skeleton(one) == skeleton(other)


def test_the_table_holds_all_that_unicode_calls_alike() -> None:
    """Technical standard 39, for the characters that names may use, as an independent package has it."""
    data = importlib.resources.files("confusable_homoglyphs") / "confusables.json"
    alike = json.loads(data.read_text(encoding="utf-8"))
    pairs = [(one, entry["c"]) for one, entries in alike.items() for entry in entries]
    usable = [pair for pair in pairs if all(_usable(name) for name in pair)]
    assert len(usable) > 200
    assert [pair for pair in usable if skeleton(pair[0]) != skeleton(pair[1])] == []


def _usable(name: str) -> bool:
    """Whether a title may hold each of these characters."""
    return all(name_fault(f"{character}1") == "" for character in name)


def test_honest_titles_have_skeletons_of_their_own() -> None:
    names = (
        *HONEST,
        "EDSR ×2",
        "SRCNN",
        "ESRGAN",
        "Net v1.0",
        "Net v10",
        "Net v1.1",
        "RCAN",
        "RDN",
        "HAT",
        "Bicubic, moved",
    )
    assert len({skeleton(name) for name in names}) == len(names)


def test_the_check_refuses_a_forged_title_and_a_second_one_that_looks_the_same(tmp_path: Path) -> None:
    honest = submitted(tmp_path, "swinir", "SwinIR")
    assert rules(honest) == set()
    assert "name" in rules(submitted(tmp_path, "tick", "SwinIR ✓ verified"))
    twin = submitted(tmp_path, "twin", "SwinlR")
    (fault,) = (fault for fault in check([twin]).errors if fault.rule == "name")
    assert "swinir" in fault.what
    assert rules(submitted(tmp_path, "edsr", "EDSR ×4")) == set()


@pytest.mark.parametrize(
    "author", ["The worldstrat-bench maintainers", "Mаintаiners", "verified by WorldStrat", "A\u202eda"]
)
def test_an_author_is_neither_the_maintainers_nor_a_verdict(tmp_path: Path, author: str) -> None:
    assert author_fault(author) != ""
    assert rules(submitted(tmp_path, "mine", "Mine", author)) in ({"name"}, {"manifest"})  # hidden text is not a line


@pytest.mark.parametrize(
    "author", ["Ada Example", "José Núñez", "王伟 (Wei Wang)", "D’Arcy O'Brien-Ng", "Ștefan Popescu"]
)
def test_people_are_called_in_many_ways(author: str) -> None:
    assert author_fault(author) == ""


@pytest.mark.parametrize("hidden", ["\u200b", "\x01", " ", "\u2028", "\u00a0", "\u0378", "a "])
@pytest.mark.parametrize("count", [1, 400, 2000])
def test_words_are_looked_for_in_what_pages_show_of_a_text(hidden: str, count: int) -> None:
    """Pages leave out what is not printed and collapse spaces before they cut a text."""
    text = f"{hidden * count}Verified by the maintainers"
    shown = "maintainers" in clean(text, 600)
    assert shown == (hidden != "a " or count < 300)
    assert bool(word_fault(text)) >= shown
    assert word_fault(f"{hidden * count}The tiles of 2026 were read twice") == ""


def test_titles_are_compared_as_pages_cut_them() -> None:
    begin = "Multi-frame super-resolution with attention and registration, "
    assert len(begin) > 60
    assert alike(f"{begin}base model", f"{begin}large model")
    assert alike(begin, f"{begin}large model")
    assert alike(f"{begin}base model", f"{begin.replace(' ', '  ')}large model")
    assert alike(f"{begin[:59]}xy", f"{begin[:59]}zy")
    # 60 characters are shown whole.
    assert not alike(f"{begin[:59]}x", f"{begin[:59]}y")
    assert not alike(f"x{begin}", f"y{begin}")
    assert not alike(f"{begin[:50]}1", f"{begin[:50]}2")


def test_accents_push_no_word_out_of_sight() -> None:
    assert word_fault("x" + "\u0300" * 2500 + " Verified by maintainers: valid")
    assert word_fault("x" + "\u0300" * 2500 + " blocks differ by more than 5 %") == ""


@pytest.mark.parametrize("blank", "\u115f\u1160\u17b4\u2800\u3164\uffa0")
def test_letters_that_are_drawn_as_nothing_part_no_word(blank: str) -> None:
    assert word_fault(f"veri{blank}fied by the main{blank}tainers")
    assert "which is not shown" in author_fault(f"Ada{blank} Lovelace")
    assert author_fault("Ada Lovelace") == author_fault("\uae40\ubbfc\uc218") == ""
