"""verify: an honest run holds, an edited one and a model of chance do not."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from typer.testing import CliRunner

from submission_factory import make_wheel
from worldstrat_bench.artefacts.record import load_record
from worldstrat_bench.cli.app import app
from worldstrat_bench.data.mini import write_mini
from worldstrat_bench.digests import file_sha256
from worldstrat_bench.errors import UsageError, WorldstratBenchError
from worldstrat_bench.run import evaluate

HONEST = b"""
from torch.nn.functional import interpolate

class Model:
    def predict(self, lr, target):
        return interpolate(lr.images[:, 0, [3, 2, 1]], size=(target.height, target.width), mode="bicubic")

def load(weights, device):
    return Model()
"""

FORGETFUL = b"""
from torch.nn.functional import interpolate

class Model:
    seen = 0.0

    def predict(self, lr, target):
        image = interpolate(lr.images[:, 0, [3, 2, 1]], size=(target.height, target.width), mode="bicubic")
        self.seen = 0.5 * self.seen + float(image.mean())
        return image + 0.1 * self.seen

def load(weights, device):
    return Model()
"""


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("verify") / "mini"
    write_mini(folder, test_tiles=5, train_tiles=1, size=200)
    return folder


def wheel_of(folder: Path, code: bytes) -> Path:
    return make_wheel(
        folder, files={"my_sr/model.py": code}, entry_points="[worldstrat_bench.models]\nmy-sr = my_sr.model:load\n"
    )


@pytest.fixture(scope="module")
def honest(data: Path) -> tuple[Path, Path]:
    """A wheel and its run."""
    wheel, run = wheel_of(data.parent / "honest", HONEST), data.parent / "run"
    evaluate(str(wheel), data=data, out=run, frames=1, download=False, device="cpu")
    return wheel, run


def verify(*arguments: str) -> tuple[int, dict[str, object]]:
    result = CliRunner().invoke(app, ["verify", *arguments, "--json"])
    if isinstance(result.exception, WorldstratBenchError):
        raise result.exception
    return result.exit_code, json.loads(result.stdout)


def test_an_honest_run_holds_and_a_maintainer_signs_it(data: Path, honest: tuple[Path, Path]) -> None:
    wheel, run = honest
    assert verify(str(run))[0] == 0
    assert not (run / "verification.json").exists()
    code, document = verify(
        str(run), "--data", str(data), "--model", str(wheel), "-k", "5", "--maintainer", "Ada", "--device", "cpu"
    )
    assert (code, document["passed"], document["faults"]) == (0, True, [])
    tiles = document["tiles"]
    assert isinstance(tiles, list)
    assert len(tiles) == 5
    assert all(tile["prediction_difference"] == 0 and tile["order_difference"] == 0 for tile in tiles)
    stored = json.loads((run / "verification.json").read_text())
    assert stored["record_id"] == load_record(run).record_id
    assert stored["verified_by"] == "Ada"
    assert (stored["scope"], stored["passed"], stored["agrees"]) == ("sample", True, True)
    assert stored["draw"] == document["draw"]
    assert stored["draw"]["source"] == "system"
    assert stored["columns"]["psnr"]["contradicted"] == 0


def test_a_signature_needs_tiles(honest: tuple[Path, Path]) -> None:
    with pytest.raises(UsageError, match="tiles that were run again"):
        verify(str(honest[1]), "--maintainer", "Ada", "-k", "5")


def test_other_data_is_noticed(honest: tuple[Path, Path], tmp_path: Path) -> None:
    write_mini(tmp_path / "other", test_tiles=5, train_tiles=1, size=200, seed=1)
    code, document = verify(
        str(honest[1]), "--data", str(tmp_path / "other"), "--model", str(honest[0]), "--device", "cpu"
    )
    assert code == 5
    assert "targets of this dataset" in str(document["faults"])


def test_an_edited_table_is_noticed(honest: tuple[Path, Path], tmp_path: Path) -> None:
    run = Path(shutil.copytree(honest[1], tmp_path / "run"))
    text = (run / "tiles.csv").read_text()
    (run / "tiles.csv").write_text(text.replace(",ok,2", ",ok,3"))
    code, document = verify(str(run))
    assert code == 5
    assert "sha256 differs" in str(document["faults"])


def test_another_model_is_noticed(data: Path, honest: tuple[Path, Path], tmp_path: Path) -> None:
    other = wheel_of(tmp_path, HONEST.replace(b'mode="bicubic"', b'mode="nearest"'))
    asked = (str(honest[1]), "--data", str(data), "--model", str(other), "--device", "cpu")
    code, document = verify(*asked, "-k", "2", "--other-model")
    assert code == 5
    faults = str(document["faults"])
    assert "model.wheel_sha256 differs" in faults
    assert "the prediction differs from the stored one" in faults
    assert "psnr differs from tiles.csv on 2 of 2 tiles" in faults


def test_another_model_is_named_before_anything_runs(data: Path, honest: tuple[Path, Path], tmp_path: Path) -> None:
    run = shutil.copytree(honest[1], tmp_path / "run", ignore=shutil.ignore_patterns("verification.json"))
    other = wheel_of(tmp_path, HONEST.replace(b'mode="bicubic"', b'mode="nearest"'))
    asked = ["verify", str(run), "--data", str(data), "--model", str(other), "--device", "cpu"]
    for more in (["-k", "2"], ["--out", str(tmp_path / "full"), "--maintainer", "Ada"]):
        result = CliRunner().invoke(app, [*asked, *more])
        assert result.exit_code == 5, result.output
        digests = (file_sha256(wheel)[:12] for wheel in (other, honest[0]))
        assert "model.wheel_sha256 differs from the record's: {} here, {} there".format(*digests) in result.stdout
        assert "the model is not the record's; --other-model runs it all the same" in result.stdout
    assert not (tmp_path / "full").exists()
    assert not (run / "verification.json").exists()


def test_a_run_that_agrees_says_so_in_a_line(data: Path, honest: tuple[Path, Path]) -> None:
    asked = ["verify", str(honest[1]), "--data", str(data), "--model", str(honest[0]), "--device", "cpu", "-k", "2"]
    result = CliRunner().invoke(app, asked)
    assert result.exit_code == 0
    assert "\nagrees: 2 tiles, no difference in any column\n" in result.stdout


def test_a_model_that_depends_on_the_order_is_noticed(data: Path, tmp_path: Path) -> None:
    wheel, run = wheel_of(tmp_path, FORGETFUL), tmp_path / "run"
    evaluate(str(wheel), data=data, out=run, frames=1, download=False, device="cpu")
    code, document = verify(str(run), "--data", str(data), "--model", str(wheel), "-k", "4", "--device", "cpu")
    assert code == 5
    assert "depends on other tiles or on chance" in str(document["faults"])
