"""Several strata at once and the choice of a model: the script on built pages against the package's own estimator."""

from __future__ import annotations

import json
import random
import re
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from factories import invented_facts, make_run
from site_scenes import write_manifest, write_speed
from worldstrat_bench.artefacts.record import ModelRef
from worldstrat_bench.artefacts.tiles import TileTable, parse_tiles
from worldstrat_bench.protocol import load_protocol
from worldstrat_bench.site import build
from worldstrat_bench.site.pages_choose import timed_words
from worldstrat_bench.site.terms import terms_of
from worldstrat_bench.site.text import number
from worldstrat_bench.stats.paired import Comparison, compare
from worldstrat_bench.stats.strata import strata_of

ROOT = Path(__file__).resolve().parents[3]
ASSETS = ROOT / "bench/worldstrat_bench/site/assets/js"
WSB = load_protocol("wsb-1")
MODELS = (
    # name, gain, frames, tiles a second times 2.5 (None: no speed), licence
    ("first", 1.50, 8, 5.0, "CC-BY-NC-4.0"),
    ("close", 1.49, 8, 50.0, "GPL-3.0-only"),
    ("single", 0.90, 1, 500.0, "MIT"),
    ("silent", 0.89, 1, None, "Apache-2.0"),
    ("bicubic", 0.00, 1, 5000.0, "MIT"),
)
needs_node = pytest.mark.skipif(shutil.which("node") is None, reason="node is not installed")


@dataclass(frozen=True)
class Scene:
    """A built practice board, and the tables that it was built from."""

    folder: Path
    tables: dict[str, TileTable]

    def data(self, page: str, name: str) -> Any:
        """Return what a page gives its script."""
        text = (self.folder / page).read_text(encoding="utf-8")
        found = re.search(rf'<script type="application/json" id="{name}">(.*?)</script>', text, re.DOTALL)
        assert found is not None
        return json.loads(found[1])


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory) -> Scene:
    """Five models on 90 tiles, some of them parts of one order."""
    root, tables = tmp_path_factory.mktemp("choosing"), {}
    for i, (name, gain, frames, rate, licence) in enumerate(MODELS):
        run = root / "runs" / name
        record = make_run(
            run,
            model=name,
            tiles=invented_facts(90),
            release="mini",
            list_name="test",
            gain_db=gain,
            spread_db=0.2,
            seed=i,
            submission=name,
            model_ref=ModelRef(name=name, frames=frames),
        )
        write_manifest(run, slug=name, title=name)
        manifest = run / "submission.toml"
        manifest.write_text(manifest.read_text("utf-8").replace("Apache-2.0", licence), encoding="utf-8")
        if rate is not None:
            write_speed(run, record, rate)
        tables[name] = parse_tiles((run / "tiles.csv").read_bytes())
    build([root / "runs"], root / "out")
    return Scene(next((root / "out").glob("practice-*")), tables)


def node(tmp_path: Path, body: str) -> Any:
    """Return what a script prints as JSON."""
    script = tmp_path / "run.mjs"
    imports = "".join(
        f"const {{ {names} }} = await import({json.dumps((ASSETS / f'{module}.js').as_uri())});\n"
        for module, names in (
            ("crossed", "crossedTiles"),
            ("decide", "decide, differenceOn, unmet"),
            ("numbers", "signed"),
        )
    )
    script.write_text(f"globalThis.location = {{ hash: '' }};\n{imports}{body}", encoding="utf-8")
    return json.loads(subprocess.run(["node", str(script)], capture_output=True, text=True, check=True).stdout)


def crossings(data: Any, count: int) -> list[dict[str, str]]:
    """Return choices of one to four axes, one or two strata of each."""
    rng, axes = random.Random(3), sorted({s[3] for s in data["strata"]})
    words = {axis: [s[4] for s in data["strata"] if s[3] == axis] for axis in axes}
    return [
        {axis: ",".join(rng.sample(words[axis], min(len(words[axis]), rng.choice((1, 1, 2))))) for axis in chosen}
        for chosen in (rng.sample(axes, rng.choice((1, 2, 3, 4))) for _ in range(count))
    ]


def tiles_of(table: TileTable, data: Any, crossing: dict[str, str]) -> set[str]:
    """Return the tiles of a crossing from the table alone; the page says which label a word stands for."""
    labels = strata_of(table)
    place = {tile: i for i, tile in enumerate(sorted(table.tiles))}
    kept = set(table.tiles)
    for axis, choice in crossing.items():
        held = {s[4]: set(s[2]) for s in data["strata"] if s[3] == axis}
        by_label: dict[str, set[str]] = {}
        for tile, label in zip(table.tiles, labels[axis], strict=True):
            by_label.setdefault(label, set()).add(tile)
        # A stratum of the page is one of the table, whole; its word belongs to that one.
        sets = {word: next(own for own in by_label.values() if {place[t] for t in own} == held[word]) for word in held}
        kept &= {tile for word in choice.split(",") for tile in sets[word]}
    return kept


def printed(found: Comparison | None) -> list[str] | None:
    """Return n, difference and interval as the page prints them; None without a tile."""
    if found is None:
        return None
    drawn = found.effective_groups >= WSB.aggregation.groups_interval and found.ci_low is not None
    ends = (found.ci_low, found.ci_high) if drawn else ()
    return [str(found.tiles), *(number(v, 2, signed=True) for v in (found.difference, *ends))]


@needs_node
def test_crossed_strata_give_the_estimate_of_the_package(scene: Scene, tmp_path: Path) -> None:
    data = scene.data("choose.html", "choice-data")
    chosen = crossings(data, 150)
    said = node(
        tmp_path,
        f"const data = {json.dumps(data)};\nconst all = {json.dumps(chosen)};\n"
        "console.log(JSON.stringify(all.map((c) => { const { tiles } = crossedTiles(data.strata, c, data.tiles);\n"
        "if (!tiles.length) return null; const d = differenceOn(data, 0, 2, tiles);\n"
        "const shown = [d.value, ...(d.low === null ? [] : [d.low, d.high])].map((v) => signed(v, 2));\n"
        "return [String(tiles.length), ...shown];\n"
        "})));\n",
    )
    names = [data["models"][i]["slug"] for i in (0, 2)]
    first, second = (scene.tables[name] for name in names)
    own = []
    for crossing in chosen:
        tiles = tiles_of(first, data, crossing)
        own.append(printed(compare(first, second, metric="psnr", protocol=WSB, tiles=tiles) if tiles else None))
    assert said == own
    sizes = [len(x) if x else 0 for x in own]
    # All three kinds are there: no tile, too few groups for an interval, an interval.
    assert {0, 2, 4} <= set(sizes)


@needs_node
def test_the_page_of_two_models_has_the_same_strata(scene: Scene) -> None:
    one, two = scene.data("choose.html", "choice-data"), scene.data("compare.html", "cmp-data")
    assert [one[key] for key in ("strata", "groups", "fewest", "drawn")] == [
        two[key] for key in ("strata", "groups", "fewest", "drawn")
    ]
    assert two["metrics"]["psnr"]["values"] == one["values"]


@needs_node
@pytest.mark.parametrize(
    ("want", "pick"),
    [
        ({}, "first"),
        ({"device": "H100-80GB"}, "close"),
        ({"device": "H100-80GB", "most": 10}, "single"),
        ({"frames": 1}, "single"),
        ({"frames": 1, "licence": "commercial", "device": "H100-80GB"}, "single"),
        ({"licence": "permissive"}, "single"),
        ({"device": "H100-80GB", "most": 0.6}, "bicubic"),
        ({"device": "H100-80GB", "most": 0.1}, None),
        ({"status": "verified"}, None),
    ],
)
def test_the_choice_is_the_cheapest_that_is_near_the_best(
    scene: Scene, tmp_path: Path, want: dict[str, object], pick: str | None
) -> None:
    data = scene.data("choose.html", "choice-data")
    full = {"frames": None, "device": "", "licence": "", "most": None, "status": "", "crossed": {}} | want
    found = node(tmp_path, f"console.log(JSON.stringify(decide({json.dumps(data)}, {json.dumps(full)})));\n")
    assert (found["pick"] and found["pick"]["model"]["slug"]) == pick
    named = {data["models"][i]["slug"] for i, _ in found["out"]} | ({pick} if pick else set())
    assert named == {name for name, *_ in MODELS}
    assert all(reason.endswith(".") for _, reason in found["out"])
    if pick:
        best = found["best"]["model"]["slug"]
        own = compare(scene.tables[pick], scene.tables[best], metric="psnr", protocol=WSB)
        assert own is not None
        assert pick == best or (own.ci_low is not None and own.ci_low >= -0.1)


@needs_node
def test_a_model_that_drops_out_has_every_reason(tmp_path: Path) -> None:
    model = {
        "ranked": True,
        "verified": False,
        "frames": 8,
        "declared": True,
        "licence": "CC-BY-NC-4.0",
        "terms": "non-commercial",
    }
    want = {"status": "verified", "frames": 4, "licence": "commercial", "most": 10, "device": "GPU"}
    offered = model | {"declared": False, "licence": "", "terms": "unknown"}
    cases = [
        (model, want, 20),
        (offered, want, None),
        (offered, want | {"frames": 8, "status": "", "licence": "permissive"}, 5),
        (offered | {"frames": None}, {"frames": 16}, 5),
        (model, {}, None),
        (model | {"ranked": False}, want | {"frames": None, "most": None, "licence": ""}, None),
    ]
    said = node(tmp_path, f"console.log(JSON.stringify({json.dumps(cases)}.map((c) => unmet(...c))));\n")
    assert said == [
        (
            "Self-reported, not verified. Uses up to 8 frames, you have 4; with fewer it was not measured. "
            "Licence CC-BY-NC-4.0: no commercial use. Takes 20 ms a tile, more than 10."
        ),
        (
            "Self-reported, not verified. Frames needed not stated (8 offered), you have 4. "
            "Licence not stated: not known to allow commercial use. No valid time on GPU."
        ),
        "Licence not stated: not known to be permissive.",
        "How many frames it uses is not known.",
        "",
        "Self-reported: not verified, so it takes no part.",
    ]


def test_the_table_without_a_script_says_what_counts(scene: Scene) -> None:
    text = (scene.folder / "choose.html").read_text(encoding="utf-8")
    table = text[text.index('<table id="choices"') : text.index("</table>", text.index('<table id="choices"'))]
    for word in ("H100-80GB", "CC-BY-NC-4.0", "self-reported", "ms a tile", "500", "Frames"):
        assert word in table, word
    assert table.count('<tr id="r-') == len(MODELS)


@pytest.mark.parametrize(
    ("licence", "terms"),
    [
        ("Apache-2.0", "permissive"),
        ("MIT OR Apache-2.0", "permissive"),
        ("BSD-3-Clause", "permissive"),
        ("CC-BY-4.0", "permissive"),
        ("AGPL-3.0-only", "copyleft"),
        ("MIT AND GPL-3.0-or-later", "copyleft"),
        ("CC-BY-SA-4.0", "copyleft"),
        ("CC-BY-NC-4.0", "non-commercial"),
        ("cc-by-nc-sa-4.0", "non-commercial"),
        ("S-Lab License 1.0", "non-commercial"),
        ("for academic use", "non-commercial"),
        ("Apache-2.0, weights CC BY-NC 4.0", "non-commercial"),
        ("MIT and something else", "unknown"),
        ("proprietary", "unknown"),
        ("mitigated", "unknown"),
        ("", "unknown"),
    ],
)
def test_licences_are_read_by_their_names(licence: str, terms: str) -> None:
    assert terms_of(licence) == terms


def test_the_page_says_whether_anything_was_timed_on_a_cpu() -> None:
    assert "on a GPU or on a CPU" in timed_words([])
    assert timed_words(["H100-80GB"]).startswith("Timed on H100-80GB, not on a CPU: ")
    assert timed_words(["CPU 2 cores x86-64", "H100-80GB"]) == "Timed on CPU 2 cores x86-64, H100-80GB."
