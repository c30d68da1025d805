"""Which model a run evaluates: found without importing it, and told apart by digests."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from worldstrat_bench.arguments import path_or_none
from worldstrat_bench.artefacts.record import ModelRef
from worldstrat_bench.errors import UsageError
from worldstrat_bench.plugins.code import code_sha256, editable_sha256, unpacked_code_sha256
from worldstrat_bench.plugins.declared import declared_parameters
from worldstrat_bench.plugins.discovery import ModelEntry, find_model
from worldstrat_bench.plugins.interpreter import import_paths, inspect_interpreter, own_interpreter
from worldstrat_bench.plugins.reach import spelled
from worldstrat_bench.plugins.weights import weights_sha256
from worldstrat_bench.typed import check_fields
from worldstrat_bench.worker.types import ModelSpec

Parameter = str | int | float | bool


@dataclass(frozen=True)
class ModelRequest:
    """A model as the user asked for it.

    Attributes
    ----------
    name : of an entry point, or the path of a wheel.
    frames : revisits that the model is given at most.
    weights : a file or folder for the model's ``load``.
    parameters : keyword arguments for the model's ``load``.
    python : the interpreter of the model's own environment.
    train_split, submission : what a submission declares; kept in the record.
    draws : predictions of each tile, each with another seed, of which the scores are the mean.
    wheel_sha256 : of the wheel that the environment of `python` was built from, where a lock file says so.
    lock_sha256 : of all that was installed into the environment of `python`, where it was built from a lock.

    Raises
    ------
    UsageError
        for a value of another type, naming it. Paths may be given as text, and `name` as the path of a wheel.
    """

    name: str
    frames: int = 8
    weights: Path | None = None
    parameters: Mapping[str, Parameter] | None = None
    python: Path | None = None
    train_split: str | None = None
    submission: str | None = None
    wheel_sha256: str | None = None
    draws: int = 1
    lock_sha256: str | None = None

    def __post_init__(self) -> None:
        # A frozen value settles the types here, so that requests which mean the same compare equal.
        object.__setattr__(self, "name", _name(self.name))
        object.__setattr__(self, "weights", path_or_none(self.weights, "weights"))
        object.__setattr__(self, "python", path_or_none(self.python, "python"))
        _check_parameters(self.parameters)
        check_fields(self)


_NAMED = (
    "give the name of an entry point or the path of a wheel; `worldstrat-bench submission new NAME` writes a package "
    "for a model, and worldstrat_bench.Scorer scores what a model in memory predicts"
)


def _name(given: object) -> str:
    """Return the name of a model, which may be the path of a wheel."""
    if not isinstance(given, str | Path):
        what = f"a model is given by its name, not as an object of type {type(given).__name__}"
        raise UsageError(what, where="model", remedy=_NAMED)
    return str(given)


def _check_parameters(parameters: object) -> None:
    if parameters is None:
        return
    if not isinstance(parameters, Mapping):
        what = f"parameters are of type {type(parameters).__name__}, not a mapping of names to values"
        raise UsageError(what, where="parameters", remedy='such as {"bands": "B04,B03,B02"}')
    for name, value in parameters.items():
        if not isinstance(name, str) or not isinstance(value, str | int | float | bool):
            what = f"the parameter {name!r:.40} is of type {type(value).__name__}"
            remedy = "names are text; values are text, numbers, True or False; text can hold JSON"
            raise UsageError(what, where="parameters", remedy=remedy)


def choose_model(request: ModelRequest, scratch: Path) -> tuple[ModelRef, ModelSpec]:
    """Return what the record says of a model, and what a worker needs to start it.

    Parameters
    ----------
    scratch : folder into which a wheel is unpacked.

    Raises
    ------
    UsageError, ModelError
        if there is no such model, with how to install the reference models; or no such weights.
    """
    # The model's code is only read, never imported: importing a stranger's package in the host would run it
    # unconfined.
    entry = find_model(request.name, python=request.python, scratch=scratch)
    weights = None if request.weights is None else spelled(request.weights)
    beside = request.submission is None
    parameters = declared_parameters(entry, request.parameters or {}, weights, beside=beside)
    spec = ModelSpec(entry.target, parameters, weights, entry.search_paths, request.python, entry.distribution)
    return _reference(request, entry, parameters), spec


def _reference(request: ModelRequest, entry: ModelEntry, parameters: dict[str, Parameter]) -> ModelRef:
    interpreter = own_interpreter() if request.python is None else inspect_interpreter(request.python)
    paths = import_paths(interpreter)
    if entry.wheel_sha256 is None:
        code = code_sha256(entry.metadata)
    else:
        code = unpacked_code_sha256(entry.search_paths[0])
    return ModelRef(
        name=entry.name,
        distribution=entry.distribution,
        version=entry.version,
        entry_point=entry.target,
        wheel_sha256=entry.wheel_sha256 or request.wheel_sha256,
        lock_sha256=request.lock_sha256,
        code_sha256=code,
        # Of an environment that was built from a lock only the harness's own packages behind it can be editable.
        editable=editable_sha256(paths if interpreter.extra is None else interpreter.extra, but=entry.distribution),
        weights_sha256=weights_sha256(request.weights),
        parameters=parameters,
        frames=request.frames,
        draws=request.draws,
        train_split=request.train_split,
        submission=request.submission,
    )
