"""A run from its request to its record, in one call."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

from worldstrat_bench.arguments import check_kind, check_text, path_of, path_or_none
from worldstrat_bench.artefacts.record import Record
from worldstrat_bench.data.task import InputSource
from worldstrat_bench.errors import UsageError
from worldstrat_bench.protocol import DEFAULT_PROTOCOL
from worldstrat_bench.run.engine import Engine
from worldstrat_bench.run.events import Listener, ignore
from worldstrat_bench.run.model import ModelRequest, Parameter
from worldstrat_bench.run.request import RunOptions, RunRequest, ScoreRequest
from worldstrat_bench.run.run import Run
from worldstrat_bench.run.selection import Shard
from worldstrat_bench.typed import check_types


def evaluate(
    model: str | Path | ModelRequest,
    *,
    data: Path | str,
    out: Path | str,
    protocol: str = DEFAULT_PROTOCOL,
    list: str = "auto",
    limit: int | None = None,
    shard: str | None = None,
    frames: int | None = None,
    draws: int | None = None,
    weights: Path | str | None = None,
    parameters: Mapping[str, Parameter] | None = None,
    python: Path | str | None = None,
    seed: int = 0,
    lr: InputSource = "real",
    robustness: bool = False,
    options: RunOptions | None = None,
    engine: Engine | None = None,
    progress: Listener | None = None,
    **changes: Any,
) -> Record:
    """Predict and score a model on a dataset; continue a run that was interrupted.

    Parameters
    ----------
    model : an entry point's name, the path of a wheel, or a :class:`~worldstrat_bench.run.model.ModelRequest`, such as
        :func:`~worldstrat_bench.submission.prepare.submitted_model` makes of a ``submission.toml``.
    data : the dataset's folder.
    out : the run directory; with `shard`, a folder that all shards share.
    protocol, list, limit, shard, seed, lr : as on the command line; see
        :class:`~worldstrat_bench.run.request.RunRequest`. `shard` is ``"i/n"``.
    frames, weights, parameters, python : how to load a model that is given by its name; 8 frames unless stated.
    draws : predictions of each tile by such a model, with other seeds; 1 unless stated.
    robustness : afterwards also evaluate with 1, 2, 4 and 8 frames and on synthetic inputs.
    options : device, isolation, limits, cache, optional metrics, ...; None for the defaults of ``RunOptions``.
    engine : what carries out the run; None for this machine, or
        :func:`~worldstrat_bench.run.cluster.engine.open_cluster` for a Dask cluster.
    progress : called with every :class:`~worldstrat_bench.run.events.Progress` and
        :class:`~worldstrat_bench.run.events.Notice`, from any thread.
    changes : fields of `options` that are to differ, such as ``device="cpu", max_failures=0``.

    Returns
    -------
    The record, which is also in ``record.json``. A run with failed tiles has one, too: see ``outcomes``.

    Raises
    ------
    WorldstratBenchError
        see ``worldstrat_bench.errors``; what was computed before is kept and the same call continues. A wrong type is
        a UsageError that names the argument.
    """
    check_types(evaluate, robustness=robustness, engine=engine, progress=progress)
    # The draws are set apart from the rest: they may be asked of a request that is given whole, too.
    chosen = _model(model, frames, weights, parameters, python)
    if draws is not None:
        chosen = replace(chosen, draws=draws)
    if shard is not None:
        check_text(shard, "--shard", "i/n with 1 <= i <= n, say 1/4")
    part = Shard.parse(shard) if shard else None
    request = RunRequest(chosen, path_of(data, "data"), path_of(out, "out"), protocol, list, limit, part, seed, lr)
    how = _options(options, changes)
    return evaluate_on(engine or ThisMachine(), request, how, progress or ignore, robustness=robustness)


def _options(options: RunOptions | None, changes: Mapping[str, Any]) -> RunOptions:
    """Return the options of a call with what differs from them."""
    if options is not None:
        check_kind(options, RunOptions, "options", 'worldstrat_bench.RunOptions(device="cpu", ...)')
    known = [field.name for field in fields(RunOptions)]
    unknown = next((name for name in changes if name not in known), None)
    if unknown is not None:
        what = f"there is no argument and no option {unknown[:40]!r}"
        raise UsageError(what, where="evaluate", remedy=f"options are {', '.join(known)}")
    return replace(options or RunOptions(), **changes)


def _refuse_submission(model: object) -> None:
    if isinstance(model, str | Path) and (Path(model) / "submission.toml").is_file():
        remedy = f"evaluate(submitted_model({str(model)!r}), ...) of worldstrat_bench.submission.prepare"
        raise UsageError("a submission is not the name of a model", where=model, remedy=remedy)


def _model(
    model: str | Path | ModelRequest,
    frames: int | None,
    weights: Path | str | None,
    parameters: Mapping[str, Parameter] | None,
    python: Path | str | None,
) -> ModelRequest:
    if not isinstance(model, ModelRequest):
        _refuse_submission(model)
        own, of_python = path_or_none(weights, "weights"), path_or_none(python, "python")
        # A path is the path of a wheel; what is neither is refused by the request.
        name = str(model) if isinstance(model, Path) else model
        return ModelRequest(name, 8 if frames is None else frames, own, parameters, of_python)
    if (frames, weights, parameters, python) != (None, None, None, None):
        raise UsageError(
            "a ModelRequest states its frames, weights, parameters and interpreter itself",
            where="evaluate(model=...)",
            remedy="change them there: dataclasses.replace(model, frames=1)",
        )
    return model


def evaluate_on(
    engine: Engine, request: RunRequest, options: RunOptions, tell: Listener, *, robustness: bool = False
) -> Record:
    """Evaluate on one machine or several, then the further runs of ``--robustness`` if asked for; return the record."""
    if not robustness:
        return engine.evaluate(request, options, tell)
    from worldstrat_bench.run.robustness import add_robustness, check_robustness

    check_robustness(request)  # before hours of work
    record = engine.evaluate(request, options, tell)
    add_robustness(request, record, options, engine, tell)
    return record


def evaluate_run(request: RunRequest, options: RunOptions, tell: Listener = ignore) -> Record:
    """Predict and score on this machine; return the record."""
    with Run.open(request, options, tell) as run:
        run.predict_and_score()
        return run.finish()


def predict_run(request: RunRequest, options: RunOptions, tell: Listener = ignore) -> dict[str, int]:
    """Do only the first stage: predictions in the run directory. Return the number of tiles by outcome."""
    with Run.open(request, options, tell) as run:
        return run.predict()


class ThisMachine:
    """The engine that needs nothing: this process and the workers below it."""

    at_once = 1

    def evaluate(self, request: RunRequest, options: RunOptions, tell: Listener) -> Record:
        """Predict and score here."""
        return evaluate_run(request, options, tell)

    def score(self, request: ScoreRequest, options: RunOptions, tell: Listener) -> Record:
        """Score here."""
        from worldstrat_bench.run.rescore import score_run  # torch comes with it

        return score_run(request, options, tell)
