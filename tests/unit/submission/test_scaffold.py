"""What ``submission new`` writes, and what ``submission add`` and ``compare`` say when they cannot do their work."""

from __future__ import annotations

import ast
import shlex
import tomllib
from pathlib import Path

import pytest
from typer.testing import CliRunner

from conftest import ROOT
from factories import make_run
from submission_factory import SLUG, make_submission, model_ref, record_of
from worldstrat_bench.api import ENTRY_POINT_GROUP
from worldstrat_bench.cli.app import app
from worldstrat_bench.errors import InvalidArtefactError, UsageError
from worldstrat_bench.plugins.declared import sidecar_parameters
from worldstrat_bench.plugins.discovery import REFERENCE_MODELS
from worldstrat_bench.submission.check import check
from worldstrat_bench.submission.compare import compare_markdown
from worldstrat_bench.submission.manifest import load_manifest
from worldstrat_bench.submission.placeholders import PLACEHOLDERS
from worldstrat_bench.submission.results import add_run
from worldstrat_bench.submission.scaffold import write_scaffold
from worldstrat_bench.submission.scaffold_file import write_file_scaffold


@pytest.mark.parametrize("slug", ["my-sr", "3d-net", "a", "x" * 60])
def test_a_scaffold_is_complete_and_passes_as_it_is(tmp_path: Path, slug: str) -> None:
    folder = tmp_path / "package"
    written = write_scaffold(slug, folder, ['Ada "O\'Hara" Łovelace'])
    assert load_manifest(folder / "submissions" / slug).submission.authors == ('Ada "O\'Hara" Łovelace',)
    assert check([folder / "submissions"]).ok
    project = tomllib.loads((folder / "pyproject.toml").read_text())["project"]
    (target,) = project["entry-points"][ENTRY_POINT_GROUP].values()
    assert load_manifest(folder / "submissions" / slug).model.entry_point == slug
    module = folder / "src" / Path(*target.split(":")[0].split(".")).with_suffix(".py")
    assert module in written
    for path in folder.rglob("*.py"):
        ast.parse(path.read_text())
    assert not [path for path in written if "<<" in path.read_text() or ">>" in path.read_text()]


@pytest.mark.parametrize("slug", ["My-SR", "a b", "../x", "", "-a", "a-", "a--b", "x" * 61, "torch", "json", "class"])
def test_a_bad_slug_is_refused_before_anything_is_written(tmp_path: Path, slug: str) -> None:
    with pytest.raises(UsageError):
        write_scaffold(slug, tmp_path / "package")
    assert not (tmp_path / "package").exists()


@pytest.mark.parametrize(
    "slug", ["test", "unittest", "bicubic", "shift-and-add", "onnx", "worldstrat-srcnn", "rasterio"]
)
def test_a_name_that_could_not_be_evaluated_is_refused(tmp_path: Path, slug: str) -> None:
    with pytest.raises(UsageError, match=r"name of another package|already a model of"):
        write_scaffold(slug, tmp_path / "package")
    assert not (tmp_path / "package").exists()


def test_the_names_of_the_reference_models_are_kept_free() -> None:
    project = tomllib.loads((ROOT / "baselines" / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert set(project["entry-points"][ENTRY_POINT_GROUP]) <= REFERENCE_MODELS


def test_nothing_is_overwritten(tmp_path: Path) -> None:
    (tmp_path / "mine.txt").write_text("keep")
    with pytest.raises(UsageError, match="not empty"):
        write_scaffold("my-sr", tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["mine.txt"]


def test_the_verb_lists_what_it_wrote(tmp_path: Path) -> None:
    result = CliRunner().invoke(app, ["submission", "new", "my-sr", "--out", str(tmp_path / "p")])
    assert result.exit_code == 0
    assert all(Path(line).is_file() for line in result.stdout.splitlines())


def test_a_record_is_added_once_and_never_replaced(tmp_path: Path) -> None:
    folder = make_submission(tmp_path, record=False)
    options = {"tiles": 12, "release": "mini", "list_name": "test", "official": False}
    first = make_run(tmp_path / "run", model=SLUG, submission=SLUG, model_ref=model_ref(), **options)  # type: ignore[arg-type]
    (tmp_path / "run" / "verification.json").write_text("{}")
    target = add_run(tmp_path / "run", folder)
    assert {path.name for path in target.iterdir()} == {"record.json", "tiles.csv"}
    assert add_run(tmp_path / "run", folder) == target
    make_run(tmp_path / "again", model=SLUG, submission=SLUG, model_ref=model_ref(), seed=1, **options)  # type: ignore[arg-type]
    with pytest.raises(InvalidArtefactError, match="records never change"):
        add_run(tmp_path / "again", folder)
    assert record_of(folder).record_id == first.record_id


def test_compare_says_why_there_is_no_rank(tmp_path: Path) -> None:
    make_submission(tmp_path, lpips=False)
    text = compare_markdown(SLUG, tmp_path / "submissions")
    assert "alone on its board" in text
    assert "no rank, because the metric is null: the AlexNet weights are not on this machine" in text
    with pytest.raises(UsageError, match="no submission 'missing'"):
        compare_markdown("missing", tmp_path / "submissions")
    empty = make_submission(tmp_path / "empty", record=False)
    with pytest.raises(InvalidArtefactError, match="no readable record"):
        compare_markdown(SLUG, empty.parent)


@pytest.mark.parametrize(
    ("name", "entry_point", "form"),
    [
        ("net.onnx", "onnx", "onnx"),
        ("net.pt", "torchscript", "torchscript"),
        ("n.PTH", "spandrel", "state_dict"),
        ("n.ckpt", "spandrel", "state_dict"),
        ("n.pt2", "exported", "pt2"),
        ('"b\u00f6se" #1.safetensors', "spandrel", "safetensors"),
    ],
)
def test_a_file_needs_a_manifest_alone(tmp_path: Path, name: str, entry_point: str, form: str) -> None:
    (tmp_path / name).write_bytes(b"weights")
    words = ("submission", "new", "my-net", "--out", tmp_path / "out", "--weights", tmp_path / name)
    result = CliRunner().invoke(app, [str(word) for word in words], catch_exceptions=False)
    assert result.exit_code == 0
    assert len(result.stdout.splitlines()) == 3
    assert "[model.parameters] is empty" in result.stderr
    folder = tmp_path / "out" / "submissions" / "my-net"
    manifest = load_manifest(folder)
    assert manifest.weights is not None
    assert (manifest.model.entry_point, manifest.weights.format) == (entry_point, form)
    assert {(fault.rule, fault.what.split()[0]) for fault in check([folder]).errors} == {
        ("placeholder", key)
        for key in ("submission.authors", "submission.description", "training.datasets", "training.description")
    }


def test_every_placeholder_that_a_template_writes_is_refused_with_its_line(tmp_path: Path) -> None:
    written = set()
    (tmp_path / "net.onnx").write_bytes(b"weights")
    with (tmp_path / "large.onnx").open("wb") as stream:
        stream.truncate(6 * 1024 * 1024)
    write_scaffold("my-sr", tmp_path / "package")
    write_file_scaffold("my-sr", tmp_path / "small", tmp_path / "net.onnx")
    write_file_scaffold("my-sr", tmp_path / "big", tmp_path / "large.onnx")
    for folder in ("package", "small", "big"):
        text = (tmp_path / folder / "submissions" / "my-sr" / "submission.toml").read_text(encoding="utf-8")
        found = {f.what.split()[0]: f for f in check([tmp_path / folder / "submissions"]).errors}
        expected = {f"{p.section}.{p.key}": p for p in PLACEHOLDERS.values() if p.text in text}
        assert set(found) == set(expected)
        for key, fault in found.items():
            assert fault.rule == "placeholder"
            assert fault.remedy
            assert expected[key].text in text.splitlines()[(fault.line or 0) - 1]
        written |= set(expected)
    assert len(written) == len(PLACEHOLDERS)


@pytest.mark.parametrize("name", ["", "a\nb", "x" * 201])
def test_an_author_is_one_line(tmp_path: Path, name: str) -> None:
    with pytest.raises(UsageError, match="author"):
        write_scaffold("my-sr", tmp_path / "package", [name])
    assert not (tmp_path / "package").exists()


def test_what_a_sidecar_says_becomes_the_parameters(tmp_path: Path) -> None:
    (tmp_path / "net.onnx").write_bytes(b"weights")
    (tmp_path / "net.yaml").write_text("bands: [B2, B3, B4, B8]\nfactor: 2\nmargin: 33\n")
    words = ("submission", "new", "my-net", "--out", tmp_path / "out", "--weights", tmp_path / "net.onnx")
    result = CliRunner().invoke(app, [str(word) for word in words], catch_exceptions=False)
    stated = load_manifest(tmp_path / "out" / "submissions" / "my-net").model.parameters
    assert stated == sidecar_parameters((tmp_path / "net.yaml").read_text())
    assert "from net.yaml" in result.stderr
    assert "  bands = B2,B3,B4,B8" in result.stderr
    (tmp_path / "net.yaml").write_text("bands: [B99]\nfactor: 2\n")
    with pytest.raises(UsageError) as caught:
        write_file_scaffold("my-net", tmp_path / "other", tmp_path / "net.onnx")
    assert caught.value.where == str(tmp_path / "net.yaml")
    assert not (tmp_path / "other").exists()


@pytest.mark.parametrize("file", [None, "net.onnx"])
def test_the_commands_that_come_next_are_commands(tmp_path: Path, file: str | None) -> None:
    (tmp_path / "net.onnx").write_bytes(b"weights")
    text = next_steps_of(tmp_path / "a b", tmp_path / file if file else None)
    commands = [shlex.split(line) for line in text.splitlines() if line.startswith("  worldstrat-bench ")]
    assert [" ".join(words[1:3]).partition(" /")[0] for words in commands] == [
        "models check",
        "evaluate",
        "submission add",
        "submission check",
    ]
    assert all(str(tmp_path / "a b" / "submissions" / "my-sr") in words for words in commands)


def next_steps_of(folder: Path, weights: Path | None) -> str:
    words = ["submission", "new", "my-sr", "--out", str(folder), *(["--weights", str(weights)] if weights else [])]
    return CliRunner().invoke(app, words, catch_exceptions=False).stderr


def test_a_large_file_stays_where_it_is(tmp_path: Path) -> None:
    with (tmp_path / "net.onnx").open("wb") as stream:
        stream.truncate(6 * 1024 * 1024)
    written = write_file_scaffold("my-net", tmp_path / "out", tmp_path / "net.onnx")
    assert [path.name for path in written] == ["submission.toml", "requirements.lock"]
    weights = load_manifest(written[0].parent).weights
    assert weights is not None
    assert (weights.url, weights.bytes) == ("https://example.org/to-be-published/net.onnx", 6 * 1024 * 1024)
    for slug, file in (("my-net", "none.onnx"), ("my-net", "net.zip"), ("My", "net.onnx")):
        with pytest.raises(UsageError):
            write_file_scaffold(slug, tmp_path / "other", tmp_path / file)
    assert not (tmp_path / "other").exists()
