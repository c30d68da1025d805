"""Types of arguments of the Python API, checked by the annotations that functions and requests have anyway."""

from __future__ import annotations

import functools
import inspect
import os
import types
import typing
from collections.abc import Callable, Iterable, Mapping
from dataclasses import fields
from pathlib import Path
from typing import Any, Final, ParamSpec, TypeVar, Union

from worldstrat_bench.errors import UsageError

P = ParamSpec("P")
R = TypeVar("R")

_WORDS: Final = {
    "NoneType": "None",
    "str": "text",
    "bytes": "bytes",
    "bool": "True or False",
    "int": "a whole number",
    "float": "a number",
    "Path": "a path",
    "ndarray": "a numpy array",
    "Tensor": "a torch tensor",
    "Mapping": "a mapping",
    "dict": "a dictionary",
    "Callable": "a function",
    **dict.fromkeys(("Iterable", "Collection", "Sequence", "list", "tuple"), "a list"),
}
"""Types in words; any other is called by its name."""

_ARRAYS: Final = "numpy.asarray(..., dtype=numpy.float32) makes an array of numbers in lists"


def typed(function: Callable[P, R]) -> Callable[P, R]:
    """Check the types of arguments before a function runs: a wrong one is a UsageError that names it."""
    signature = inspect.signature(function)

    @functools.wraps(function)
    def checked(*args: P.args, **kwargs: P.kwargs) -> R:
        try:
            given = signature.bind(*args, **kwargs).arguments
        except TypeError:
            return function(*args, **kwargs)  # Python says which argument is missing or unknown
        check_types(function, **given)
        return function(*args, **kwargs)

    return checked


def check_types(of_function: Callable[..., object], /, **given: object) -> None:
    """Raise UsageError unless the given arguments are of the types that a function takes."""
    for name, hint in _hints(of_function).items():
        if name in given:
            _check(given[name], hint, name, of_function.__qualname__)


def check_fields(value: Any) -> None:
    """Raise UsageError unless every field of a dataclass, once set, is of its type."""
    kind: Any = type(value)
    hints = _hints(kind)
    for field in fields(value):
        if field.name in hints:
            _check(getattr(value, field.name), hints[field.name], field.name, kind.__name__)


@functools.cache
def _hints(owner: Any) -> dict[str, Any]:
    """Return the types of the named arguments of a function, or of the fields of a class; those that can be found."""
    kinds = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)
    named = owner.__annotations__
    if not isinstance(owner, type):
        named = {k: p.annotation for k, p in inspect.signature(owner).parameters.items() if p.kind not in kinds}
    module = inspect.getmodule(owner)
    found = {}
    for name, annotation in named.items():
        if annotation is inspect.Parameter.empty:
            continue
        holder = types.SimpleNamespace(__annotations__={name: annotation})
        try:
            found[name] = typing.get_type_hints(holder, vars(module))[name]
        except NameError:  # imported for type checkers alone, so that it is not loaded here either
            continue
    return found


def _check(value: object, hint: Any, name: str, owner: str) -> None:
    fault = _fault(value, hint, name)
    if fault:
        remedy = _ARRAYS if "numpy array" in fault else f"help({owner}) says what it takes"
        raise UsageError(fault, where=name, remedy=remedy)


def _fault(value: object, hint: Any, name: str) -> str:
    """Return why a value is not of a type, in words; "" if it is, or if that cannot be told."""
    origin = typing.get_origin(hint) or hint
    if origin in (Union, types.UnionType):
        faults = [_fault(value, one, name) for one in typing.get_args(hint)]
        if not all(faults):
            return ""
        # Of a list with one wrong item, the item is named.
        inner = next((fault for fault in faults if not fault.startswith(f"{name} is")), "")
        return inner or _refusal(value, name, [_words(one) for one in typing.get_args(hint)])
    if origin is typing.Literal:
        return "" if isinstance(value, str) else _refusal(value, name, ["text"])
    if origin is Any or not isinstance(origin, type):
        return ""
    if getattr(origin, "_is_protocol", False):
        lacking = [own for own in vars(origin) if own[0] != "_" and not hasattr(value, own)]
        return f"{name} has no {lacking[0]!r}, which {_words(hint)} asks for" if lacking else ""
    if not _is_one(value, origin):
        return _refusal(value, name, [_words(hint)])
    return _fault_inside(value, typing.get_args(hint), name)


def _is_one(value: object, kind: type) -> bool:
    if kind is Path:
        return isinstance(value, str | os.PathLike)
    if kind is float:
        return hasattr(type(value), "__float__") and not isinstance(value, bool | str)
    if kind is int:
        return hasattr(type(value), "__index__") and not isinstance(value, bool)
    # Bytes are a sequence of numbers to Python, and to users never a list.
    return isinstance(value, kind) and (kind is bytes or kind is object or not isinstance(value, bytes))


def _fault_inside(value: object, kinds: tuple[Any, ...], name: str) -> str:
    """Return what is wrong with an item of a list or a value of a mapping; iterators are not looked into."""
    if isinstance(value, Mapping) and len(kinds) == 2:
        return next(filter(None, (_fault(own, kinds[1], f"{name}[{key!r:.40}]") for key, own in value.items())), "")
    if isinstance(value, list | tuple | set | frozenset) and kinds and kinds[-1] in (..., kinds[0]):
        return next(filter(None, (_fault(own, kinds[0], f"{name}[{i}]") for i, own in enumerate(value))), "")
    return ""


def _refusal(value: object, name: str, words: Iterable[str]) -> str:
    return f"{name} is of type {type(value).__name__}, not {' or '.join(dict.fromkeys(words))}"


def _words(hint: Any) -> str:
    name = getattr(typing.get_origin(hint) or hint, "__name__", str(hint))
    return _WORDS.get(name, name)
