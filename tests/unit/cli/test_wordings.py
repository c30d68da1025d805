"""What a first user met: words that misled, tables that were cut, exit codes that said nothing."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from factories import make_run
from run_helpers import run_cli, run_process, small_dataset
from submission_factory import make_submission
from worldstrat_bench.artefacts.record import load_record
from worldstrat_bench.cli.summary import print_summary
from worldstrat_bench.errors import InvalidArtefactError, ModelError
from worldstrat_bench.plugins.discovery import find_model
from worldstrat_bench.run.compare import compare_runs
from worldstrat_bench.submission.results import add_run


def _mini(folder: Path, *, seed: int = 0) -> None:
    make_run(folder, tiles=12, release="mini", list_name="test", official=False, seed=seed)


def test_metrics_come_in_the_same_order_from_a_run_and_from_its_file(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    _mini(tmp_path)
    record = load_record(tmp_path)
    print_summary(record, tmp_path)
    lines = capsys.readouterr().out.splitlines()
    places = [next(i for i, line in enumerate(lines) if line.startswith(name)) for name in ("PSNR ↑", "Gain", "SSIM")]
    assert places == sorted(places)


def test_a_table_that_goes_to_a_file_is_not_cut(tmp_path: Path) -> None:
    for number, name in enumerate("ab"):
        _mini(tmp_path / name, seed=number)
    done = run_process("compare", tmp_path / "a", tmp_path / "b")
    assert done.code == 0, done.err
    assert "PSNR unreg." in done.out
    assert "…" not in done.out


def test_the_verify_of_a_record_alone_says_so(tmp_path: Path) -> None:
    make_run(tmp_path, tiles=12, release="mini", list_name="test", official=False)
    done = run_cli("verify", tmp_path)
    assert "no tile was run again: that needs --data and --model" in done.out


def test_a_run_that_is_not_there_is_named_as_such(tmp_path: Path) -> None:
    with pytest.raises(InvalidArtefactError, match="there is no such run"):
        compare_runs(tmp_path / "nope", tmp_path / "nope")


@pytest.mark.parametrize(
    ("name", "words"), [("bicubc", "did you mean 'bicubic'"), ("submissions/nope", "there is no such folder")]
)
def test_a_wrong_name_of_a_model_is_met_with_the_right_one(name: str, words: str) -> None:
    with pytest.raises(ModelError) as caught:
        find_model(name)
    assert words in str(caught.value.remedy)


def test_a_run_is_added_only_to_the_submission_of_its_model(tmp_path: Path) -> None:
    _mini(tmp_path / "run")
    with pytest.raises(InvalidArtefactError, match=r"there is no submission\.toml"):
        add_run(tmp_path / "run", tmp_path / "nowhere")
    assert not (tmp_path / "nowhere").exists()
    folder = make_submission(tmp_path, record=False)
    with pytest.raises(InvalidArtefactError, match="the run is of bicubic of"):
        add_run(tmp_path / "run", folder)
    assert not (folder / "results").exists()


def test_frames_beyond_those_offered_are_not_an_option() -> None:
    for verb in ("evaluate", "predict", "speed"):
        done = run_cli(verb, "--help")
        assert re.search(r"1<=x<=8\b", done.out), verb


def test_a_start_that_failed_binds_no_later_one_and_names_the_parameters(tmp_path: Path) -> None:
    data = small_dataset(tmp_path / "mini", 2)
    words = ("--data", data, "--out", tmp_path / "run", "--device", "cpu", "--no-download")
    failed = run_cli("evaluate", "shift-and-add", *words, "--param", "foo=1")
    assert failed.code == 3
    assert "no parameter 'foo'; it takes spot" in failed.err
    assert "Traceback" not in failed.err
    done = run_cli("evaluate", "shift-and-add", *words)
    assert done.code == 0, done.err
    assert "starting the model" in done.err
    refused = run_cli("evaluate", "shift-and-add", *words, "--param", "spot=0.4")
    assert refused.code == 2  # now there are tiles


@pytest.mark.parametrize("words", [(), ("data",), ("models",), ("submission",)])
def test_no_summary_of_a_verb_is_cut(words: tuple[str, ...]) -> None:
    done = run_process(*words, "--help", COLUMNS="80")
    summaries = done.out.partition("Commands:")[2].splitlines()
    assert len(summaries) > 2
    assert not [line for line in summaries if line.endswith("...")]


def test_every_option_of_verify_is_explained() -> None:
    done = run_process("verify", "--help", COLUMNS="200")
    assert not [line for line in done.out.splitlines() if re.fullmatch(r" +--\w+ [A-Z=]+( +\[default: \w+\])?", line)]
