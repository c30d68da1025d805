"""Folders as people have them: sites beside their sources, unreadable files, submissions that were taken back."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from factories import make_run
from site_scenes import write_manifest
from worldstrat_bench.site import build
from worldstrat_bench.site.report import BuildReport


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Three submissions of one run each."""
    root = tmp_path / "submissions"
    for i, slug in enumerate(("first-sr", "second-sr", "third-sr")):
        make_run(
            root / slug / "results" / "a",
            model=slug,
            submission=slug,
            tiles=12,
            release="mini",
            list_name="test",
            seed=i,
        )
        write_manifest(root / slug, slug=slug, title=f"The {slug} title")
    return root


def sources(report: BuildReport) -> list[str]:
    return sorted(source for board in report.boards for source in (*board.ranked, *board.reported))


@pytest.mark.parametrize("place", ["site", "docs/public", "first-sr/site", "second-sr/results/site"])
def test_a_site_anywhere_below_its_sources_is_never_read(root: Path, place: str) -> None:
    first = build([root], root / place, previews=False)
    shutil.copytree(root / place, root / f"{place}-of-last-week")
    second = build([root], root / place, previews=False)
    assert sources(second) == sources(first)
    assert len(sources(first)) == 3
    assert second.refused == ()


def test_nothing_of_a_submission_that_was_removed_stays(root: Path, tmp_path: Path) -> None:
    out = root / "site"
    build([root], out, previews=False)
    mentions = [path for path in out.rglob("*") if path.is_file() and b"third-sr" in path.read_bytes()]
    assert len(mentions) > 3
    shutil.rmtree(root / "third-sr")
    build([root], out, previews=False)
    left = [
        path
        for path in out.rglob("*")
        if "third-sr" in path.name or (path.is_file() and b"third-sr" in path.read_bytes())
    ]
    assert left == []


def test_a_site_is_not_written_through_links(root: Path, tmp_path: Path) -> None:
    """A clone may bring a site along, with a page that leads to a file of the user's."""
    out, own = tmp_path / "site", tmp_path / "own"
    build([root], out, previews=False)
    own.mkdir()
    for name in ("index.html", "assets"):
        (own / name).write_text("mine")
        if (out / name).is_dir():
            shutil.rmtree(out / name)
        else:
            (out / name).unlink()
        (out / name).symlink_to(own if name == "assets" else own / name)
    build([root], out, previews=False)
    assert [(path.name, path.read_text()) for path in sorted(own.iterdir())] == [
        ("assets", "mine"),
        ("index.html", "mine"),
    ]
    assert not (out / "index.html").is_symlink()


MANIFESTS = {
    "UTF-16": 'title = "x"\n'.encode("utf-16"),
    "Latin-1": 'title = "é"\n'.encode("latin-1"),
    "not TOML": b"title: a YAML file\n",
    "nested without end": b"x = " + b"[" * 5000,
    "a key twice": b'slug = "a"\nslug = "b"\n',
    "too large": b"#" * 9_000_000,
}


@pytest.mark.parametrize("content", MANIFESTS.values(), ids=MANIFESTS)
def test_a_manifest_that_cannot_be_read_is_listed_and_the_others_are_shown(root: Path, content: bytes) -> None:
    (root / "second-sr" / "submission.toml").write_bytes(content)
    report = build([root], root / "site", previews=False)
    assert len(sources(report)) == 2
    ((source, reason),) = report.refused
    assert "second-sr" in source
    assert reason.startswith("submission.toml ")


@pytest.mark.parametrize("name", ["submission.toml", "record.json", "tiles.csv"])
def test_a_file_that_its_owner_keeps_to_himself_is_listed(
    root: Path, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As an ordinary user meets it; root can read every file, so the refusal is the test's own."""
    read = Path.read_bytes

    def refuse(path: Path) -> bytes:
        if path.name == name and "first-sr" in path.parts and "site" not in path.parts:
            raise PermissionError(13, "Permission denied", str(path))
        return read(path)

    monkeypatch.setattr(Path, "read_bytes", refuse)
    report = build([root], root / "site", previews=False)
    assert len(sources(report)) == 2
    ((source, reason),) = report.refused
    assert "first-sr" in source
    assert "cannot be read: Permission denied" in reason
