"""The page on results for a paper: its Python runs as it stands, against stand-ins where a service would be called."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch

from factories import invented_facts, make_run
from scoring_scenes import blurred, land
from worldstrat_bench import load_record, score_pair

PAGE = (Path(__file__).parents[3] / "docs" / "results.md").read_text(encoding="utf-8")
FACTS = invented_facts(12)


def block(word: str) -> str:
    """The only Python block with that word."""
    (found,) = (text for text in re.findall(r"^```python\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL) if word in text)
    return str(found)


def execute(text: str) -> dict[str, Any]:
    names: dict[str, Any] = {"__name__": "page"}
    exec(compile(text, "docs/results.md", "exec"), names)  # noqa: S102  # our own page, read from the checkout
    return names


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    for name in ("run", "runs/bicubic", "runs/my-sr"):
        make_run(tmp_path / name, model=Path(name).name, tiles=FACTS, release="mini", list_name="test")
    return tmp_path / "run"


class Tracker:
    """Stands for MLflow, a run of Weights & Biases, and a writer of TensorBoard: it keeps what it is told."""

    def __init__(self) -> None:
        self.logged: dict[str, Any] = {}
        self.summary = self.logged

    @contextmanager
    def opened(self, *_: object, **more: Any) -> Iterator[Tracker]:
        self.logged |= more.get("config", {})
        yield self

    def keep(self, values: dict[str, Any]) -> None:
        self.logged.update(values)

    def add(self, name: str, value: Any, step: int = 0) -> None:
        self.logged[name] = value


def test_frames(run: Path) -> None:
    names = execute(block("tiles = wsb.read_runs"))
    assert len(names["tiles"]) == 2 * len(FACTS)
    assert not names["means"].empty


def test_plot(run: Path) -> None:
    pytest.importorskip("matplotlib")
    assert "PSNR less that of" in execute(block("import draw"))["caption"]
    assert Path("forest.pdf").read_bytes().startswith(b"%PDF")


@pytest.mark.parametrize("service", ["mlflow", "wandb", "tensorboard"])
def test_services_get_every_mean(run: Path, service: str, monkeypatch: pytest.MonkeyPatch) -> None:
    kept = Tracker()
    stand_ins = {
        "mlflow": SimpleNamespace(
            start_run=kept.opened,
            log_params=kept.keep,
            log_metrics=kept.keep,
            log_artifact=lambda path: Path(path).read_bytes(),
        ),
        "wandb": SimpleNamespace(init=kept.opened),
        "torch.utils.tensorboard": SimpleNamespace(SummaryWriter=kept.opened),
    }
    kept.add_scalar = kept.add_text = kept.add  # type: ignore[attr-defined]
    for name, module in stand_ins.items():
        monkeypatch.setitem(sys.modules, name, module)
    execute(block(f"import {service}" if service != "tensorboard" else "SummaryWriter"))
    record = load_record(run)
    wanted = {f"test/{k}": s.mean for k, s in record.scores["test"].micro.items() if s.mean is not None}
    assert wanted.items() <= kept.logged.items()
    assert record.record_id in kept.logged.values()


@pytest.mark.filterwarnings("ignore:.*LeafSpec:FutureWarning")  # of lightning, with torch 2.14
@pytest.mark.filterwarnings("ignore:.*does not have many workers")
def test_lightning() -> None:
    lightning = pytest.importorskip("lightning")
    pytest.importorskip("torchmetrics")
    made = execute(block("LightningModule"))["Training"](torch.nn.Identity())
    target = land(96)
    images = torch.from_numpy(np.stack([blurred(target, sigma) for sigma in (1.0, 2.0)]))
    data = torch.utils.data.TensorDataset(images, torch.from_numpy(np.stack([target, target])))
    trainer = lightning.Trainer(accelerator="cpu", logger=False, enable_checkpointing=False, enable_progress_bar=False)
    (found,) = trainer.validate(made, torch.utils.data.DataLoader(data, batch_size=1), verbose=False)
    alone = [score_pair(image.numpy(), target)["psnr"] for image in images]
    assert found["psnr"] == pytest.approx(np.mean(alone))  # type: ignore[arg-type]
