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
from worldstrat_bench.cli.running import tell_undecided
from worldstrat_bench.errors import InvalidArtefactError, UsageError
from worldstrat_bench.plugins.declared import sidecar_parameters
from worldstrat_bench.plugins.discovery import REFERENCE_MODELS
from worldstrat_bench.plugins.onnx_data import input_sides
from worldstrat_bench.preprocessing import declare
from worldstrat_bench.submission.check import check
from worldstrat_bench.submission.compare import compare_markdown
from worldstrat_bench.submission.manifest import load_manifest
from worldstrat_bench.submission.placeholders import MARK, PLACEHOLDERS
from worldstrat_bench.submission.results import add_run
from worldstrat_bench.submission.scaffold import write_scaffold
from worldstrat_bench.submission.scaffold_file import write_file_scaffold

MARKED = (
    "submission.licence",
    "model.parameters.bands",
    "model.parameters.input_scale",
    "training.train_split",
    "training.selection_split",
    "training.test_evaluations",
    "training.uses_test",
)


@pytest.mark.parametrize("slug", ["my-sr", "3d-net", "a", "x" * 60])
def test_a_scaffold_is_complete_and_passes_as_it_is(tmp_path: Path, slug: str) -> None:
    folder = tmp_path / "package"
    written = write_scaffold(slug, folder, ['Ada "O\'Hara" Łovelace'], 'A "net",\nin two lines.')
    assert load_manifest(folder / "submissions" / slug).submission.description == 'A "net",\nin two lines.'
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
    assert "[model.parameters], which the file does not say:" in result.stderr
    folder = tmp_path / "out" / "submissions" / "my-net"
    manifest = load_manifest(folder)
    assert manifest.weights is not None
    assert (manifest.model.entry_point, manifest.weights.format) == (entry_point, form)
    assert {(fault.rule, fault.what.split()[0]) for fault in check([folder]).errors} == {
        ("placeholder", key)
        for key in (
            "submission.authors",
            "submission.description",
            "training.datasets",
            "training.description",
            *MARKED,
        )
    }
    place = folder / "submission.toml"
    place.write_text(place.read_text(encoding="utf-8").replace(MARK, "# "), encoding="utf-8")
    assert {fault.what.split()[0] for fault in check([folder]).errors}.isdisjoint(MARKED)


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
        expected = {f"{p.section}.{p.key}": p.text for p in PLACEHOLDERS.values() if p.text in text}
        expected |= dict.fromkeys(MARKED if MARK in text else (), MARK)
        assert set(found) == set(expected)
        for key, fault in found.items():
            assert fault.rule == "placeholder"
            assert fault.remedy
            assert expected[key] in text.splitlines()[(fault.line or 0) - 1]
        written |= set(expected)
    assert len(written) == len(PLACEHOLDERS) + len(MARKED)


def test_a_description_is_a_few_sentences(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="4001 characters"):
        write_scaffold("my-sr", tmp_path / "package", ["Ada"], "x" * 4001)
    assert not (tmp_path / "package").exists()


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
    assert '  bands = "B02,B03,B04,B08"' in result.stderr
    # Whoever wrote the sidecar has decided on bands and scale.
    assert "model.parameters" not in result.stderr.partition("take their mark")[2]
    (tmp_path / "net.yaml").write_text("bands: [B99]\nfactor: 2\n")
    with pytest.raises(UsageError) as caught:
        write_file_scaffold("my-net", tmp_path / "other", tmp_path / "net.onnx")
    assert caught.value.where == str(tmp_path / "net.yaml")
    assert not (tmp_path / "other").exists()


TEN = "B02,B03,B04,B05,B06,B07,B08,B8A,B11,B12"
SHAPES: list[tuple[list[int | str], dict[str, object], int, str]] = [
    ([1, 3, "h", "w"], {"bands": "B04,B03,B02"}, 1, ""),
    (["n", 4, "h", "w"], {"bands": "B04,B03,B02,B08"}, 1, ""),
    ([1, 10, 64, 64], {"bands": TEN, "window": 64, "fixed": True, "overlap": 16}, 1, ""),
    (["n", 1, "h", "w"], {"bands": "B04,B03,B02", "per_band": True}, 1, ""),
    ([1, 1, "h", "w"], {"per_band": True}, 1, "it takes a batch of 1"),
    ([1, 5, 3, 32, 32], {"frame_rule": "stack", "frames": 5, "window": 32, "fixed": True, "overlap": 8}, 5, ""),
    ([1, 16, 4, "h", "w"], {"bands": "B04,B03,B02,B08", "frame_rule": "stack", "frames": 16}, 8, ""),
    ([1, "t", 3, "h", "w"], {"frame_rule": "stack"}, 8, ""),
    ([1, 24, "h", "w"], {}, 1, 'it takes 24 channels: name as many bands, or those of one frame with frame_rule = "ch'),
    ([1, 13, "h", "w"], {}, 1, "it takes 13 channels, one more than a revisit has"),
    ([1, 128, 128, 3], {}, 1, "its channels come last"),
    ([1, 3, 64, 128], {}, 1, "its window is not square"),
    ([8, 3, "h", "w"], {}, 1, "it takes a batch of 8"),
    ([3, 64], {}, 1, "its input has 2 axes"),
]


@pytest.mark.parametrize(("sides", "stated", "frames", "fault"), SHAPES)
def test_what_an_onnx_file_takes_is_read(
    tmp_path: Path, sides: list[int | str], stated: dict[str, object], frames: int, fault: str
) -> None:
    onnx = pytest.importorskip("onnx")
    info, file = onnx.helper.make_tensor_value_info, tmp_path / "net.onnx"
    weight = onnx.helper.make_tensor("w", onnx.TensorProto.FLOAT, [1], [1.0])
    graph = onnx.helper.make_graph(
        [onnx.helper.make_node("Mul", ["x", "w"], ["y"])],
        "g",
        # Files of old versions list their weights among the inputs.
        [info("w", onnx.TensorProto.FLOAT, [1]), info("x", onnx.TensorProto.FLOAT, sides)],
        [info("y", onnx.TensorProto.FLOAT, sides)],
        [weight],
    )
    onnx.save(onnx.helper.make_model(graph), file)
    assert input_sides(file) == tuple(side if isinstance(side, int) else None for side in sides)
    text = next_steps_of(tmp_path / "out", file)
    model = load_manifest(tmp_path / "out" / "submissions" / "my-sr").model
    assert stated.items() <= model.parameters.items()
    assert (model.frames, "from its input, " in text, fault in text) == (frames, True, True)
    assert "net.onnx: " in text or not fault
    # What was read is what the adapter wants, so that the next command runs the network.
    if not fault:
        adapter = pytest.importorskip("worldstrat_bench_baselines.adapters.onnx")
        assert adapter.input_flaw(sides, declare(**model.parameters)) == ""


@pytest.mark.parametrize("content", [b"", b"weights", b"\x3a\xff\xff\xff\xff\xff\xff\xff", b"\x3a\x02\x5a\x00"])
def test_a_file_without_a_readable_input_has_no_sides(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "net.onnx").write_bytes(content)
    assert input_sides(tmp_path / "net.onnx") == ()


@pytest.mark.parametrize("file", [None, "net.onnx"])
def test_the_commands_that_come_next_are_commands(tmp_path: Path, file: str | None) -> None:
    (tmp_path / "net.onnx").write_bytes(b"weights")
    text = next_steps_of(tmp_path / "a b", tmp_path / file if file else None)
    commands = [shlex.split(line) for line in text.splitlines() if line.startswith("  worldstrat-bench ")]
    assert [" ".join(words[1:3]).partition(" /")[0] for words in commands] == [
        "submission check",
        "models check",
        "evaluate",
        "submission add",
        "submission check",
    ]
    assert all(str(tmp_path / "a b" / "submissions" / "my-sr") in words for words in commands)


def test_a_run_of_undecided_values_says_so(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "net.onnx").write_bytes(b"weights")
    write_file_scaffold("my-net", tmp_path / "out", tmp_path / "net.onnx")
    folder = tmp_path / "out" / "submissions" / "my-net"
    for model in (folder, folder / "submission.toml"):
        tell_undecided(str(model))
        told = capsys.readouterr().err
        assert "at submission.licence, model.parameters.bands, model.parameters.input_scale, training" in told
    manifest = folder / "submission.toml"
    manifest.write_text(manifest.read_text(encoding="utf-8").replace(MARK, "#"), encoding="utf-8")
    for named in (str(folder), "bicubic"):
        tell_undecided(named)
    assert capsys.readouterr().err == ""


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
