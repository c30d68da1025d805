"""One model, one set of targets: told apart in one way, whoever asks."""

from __future__ import annotations

import hashlib
from typing import Any

import pytest

from worldstrat_bench.artefacts.identity import model_differences, same_model, short_value, targets_sha256
from worldstrat_bench.artefacts.record import ModelRef
from worldstrat_bench.preprocessing import complete

REFERENCE: dict[str, Any] = {
    "name": "m",
    "distribution": "my.models",
    "version": "1.0",
    "entry_point": "m:load",
    "wheel_sha256": "a" * 64,
    "code_sha256": "b" * 64,
    "weights_sha256": "c" * 64,
    "parameters": {"gain": 2},
    "frames": 4,
}
CHANGED: dict[str, Any] = {
    **dict.fromkeys(("name", "distribution", "version", "entry_point"), "other"),
    **dict.fromkeys(("wheel_sha256", "code_sha256", "weights_sha256"), "d" * 64),
    "parameters": {"gain": 3},
    "frames": 8,
}


def reference(**changes: Any) -> ModelRef:
    return ModelRef(**{**REFERENCE, **changes})


@pytest.mark.parametrize("partial", [False, True])
@pytest.mark.parametrize("name", CHANGED)
def test_every_field_tells_models_apart(name: str, partial: bool) -> None:
    assert same_model(reference(), reference(), partial=partial)
    assert model_differences(reference(), reference(**{name: CHANGED[name]}), partial=partial) == (name,)


@pytest.mark.parametrize(
    "name", ["distribution", "version", "entry_point", "wheel_sha256", "code_sha256", "weights_sha256"]
)
def test_what_only_one_knows(name: str) -> None:
    known = name in ("entry_point", "wheel_sha256", "code_sha256")
    for a, b in ((reference(), reference(**{name: None})), (reference(**{name: None}), reference())):
        assert model_differences(a, b) == (name,)
        assert model_differences(a, b, partial=True) == (() if known else (name,))


def test_statements_of_the_authors_do_not_matter() -> None:
    assert same_model(reference(), reference(train_split="none", submission="a"))


def test_spellings_of_one_thing() -> None:
    assert same_model(reference(), reference(distribution="My-Models"))
    whole = complete({"bands": "B04,B03,B02"})
    assert whole != {"bands": "B04,B03,B02"}
    for a, b in ((whole, {"bands": "B04,B03,B02"}), ({"bands": "B04,B03,B02"}, whole)):
        assert same_model(reference(parameters=a), reference(parameters=b))


def test_the_digest_of_targets_is_of_sorted_lines() -> None:
    expected = hashlib.sha256(f"a {'1' * 64}\nb {'0' * 64}\n".encode()).hexdigest()
    assert targets_sha256([("b", "0" * 64), ("a", "1" * 64)]) == expected
    assert targets_sha256(()) == hashlib.sha256(b"").hexdigest()


def test_values_in_messages_are_short() -> None:
    assert [short_value(value) for value in (None, "a" * 64, 1.5)] == ["not given", "a" * 12, "1.5"]
    assert len(short_value("x" * 100)) == 60
