"""Means and verdicts of a variant against plain sums, and what a study says of invented ones."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from factories import invented_facts, relabel, score_rows
from worldstrat_bench.artefacts.sensitivity import Sensitivity
from worldstrat_bench.artefacts.tiles import format_tiles, parse_tiles
from worldstrat_bench.errors import InvalidArtefactError
from worldstrat_bench.protocol import load_protocol
from worldstrat_bench.sensitivity.choices import Variant, load_choices, variants
from worldstrat_bench.sensitivity.summing import Errors, summed
from worldstrat_bench.stats.paired import compare
from worldstrat_bench.stats.sensitivity import findings, swap_sentence

WSB = load_protocol("wsb-1")
USUAL = variants(load_choices())[0]
CLOUDY = 0.2
FACTS = invented_facts(80)


def scene(seed: int = 0) -> Errors:
    rng = np.random.default_rng(seed)
    table = parse_tiles(format_tiles(score_rows(FACTS, "a")))
    shared = rng.normal(30, 4, len(FACTS))
    psnr = np.stack([shared + gain + rng.normal(0, 0.5, len(FACTS)) for gain in (1.0, 0.0, 0.9)])
    return Errors(10 ** (-psnr / 10), table)


def variant(**options: Any) -> Variant:
    return replace(USUAL, changed={key: str(value) for key, value in options.items()}, **options)


def test_every_way_to_sum_up_is_the_plain_one() -> None:
    errors = scene()
    db, cloud = -10 * np.log10(errors.values), errors.table.numbers["cloud"]
    ipcc = np.array([label or "unlabelled" for label in errors.table.texts["ipcc"]])
    kept = cloud < CLOUDY

    def means(**options: Any) -> tuple[float, ...]:
        return summed(variant(**options), errors, CLOUDY, WSB).means

    assert means() == pytest.approx(db.mean(axis=1), rel=1e-8)
    assert means(average="dB of mean MSE") == pytest.approx(-10 * np.log10(errors.values.mean(axis=1)), rel=1e-8)
    assert means(tiles="not cloudy") == pytest.approx(db[:, kept].mean(axis=1), rel=1e-8)
    assert 0 < kept.sum() < len(kept)
    large = [label for label in sorted(set(ipcc)) if label != "unlabelled" and (ipcc == label).sum() >= 10]
    assert len(large) > 1
    macro = np.mean([db[:, ipcc == label].mean(axis=1) for label in large], axis=0)
    assert means(weights="macro") == pytest.approx(macro, rel=1e-8)
    both = np.mean([errors.values[:, ipcc == label].mean(axis=1) for label in large], axis=0)
    assert means(weights="macro", average="dB of mean MSE") == pytest.approx(-10 * np.log10(both), rel=1e-8)


def test_verdicts_are_those_of_two_runs_compared() -> None:
    errors = scene()
    made = summed(variant(), errors, CLOUDY, WSB)
    tables = []
    for own in errors.values:
        rows = score_rows(FACTS, "a")
        for cells, value in zip(rows, own, strict=True):
            cells["psnr"] = float(-10 * np.log10(value))
        tables.append(parse_tiles(format_tiles(rows)))
    for i, row in enumerate(made.beats):
        for j, cell in enumerate(row):
            found = compare(tables[i], tables[j], metric="psnr", protocol=WSB)
            assert found is not None
            assert cell == str(int(found.verdict == "a" and i != j))
    assert made.beats[0][1] == "1"
    assert summed(variant(weights="macro"), errors, CLOUDY, WSB).beats == ()


def test_a_tile_without_an_error_leaves_the_variant_for_all_models() -> None:
    errors = scene()
    values = errors.values.copy()
    values[:, 7] = np.nan
    made = summed(variant(), Errors(values, errors.table), CLOUDY, WSB)
    assert made.tiles == len(FACTS) - 1
    assert made.means == pytest.approx(np.delete(-10 * np.log10(errors.values), 7, axis=1).mean(axis=1))


def test_what_has_no_mean_says_why() -> None:
    errors = scene()
    made = summed(variant(), Errors(np.full_like(errors.values, np.nan), errors.table), CLOUDY, WSB)
    assert (made.means, made.reason) == ((), "no tile is left")
    one = parse_tiles(format_tiles(score_rows(relabel(FACTS, ipcc="Forest"), "a")))
    made = summed(variant(weights="macro"), Errors(errors.values, one), CLOUDY, WSB)
    assert (made.means, made.reason) == ((), "fewer than two IPCC classes have 10 tiles")


CHOICES = [
    {"key": "radius", "title": "search radius, px", "usual": "8", "others": ["4", "12"]},
    {"key": "border", "title": "border, px", "usual": "20", "others": ["32"]},
]


def document(rows: list[tuple[dict[str, str], list[float]]]) -> dict[str, Any]:
    return {
        "schema_version": 1,
        "protocol": {"id": "wsb-1", "sha256": "a" * 64},
        "list": "test",
        "targets_sha256": "b" * 64,
        "harness_version": "1",
        "choices": CHOICES,
        "models": [{"name": name, "record_id": digit * 64} for name, digit in (("a", "1"), ("b", "2"), ("c", "3"))],
        "variants": [
            {"changed": changed, "tiles": 9, "means": means, "beats": [] if not means else ["011", "001", "000"]}
            for changed, means in rows
        ],
    }


ROWS: list[tuple[dict[str, str], list[float]]] = [
    ({}, [31.0, 30.9, 29.0]),
    ({"radius": "4"}, [31.0, 30.8, 29.0]),
    ({"radius": "12"}, [31.0, 30.9, 29.0]),
    ({"border": "32"}, [30.5, 30.8, 29.0]),
    ({"radius": "4", "border": "32"}, [30.5, 30.7, 30.6]),
    ({"radius": "12", "border": "32"}, []),
]


def test_findings_of_an_invented_study() -> None:
    found = findings(Sensitivity.model_validate(document(ROWS)))
    assert (found.variants, found.computed, found.tested) == (6, 5, 5)
    assert [(p.model, p.usual, p.best, p.worst) for p in found.places] == [
        ("a", 1, 1, 3),
        ("b", 2, 1, 2),
        ("c", 3, 2, 3),
    ]
    assert [(p.first, p.second, p.ahead, p.beats, p.beaten) for p in found.pairs] == [
        ("a", "b", 0.6, 1.0, 0.0),
        ("a", "c", 0.8, 1.0, 0.0),
        ("b", "c", 1.0, 1.0, 0.0),
    ]
    assert [(m.option, m.alone, m.joined) for m in found.moved] == [
        (("border", "32"), 1, 1.5),
        (("radius", "4"), 0, 0.5),
        (("radius", "12"), 0, 0.0),
    ]
    first, second = found.swaps
    assert (first.first, first.second, first.needed) == ("a", "b", (("border", "32"),))
    ((option, lead),) = first.alone
    assert option == ("border", "32")
    assert lead == pytest.approx(-0.3)
    assert (second.first, second.second, second.alone, second.needed) == ("a", "c", (), ())
    titles = {"border": "border, px"}
    assert swap_sentence(first, titles) == (
        "b is ahead of a in 40 % of the variants, only under border, px = 32 (0.300 dB ahead with it alone); under the "
        "protocol it is 0.100 dB behind"
    )
    assert "only two choices together" in swap_sentence(second, titles)


def test_the_order_of_the_models_does_not_change_what_is_found() -> None:
    whole = Sensitivity.model_validate(document(ROWS))
    turned = whole.model_copy(
        update={
            "models": whole.models[::-1],
            "variants": tuple(
                v.model_copy(update={"means": v.means[::-1], "beats": tuple(row[::-1] for row in v.beats[::-1])})
                for v in whole.variants
            ),
        }
    )
    assert findings(turned) == findings(whole)


@pytest.mark.parametrize(
    ("fault", "says"),
    [
        (lambda d: d["variants"].pop(0), "first variant is not the protocol"),
        (lambda d: d["variants"][1]["changed"].update(radius="5"), "an option that choices do not name"),
        (lambda d: d["variants"][1]["means"].pop(), "2 of 3 models"),
        (lambda d: d["variants"][1]["beats"].pop(), "not 3 x 3"),
        (lambda d: d["variants"][5].update(beats=["011", "001", "000"]), "not 3 x 3"),
        (lambda d: d["variants"].append(d["variants"][1]), "the same one twice"),
        (lambda d: d["variants"][0]["means"].__setitem__(0, 1e400), "finite|not JSON"),
        (lambda d: d.update(more=1), "more"),
        (lambda d: d["models"].clear(), "models"),
    ],
)
def test_a_file_that_contradicts_itself_is_refused(fault: Any, says: str) -> None:
    import json

    content = json.loads(json.dumps(document(ROWS)))
    fault(content)
    with pytest.raises(InvalidArtefactError, match=says):
        Sensitivity.parse(json.dumps(content))
