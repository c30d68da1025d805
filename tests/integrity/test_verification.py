"""What a verification finds: forged columns, tiles that a forger knew, nulls; honest runs hold."""

from __future__ import annotations

import random
import shutil
import subprocess
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from pydantic import ValidationError
from typer.testing import CliRunner

from factories import make_run
from forgery import Rows, forge
from git_scene import commit, git
from site_scenes import write_speed
from site_scenes import write_verification as write_verification_scene
from submission_factory import add_record, make_submission, record_of, the_result
from worldstrat_bench.artefacts.record import LimitsRef, ModelRef, load_record
from worldstrat_bench.artefacts.result import Result, read_result
from worldstrat_bench.artefacts.speed import SpeedReport
from worldstrat_bench.artefacts.tiles import FACT_COLUMNS
from worldstrat_bench.artefacts.verification import Attestation, Verification, verification_in
from worldstrat_bench.cli.app import app
from worldstrat_bench.data.mini import write_mini
from worldstrat_bench.errors import InfrastructureError, InvalidArtefactError, UsageError
from worldstrat_bench.run import evaluate
from worldstrat_bench.run.journal import FILE_NAME
from worldstrat_bench.run.model import ModelRequest
from worldstrat_bench.submission.check import Options, check
from worldstrat_bench.submission.made_here import remember
from worldstrat_bench.submission.verify import VerifyReport, VerifyRequest, verify
from worldstrat_bench.submission.verify_columns import compare_tables, speed_difference
from worldstrat_bench.submission.verify_model import model_faults
from worldstrat_bench.submission.verify_tiles import Machine, draw, drawn_tiles, limits_of
from worldstrat_bench.submission.verify_write import add_verified, attestation_of, write_verification
from worldstrat_bench.worker.types import Limits
from worldstrat_bench.worker.watchdog import memory_limit

TILES, DRAWN = 60, 20


@pytest.fixture(scope="module")
def honest(tmp_path_factory: pytest.TempPathFactory) -> Result:
    folder = tmp_path_factory.mktemp("verification") / "run"
    make_run(folder, tiles=TILES, release="mini", list_name="test")
    return read_result(folder)


def changed(result: Result, column: str, change: Callable[[float], float], rows: list[int], identity: str) -> Result:
    """The result with a column changed on some rows, under another record id."""
    values: NDArray[np.float64] = result.table.numbers[column].copy()
    values[rows] = [change(float(value)) for value in values[rows]]
    table = replace(result.table, numbers={**result.table.numbers, column: values})
    return replace(result, table=table, record=result.record.model_copy(update={"record_id": identity}))


def caught(submitted: Result, truth: Result, tiles: tuple[str, ...]) -> list[str]:
    """The columns of some tiles that contradict what was submitted."""
    found = compare_tables(submitted.table, truth.table.take(truth.table.index_of(tiles)))
    return [name for name, check in found.items() if check.contradicted]


CHEATS: dict[str, tuple[str, Callable[[float], float]]] = {
    "psnr": ("psnr", lambda value: value + 0.05),
    "ssim": ("ssim", lambda value: value + 0.005),
    "lpips": ("lpips", lambda value: value - 0.01),
    "lpips-null": ("lpips", lambda value: float("nan")),
    "psnr-null": ("psnr", lambda value: float("nan")),
    "rmse": ("rmse", lambda value: value * 0.9),
    "sam": ("sam", lambda value: value + 0.1),
    "bicubic": ("psnr_bicubic", lambda value: value - 0.05),
    "cloud": ("cloud", lambda value: value + 1e-4),
    "days": ("days", lambda value: value + 1),
    "detail": ("detail", lambda value: value * 1.01),
    "shift": ("shift_y", lambda value: value + 0.1),
    "consistency": ("lr_consistency", lambda value: value + 1e-3),
    "clipped": ("clipped", lambda value: value + 0.01),
}


@pytest.mark.parametrize("cheat", CHEATS)
def test_a_forged_record_is_caught_in_at_least_98_of_100_draws(honest: Result, cheat: str) -> None:
    column, change = CHEATS[cheat]
    found = 0
    for i in range(100):
        chosen = random.Random(f"{cheat} {i}")
        known = np.flatnonzero(~np.isnan(honest.table.numbers[column])).tolist()
        rows = chosen.sample(known, TILES // 5)  # a fifth of the tiles
        forged = changed(honest, column, change, rows, f"{chosen.getrandbits(256):064x}")
        _, tiles = draw(forged, DRAWN, seed=i)  # the same tiles in every run of this test
        assert len(tiles) == DRAWN
        found += bool(caught(forged, honest, tiles))
    assert found >= 98


def test_a_record_that_was_ground_against_a_known_seed_is_caught(honest: Result) -> None:
    """A forger tries ids until seed 0 draws none of the inflated tiles; the system's randomness draws others."""
    rows = random.Random(17).sample(range(TILES), TILES * 2 // 5)
    inflated = {honest.table.tiles[row] for row in rows}
    for attempt in range(200_000):
        forged = changed(honest, "psnr", lambda value: value + 3, rows, f"{attempt:064x}")
        if not inflated & set(draw(forged, 10, seed=0)[1]):
            break
    assert caught(forged, honest, draw(forged, 10, seed=0)[1]) == []
    assert sum(bool(caught(forged, honest, draw(forged, DRAWN)[1])) for _ in range(100)) >= 98


def test_an_honest_record_of_another_processor_agrees(honest: Result) -> None:
    noise = np.random.default_rng(1)
    numbers = {
        name: values if name in FACT_COLUMNS else values * (1 + 1e-6 * noise.uniform(-1, 1, len(values)))
        for name, values in honest.table.numbers.items()
    }
    again = replace(honest, table=replace(honest.table, numbers=numbers))
    assert caught(honest, again, honest.table.tiles) == []


def test_a_column_or_a_tile_that_one_side_lacks_is_a_difference(honest: Result) -> None:
    everything = honest.table.tiles
    without = replace(honest, table=honest.table.without(["lpips"]))
    assert caught(without, honest, everything) == caught(honest, without, everything) == ["lpips"]
    shorter = replace(honest, table=honest.table.take(range(TILES - 1)))
    assert set(caught(shorter, honest, everything)) == set(honest.table.columns)


def test_draws_are_the_systems_and_are_recorded(honest: Result) -> None:
    (first, tiles), (second, others) = draw(honest, DRAWN), draw(honest, DRAWN)
    assert (first.source, first.of) == ("system", TILES)
    assert first.seed != second.seed
    assert tiles != others
    assert drawn_tiles(honest, first, DRAWN) == tiles
    assert draw(honest, DRAWN, seed=7) == draw(honest, DRAWN, seed=7)


def test_a_maintainer_takes_no_seed_and_says_what_is_run(tmp_path: Path) -> None:
    for arguments, words in (
        (["-k", "5", "--seed", "0"], "drawn at random"),
        (["--out", str(tmp_path / "o"), "--seed", "0"], "drawn at random"),
        ([], "a run of the whole list"),
    ):
        done = CliRunner().invoke(app, ["verify", str(tmp_path), "--maintainer", "Ada", *arguments])
        assert isinstance(done.exception, UsageError)
        assert words in str(done.exception)


def test_no_signature_on_tiles_of_a_known_seed(honest: Result, tmp_path: Path) -> None:
    drawn, _ = draw(honest, DRAWN, seed=0)
    report = VerifyReport(honest.record, (), model=honest.record.model, draw=drawn, machine=Machine("CPU", "full"))
    with pytest.raises(UsageError, match="drawn at random"):
        write_verification(report, VerifyRequest(tmp_path), "Ada")


def test_code_that_nothing_names_is_a_fault(honest: Result) -> None:
    ours = honest.record.model.model_copy(update={"code_sha256": "a" * 64})
    record = honest.record.model_copy(update={"model": ours})
    assert model_faults(record, ours) == ()
    for unnamed in (ours.model_copy(update={"code_sha256": None}), honest.record.model):
        (fault,) = model_faults(record, unnamed)
        assert "nothing shows" in fault.what
    (fault,) = model_faults(record, ours.model_copy(update={"code_sha256": "b" * 64}))
    assert "model.code_sha256 differs" in fault.what


def test_packages_in_editable_mode_are_named_one_by_one(tmp_path: Path) -> None:
    model = ModelRef(
        name="m", version="1.0", frames=1, code_sha256="a" * 64, editable={"mine": "b" * 64, "old": "c" * 64}
    )
    record = record_of(make_submission(tmp_path)).model_copy(update={"model": model})
    assert model_faults(record, model) == ()
    (fault,) = model_faults(record, model.model_copy(update={"editable": {"mine": "d" * 64, "new": "e" * 64}}))
    assert fault.what.endswith(": mine is not the same, old is not here, new is here only")
    assert "an environment of its own" in fault.remedy


@pytest.mark.parametrize(("factor", "far"), [(1.0, False), (1.08, False), (4.0, True), (0.25, True)])
def test_a_speed_that_was_claimed_is_compared(tmp_path: Path, factor: float, far: bool) -> None:
    record = make_run(tmp_path / "run", tiles=3, release="mini", list_name="test")
    write_speed(tmp_path / "run", record, 100.0)
    stated = SpeedReport.load(tmp_path / "run" / SpeedReport.FILE)
    write_speed(tmp_path / "run", record, 100.0 * factor)
    measured = SpeedReport.load(tmp_path / "run" / SpeedReport.FILE)
    found = speed_difference(stated, measured)
    assert found is not None
    assert (found > 0.1) == far
    write_speed(tmp_path / "run", record, 100.0, verdict="INVALID")
    assert speed_difference(stated, SpeedReport.load(tmp_path / "run" / SpeedReport.FILE)) is None


# --- a verified record replaces the submitted one ---------------------------------------------------------------


@pytest.fixture
def verified(tmp_path: Path) -> tuple[Path, Path]:
    """A submission whose psnr is inflated, and the maintainers' run of it with its verification."""
    folder = make_submission(tmp_path, tiles=12)
    run = tmp_path / "checked"
    the_result(folder).rename(run)
    add_record(folder, shift_db=2.0)
    write_verification_of(run, submitted=record_of(folder).record_id)
    return folder, run


def write_verification_of(run: Path, *, here: bool = True, **changes: object) -> None:
    """Write the verification of a run, as `verify` does on this machine or as anyone can elsewhere."""
    write_verification_scene(run, load_record(run))
    document = Verification.load(run / Verification.FILE).model_dump()
    document |= {"submitted_record_id": changes.pop("submitted"), "agrees": False, **changes}
    Verification.model_validate(document).save(run / Verification.FILE)
    if here:
        remember(run / Verification.FILE)


def test_the_maintainers_numbers_replace_the_submitted_ones(verified: tuple[Path, Path]) -> None:
    folder, run = verified
    (the_result(folder) / "speed.json").write_text("{}")
    assert record_of(folder).record_id != load_record(run).record_id
    target = add_verified(run, folder)
    assert target == the_result(folder)
    assert record_of(folder).record_id == load_record(run).record_id
    assert not (target / "speed.json").exists()
    found = verification_in(target, record_of(folder))
    assert found is not None
    assert found.computed


def test_a_verification_of_something_else_replaces_nothing(verified: tuple[Path, Path]) -> None:
    folder, run = verified
    before = record_of(folder)
    write_verification_of(run, submitted="b" * 64)
    with pytest.raises(InvalidArtefactError, match="another record is in that place"):
        add_verified(run, folder)
    write_verification_of(run, submitted=before.record_id, passed=False)
    with pytest.raises(InvalidArtefactError, match="did not pass"):
        add_verified(run, folder)
    write_verification_of(run, submitted=before.record_id, record_id="c" * 64)
    with pytest.raises(InvalidArtefactError, match="it names another record_id"):
        add_verified(run, folder)
    assert record_of(folder) == before


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"slug": "other-slug"}, "of the submission 'other-slug'"),
        ({"package_sha256": "9" * 64}, "the package"),
        ({"package_sha256": None}, "the package"),
        ({"weights_sha256": "9" * 64}, "the weights"),
        ({"isolation": "process"}, "isolation"),
        ({"device_class": "H100-80GB"}, "class of machine"),
        ({"compared": 1}, "1 tiles were compared"),
        ({"tiles": []}, "0 tiles were drawn"),
        ({"draw": {"source": "system", "seed": "5eed", "of": 1}}, "drawn of 1"),
    ],
    ids=str,
)
def test_a_verification_that_is_not_of_its_record_vouches_for_nothing(
    verified: tuple[Path, Path], changes: dict[str, object], words: str
) -> None:
    folder, run = verified
    path = run / Verification.FILE
    document = Verification.load(path).model_dump() | {"passed": "tiles" not in changes} | changes
    if "tiles" in changes:  # the file itself does not say "passed" without a tile
        with pytest.raises(ValidationError):
            Verification.model_validate(document | {"passed": True})
        return
    Verification.model_validate(document).save(path)
    assert words in Verification.load(path).contradiction(load_record(run))
    assert verification_in(run, load_record(run)) is None
    with pytest.raises(InvalidArtefactError, match="not of the record beside it"):
        add_verified(run, folder)
    shutil.copytree(run, the_result(folder), dirs_exist_ok=True)
    rules = {fault.rule for fault in check([folder], Options(maintainer=True)).errors}
    assert "verification" in rules


def test_a_record_does_not_decide_how_long_its_code_runs_here(honest: Result) -> None:
    own = Limits()
    stated = LimitsRef(tile_seconds=1e300, memory_bytes=10**15)
    found = limits_of(honest.record.model_copy(update={"limits": stated}), own)
    assert (found.tile_seconds, found.memory_bytes) == (own.tile_seconds, memory_limit(own))
    wide = Limits(tile_seconds=600.0, memory_bytes=2**30)
    found = limits_of(honest.record.model_copy(update={"limits": stated}), wide)
    assert (found.tile_seconds, found.memory_bytes) == (600.0, 2**30)
    honest_limits = LimitsRef(tile_seconds=30.0, memory_bytes=2**29)
    found = limits_of(honest.record.model_copy(update={"limits": honest_limits}), own)
    assert (found.tile_seconds, found.memory_bytes) == (30.0, 2**29)
    assert limits_of(honest.record.model_copy(update={"limits": None}), own) == own


ATTESTED = Attestation(repository="o/r", workflow=".github/workflows/evaluate.yml@" + "a" * 40, run="17")


def fake_gh(folder: Path, monkeypatch: pytest.MonkeyPatch, code: int) -> Path:
    """A `gh` that notes how it is called."""
    folder.mkdir()
    (folder / "gh").write_text(f'#!/bin/sh\necho "$@" >> {folder}/calls\nexit {code}\n')
    (folder / "gh").chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder}:/usr/bin:/bin")
    return folder / "calls"


def test_an_attestation_is_checked_before_a_verification_is_added(
    verified: tuple[Path, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder, run = verified
    before = record_of(folder)
    git = ["git", "-C", str(folder)]
    subprocess.run([*git, "init", "--quiet"], check=True)
    subprocess.run([*git, "remote", "add", "origin", "https://forge.example/o/r.git"], check=True)
    write_verification_of(run, submitted=before.record_id, here=False, verified_by="Eve")
    (run / FILE_NAME).touch()  # a journal is a file like any other
    with pytest.raises(InvalidArtefactError, match="nothing shows where these files were made"):
        add_verified(run, folder)
    for other in ("evil/fork", "o/r2", "o2/r"):
        forked = {**ATTESTED.model_dump(), "repository": other}
        write_verification_of(run, submitted=before.record_id, attestation=forked)
        fake_gh(tmp_path / other.replace("/", "-"), monkeypatch, 0)
        with pytest.raises(InvalidArtefactError, match=f"made by {other}, this is o/r"):
            add_verified(run, folder)
    write_verification_of(run, submitted=before.record_id, attestation=ATTESTED.model_dump())
    (tmp_path / "nothing").mkdir()
    (tmp_path / "nothing" / "git").symlink_to(shutil.which("git") or "/usr/bin/git")
    monkeypatch.setenv("PATH", str(tmp_path / "nothing"))
    with pytest.raises(InfrastructureError, match="cannot be checked"):
        add_verified(run, folder)
    fake_gh(tmp_path / "no", monkeypatch, 1)
    with pytest.raises(InvalidArtefactError, match="does not confirm"):
        add_verified(run, folder)
    assert record_of(folder) == before
    calls = fake_gh(tmp_path / "yes", monkeypatch, 0)
    add_verified(run, folder)
    lines = calls.read_text().splitlines()
    assert len(lines) == 3
    assert all(
        "--repo o/r --source-ref refs/heads/main --signer-workflow o/r/.github/workflows/evaluate.yml" in line
        for line in lines
    )
    assert record_of(folder) != before


@pytest.mark.parametrize("changed", ["", "requirements.lock", "submission.toml", "extra.whl", "README.md", "title"])
def test_a_verification_of_another_state_of_the_submission_is_not_added(
    verified: tuple[Path, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, changed: str
) -> None:
    """The workflow evaluates any commit, a stranger's branch among them, with the same record and another lock."""
    folder, run = verified
    root, before = folder.parents[1], record_of(folder)
    git(root, "init", "--quiet", "-b", "main")
    git(root, "remote", "add", "origin", "https://forge.example/o/r.git")
    held = commit(root)
    manifest = folder / "submission.toml"
    if changed == "submission.toml":
        manifest.write_text(manifest.read_text().replace("strength = 0.3", "strength = 0.4"))
    elif changed == "title":
        manifest.write_text(manifest.read_text().replace('title = "my-sr"', 'title = "My network"'))
    elif changed:
        with (folder / changed).open("a") as file:
            file.write("\n")
    commit(root)
    fake_gh(tmp_path / "yes", monkeypatch, 0)
    monkeypatch.setenv("PATH", f"{tmp_path / 'yes'}:{Path(shutil.which('git') or '').parent}:/usr/bin:/bin")
    attested = ATTESTED.model_dump()
    write_verification_of(run, submitted=before.record_id, attestation=attested, commit="a" * 40)
    with pytest.raises(InvalidArtefactError, match="is not in this clone"):
        add_verified(run, folder)
    write_verification_of(run, submitted=before.record_id, attestation=attested, commit=held)
    if changed in ("", "README.md", "title"):
        add_verified(run, folder)
        assert record_of(folder) != before
        return
    with pytest.raises(InvalidArtefactError, match="is not what it was at the verified commit"):
        add_verified(run, folder)
    assert record_of(folder) == before


def test_only_the_evaluation_workflow_attests() -> None:
    environment = {
        "GITHUB_ACTIONS": "true",
        "GITHUB_REPOSITORY": "o/r",
        "GITHUB_RUN_ID": "17",
        "GITHUB_WORKFLOW_SHA": "a" * 40,
        "GITHUB_WORKFLOW_REF": "o/r/.github/workflows/evaluate.yml@refs/heads/main",
    }
    assert attestation_of(environment) == ATTESTED
    for name, value in (
        ("GITHUB_ACTIONS", ""),
        ("GITHUB_WORKFLOW_REF", "o/r/.github/workflows/ci.yml@refs/heads/main"),
        ("GITHUB_WORKFLOW_REF", "fork/r/.github/workflows/evaluate.yml@refs/heads/main"),
    ):
        assert attestation_of({**environment, name: value}) is None


# --- with a real model ------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("verify") / "mini"
    write_mini(folder, test_tiles=4, train_tiles=1, size=200)
    return folder


def inflate(rows: Rows) -> None:
    """Raise one tile by 6 dB, with every column that would give it away."""
    row = rows[2]
    psnr = float(row["psnr"]) + 6
    row.update(psnr=f"{psnr:.7g}", rmse=f"{10 ** (-psnr / 20):.7g}", ssim="0.99")


@pytest.mark.parametrize(
    "name", ["bicubic", *(pytest.param(name, marks=pytest.mark.soak) for name in ("lanczos", "shift-and-add"))]
)
def test_a_full_run_finds_a_forged_tile_and_honest_models_verify(data: Path, tmp_path: Path, name: str) -> None:
    model = ModelRequest(name, frames=2)
    evaluate(model, data=data, out=tmp_path / "run", download=False, device="cpu")
    request = VerifyRequest(tmp_path / "run", data, model, out=tmp_path / "full", device="cpu")
    lines: list[str] = []
    report = verify(request, lines.append)
    assert (report.faults, report.passed, report.agrees, report.compared) == ((), True, True, 4)
    assert any("whole list, 4 tiles" in line for line in lines)
    path = write_verification(report, request, "Ada", commit="a" * 40)
    written = Verification.load(path)
    assert path == tmp_path / "full" / Verification.FILE
    assert written.computed
    assert written.package_sha256 == (report.record.model.wheel_sha256 or report.record.model.code_sha256)
    assert (written.commit, written.device_class) == ("a" * 40, report.record.device.device_class)

    forge(tmp_path / "run", inflate)
    report = verify(request)  # the full run is there already and is only checked
    assert {fault.what.split()[0] for fault in report.faults} == {"psnr", "rmse", "ssim"}
    assert (report.passed, report.agrees) == (True, False)
    written = Verification.load(write_verification(report, request, "Ada"))
    assert written.computed
    assert not written.agrees
    assert (written.record_id, written.submitted_record_id) == (
        load_record(tmp_path / "full").record_id,
        load_record(tmp_path / "run").record_id,
    )
