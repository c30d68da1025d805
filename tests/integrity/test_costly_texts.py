"""Texts of strangers that are small and take a parser long: they are refused before, and read once."""

from __future__ import annotations

import ast
import hashlib
import re
import shutil
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from random import Random
from time import process_time
from types import SimpleNamespace
from typing import Any, cast

import pytest
from packaging.markers import Marker

from submission_factory import MANIFEST, make_submission, make_wheel, the_result
from worldstrat_bench.artefacts.draws import parse_draws
from worldstrat_bench.artefacts.record import Record
from worldstrat_bench.artefacts.spectra import parse_curves
from worldstrat_bench.artefacts.tiles import parse_tiles
from worldstrat_bench.errors import InvalidArtefactError
from worldstrat_bench.plugins import editable, onnx_data
from worldstrat_bench.plugins.declared import sidecar_parameters
from worldstrat_bench.plugins.discovery import without_extras
from worldstrat_bench.plugins.packages import relevant_packages
from worldstrat_bench.stats import names
from worldstrat_bench.submission import check as checking
from worldstrat_bench.submission import check_others, locate, siblings
from worldstrat_bench.submission.check import check, judged_folders
from worldstrat_bench.submission.check_code import read_code
from worldstrat_bench.submission.check_files import MAX_RECORDS
from worldstrat_bench.submission.check_record import submitted_result
from worldstrat_bench.submission.lock import LockError, parse_lock
from worldstrat_bench.submission.manifest import MAX_MANIFEST_BYTES, manifest_errors
from worldstrat_bench.submission.manifest_faults import ManifestError
from worldstrat_bench.submission.patience import TooLongError, within
from worldstrat_bench.submission.wheel import wheel_faults
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


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("a: &a {x: 1}\nb: &b {<<: [*a, *a]}\nc: {<<: [*b, *b]}\n", "an alias"),
        ("bands: &b [B2]\nfactor: 2\nother: *b\n", "an alias"),
        ("[" * 16_000, "brackets"),
        ("a: {b: " * 200, "brackets"),
        ("# a\n" * 5_000, "longer than"),
    ],
)
def test_a_sidecar_that_grows_while_it_is_read_is_refused(text: str, why: str) -> None:
    """Nine lines whose mappings each take over the keys of the one before nine times would fill the memory."""
    with pytest.raises(ValueError, match=why):
        sidecar_parameters(text)


def test_a_plain_sidecar_is_read() -> None:
    assert sidecar_parameters("# of EvoLand\nbands: [B2, B3]\nfactor: 2.0\nmargin: 6\n")["margin"] == 3


HASH = " --hash=sha256:" + "a" * 64


@pytest.mark.parametrize(
    ("text", "why"),
    [
        (f"p[{'a,' * 5_000}a]==1.0{HASH}", "of more than 4000 characters"),
        (f"p{'==1,' * 5_000}==1{HASH}", "of more than 4000 characters"),
        ("p==1.0 ; " + "os_name>'3' and " * 500 + f"os_name>'3'{HASH}", "of more than 4000 characters"),
        ("".join(f"p{i}==1.0{HASH}\n" for i in range(2_001)), "more than 2000 requirements"),
    ],
)
def test_a_lock_that_is_long_to_read_is_refused(text: str, why: str) -> None:
    with pytest.raises(LockError, match=why):
        parse_lock(text)


def test_a_lock_of_many_files_of_many_packages_is_read() -> None:
    assert len(parse_lock("".join(f"p{i}==1.0{HASH * 100}\n" for i in range(200)))) == 200


def curves_of(text: str) -> object:
    return parse_curves(unchanged(text), text.encode(), Path("spectra.csv"), lambda curves: None, "")


def unchanged(text: str) -> Record:
    """A record that names a file of curves with this content."""
    digest = hashlib.sha256(text.encode()).hexdigest()
    return cast("Record", SimpleNamespace(files={"spectra.csv": digest}))


@pytest.mark.parametrize("read", [parse_tiles, parse_draws, curves_of])
def test_a_table_of_very_many_rows_is_not_read_to_its_end(read: Callable[[str], object]) -> None:
    with pytest.raises((InvalidArtefactError, ValueError), match=r"more than [0-9,]+ rows"):
        read("a\n" * 700_000)


POINTS = "[worldstrat_bench.models]\nmy-sr = my_sr.plugin:load\n"


@pytest.mark.parametrize(
    "parts",
    [
        {"metadata": "X: y\n" * (1 << 18)},
        {"entry_points": POINTS + "# nothing\n" * (1 << 15)},
        {"record": "".join(f"{i:09},,\n" for i in range(400_000))},
    ],
    ids=["METADATA", "entry_points", "RECORD"],
)
def test_what_is_parsed_of_a_wheel_is_small(tmp_path: Path, parts: dict[str, str]) -> None:
    wheel = make_wheel(tmp_path, **parts)  # type: ignore[arg-type]
    assert {fault.rule for fault in wheel_faults(wheel) if fault.severity == "error"} == {"wheel-size"}
    assert (code := read_code(wheel)) is not None
    assert len(code.targets) == (0 if "entry_points" in parts else 1)
    assert not [fault for fault in wheel_faults(make_wheel(tmp_path / "control")) if fault.severity == "error"]


def test_the_end_of_an_entry_point_is_found_at_once() -> None:
    assert without_extras("a.b:c [x, y] ") == "a.b:c"
    assert without_extras(" a.b:c ") == "a.b:c"
    # A regular expression took the square of their number: half an hour for 256 kB.
    assert without_extras("a:b " + "[" * 250_000) == "a:b " + "[" * 250_000


def test_of_more_records_than_there_may_be_the_others_are_not_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Neither by the check of that submission, nor by that of one which is compared with it."""
    bad = make_submission(tmp_path, "bad-sr")
    run = the_result(bad)
    for number in range(3 * MAX_RECORDS):
        shutil.copytree(run, run.parent / f"{run.name}-{number}")
    make_submission(tmp_path, "good-sr", gain_db=2.0)
    read: list[Path] = []

    def counting(folder: Path) -> object:
        read.append(folder)
        return submitted_result(folder)

    for module in (checking, siblings):
        monkeypatch.setattr(module, "submitted_result", counting)
    (judged,) = judged_folders([tmp_path / "submissions"]).values()
    assert {folder.name for folder, reason in judged.items() if reason} == {"bad-sr"}
    assert sum("bad-sr" in path.parts for path in read) == 2 * MAX_RECORDS


def test_a_large_hook_of_an_editable_install_is_not_parsed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Four megabytes of a formatted string took Python a quarter of an hour."""
    (package := tmp_path / "project" / "small").mkdir(parents=True)
    (package / "__init__.py").touch()
    table = f"MAPPING: dict[str, str] = {{'small': {str(package)!r}}}\n"
    hook = tmp_path / "__editable___small_finder.py"
    parsed: list[int] = []
    real = ast.parse

    def counting(text: str) -> ast.Module:
        parsed.append(len(text))
        return real(text)

    monkeypatch.setattr(ast, "parse", counting)
    hook.write_text(table)
    assert editable._of_hook(hook).places == {"small": package}
    hook.write_text(table + "x = f'" + "{a}" * 50_000 + "'\n")
    assert editable._of_hook(hook).places == {}
    assert max(parsed) < 1_000


@pytest.mark.parametrize(
    "field",
    [b"\x3a\x00", b"\x08\x00", b"\x3a\x04\x0a\x02\x2a\x00", b"\x3a\x64" + b"\x08\x00" * 50],
    ids=["empty graphs", "numbers", "a node each", "some numbers each"],
)
def test_weights_of_tiny_fields_are_not_walked_to_their_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, field: bytes
) -> None:
    """Each of them cost the host a look and some memory, before any worker was there."""
    (tmp_path / "net.onnx").write_bytes(field * 5000)
    looks, varint = [0], onnx_data._varint

    def counted(content: Any, at: int, end: int) -> tuple[int, int]:
        looks[0] += 1
        return varint(content, at, end)

    monkeypatch.setattr(onnx_data, "_varint", counted)
    monkeypatch.setattr(onnx_data, "_MOST_FIELDS", 1000)
    assert onnx_data.external_data(tmp_path / "net.onnx") == ()
    assert 1000 < looks[0] < 2100


def by_window(look: str, word: str) -> bool:
    """Return whether a word is in a text, window by window: what `_looks_like` finds, written down plainly."""
    for start in range(len(look) - len(word) + 1):
        pairs = list(zip(look[start : start + len(word)], word, strict=True))
        fits = all(own == letter or not own.isascii() for own, letter in pairs)
        if fits and 2 * sum(own.isascii() for own, _ in pairs) >= len(word):
            return True
    return False


def test_words_are_found_as_by_looking_at_every_place() -> None:
    random = Random(7)
    words = [names._letters(word) for word in names.RESERVED]
    found = 0
    for _ in range(20_000):
        word = random.choice(words)
        inner = [random.choice([letter, letter, "é", "ж"]) for letter in word]
        around = ["".join(random.choices("vr□éж", k=random.choice([0, 3, 9, 20]))) for _ in range(2)]
        look = around[0] + "".join(inner) + around[1]
        assert names._looks_like(look, word) == by_window(look, word), look
        found += by_window(look, word)
    assert 2000 < found < 18_000


@pytest.mark.parametrize("text", ["\ufdfa" * 2500, "ж" * 2500, "\ufdfav" * 1250, "ж" * 6 + "v" * 2400])
def test_a_text_of_other_letters_is_looked_at_once(text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """One character is drawn as eighteen letters, and each place of these was looked at for each word in Python."""
    assert len(names.skeleton(text)) <= len(text)
    places, like = [0], names._like

    class Counted:
        def __init__(self, word: str) -> None:
            self.pattern = like(word)

        def finditer(self, look: str) -> Iterator[re.Match[str]]:
            for found in self.pattern.finditer(look):
                places[0] += 1
                yield found

    monkeypatch.setattr(names, "_like", Counted)
    assert names.word_fault(text) == ""
    assert places[0] < len(text)


def tagged(count: int, *, same: bool) -> str:
    parts = (".".join(f"{kind}{0 if same else i}" for i in range(count)) for kind in ("py", "abi", "any"))
    return f"a @ https://example.org/a-1-{'-'.join(parts)}.whl --hash=sha256:{'0' * 64}"


@pytest.mark.parametrize("same", [True, False])
@pytest.mark.parametrize("count", [11, 30, 200])
def test_tags_of_a_wheel_are_not_multiplied_out(monkeypatch: pytest.MonkeyPatch, count: int, *, same: bool) -> None:
    """Three lists of 280 tags in one line of a lock made 22 million of them."""
    asked: list[str] = []
    monkeypatch.setattr("worldstrat_bench.submission.lock.parse_wheel_filename", asked.append)
    with pytest.raises(LockError, match="too long or has too many tags"):
        parse_lock(tagged(count, same=same))
    assert not asked
    monkeypatch.undo()
    assert parse_lock(tagged(3, same=same))[0].name == "a"


def test_the_check_of_a_submission_ends(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever costs so much: what is merged is checked again with everyone else's."""
    for slug, gain in (("early-sr", 1.0), ("late-sr", 2.0)):
        make_submission(tmp_path, slug, gain_db=gain)
    monkeypatch.setattr(checking, "CHECK_SECONDS", 5)
    honest = check_others.name_faults

    def endless(manifest: Any, text: str, folder: Path, *others: Any) -> Any:
        while folder.name == "early-sr":
            with suppress(Exception):
                sum(range(1000))
        return honest(manifest, text, folder, *others)

    monkeypatch.setattr(checking, "name_faults", endless)
    verdicts = judged_folders([tmp_path / "submissions"])[tmp_path / "submissions"]
    found = {folder.name: verdict for folder, verdict in verdicts.items()}
    assert "took more than 5 s of processor time" in found["early-sr"]
    assert found["late-sr"] == ""


def test_a_long_check_is_pointed_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = make_submission(tmp_path)
    assert not [notice for notice in check([folder]).notices if notice.rule == "time"]
    monkeypatch.setattr(checking, "LONG_SECONDS", 0)
    assert [notice.rule for notice in check([folder]).notices if notice.rule == "time"] == ["time"]


def test_of_two_limits_the_inner_one_is_not_taken_from_the_outer_one() -> None:
    def work(seconds: float) -> None:
        until = process_time() + seconds
        while process_time() < until:
            pass

    with within(0.6):
        with within(2.0):
            work(1.0)
        with pytest.raises(TooLongError), within(0.2):
            work(2.0)
        work(0.1)
    with pytest.raises(TooLongError), within(0.3):
        work(2.0)
    work(0.5)


def test_extras_of_a_model_are_looked_at_up_to_some(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    info = tmp_path / "net-1.0.dist-info"
    info.mkdir()
    extras = "".join(f"Provides-Extra: e{i}\n" for i in range(500))
    needs = "".join(f"Requires-Dist: a{i}; extra == 'zz'\n" for i in range(10))
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: net\nVersion: 1.0\n{extras}{needs}")
    asked, evaluate = [0], Marker.evaluate

    def counted(marker: Marker, *given: Any) -> bool:
        asked[0] += 1
        return evaluate(marker, *given)

    monkeypatch.setattr(Marker, "evaluate", counted)
    assert relevant_packages([tmp_path], ["net"]) == {"net": "1.0"}
    assert asked[0] <= 10 * 51
