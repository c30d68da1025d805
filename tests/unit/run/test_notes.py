"""The notes of a run in its journal: written once, compared later."""

from __future__ import annotations

from pathlib import Path

import pytest

from run_helpers import small_dataset
from worldstrat_bench import __version__
from worldstrat_bench.artefacts.record import LimitsRef, ModelRef
from worldstrat_bench.data.layout import open_dataset
from worldstrat_bench.errors import InvalidArtefactError, UsageError
from worldstrat_bench.protocol import load_protocol
from worldstrat_bench.run.differences import differences
from worldstrat_bench.run.journal import Journal
from worldstrat_bench.run.notes import PredictInputs, predict_inputs, read_note, remember
from worldstrat_bench.run.selection import select


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return small_dataset(tmp_path_factory.mktemp("data") / "mini", 5)


def inputs_of(data: Path, **changes: object) -> PredictInputs:
    model = ModelRef(name="m", version="1.0", frames=8)
    inputs = predict_inputs(
        select(open_dataset(data)),
        load_protocol(),
        model,
        seed=0,
        inputs="real",
        harness_version=__version__,
        limits=LimitsRef(tile_seconds=60.0),
    )
    return inputs.model_copy(update=changes)


def test_differences_are_named_in_the_users_words(data: Path) -> None:
    before = inputs_of(data)
    now = inputs_of(
        data, seed=3, release="v1.1", model=ModelRef(name="m", version="1.1", frames=8, parameters={"a": 1})
    )
    assert differences(before, before) == ()
    assert differences(before, now) == (
        "dataset release: mini, now v1.1",
        "model version: 1.0, now 1.1",
        "model parameters: {}, now {'a': 1}",
        "seed: 0, now 3",
    )
    assert differences(before, now, leave_out=frozenset({"seed", "release"}))[0].startswith("model version")


def test_a_note_is_written_once_and_compared_later(data: Path, tmp_path: Path) -> None:
    with Journal(tmp_path) as journal:
        with pytest.raises(InvalidArtefactError, match="the run ended before it began"):
            read_note(journal, "predict", PredictInputs)
        remember(journal, "predict", inputs_of(data), remedy="another --out")
        remember(journal, "predict", inputs_of(data), remedy="another --out")
        assert read_note(journal, "predict", PredictInputs) == inputs_of(data)
        with pytest.raises(UsageError, match="seed: 0, now 1") as caught:
            remember(journal, "predict", inputs_of(data, seed=1), remedy="another --out")
        assert caught.value.remedy == "another --out"
        journal.set_note("predict", '{"seed": "x"}')
        with pytest.raises(InvalidArtefactError, match="damaged"):
            read_note(journal, "predict", PredictInputs)
