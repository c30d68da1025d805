"""A data set of three tiles and runs with predictions on it, for all tests of pictures."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from factories import Facts, invented_facts, make_run
from worldstrat_bench.data.layout import open_dataset
from worldstrat_bench.data.mini import write_mini
from worldstrat_bench.data.target import read_target
from worldstrat_bench.data.task import Answer
from worldstrat_bench.protocol import load_protocol
from worldstrat_bench.run.predictions import PredictionStore

WSB = load_protocol("wsb-1")


@dataclass(frozen=True)
class PictureScene:
    """Where the data set and the runs lie, and the built site."""

    root: Path
    data: Path
    runs: list[Path]

    @property
    def site(self) -> Path:
        """The built site."""
        return self.root / "out"

    def tile_pages(self) -> list[Path]:
        """The pages of the tiles."""
        return sorted(self.site.glob("practice-*/t/*.html"))


def make_scene(root: Path) -> PictureScene:
    """Write the data set, a perfect run and one with every other pixel left out."""
    write_mini(root / "mini", test_tiles=3, train_tiles=1, size=200)
    dataset = open_dataset(root / "mini")
    names = dataset.names("test")
    targets = {name: read_target(dataset.tile(name), WSB) for name in names}
    lines = "".join(f"{name} {targets[name].sha256}\n" for name in sorted(names))
    facts: list[Facts] = []
    for invented, name in zip(invented_facts(len(names)), sorted(names), strict=True):
        own = dataset.tile(name).facts
        facts.append(
            Facts(
                name,
                own.group,
                own.ipcc,
                own.smod,
                own.source,
                own.continent,
                own.lon,
                own.lat,
                invented.cloud,
                invented.days,
                invented.detail,
            )
        )
    runs = []
    for i, model in enumerate(("good", "blurred")):
        run = root / "runs" / model
        make_run(
            run,
            model=model,
            tiles=facts,
            release="mini",
            list_name="test",
            gain_db=1.0 - i,
            targets_sha256=hashlib.sha256(lines.encode()).hexdigest(),
        )
        store = PredictionStore(run / "predictions")
        for name, target in targets.items():
            image = target.image if i == 0 else target.image[:, ::2, ::2]
            store.write(name, Answer(np.ascontiguousarray(image)), {})
        runs.append(run)
    return PictureScene(root, root / "mini", runs)


def size_of(path: Path) -> tuple[int, int]:
    """Width and height of a picture, px."""
    with Image.open(path) as image:
        return image.size
