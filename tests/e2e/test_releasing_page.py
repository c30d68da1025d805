"""The checklists of docs/releasing.md, exactly, in a copy of the harness on a synthetic data set."""

from __future__ import annotations

import csv
import hashlib
import re
import shutil
import tomllib
from pathlib import Path

import pytest

from conftest import ROOT
from maintainers_shell import Shell, make_shell, steps
from run_helpers import small_dataset
from worldstrat_bench.data.layout import MINI_FILE

PAGE = ROOT / "docs" / "releasing.md"
PROTOCOL, NEW, DATA = "Release a protocol", "A new protocol", "A data release"
FACTS = Path("bench") / "worldstrat_bench" / "data" / "facts"
RELEASED = Path("bench") / "worldstrat_bench" / "protocols" / "released.toml"


@pytest.fixture
def shell(tmp_path: Path) -> Shell:
    """A shell in a copy of the checkout, which is the harness that it runs, with data and two runs."""
    checkout = tmp_path / "checkout"
    checkout.mkdir()
    for name in ("baselines", "bench", "changelog.d", "docs", "reports", "submissions", "tests"):
        shutil.copytree(ROOT / name, checkout / name)
    for name in ("pyproject.toml", ".gitignore"):
        shutil.copy(ROOT / name, checkout)
    shell = make_shell(tmp_path / "shell", checkout, PYTHONPATH=f"{checkout / 'bench'}")
    small_dataset(checkout / "WorldStrat", 3)
    return shell


def runs(shell: Shell) -> None:
    for model in ("bicubic", "nearest"):
        shell.run(f"worldstrat-bench evaluate submissions/{model} --data WorldStrat --out runs/{model} --no-download")


def file(shell: Shell, name: str) -> str:
    return (shell.folder / name).read_text(encoding="utf-8")


@pytest.mark.soak
def test_a_protocol_is_released_and_another_one_is_begun(shell: Shell) -> None:
    runs(shell)
    listed = steps(PAGE, PROTOCOL)
    assert list(listed) == [
        "The text is the one that is listed",
        "Stored predictions have the same scores",
        "Another implementation agrees",
        'From "not released" to "released"',
    ]
    assert f"installed in {shell.folder.resolve()}/bench/" in shell.run("worldstrat-bench doctor | grep harness")
    told = shell.run(listed["The text is the one that is listed"][0])
    (digest,) = set(re.findall(r"\b[0-9a-f]{64}\b", told))  # that of the file is the one that is listed
    assert digest == hashlib.sha256((shell.folder / RELEASED.with_name("wsb-1.toml")).read_bytes()).hexdigest()
    told = shell.run(listed["Stored predictions have the same scores"][0])
    assert len(re.findall(r"PSNR ↑ dB .*\+0\.00", told)) == 2
    shell.run(listed["Another implementation agrees"][0])
    assert (shell.folder / "wsb-1-conformance.tar.gz").stat().st_size > 100_000
    assert "wsb-1" in tomllib.loads(file(shell, str(RELEASED)))["not_yet_released"]
    told = shell.run(listed['From "not released" to "released"'][0])
    assert "no fault" in told
    left = tomllib.loads(file(shell, str(RELEASED)))["not_yet_released"]
    assert left == ["probav", "worldstrat-2022", "worldstrat-2022-fixed"]
    method = file(shell, "site/method.html")
    assert "Released: this text never changes." in method
    assert method.count("Not released yet") == len(left)

    written, entered, scored = steps(PAGE, NEW)[""]
    shell.run(written)
    told = shell.run("worldstrat-bench score runs/bicubic --data WorldStrat --protocol wsb-2 --out draft")
    assert "protocol wsb-2 is not listed in protocols/released.toml" in " ".join(told.split())
    shell.run(entered)
    assert tomllib.loads(file(shell, str(RELEASED)))["not_yet_released"][0] == "wsb-2"
    told = shell.run(scored)
    assert "wsb-2" in told
    assert "of a draft" not in told


def official(shell: Shell) -> None:
    """Let the copy take the synthetic data for release v1.1, with its three test tiles as the fixed list."""
    (shell.folder / "WorldStrat" / MINI_FILE).unlink()  # by which it is known for a synthetic one
    known = shell.folder / FACTS / "releases.toml"
    before, after = known.read_text(encoding="utf-8").split('[releases."v1.1"]')
    for name in ("metadata.csv", "stratified_train_val_test_split.csv"):
        md5 = hashlib.md5((shell.folder / "WorldStrat" / name).read_bytes(), usedforsecurity=False).hexdigest()
        after = re.sub(rf'"{name}" = {{ md5 = "\w+".*', f'"{name}" = {{ md5 = "{md5}" }}', after)
    known.write_text(f'{before}[releases."v1.1"]{after}', encoding="utf-8")
    with (shell.folder / "WorldStrat" / "stratified_train_val_test_split.csv").open(encoding="utf-8") as stream:
        names = sorted({row["tile"] for row in csv.DictReader(stream) if row["split"] == "test"})
    header = "tile,split,ipcc,smod,source,continent,lon,lat,leak"
    rows = [f"{name},test,Forest,Rural,Landcover,Africa,10.0,5.0," for name in names]
    (shell.folder / FACTS / "official_tiles.csv").write_text("\n".join([header, *rows, ""]), encoding="utf-8")


@pytest.mark.soak
def test_the_reference_of_a_data_release_makes_its_boards_official(shell: Shell) -> None:
    official(shell)
    shell.run("git init --quiet --initial-branch main && git add bench reports && git commit --quiet --message main")
    known, made, again, published = steps(PAGE, DATA)[""]
    told = shell.run(known)
    (metadata, split) = re.findall(r"^([0-9a-f]{32})  WorldStrat", told, re.MULTILINE)
    assert f'"metadata.csv" = {{ md5 = "{metadata}"' in told  # as listed
    assert f'"stratified_train_val_test_split.csv" = {{ md5 = "{split}"' in told
    assert re.search(r"^WorldStrat: .*v1\.1", told, re.MULTILINE)
    runs(shell)
    told = shell.run("worldstrat-bench site build runs --out before --board reports/board.toml")
    assert "Practice board" in told
    assert "3 tiles of v1.1 under wsb-1, 0 without target" in " ".join(shell.run(made).split())
    shell.run(again)
    told = shell.run(published)
    assert "Practice board" not in told
    assert (shell.folder / "site" / "list-full.html").exists()  # the pages of official boards have no prefix
    assert "no fault" in told
