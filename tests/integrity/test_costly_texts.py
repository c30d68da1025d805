"""Texts of strangers that are small and take a parser long: they are refused before, and read once."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from submission_factory import MANIFEST, make_submission
from worldstrat_bench.submission import locate
from worldstrat_bench.submission.check import check, judged_folders
from worldstrat_bench.submission.manifest import MAX_MANIFEST_BYTES, ManifestError, manifest_errors
from worldstrat_bench.toml_text import MOST_PARTS, read_toml

SOURCES = Path(__file__).resolve().parents[2] / "bench" / "worldstrat_bench"
ROOM = MAX_MANIFEST_BYTES - len(MANIFEST) - 100

LONG_KEYS = {
    "key": "a" + ".a" * (ROOM // 2) + " = 1",
    "header": "[a" + ".a" * (ROOM // 2) + "]",
    "array of tables": "[[a" + ".a" * (ROOM // 2) + "]]",
    "inline": "x = {a" + ".a" * (ROOM // 2) + " = 1}",
    "spaces": "a" + " \t. a" * 100 + " = 1",
    "quoted": "''" + ".''" * 100 + " = 1",
    "escaped": r'"\""' + r'."\"#"' * 100 + " = 1",
    "after a string": 'x = """a""""\n' + "a" + ".a" * 100 + " = 1",
    "after a comment": "# it's\na" + ".a" * 100 + " = 1",
}


@pytest.mark.parametrize("kind", LONG_KEYS)
def test_a_key_of_very_many_parts_is_refused_before_it_is_parsed(kind: str) -> None:
    with pytest.raises(ValueError, match=f"a key of more than {MOST_PARTS} parts: "):
        read_toml(LONG_KEYS[kind])


@pytest.mark.parametrize(
    "text",
    [
        "a" + ".a" * (MOST_PARTS - 1) + " = 1",
        'x = "' + "a." * 100 + '"',
        "x = '" + "a." * 100 + "'",
        'x = """\n' + '"a".' * 100 + '\\\n"""',
        "x = '''\n" + "it's.'a'." * 100 + "\n'''",
        r'x = "\"' + "a." * 100 + r'\\"',
        "# " + "a." * 100 + "\nx = 1",
        "x = [" + "1.5, " * 100 + "]",
    ],
)
def test_dots_elsewhere_are_no_keys(text: str) -> None:
    assert read_toml(text)


@pytest.mark.parametrize("text", ["x = " + "[" * 20_000, "x = " + "{a=" * 10_000, "x = " + "9" * 9_000, "x = 1 1", "["])
def test_what_cannot_be_followed_is_one_kind_of_error(text: str) -> None:
    with pytest.raises(ValueError):
        read_toml(text)


def test_every_file_goes_through_that_door() -> None:
    parsed = re.compile(r"^\s*(?:import tomllib|from tomllib)", re.MULTILINE)
    found = {path.name for path in SOURCES.rglob("*.py") if parsed.search(path.read_text(encoding="utf-8"))}
    assert found == {"toml_text.py"}


@pytest.mark.parametrize("kind", ["key", "header", "inline"])
def test_a_submission_with_such_a_key_is_refused_alone(tmp_path: Path, kind: str) -> None:
    for slug, gain in (("early-sr", 1.0), ("late-sr", 2.0)):
        make_submission(tmp_path, slug, gain_db=gain)
    manifest = tmp_path / "submissions" / "early-sr" / "submission.toml"
    manifest.write_text(f"{manifest.read_text()}\n{LONG_KEYS[kind]}\n")
    (judged,) = judged_folders([tmp_path / "submissions"]).values()
    found = {folder.name: reason for folder, reason in judged.items()}
    assert "a key of more than" in found["early-sr"]
    assert found["late-sr"] == ""


@pytest.mark.parametrize("place", ["schema_version", "[model]", "[training]"])
def test_lines_are_found_once_however_many_keys_are_wrong(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, place: str
) -> None:
    """Each of 7000 unknown keys used to have all lines parsed once more: an hour for a file of 64 kB."""
    count = ROOM // 9
    unknown = "".join(f"k{i:05}=1\n" for i in range(count))
    text = MANIFEST.replace(place, f"{place}\n{unknown}" if place.startswith("[") else f"{unknown}{place}", 1)
    parsed = 0
    real = read_toml

    def counting(text: str) -> dict[str, object]:
        nonlocal parsed
        parsed += 1
        return real(text)

    monkeypatch.setattr(locate, "read_toml", counting)
    report = check([make_submission(tmp_path, manifest=text)])
    assert not report.ok
    assert parsed < 2 * text.count("\n")


def test_of_very_many_faults_the_first_are_described_and_the_rest_counted() -> None:
    found = manifest_errors("".join(f"k{i}=1\n" for i in range(500)) + MANIFEST)
    assert isinstance(found, tuple)
    assert len(found) == 101
    assert found[0].line == 1
    assert found[-1].what == "400 more keys are wrong"
    assert all(isinstance(error, ManifestError) for error in found)
