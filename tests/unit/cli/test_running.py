"""Options and displays of the verbs that run."""

from __future__ import annotations

import io
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from rich.console import Console

from factories import make_run
from run_helpers import environment, run_cli
from worldstrat_bench.cli import progress
from worldstrat_bench.cli.progress import Display
from worldstrat_bench.cli.running import is_submission, log_of, parse_parameters
from worldstrat_bench.cli.summary import print_summary, remarks
from worldstrat_bench.errors import UsageError
from worldstrat_bench.run.events import Notice, Progress

VERBS = ("evaluate", "predict", "score", "merge", "compare", "doctor", "demo")


def test_parameters_are_what_they_look_like() -> None:
    pairs = ["n=3", "x=2.5", "on=true", "off=False", "name=a=b", "empty=", "big=1e-3", "odd=nan", "s=-7"]
    expected = {
        "n": 3,
        "x": 2.5,
        "on": True,
        "off": False,
        "name": "a=b",
        "empty": "",
        "big": 1e-3,
        "odd": "nan",
        "s": -7,
    }
    parsed = parse_parameters(pairs)
    assert parsed == expected
    assert [type(value) for value in parsed.values()] == [type(value) for value in expected.values()]
    assert parse_parameters(None) == {}


@pytest.mark.parametrize("pairs", [["novalue"], ["2x=1"], ["=1"], ["a=1", "a=2"]])
def test_what_is_not_a_parameter(pairs: list[str]) -> None:
    with pytest.raises(UsageError):
        parse_parameters(pairs)


def test_what_names_a_submission(tmp_path: Path) -> None:
    assert not is_submission("bicubic")
    assert not is_submission(str(tmp_path))
    (tmp_path / "submission.toml").touch()
    assert is_submission(str(tmp_path))
    assert is_submission("elsewhere/submission.toml")


def test_where_the_words_of_a_model_are(tmp_path: Path) -> None:
    assert log_of(tmp_path) == tmp_path, "a merged run has no log of its own"
    (tmp_path / "log.txt").touch()
    assert log_of(tmp_path) == tmp_path / "log.txt"


def show(monkeypatch: pytest.MonkeyPatch, *, terminal: bool) -> str:
    stream = io.StringIO()
    screen = Console(file=stream, force_terminal=terminal, width=100, color_system=None)
    monkeypatch.setattr(progress, "stderr", lambda: screen)
    with Display() as display:
        for _ in range(3):  # one command may evaluate several models
            display(Notice("[bold]no LPIPS[/] \x1b[31m", once=True))
            display(Notice("starting the model"))
        for done in range(4):
            tile = f"tile-{done}" if done else ""
            outcome, message = ("crash", "signal 11\nlines") if done == 2 else ("ok", "")
            display(Progress("predict", done, 3, tile, outcome, message))
            display(Progress("predict", 3, 3, "tile-3", "ok", "values look like 0..10,000"))
            display(Progress("score", done, 3, tile, "ok"))
    return stream.getvalue()


def test_plain_lines_where_there_is_no_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    lines = show(monkeypatch, terminal=False).splitlines()
    assert lines[0] == "[bold]no LPIPS[/] \\x1b[31m"
    assert sum("no LPIPS" in line for line in lines) == 1
    assert lines.count("starting the model") == 3
    assert "tile-2: crash: signal 11" in lines
    assert lines.count("tile-3: values look like 0..10,000") == 1
    assert lines[-2:] == ["predicting 3/3", "scoring 3/3"]


def test_a_bar_with_the_time_left_on_a_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    text = show(monkeypatch, terminal=True)
    assert "3/3" in text
    assert "left" in text
    assert re.search(r"\d:\d\d:\d\d", text)


@pytest.mark.parametrize("done", [2, 3])
def test_full_bars_are_left_behind_by_the_next_step(monkeypatch: pytest.MonkeyPatch, done: int) -> None:
    stream = io.StringIO()
    screen = Console(file=stream, force_terminal=True, width=100, color_system=None)
    monkeypatch.setattr(progress, "stderr", lambda: screen)
    with Display() as display:
        display(Progress("score", done, 3, "tile", "ok"))
        display.say("predicting drawn tiles")
        display.say("predicted: 1 of 6")
    text = stream.getvalue()
    drawn_below = text.rindex(f"{done}/3") > text.index("predicting drawn tiles")
    assert drawn_below == (done < 3)
    assert text.count(f"{done}/3") >= 1


def test_the_summary_says_what_a_reader_must_know(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    record = make_run(tmp_path / "run", tiles=12, release="mini", list_name="test")
    print_summary(record, tmp_path / "run")
    out = capsys.readouterr().out
    assert "PSNR" in out
    assert str(tmp_path / "run") in out.replace("\n", "")
    odd = {"limit": 3, "shard": "1/2", "official": False, "no_target": ("t",)}
    changed = record.model_copy(
        update={
            "outcomes": {"ok": 10, "crash": 2},
            "warnings": ("watch out",),
            "nulls": {"lpips": "no weights; --lpips-weights FILE", "stlpips": "none: x; y: --file F"},
            "dataset": record.dataset.model_copy(update=odd),
        }
    )
    text = "\n".join(remarks(changed))
    for word in (
        "2 tiles failed (2 crash)",
        "first 3 tiles",
        "shard 1/2",
        "not an official",
        "watch out",
        "lpips is null: no weights\n",
        "stlpips is null: none: x; y\n",
        "without target: 1 tile, t",
    ):
        assert word in text


@pytest.mark.parametrize("verb", VERBS)
def test_help_of_every_verb_imports_nothing_heavy(verb: str) -> None:
    code = (
        "import sys\nfrom worldstrat_bench.cli.app import app\n"
        f"try: app(['{verb}', '--help'], prog_name='worldstrat-bench')\nexcept SystemExit: pass\n"
        "heavy = {'torch', 'numpy', 'pandas', 'scipy', 'rasterio', 'lpips', 'psutil'} & set(sys.modules)\n"
        "assert not heavy, heavy"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=environment(), check=False)
    assert done.returncode == 0, done.stderr
    assert "Usage" in done.stdout


def test_importing_the_package_imports_no_torch() -> None:
    code = "import sys, worldstrat_bench, worldstrat_bench.run; assert not {'torch', 'numpy'} & set(sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True, env=environment())


def test_doctor_looks_at_everything(tmp_path: Path) -> None:
    done = run_cli("doctor", "--json", "--out", tmp_path)
    names = [finding["name"] for finding in done.json]
    expected = (
        "python",
        "packages",
        "torch",
        "cuda",
        "isolation",
        "models",
        "data",
        "LPIPS",
        "cache",
        "disk",
        "memory",
    )
    assert set(expected) <= set(names)
    assert all(finding["state"] in ("ok", "warn", "bad") for finding in done.json)
    assert all(finding["remedy"] for finding in done.json if finding["state"] != "ok")
    assert done.code == (6 if "bad" in [finding["state"] for finding in done.json] else 0)


def test_doctor_counts_each_kind_of_cache_apart(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from worldstrat_bench.cache import default_cache
    from worldstrat_bench.run.doctor import examine

    monkeypatch.setenv("WORLDSTRAT_BENCH_CACHE", str(tmp_path))
    monkeypatch.setenv("WORLDSTRAT_BENCH_CACHE_GIB", "0.125")
    default_cache().put("inputs-" + "a" * 64, {"a": np.zeros(1 << 24, dtype=np.uint8)})
    (tmp_path / "weights").mkdir()
    (tmp_path / "weights" / "w").write_bytes(bytes(1 << 25))
    texts = [finding.text for finding in examine() if finding.name == "cache"]
    assert texts[0].startswith("0.02 GiB, 1 decoded inputs")
    assert texts[1].startswith("0.00 GiB, 0 decoded targets")
    assert any(text.startswith("0.03 GiB of submissions' weights") for text in texts)
    assert any(text.startswith("the size for decoded tiles is 0.12 GiB") for text in texts)


@pytest.mark.parametrize("size", ["nan", "1e12"])
def test_a_size_of_the_cache_that_is_not_one_is_refused(tmp_path: Path, size: str) -> None:
    done = run_cli("evaluate", "bicubic", "--data", tmp_path, "--out", tmp_path / "run", "--cache-gib", size)
    assert (done.code, "--cache-gib" in done.err) == (2, True)


def test_doctor_names_a_folder_that_is_not_a_dataset(tmp_path: Path) -> None:
    done = run_cli("doctor", "--data", tmp_path)
    assert done.code == (6 if len(re.findall(r"^ bad ", done.out, re.MULTILINE)) > 1 else 4)
    assert " bad  data: " in done.out
