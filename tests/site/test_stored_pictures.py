"""Pictures that a maintainer made, published by a machine that has neither data nor predictions."""

from __future__ import annotations

import hashlib
import json
import shutil
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest
from typer.testing import CliRunner

from factories import make_run
from site_pictures import PictureScene
from worldstrat_bench.artefacts.record import record_id
from worldstrat_bench.cli.app import app
from worldstrat_bench.downloads import OtherFileError
from worldstrat_bench.errors import InfrastructureError, InvalidArtefactError, UsageError
from worldstrat_bench.site import build, stored
from worldstrat_bench.site.checker import check
from worldstrat_bench.site.config import load_config


@pytest.fixture(scope="module")
def archive(pictures: PictureScene, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The archive of the built site."""
    place = tmp_path_factory.mktemp("archive") / "pictures.zip"
    assert stored.pack(pictures.site, place)[0] == 3
    return place


def files(folder: Path) -> dict[str, bytes]:
    """Every file of a folder by path."""
    return {p.relative_to(folder).as_posix(): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


def test_an_archive_publishes_the_very_pages_that_the_data_gave(
    pictures: PictureScene, archive: Path, tmp_path: Path
) -> None:
    build(pictures.runs, tmp_path / "site", pictures=archive)
    assert files(tmp_path / "site") == files(pictures.site)
    stored.pack(tmp_path / "site", tmp_path / "again.zip")
    assert (tmp_path / "again.zip").read_bytes() == archive.read_bytes()
    with zipfile.ZipFile(archive) as packed:
        assert packed.read("LICENCE.txt").decode() == "Synthetic imagery, CC0.\n"


def test_a_model_with_another_record_is_not_shown(pictures: PictureScene, archive: Path, tmp_path: Path) -> None:
    """Its old pictures beside its new numbers would be of another model."""
    good, blurred = sorted(pictures.runs, key=lambda run: run.name == "blurred")
    runs = [good, tmp_path / "blurred"]
    shutil.copytree(blurred, runs[1])
    record = json.loads((blurred / "record.json").read_text(encoding="utf-8")) | {"seed": 7}
    (runs[1] / "record.json").write_text(json.dumps(record | {"record_id": record_id(record)}), encoding="utf-8")
    build(runs, tmp_path / "site", pictures=archive)
    (board,) = (tmp_path / "site").glob("practice-*")
    index = json.loads((board / "data" / "pictures.json").read_text(encoding="utf-8"))
    assert list(index["records"]) == ["good"]
    assert not list(board.glob("img/*/*blurred*"))
    assert len(list(board.glob("img/*/p-good.webp"))) == 3
    assert (board / "m" / "blurred.html").is_file()
    assert check(tmp_path / "site").faults == ()


def test_pictures_of_other_targets_are_not_taken_over(archive: Path, tmp_path: Path) -> None:
    make_run(tmp_path / "run", model="good", tiles=36, release="mini", list_name="test")
    words = ["site", "build", str(tmp_path / "run"), "--out", str(tmp_path / "site"), "--pictures", str(archive)]
    assert "no picture is of the targets and records of these boards" in CliRunner().invoke(app, words).output
    assert "This board has no pictures" in next((tmp_path / "site").glob("practice-*/gallery.html")).read_text("utf-8")


def _script(name: str, data: bytes) -> bytes:
    return b'wsbCrop("good",0,0,"AA==");alert(1);\n' if name.endswith(".js") else data


@pytest.mark.parametrize(
    ("change", "extra", "words"),
    [
        (_script, {}, "is not a picture of a site"),
        (lambda _, data: data, {"practice-x/img/a/b.html": b"<script>"}, "is not a picture of a site"),
        (lambda _, data: data, {"../img/a/b.webp": b""}, "is not a picture of a site"),
        (lambda name, data: b"{}" if name.endswith(".json") else data, {}, "is not an index"),
        (lambda name, data: None if "p-good" in name else data, {}, "is missing"),
    ],
)
def test_an_archive_with_anything_else_is_refused(
    archive: Path, tmp_path: Path, change: Callable[[str, bytes], bytes | None], extra: dict[str, bytes], words: str
) -> None:
    with zipfile.ZipFile(archive) as packed, zipfile.ZipFile(tmp_path / "bad.zip", "w") as bad:
        for name in packed.namelist():
            data = change(name, packed.read(name))
            if data is not None:
                bad.writestr(name, data)
        for name, data in extra.items():
            bad.writestr(name, data)
    with pytest.raises(InvalidArtefactError, match=words):
        stored.read_pictures(tmp_path / "bad.zip")


def test_a_file_that_holds_other_things_is_named(
    pictures: PictureScene, archive: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "text.zip").write_text("not a zip", encoding="utf-8")
    with pytest.raises(InvalidArtefactError, match="not an archive of pictures"):
        stored.read_pictures(tmp_path / "text.zip")
    with pytest.raises(UsageError, match="there are no pictures here"):
        stored.read_pictures(tmp_path / "absent.zip")
    with pytest.raises(UsageError, match="no pictures"):
        stored.pack(tmp_path, tmp_path / "out.zip")
    with pytest.raises(UsageError, match="not both"):
        build(pictures.runs, tmp_path / "site", pictures=archive, data=pictures.data)
    monkeypatch.setattr(stored, "MOST_BYTES", 1000)
    with pytest.raises(InvalidArtefactError, match="more than 1,000 bytes"):
        stored.read_pictures(archive)


def test_the_archive_that_the_board_file_names_is_downloaded(
    pictures: PictureScene, archive: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The commands of docs/maintainers.md: pack, name it in the board file, build with --download."""

    def served(url: str, place: Path, *, sha256: str, most_bytes: int) -> None:
        assert url == "https://example.org/pictures.zip"
        if sha256 != hashlib.sha256(archive.read_bytes()).hexdigest():
            raise OtherFileError("it has another sha256")
        shutil.copy(archive, place)

    monkeypatch.setattr(stored, "download", served)
    packed = CliRunner().invoke(app, ["site", "pictures", str(pictures.site), "--out", str(tmp_path / "p.zip")])
    assert packed.exit_code == 0, packed.output
    lines = packed.output.splitlines()[2:]
    board = tmp_path / "board.toml"
    board.write_text("\n".join(lines).replace("https://...", "https://example.org/pictures.zip"), encoding="utf-8")
    words = ["site", "build", *map(str, pictures.runs), "--out", str(tmp_path / "site"), "--board", str(board)]
    without = CliRunner().invoke(app, words)
    assert "no pictures" in without.output
    done = CliRunner().invoke(app, [*words, "--download"])
    assert done.exit_code == 0, done.output
    pages = [p for p in files(pictures.site) if p.endswith(".webp")]
    assert sorted(pages) == sorted(p for p in files(tmp_path / "site") if p.endswith(".webp"))
    assert check(tmp_path / "site").faults == ()
    board.write_text(board.read_text("utf-8").replace(lines[1][-9:-1], "00000000"), encoding="utf-8")
    with (
        pytest.raises(InvalidArtefactError, match="another sha256"),
        stored.archive_at_hand(load_config(board), None, fetch=True),
    ):
        pass

    def unreachable(url: str, place: Path, *, sha256: str, most_bytes: int) -> None:
        raise OSError("no network")

    monkeypatch.setattr(stored, "download", unreachable)
    with (
        pytest.raises(InfrastructureError, match="no network"),
        stored.archive_at_hand(load_config(board), None, fetch=True),
    ):
        pass
    board.write_text('pictures_archive = "https://example.org/pictures.zip"\n', encoding="utf-8")
    with pytest.raises(InvalidArtefactError, match="come together"):
        load_config(board)
