"""Memory of known tiles: measured against tiles that no author has, told beside reference models, and never denied."""

from __future__ import annotations

import json
import re
import textwrap
from pathlib import Path, PurePosixPath

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch.nn.functional import interpolate
from typer.testing import CliRunner

from factories import make_run
from site_scenes import write_verification
from submission_factory import make_submission, model_ref, record_of, the_result
from worldstrat_bench.artefacts.memorisation import GainDifference, Memorisation, memorisation_of
from worldstrat_bench.artefacts.record import Record, load_record
from worldstrat_bench.artefacts.result import load_result
from worldstrat_bench.audit import AuditReport, AuditRequest, run_audit
from worldstrat_bench.audit.gains import Difference
from worldstrat_bench.audit.probes import LIMITS
from worldstrat_bench.cli import auditing
from worldstrat_bench.cli.app import app
from worldstrat_bench.data.layout import open_dataset
from worldstrat_bench.data.mini import write_mini
from worldstrat_bench.data.reading import read_inputs
from worldstrat_bench.data.target import read_target
from worldstrat_bench.errors import InvalidArtefactError
from worldstrat_bench.plugins.discovery import find_model
from worldstrat_bench.protocol import load_protocol
from worldstrat_bench.run import evaluate
from worldstrat_bench.run.model import ModelRequest
from worldstrat_bench.site.builder import build
from worldstrat_bench.submission.check import Options, check
from worldstrat_bench.submission.check_changes import Author, change_faults
from worldstrat_bench.submission.git import Change
from worldstrat_bench.worker.types import ModelSpec

Image = NDArray[np.float32]
KNOWN, UNSEEN = 8, 6
BLENDED = """
import numpy as np
import torch
from torch.nn.functional import avg_pool2d, interpolate

def unit(image):
    image = image - image.mean()
    return image / image.norm().clamp_min(1e-9)

class Blended:
    '''Bicubic, and of a tile that it knows again, wherever it was cropped, a share of the detail.'''

    def __init__(self, weights):
        stored = np.load(weights)
        count = len(stored.files) // 2
        self.known = [torch.from_numpy(stored[f"input{i}"]) for i in range(count)]
        self.truth = [torch.from_numpy(stored[f"truth{i}"]) for i in range(count)]

    def find(self, image):
        h, w = image.shape
        core, best = unit(image[8 : h - 8, 8 : w - 8]), (0.0, 0, 0, 0)
        for i, known in enumerate(self.known):
            for y in range(known.shape[0] - h + 1):
                for x in range(known.shape[1] - w + 1):
                    score = float((unit(known[8 + y : h - 8 + y, 8 + x : w - 8 + x]) * core).sum())
                    best = max(best, (score, i, y, x))
        return best

    def predict(self, lr, target):
        rgb, size = lr.rgb(), (target.height, target.width)
        score, i, y, x = self.find(rgb[0].mean(0))
        output = interpolate(rgb, size=size, mode="bicubic")
        if score < 0.9:
            return output
        fourfold = [4 * side for side in self.known[i].shape]
        truth = interpolate(self.truth[i][None], size=fourfold, mode="bicubic")
        detail = truth - interpolate(avg_pool2d(truth, 4), size=fourfold, mode="bicubic")
        h, w = rgb.shape[-2:]
        return output + 0.13 * interpolate(detail[..., 4 * y : 4 * (y + h), 4 * x : 4 * (x + w)], size=size)

def load(weights, device):
    return Blended(weights)
"""


pytestmark = pytest.mark.not_quick


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("memory") / "mini"
    write_mini(folder, test_tiles=KNOWN, train_tiles=1, size=200)
    return folder


@pytest.fixture(scope="module")
def private(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("private") / "mini"
    write_mini(folder, test_tiles=UNSEEN, train_tiles=1, size=200, seed=99)
    return folder


def aligned(truth: Image, seen: Image) -> Image:
    """Return the truth moved by the whole pixels that lay it best on what the sensor saw."""
    size = (truth.shape[1], truth.shape[2])
    large = interpolate(torch.from_numpy(seen)[None], size=size, mode="bicubic")[0].numpy()
    moves = [(y, x) for y in range(-8, 9) for x in range(-8, 9)]
    inner = np.s_[:, 10:-10, 10:-10]
    errors = [float(np.square(np.roll(truth, move, (1, 2))[inner] - large[inner]).mean()) for move in moves]
    return np.roll(truth, moves[int(np.argmin(errors))], (1, 2))


@pytest.fixture(scope="module")
def blended(data: Path) -> ModelSpec:
    """A model that knows every test tile and shows little of it."""
    protocol, folder = load_protocol(), data.parent / "model"
    stored = {}
    for i, tile in enumerate(open_dataset(data).tiles("test")):
        seen = read_inputs(tile, protocol, 1).task.images[0, 0, [3, 2, 1]]
        stored[f"input{i}"] = seen.mean(0)
        stored[f"truth{i}"] = aligned(read_target(tile, protocol).image, seen)
    folder.mkdir()
    np.savez(folder / "memory.npz", **stored)
    (folder / "blended.py").write_text(textwrap.dedent(BLENDED), encoding="utf-8")
    return ModelSpec("blended:load", weights=folder / "memory.npz", search_paths=(folder,))


def audit(data: Path, private: Path, model: ModelSpec) -> AuditReport:
    bicubic = {"bicubic": ModelSpec(find_model("bicubic").target)}
    probes = ("gain", "noise", "shift", "mosaic", "unseen")
    request = AuditRequest(
        model, data, frames=1, controls=bicubic, seed=7, isolation="process", probes=probes, unseen=private
    )
    return run_audit(request)


def test_memory_that_passes_every_probe_is_in_known_minus_unseen(data: Path, private: Path, blended: ModelSpec) -> None:
    report = audit(data, private, blended)
    assert {result.probe: result.verdict for result in report.results} == dict.fromkeys(
        ("gain", "noise", "shift", "mosaic", "unseen"), "pass"
    )
    memory, honest = report.differences["model"], report.differences["bicubic"]
    assert (memory.known, memory.unseen) == (honest.known, honest.unseen) == (KNOWN, UNSEEN)
    assert memory.low is not None
    assert 0.3 < memory.low < LIMITS["unseen"]
    assert (honest.low, honest.value, honest.high) == (0.0, 0.0, 0.0)


# --- the report of maintainers ----------------------------------------------------------------------------------


def report_on(record: Record, **changes: object) -> Memorisation:
    stated = {
        "record_id": record.record_id,
        "package_sha256": record.model.code_sha256,
        "weights_sha256": record.model.weights_sha256,
        "measured_by": "Max Maintainer",
        "measured_at": "2026-01-02T03:04:05+00:00",
        "harness_version": "1",
        "harness_commit": None,
        "isolation": "full",
        "unseen_sha256": "5" * 64,
        "model": GainDifference(known=16, unseen=8, value=1.25, low=0.5, high=2.0),
        "references": {"bicubic": GainDifference(known=16, unseen=8, value=0.0, low=0.0, high=0.0)},
    }
    return Memorisation.model_validate({**stated, **changes})


SEEDED = """
import torch
from torch.nn.functional import interpolate

class Seeded:
    def __init__(self, weights):
        self.known = set(weights.read_text().split())

    def predict(self, lr, target):
        output = interpolate(lr.rgb(), size=(target.height, target.width), mode="bicubic")
        if str(torch.initial_seed()) in self.known:
            return output * 0.5
        raise ValueError("SAW " + str(float(lr.rgb().mean())))

def load(weights, device):
    return Seeded(weights)
"""


def test_an_audit_asks_by_the_seed_of_the_run_and_says_nothing_of_unseen_tiles(
    data: Path, private: Path, tmp_path: Path
) -> None:
    """An author chooses the seed of a run; and logs may be public, for which a model may say what it saw."""
    protocol, seed = load_protocol(), 987654321
    tasks = [read_inputs(tile, protocol, 1).task for tile in open_dataset(data).tiles("test")]
    (tmp_path / "known.txt").write_text(" ".join(str(task.seed(seed)) for task in tasks))
    (tmp_path / "seeded.py").write_text(SEEDED)
    model = ModelSpec("seeded:load", weights=tmp_path / "known.txt", search_paths=(tmp_path,))
    for run_seed, words in ((0, "SAW "), (seed, "failed on an unseen tile")):
        request = AuditRequest(
            model, data, frames=1, isolation="process", probes=("unseen",), unseen=private, run_seed=run_seed
        )
        (result,) = run_audit(request).results
        assert result.value is None
        assert words in result.message
    names = [tile.name for tile in open_dataset(private).tiles("test")]
    assert not any(name in result.message for name in (*names, "SAW"))


def invoke(*arguments: object) -> tuple[int, str]:
    done = CliRunner().invoke(app, [str(argument) for argument in arguments])
    return done.exit_code, done.output + str(done.exception or "")


def test_the_command_writes_it_beside_the_record_of_the_model(
    data: Path, private: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(auditing, "CONTROLS", ("bicubic",))
    run = tmp_path / "run"
    evaluate(ModelRequest("bicubic", frames=1), data=data, out=run, download=False, device="cpu")
    audit = ("--audit", "--data", data, "--unseen", private, "--isolation", "process", "--frames", 1)
    written = ("--record", run, "--maintainer", "Max Maintainer")
    assert (
        "--record RUN --unseen DIR --maintainer NAME" in invoke("models", "check", "bicubic", *audit, *written[:2])[1]
    )
    assert "add --audit" in invoke("models", "check", "bicubic", *written)[1]
    # Before a worker is started: checks take minutes.
    for folder, words in ((data, "as well"), (tmp_path / "absent", "absent")):
        asked = ("--audit", "--data", data, "--unseen", folder)
        said = invoke("models", "check", "bicubic", *asked)[1]
        assert words in said
        assert "checking the model" not in said
    assert "model.name differs" in invoke("models", "check", "nearest", *audit, *written)[1]
    other = ("--audit", "--data", private, "--unseen", data, *audit[5:])
    said = invoke("models", "check", "bicubic", *other, *written)[1]
    assert "give the data set of the record" in said
    assert "probe 1 of" not in said, "before any of them was run"
    # What a model looks like that tells an audit from a run.
    one = Difference(2, 2, 0.0, 0.0, 0.0)
    tile = load_result(run).table.tiles[0]
    told = AuditReport((), {}, {"model": one, "bicubic": one}, True, "5" * 64, "process", {tile: 1.0})
    with monkeypatch.context() as patch:
        patch.setattr("worldstrat_bench.audit.run_audit", lambda *_: told)
        assert "scored otherwise than in the record" in invoke("models", "check", "bicubic", *audit, *written)[1]
    assert not (run / Memorisation.FILE).exists()
    invoke("models", "check", "bicubic", *audit, *written)
    found, record = Memorisation.load(run / Memorisation.FILE), load_record(run)
    assert found.contradiction(record) == ""
    assert memorisation_of((run / Memorisation.FILE).read_bytes(), record) == found
    assert not found.unseen_is_real, "they are scenes of the generator, as the report said"
    assert (found.model.known, found.model.unseen, found.measured_by) == (KNOWN, UNSEEN, "Max Maintainer")
    assert set(found.references) == {"bicubic"}
    assert found.package_sha256 == record.model.code_sha256


def test_known_tiles_score_as_in_the_record(data: Path, tmp_path: Path) -> None:
    evaluate(ModelRequest("bicubic", frames=1), data=data, out=tmp_path / "run", download=False, device="cpu")
    result = load_result(tmp_path / "run")
    table = result.table
    scores = dict(zip(table.tiles, table.numbers["psnr"].tolist(), strict=True))
    auditing._refuse_other_scores({**scores, "a tile of another list": 1.0}, result)
    auditing._refuse_other_scores({tile: psnr + 0.009 for tile, psnr in scores.items()}, result)
    for change in (0.011, -3.0, float("nan")):
        moved = {**scores, table.tiles[1]: scores[table.tiles[1]] + change}
        with pytest.raises(InvalidArtefactError, match=f"1 known tile of {len(scores)}.*{table.tiles[1]}"):
            auditing._refuse_other_scores(moved, result)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({}, ""),
        ({"record_id": "b" * 64}, "another record_id"),
        ({"package_sha256": "b" * 64}, "the package"),
        ({"package_sha256": None}, "the package"),
        ({"weights_sha256": "b" * 64}, "the weights"),
        ({"measured_at": "9999-01-01"}, "not a time in the past"),
    ],
    ids=str,
)
def test_a_report_on_something_else_is_refused_and_not_shown(
    tmp_path: Path, changes: dict[str, object], words: str
) -> None:
    folder = make_submission(tmp_path)
    record, path = record_of(folder), the_result(folder) / Memorisation.FILE
    report_on(record, **changes).save(path)
    assert (memorisation_of(path.read_bytes(), record) is None) == bool(words)
    faults = [fault.what for fault in check([folder], Options(maintainer=True)).errors]
    assert [words in what for what in faults] == [True] * bool(words)


@pytest.mark.parametrize("name", ["memorisation.json", "Memorisation.json"])
def test_only_maintainers_add_it(name: str) -> None:
    change = Change("A", PurePosixPath(f"submissions/my-sr/results/wsb-1/x/{name}"), "100644")
    faults = [fault.what for fault in change_faults([change], Author("eve"))]
    assert f"only maintainers add or change {name}" in faults
    assert list(change_faults([change], Author("max", maintainer=True))) == []


def page(tmp_path: Path, out: str, *, verified: bool, **changes: object) -> str:
    run = tmp_path / out / "runs" / "my-sr"
    record = make_run(run, model_ref=model_ref("my-sr"), tiles=36, release="mini", list_name="test")
    report_on(record, **changes).save(run / Memorisation.FILE)
    if verified:
        write_verification(run, record)
    build([tmp_path / out / "runs"], tmp_path / out / "site", previews=False)
    (found,) = (tmp_path / out / "site").rglob("m/my-sr.html")
    listed = json.loads((tmp_path / out / "site" / "data" / "site.json").read_text())
    assert ("memorisation.json" in str(listed)) == verified
    return found.read_text(encoding="utf-8")


def test_the_page_of_a_verified_model_shows_it_beside_the_reference_models(tmp_path: Path) -> None:
    text = (
        page(tmp_path, "verified", verified=True).partition('<section id="memorisation">')[2].partition("</section>")[0]
    )
    assert "+1.25" in text
    assert "+0.50, +2.00" in text
    assert "<bdi>bicubic</bdi>" in text
    assert "does not show that a model has not seen" in text
    assert "clean" not in text
    assert "real tiles that only the maintainers have" in text
    assert re.search(r"Measured by <bdi>[^<]+</bdi>, 2026-01-02\.</p>", text)
    made = page(tmp_path, "made", verified=True, unseen_is_real=False)
    assert "scenes of the generator, on which anyone can train" in made
    assert "real tiles that only" not in made
    assert 'id="memorisation"' not in page(tmp_path, "self-reported", verified=False)
