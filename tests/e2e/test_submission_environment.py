"""evaluate submissions/<slug>: the model comes from the submission's own locked environment, and nowhere else."""

from __future__ import annotations

from pathlib import Path

import pytest
from typer.testing import CliRunner

from submission_factory import MANIFEST, SLUG, make_wheel, record_of
from worldstrat_bench.cli.app import app
from worldstrat_bench.data.mini import write_mini
from worldstrat_bench.digests import file_sha256
from worldstrat_bench.errors import ModelError
from worldstrat_bench.plugins.discovery import find_model
from worldstrat_bench.submission.check import check
from worldstrat_bench.submission.manifest import load_manifest
from worldstrat_bench.submission.own_wheel import lock_of

CODE = b"""
from torch.nn.functional import interpolate
import my_sr

class Model:
    def __init__(self, strength):
        self.strength = strength

    def predict(self, lr, target):
        return interpolate(lr.images[:, 0, [3, 2, 1]], size=(target.height, target.width), mode="bicubic")

def load(weights, device, strength):
    return Model(strength)
"""


@pytest.fixture
def submission(tmp_path: Path) -> Path:
    """A submission with its wheel beside the manifest; nothing of it is installed here."""
    folder = tmp_path / "submissions" / SLUG
    points = "[worldstrat_bench.models]\nmy-sr = my_sr.model:load\n"
    wheel = make_wheel(folder, files={"my_sr/model.py": CODE}, entry_points=points)
    pinned = f'wheel = "https://example.org/{wheel.name}"\nwheel_sha256 = "{file_sha256(wheel)}"\nframes = 8'
    (folder / "submission.toml").write_text(MANIFEST.replace("frames = 8", pinned), encoding="utf-8")
    (folder / "requirements.lock").write_text("# the wheel needs nothing else\n", encoding="utf-8")
    return folder


def test_a_submission_is_evaluated_in_its_own_environment(
    submission: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WORLDSTRAT_BENCH_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    with pytest.raises(ModelError):
        find_model(SLUG)
    write_mini(tmp_path / "mini", test_tiles=2, train_tiles=1, size=200)
    run = tmp_path / "run"
    for arguments in (
        [
            "evaluate",
            str(submission),
            "--data",
            str(tmp_path / "mini"),
            "--out",
            str(run),
            "--device",
            "cpu",
            "--no-download",
        ],
        ["submission", "add", str(run), str(submission)],
    ):
        result = CliRunner().invoke(app, arguments, catch_exceptions=False)
        assert result.exit_code == 0, result.output
    record = record_of(submission)
    assert (record.model.distribution, record.model.submission) == (SLUG, SLUG)
    assert record.model.wheel_sha256 == file_sha256(next(submission.glob("*.whl")))
    assert record.model.lock_sha256 == lock_of(load_manifest(submission), submission) is not None
    assert "my-sr" in record.environment.packages
    report = check([submission])
    assert report.errors == ()
