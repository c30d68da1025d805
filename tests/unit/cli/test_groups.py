"""Options in groups: every field of a group is an option of the command, and arrives in the group."""

from __future__ import annotations

import inspect
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import pytest
import typer
from typer.testing import CliRunner

from worldstrat_bench.cli.evaluate import evaluate
from worldstrat_bench.cli.groups import CacheGroup, MachinesGroup, ScoringGroup, WorkerGroup, run_options, with_groups
from worldstrat_bench.errors import UsageError
from worldstrat_bench.run.request import RunOptions
from worldstrat_bench.worker.types import Limits


@dataclass(frozen=True)
class Size:
    """Two options."""

    height: Annotated[int, typer.Option("--height", min=1, help="Rows.")] = 3
    width: Annotated[int | None, typer.Option("--width", help="Columns.")] = None


def show(
    name: Annotated[str, typer.Argument()], size: Size, loud: Annotated[bool, typer.Option("--loud")] = False
) -> None:
    """Show what was given."""
    typer.echo(f"{name} {size.height} {size.width} {loud}")


@pytest.mark.parametrize(
    ("words", "shown"),
    [
        (["a"], "a 3 None False"),
        (["a", "--width", "5", "--loud"], "a 3 5 True"),
        (["--height", "1", "b"], "b 1 None False"),
    ],
)
def test_fields_of_a_group_are_options(words: list[str], shown: str) -> None:
    app = typer.Typer()
    app.command()(with_groups(show))
    done = CliRunner().invoke(app, words)
    assert (done.exit_code, done.output.strip()) == (0, shown), done.output
    assert CliRunner().invoke(app, ["a", "--height", "0"]).exit_code == 2


def test_a_command_has_every_option_of_its_groups_once() -> None:
    names = list(inspect.signature(with_groups(evaluate)).parameters)
    assert len(names) == len(set(names))
    assert {"data", "model", "tls_key", "max_failures", "cache_gib", "lr", "param", "keep"} <= set(names)
    assert not {"tiles", "worker", "machines"} & set(names)
    assert with_groups(evaluate).__doc__ == evaluate.__doc__


def test_groups_make_the_options_of_a_run() -> None:
    assert run_options("auto", WorkerGroup(), ScoringGroup(), CacheGroup()) == RunOptions()
    options = run_options(
        "cpu",
        WorkerGroup("strong", tile_seconds=2.5, memory_gib=0.5, max_failures=0),
        ScoringGroup(download=False, metrics="+spectral,+opensr"),
        CacheGroup(cache_gib=2),
        keep=False,
    )
    assert options == RunOptions(
        device="cpu",
        isolation="strong",
        limits=Limits(tile_seconds=2.5, memory_bytes=2**29),
        max_failures=0,
        keep=False,
        cache_bytes=2**31,
        download=False,
        metrics=("opensr", "spectral"),
    )
    with pytest.raises(UsageError, match=r"did you mean .\+spectral"):
        run_options("cpu", ScoringGroup(metrics="spectral"))  # on the command line the "+" says that it is added


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"scheduler": "s.json", "workers": 2}, "for workers that are started here"),
        ({"scheduler": "s.json", "dashboard": True}, "for workers that are started here"),
        ({"task_tiles": 3}, "go with Dask"),
        ({"tls_key": Path("k")}, "go with Dask"),
        ({"workers": 2, "tls_ca": Path("k")}, "their own keys"),
    ],
)
def test_options_that_contradict_each_other(options: dict[str, Any], words: str) -> None:
    with pytest.raises(UsageError, match=words):
        MachinesGroup(**options).chosen()


def test_machines_are_only_what_is_asked_for() -> None:
    assert MachinesGroup().chosen() is None
    asked = MachinesGroup(workers=2).chosen()
    assert asked is not None
    assert (asked.scheduler, asked.workers, asked.tiles_per_task, asked.dashboard) == (None, 2, 24, False)
