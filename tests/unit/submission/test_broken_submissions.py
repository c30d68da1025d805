"""Broken submissions, one fault each: one clear message, and exit code 5."""

from __future__ import annotations

import hashlib
import io
import json
import pickle
import shutil
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from factories import official_facts
from site_scenes import write_speed
from spectra_files import add_spectra
from submission_factory import MANIFEST, SLUG, make_submission, make_wheel, rewrite_record, rewrite_tiles, the_result
from worldstrat_bench.artefacts.record import load_record
from worldstrat_bench.cli.app import app
from worldstrat_bench.measures import OPTIONAL
from worldstrat_bench.submission.results import RESULT_FILES

Break = Callable[[Path], object]


@pytest.fixture(scope="session")
def good(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A submission without a fault, made once."""
    return make_submission(tmp_path_factory.mktemp("good"))


@pytest.fixture
def folder(good: Path, tmp_path: Path) -> Path:
    """A copy of it to break."""
    return Path(shutil.copytree(good, tmp_path / "submissions" / SLUG))


def faults_of(*arguments: str) -> tuple[int, list[dict[str, str]]]:
    """Exit code and the errors of ``submission check``."""
    result = CliRunner().invoke(app, ["submission", "check", *arguments, "--json"], catch_exceptions=False)
    document = json.loads(result.stdout)
    return result.exit_code, [fault for fault in document["faults"] if fault["severity"] == "error"]


def edit(old: str, new: str) -> Break:
    """Replace a part of the manifest that is there."""

    def change(folder: Path) -> None:
        path = folder / "submission.toml"
        text = path.read_text(encoding="utf-8")
        assert old in text
        path.write_text(text.replace(old, new), encoding="utf-8")

    return change


def file(name: str, content: bytes) -> Break:
    """Write a file into the submission."""

    def change(folder: Path) -> None:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)

    return change


def in_result(name: str, content: bytes) -> Break:
    """Write a file beside the record."""
    return lambda folder: (the_result(folder) / name).write_bytes(content)


def foreign_speed(folder: Path) -> None:
    """A report of speed that belongs to another record."""
    result = the_result(folder)
    stated = load_record(result)
    write_speed(result, stated.model_copy(update={"record_id": "1" * 64}), 12.5)


def record(*keys: str, value: object, consistent_id: bool = True) -> Break:
    """Set one value of the record."""

    def change(folder: Path) -> None:
        def set_value(document: dict[str, object]) -> None:
            node: dict[str, object] = document
            for key in keys[:-1]:
                inner = node[key]
                assert isinstance(inner, dict)
                node = inner
            assert node[keys[-1]] != value
            node[keys[-1]] = value

        rewrite_record(folder, set_value, consistent_id=consistent_id)

    return change


def cell(column: str, value: str, row: int = 3) -> Break:
    """Set one cell of tiles.csv, its hash in the record included."""

    def change(rows: list[list[str]]) -> None:
        position = rows[0].index(column)
        assert rows[row][position] != value
        rows[row][position] = value

    return lambda folder: rewrite_tiles(folder, change)


def moved_record(folder: Path) -> None:
    result = the_result(folder)
    result.rename(result.with_name("elsewhere"))


def edited_tiles(folder: Path) -> None:
    path = the_result(folder) / "tiles.csv"
    text = path.read_text(encoding="utf-8")
    assert "Africa" in text
    path.write_text(text.replace("Africa", "Europe", 1), encoding="utf-8")


def link(folder: Path) -> None:
    (folder / "passwords.txt").symlink_to("/etc/passwd")


BROKEN: dict[str, tuple[Break, str, str]] = {
    "not-toml": (edit("[submission]", "[submission"), "manifest", "not TOML"),
    "no-slug": (edit('slug = "my-sr"\n', ""), "manifest", "submission.slug: the key is missing"),
    "bad-slug": (edit('slug = "my-sr"', 'slug = "My SR"'), "manifest", "submission.slug"),
    "other-slug": (edit('slug = "my-sr"', 'slug = "your-sr"'), "slug", "the folder is 'my-sr'"),
    "unknown-key": (edit("[training]", "[training]\nepochs = 3"), "manifest", "training.epochs: there is no such key"),
    "wrong-type": (edit("frames = 8", 'frames = "8"'), "manifest", "model.frames"),
    "nine-frames": (edit("frames = 8", "frames = 9"), "manifest", "less than or equal to 8"),
    "uses-test": (edit("uses_test = false", "uses_test = true"), "manifest", "training.uses_test"),
    "http-paper": (edit("https://example", "http://example"), "manifest", "submission.paper"),
    "wheel-without-hash": (
        edit("frames = 8", 'wheel = "https://example.org/a-1.whl"\nframes = 8'),
        "manifest",
        "wheel_sha256 come together",
    ),
    "unknown-protocol": (edit('["wsb-1"]', '["wsb-1", "wsb-99"]'), "protocol", "unknown protocol 'wsb-99'"),
    "escaping-lock": (edit('"requirements.lock"', '"../lock"'), "manifest", "environment.lock"),
    "no-lock": (lambda f: (f / "requirements.lock").unlink(), "lock", "missing"),
    "lock-without-hash": (file("requirements.lock", b"example==1.2.3\n"), "lock", "no --hash"),
    "lock-unpinned": (file("requirements.lock", b"example>=1 --hash=sha256:" + b"a" * 64), "lock", "not pinned"),
    "lock-with-index": (file("requirements.lock", b"--index-url https://example.org/\n"), "lock", "options of pip"),
    "incomplete-lock": (edit('base = "harness"', 'base = "locked"'), "lock", "a complete lock needs numpy"),
    "undescribed-training": (edit('"worldstrat-train"', '"described"'), "manifest", "description must say"),
    "other-parameters": (edit("strength = 0.3", "strength = 0.4"), "record-manifest", "model.parameters"),
    "other-version": (edit('version = "1.0"', 'version = "1.1"'), "record-manifest", "model.version"),
    "code-in-folder": (file("run.py", b"print()"), "files", "type '.py'"),
    "link": (link, "files", "links"),
    "large-file": (file("notes.md", b"x" * 6_000_000), "size", "larger than 5 MB"),
    "foreign-result-file": (in_result("log.txt", b""), "files", "does not belong"),
    "large-record": (in_result("timings.csv", b"x" * 200_000), "size", "larger than 100 kB"),
    "no-tiles": (lambda f: (the_result(f) / "tiles.csv").unlink(), "files", "tiles.csv is missing"),
    "record-elsewhere": (moved_record, "record-place", "belongs in"),
    "one-digit": (
        record("scores", "test", "micro", "psnr", "mean", value=31.5),
        "record-aggregates",
        "scores.test.micro.psnr.mean",
    ),
    "one-digit-old-id": (
        record("scores", "test", "micro", "psnr", "mean", value=31.5, consistent_id=False),
        "record-readable",
        "record_id",
    ),
    "swapped-protocol": (record("protocol", "sha256", value="0" * 64), "protocol", "made with another 'wsb-1'"),
    "unknown-record-protocol": (record("protocol", "id", value="wsb-0"), "protocol", "unknown protocol 'wsb-0'"),
    "stale-list": (record("dataset", "list_sha256", value="0" * 64), "list-hash", "stale"),
    "false-official": (record("dataset", "official", value=True), "official", "cannot be official"),
    "wrong-outcomes": (record("outcomes", value={"ok": 11, "crash": 1}), "outcomes", "tiles.csv has 12 ok"),
    "edited-tiles": (edited_tiles, "record-files", "its sha256 differs"),
    "impossible-ssim": (cell("ssim", "1.5"), "values", "ssim of tile"),
    "version-of-nothing": (record("optional", value={"stlpips": "1"}), "optional", "a version of 'stlpips'"),
    "contradicting-rmse": (cell("rmse", "0.5"), "values", "contradict"),
    "not-a-number": (cell("psnr", "much"), "record-readable", "'much' is not a number"),
    "infinite": (cell("psnr", "inf"), "record-readable", "is not finite"),
    "unknown-outcome": (cell("outcome", "great"), "record-readable", "unknown outcome"),
    "foreign-verification": (in_result("verification.json", b"{}"), "verification", "record_id"),
    "foreign-speed": (foreign_speed, "speed", "another record_id"),
    "broken-speed": (in_result("speed.json", b'{"record_id": "0"}'), "speed", "not a valid speed report: record_id"),
    "bad-utf8": (file("submission.toml", MANIFEST.encode() + b"\xff"), "manifest", "UTF-8"),
}


def test_the_good_one_passes(folder: Path) -> None:
    assert faults_of(str(folder)) == (0, [])
    assert faults_of(str(folder.parent)) == (0, [])


def test_all_faults_are_told_at_once(folder: Path) -> None:
    edit('licence = "Apache-2.0"\n', "")(folder)
    edit("test_evaluations = 1", "test_evaluations = -1")(folder)
    edit('slug = "my-sr"', 'slug = "other"')(folder)
    edit('"wsb-1"', '"wsb-0"')(folder)
    (folder / "requirements.lock").unlink()
    (folder / "notes.py").write_text("")
    _, faults = faults_of(str(folder))
    # The slug stands in a section that is not valid, and so waits.
    assert sorted(fault["rule"] for fault in faults) == ["files", "lock", "manifest", "manifest", "protocol"]
    edit("[submission]", '[submission]\nlicence = "MIT"')(folder)
    _, faults = faults_of(str(folder))
    assert sorted(fault["rule"] for fault in faults) == ["files", "lock", "manifest", "protocol", "slug"]


def weights_beside(name: str, form: str, content: bytes = b"w") -> Break:
    """Put a file beside the manifest and state it as the weights."""

    def change(folder: Path) -> None:
        (folder / name).write_bytes(content)
        text = f'[weights]\npath = "{name}"\nsha256 = "{hashlib.sha256(content).hexdigest()}"\n'
        text += f'bytes = {len(content)}\nformat = "{form}"\n\n[training]'
        edit("[training]", text)(folder)
        # Its record is of a model without weights.
        shutil.rmtree(folder / "results")

    return change


@pytest.mark.parametrize(
    ("name", "form"),
    [
        ("n.safetensors", "safetensors"),
        ("n.onnx", "onnx"),
        ("n.pt", "torchscript"),
        ("n.pth", "torchscript"),
        ("n.pt2", "pt2"),
        ("n.pth", "state_dict"),
        ("n.ckpt", "state_dict"),
        ("N.PT", "state_dict"),
    ],
)
def test_weights_of_every_format_may_lie_beside_the_manifest(folder: Path, name: str, form: str) -> None:
    weights_beside(name, form)(folder)
    assert faults_of(str(folder)) == (0, [])
    (folder / "stray.pth").write_bytes(b"")
    assert [(f["rule"], f["where"].rpartition("/")[2]) for f in faults_of(str(folder))[1]] == [("files", "stray.pth")]


@pytest.mark.parametrize(
    ("name", "form"), [("n.py", "torchscript"), ("n.pth", "onnx"), ("n.pkl", "state_dict"), ("n.sh", "onnx")]
)
def test_a_manifest_makes_weights_of_their_own_suffixes_only(folder: Path, name: str, form: str) -> None:
    weights_beside(name, form)(folder)
    assert {"files", "weights"} == {fault["rule"] for fault in faults_of(str(folder))[1]}


def test_networks_of_photographs_have_a_word_of_their_own(folder: Path) -> None:
    shutil.rmtree(folder / "results")
    edit('train_split = "worldstrat-train"', 'train_split = "other"')(folder)
    _, faults = faults_of(str(folder))
    assert [(fault["rule"], "'WorldStrat' is named" in fault["what"]) for fault in faults] == [("contamination", True)]
    edit('datasets = ["WorldStrat"]', 'datasets = ["DIV2K", "Flickr2K"]')(folder)
    assert faults_of(str(folder)) == (0, [])
    edit('datasets = ["DIV2K", "Flickr2K"]', "datasets = []")(folder)
    _, faults = faults_of(str(folder))
    assert [(fault["rule"], "needs datasets" in fault["what"]) for fault in faults] == [("manifest", True)]


def test_a_slug_a_folder_and_a_manifest_mean_the_same(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(folder.parent.parent)
    words = (SLUG, f"submissions/{SLUG}", f"submissions/{SLUG}/submission.toml", str(folder))
    assert {faults_of(word) == (0, []) for word in words} == {True}
    shown = [CliRunner().invoke(app, ["submission", "compare", word]).stdout for word in words]
    assert len(set(shown)) == 1
    assert "alone on its board" in shown[0]
    for verb in (("check", "nothing"), ("compare", "nothing"), ("add", "run", "nothing")):
        result = CliRunner().invoke(app, ["submission", *verb])
        assert "there is no submission" in str(result.exception)
    package = folder.parent.parent.rename(folder.parent.parent.parent / SLUG)
    monkeypatch.chdir(package.parent)
    assert faults_of(SLUG) == (0, [])


@pytest.mark.parametrize("name", BROKEN)
def test_one_fault_one_message(folder: Path, name: str) -> None:
    change, rule, fragment = BROKEN[name]
    change(folder)
    code, faults = faults_of(str(folder))
    assert code == 5
    assert [fault["rule"] for fault in faults] == [rule], faults
    assert fragment in faults[0]["what"]
    assert faults[0]["remedy"]
    assert SLUG in faults[0]["where"]


def test_columns_of_optional_metrics_need_their_versions_and_their_range(tmp_path: Path) -> None:
    folder = make_submission(tmp_path, optional={"stlpips": "1, stlpips-pytorch 0.0.2"})
    assert faults_of(str(folder)) == (0, [])
    cell("stlpips", "-0.5")(folder)
    _, faults = faults_of(str(folder))
    assert [(fault["rule"], "stlpips of tile" in fault["what"]) for fault in faults] == [("values", True)]
    other = make_submission(tmp_path / "other", optional={"stlpips": "1, stlpips-pytorch 0.0.2"})
    rewrite_record(other, lambda document: document["optional"].clear())
    code, faults = faults_of(str(other))
    assert code == 5
    assert [(fault["rule"], "'stlpips'" in fault["what"]) for fault in faults] == [("optional", True)]


def png(pixels: np.ndarray) -> bytes:
    from PIL import Image

    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "PNG")
    return buffer.getvalue()


def bomb(folder: Path) -> Path:
    return make_wheel(folder, files={"my_sr/zeros.txt": bytes(20_000_000)})


def renamed(folder: Path, member: str) -> Path:
    """A wheel with one more member of any name."""
    path = make_wheel(folder)
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr(member, b"x")
    return path


def shared_object(folder: Path) -> Path:
    return make_wheel(folder, files={"my_sr/fast.so": b"\x7fELF" + bytes(100)})


WHEELS: dict[str, tuple[Callable[[Path], Path], str, str]] = {
    "bomb": (bomb, "wheel-size", "unpacks to 20000000"),
    "escaping": (lambda f: renamed(f, "../evil.py"), "wheel-names", "unsafe"),
    "absolute": (lambda f: renamed(f, "/etc/evil.py"), "wheel-names", "unsafe"),
    "twice": (lambda f: renamed(f, "MY_SR/plugin.py"), "wheel-names", "twice"),
    "pickle": (
        lambda f: make_wheel(f, files={"my_sr/w.dat": pickle.dumps([1], protocol=4)}),
        "wheel-pickle",
        "w.dat",
    ),
    "checkpoint": (lambda f: make_wheel(f, files={"my_sr/w.pt": b"x"}), "wheel-pickle", "w.pt"),
    "bytecode": (lambda f: make_wheel(f, files={"my_sr/plugin.pyc": b"x"}), "wheel-pickle", "plugin.pyc"),
    "pth": (lambda f: make_wheel(f, files={"evil.pth": b"import evil"}), "wheel-pth", "evil.pth"),
    "native": (shared_object, "wheel-native", "native code"),
    "shadow": (lambda f: make_wheel(f, files={"torch/__init__.py": b""}), "wheel-shadow", "'torch'"),
    "stdlib": (lambda f: make_wheel(f, files={"json.py": b""}), "wheel-shadow", "'json'"),
    "harness": (
        lambda f: make_wheel(f, files={"worldstrat_bench/metrics/x.py": b""}),
        "wheel-shadow",
        "worldstrat_bench",
    ),
    "site": (lambda f: make_wheel(f, files={"sitecustomize.py": b""}), "wheel-shadow", "sitecustomize"),
    "scripts": (lambda f: make_wheel(f, files={"my_sr-1.0.data/scripts/pip": b"#!"}), "wheel-scripts", "outside"),
    "hidden-shadow": (
        lambda f: make_wheel(f, files={"my_sr-1.0.data/purelib/numpy/__init__.py": b""}),
        "wheel-shadow",
        "'numpy'",
    ),
    "record": (lambda f: make_wheel(f, record=""), "wheel-record", "not what RECORD says"),
    "no-model": (lambda f: make_wheel(f, entry_points=""), "wheel-entry-point", "announces no model"),
    "broken-points": (lambda f: make_wheel(f, entry_points="]["), "wheel-entry-point", "cannot be read"),
    "other-model": (lambda f: make_wheel(f, entry_point="other"), "wheel-entry-point", "no model 'my-sr'"),
    "other-version": (lambda f: make_wheel(f, version="2.0"), "wheel-metadata", "submission.toml says"),
    "not-a-zip": (lambda f: _garbage(f), "wheel", "cannot be opened"),
}


def _garbage(folder: Path) -> Path:
    path = make_wheel(folder)
    path.write_bytes(b"PK\x03\x04 no zip")
    return path


@pytest.mark.parametrize("name", WHEELS)
def test_one_faulty_wheel_one_message(folder: Path, name: str) -> None:
    make, rule, fragment = WHEELS[name]
    wheel = make(folder.parent.parent / "dist")
    code, faults = faults_of(str(folder), str(wheel))
    assert code == 5
    assert [fault["rule"] for fault in faults] == [rule], faults
    assert fragment in faults[0]["what"]
    assert faults[0]["remedy"]


def test_a_good_wheel_passes_with_its_manifest(folder: Path, tmp_path: Path) -> None:
    wheel = make_wheel(tmp_path / "dist", files={"my_sr/logo.png": png(np.zeros((40, 40, 3), dtype=np.uint8))})
    assert faults_of(str(folder), str(wheel)) == (0, [])


def test_a_wheel_beside_the_manifest_is_looked_at(folder: Path) -> None:
    make_wheel(folder, files={"my_sr/w.pkl": b"x"})
    code, faults = faults_of(str(folder))
    # and the record is of other code than is in it
    assert (code, [fault["rule"] for fault in faults]) == (5, ["record-code", "wheel-pickle"])


def test_a_record_of_the_full_list_with_every_optional_metric_is_not_too_large(tmp_path: Path) -> None:
    versions = {name: "1" for metric in OPTIONAL.values() for name in metric.names}
    folder = make_submission(
        tmp_path,
        optional=versions,
        tiles=official_facts(),
        release="v1.1",
        list_name="full",
        official=True,
    )
    limit = RESULT_FILES["record.json"]
    assert 0.2 * limit < (the_result(folder) / "record.json").stat().st_size < 0.7 * limit


def test_curves_are_hashed_by_the_record(tmp_path: Path) -> None:
    folder = make_submission(tmp_path)
    add_spectra(the_result(folder), 0.9, ["Mini-0000"])
    text = (the_result(folder) / "spectra.csv").read_text(encoding="utf-8")
    rewrite_record(folder, lambda document: document["files"].pop("spectra.csv"))
    assert "Mini-0000" in text
    (the_result(folder) / "spectra.csv").write_text(text, encoding="utf-8")
    _, faults = faults_of(str(folder))
    assert [(fault["rule"], "spectra.csv" in fault["what"]) for fault in faults] == [("record-files", True)]
    digest = hashlib.sha256(text.encode()).hexdigest()
    rewrite_record(folder, lambda document: document["files"].update({"spectra.csv": digest}))
    assert faults_of(str(folder)) == (0, [])
    (the_result(folder) / "spectra.csv").unlink()
    _, faults = faults_of(str(folder))
    assert [fault["rule"] for fault in faults] == ["record-files"]


def test_a_wheel_in_capital_letters_is_not_passed_over(tmp_path: Path) -> None:
    folder = make_submission(tmp_path)
    (folder / "MY_SR-1.0-PY3-NONE-ANY.WHL").write_bytes(b"")
    assert [fault["rule"] for fault in faults_of(str(folder))[1]] == ["files"]
