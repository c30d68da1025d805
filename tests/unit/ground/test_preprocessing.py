"""The declared preprocessing: read, completed, written back, compared and told in words."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as some

from worldstrat_bench.api import BANDS, RGB
from worldstrat_bench.preprocessing import (
    NAMES,
    Value,
    complete,
    declare,
    describe,
    parse_bands,
    same_parameters,
    shorten,
)

numbers = some.floats(-1e4, 1e4).map(lambda x: round(x, 6))
scales = some.floats(1e-3, 1e5)


@some.composite
def parameters(draw: some.DrawFn) -> dict[str, Value]:
    """Parameters as an author writes them: some of them, bands in any order."""
    bands = [
        *draw(some.permutations(["B04", "B03", "B02"])),
        *draw(some.lists(some.sampled_from(["B08", "B12"]), max_size=1)),
    ]
    count = len(bands)
    per_band = some.lists(scales, min_size=count, max_size=count).map(lambda xs: ",".join(map(repr, xs)))
    every: dict[str, some.SearchStrategy[Value]] = {
        "input_scale": scales,
        "input_offset": numbers,
        "output_scale": scales,
        "output_offset": numbers,
        "clip": some.one_of(scales, some.just("-1,1")),
        "mean": some.one_of(numbers, per_band),
        "std": per_band,
        "frame_rule": some.sampled_from(["first", "median", "stack", "channels"]),
        "frames": some.integers(0, 16),
        "per_band": some.booleans(),
        "output": some.just("2,1,0"),
        "normalised_output": some.booleans(),
        "window": some.integers(0, 200),
        "fixed": some.booleans(),
        "multiple": some.integers(0, 64),
    }
    chosen = draw(some.sets(some.sampled_from(sorted(every))))
    return {"bands": ",".join(bands), **{name: draw(every[name]) for name in sorted(chosen)}}


@given(parameters())
def test_what_is_recorded_is_what_was_declared(written: dict[str, Value]) -> None:
    whole = complete(written)
    assert set(whole) == set(NAMES)
    assert all(isinstance(value, str | int | float | bool) for value in whole.values())
    assert declare(**whole) == declare(**written)
    assert complete(whole) == whole
    assert same_parameters(written, whole)
    assert complete(shorten(whole)) == whole
    assert describe(whole)


@given(parameters(), parameters())
def test_two_declarations_are_the_same_only_if_they_do_the_same(one: dict[str, Value], other: dict[str, Value]) -> None:
    assert same_parameters(one, complete(other)) == (declare(**one) == declare(**other))


@pytest.mark.parametrize(
    ("negative", "plain"),
    [
        ({"mean": -0.0}, {"mean": 0.0}),
        ({"mean": "-0.0,1,-0"}, {"mean": "0,1,0"}),
        ({"clip": "-0,1"}, {"clip": "0,1"}),
        ({"input_offset": -0.0}, {}),
        ({"output_offset": "-0.0"}, {}),
        ({"output_scale": -0.0}, {}),
    ],
)
def test_a_negative_zero_is_zero(negative: dict[str, Value], plain: dict[str, Value]) -> None:
    assert complete(negative) == complete(plain)
    assert declare(**negative) == declare(**plain)
    assert same_parameters(negative, complete(plain))


def test_defaults() -> None:
    says = declare()
    assert (says.bands, says.input_scale, says.output_scale, says.clip) == (RGB, 1.0, 1.0, None)
    scaled = declare(input_scale=10_000, input_offset=1000)
    assert (scaled.output_scale, scaled.output_offset) == (10_000.0, 1000.0)
    assert declare(input_scale=10_000, output_scale=1, output_offset=0).output_offset == 0.0
    assert declare(clip=1).clip == (0.0, 1.0)
    assert declare(clip=0).clip is None
    assert declare(mean=0.1).mean == (0.1, 0.1, 0.1)
    assert declare(per_band="true", fixed=1).per_band


@pytest.mark.parametrize(
    ("written", "message"),
    [
        ({"bands": "B04,B99"}, "B99"),
        ({"bands": "B04,red"}, "B04 is there twice"),
        ({"bands": ""}, "bands"),
        ({"frame_rule": "best"}, "frame_rule"),
        ({"output": "1,2"}, "output"),
        ({"input_scale": 0}, "input_scale"),
        ({"input_scale": "much"}, "input_scale"),
        ({"input_scale": "nan"}, "input_scale"),
        ({"std": "0.1,0,0.1"}, "std"),
        ({"mean": "0.1,0.2"}, "3 bands"),
        ({"mean": "a,b,c"}, "mean"),
        ({"clip": "1,0"}, "clip"),
        ({"clip": "0,1,2"}, "clip"),
        ({"frames": 2.5}, "frames"),
        ({"frames": 1000}, "frames"),
        ({"window": -1}, "window"),
        ({"fixed": "perhaps"}, "fixed"),
        ({"gamma": 2.2}, "gamma"),
        ({"input_scale": 10**400}, "input_scale"),
        ({"normalised_output": True, "bands": "B08"}, "normalised_output"),
    ],
)
def test_what_makes_no_sense_is_named(written: dict[str, Value], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        declare(**written)
    assert not same_parameters(written, complete({}))


def test_bands_by_name() -> None:
    assert parse_bands("B4, b03,B02") == RGB
    assert parse_bands("red,Green,blue") == RGB
    assert [BANDS[b] for b in parse_bands("nir,nir08,swir16,swir22")] == ["B08", "B8A", "B11", "B12"]
    assert declare(output="2,1,0").shown_channels(5) == (2, 1, 0)
    assert declare(bands="B02,B03,B04,B08").shown_channels(4) == (2, 1, 0)
    with pytest.raises(ValueError, match="output"):
        declare(bands="B08").shown_channels(4)


def test_other_parameters_are_left_alone() -> None:
    assert complete({"function": "a.b:c"})["function"] == "a.b:c"
    assert shorten({"spot": 0.4}) == {"spot": 0.4}
    assert describe({"spot": 0.4}) is None
    assert same_parameters({"spot": 0.4}, {"spot": 0.4})
    assert not same_parameters({"spot": 0.4}, {"spot": 0.5})


def test_in_words() -> None:
    text = describe(
        complete(
            {
                "bands": "B02,B03,B04",
                "input_scale": 10_000,
                "clip": 1,
                "std": 2,
                "frames": 8,
                "frame_rule": "stack",
                "normalised_output": True,
                "per_band": True,
            }
        )
    )
    assert text is not None
    for part in ("B02,B03,B04, one at a time", "x 10000 +0", "0 .. 1", "std 2.0,2.0,2.0", "stack of 8", "normalised"):
        assert part in text
