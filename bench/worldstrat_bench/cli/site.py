"""``site``: the leaderboard as static pages, their check, their pictures, and snapshots of the boards."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from worldstrat_bench.cli.console import JsonOption, print_error, print_json, printable, say, say_lines, stderr, stdout
from worldstrat_bench.pace import Alive

if TYPE_CHECKING:
    from collections.abc import Sequence

    from worldstrat_bench.site import BuildReport, CheckReport

site_app = typer.Typer(
    help="Build and check the leaderboard as static pages.", no_args_is_help=True, rich_markup_mode=None
)

PredictionsOption = Annotated[
    list[Path] | None,
    typer.Option("--predictions", metavar="RUN", help="A run whose predictions are shown; may be repeated."),
]
PicturesOption = Annotated[
    Path | None,
    typer.Option(
        "--pictures", metavar="FILE", help="Pictures made before: an archive by `site pictures`, or a built site."
    ),
]
DownloadOption = Annotated[
    bool,
    typer.Option("--download/--no-download", help="Download the archive of pictures that board.toml names."),
]
DivisionOption = Annotated[
    list[str] | None,
    typer.Option(
        "--division", metavar="KIND", help="Only official, probe, compatibility, practice or predictions boards."
    ),
]


def register(app: typer.Typer) -> None:
    """Add the verb."""
    app.add_typer(site_app, name="site")


@site_app.command("build", short_help="Build the site from records and tile tables.")
def build_site(
    paths: Annotated[list[Path], typer.Argument(metavar="PATH...", help="Submissions folders and run directories.")],
    *,
    out: Annotated[Path, typer.Option("--out", metavar="DIR", help="Output folder of the site.")],
    data: Annotated[
        Path | None, typer.Option("--data", metavar="DIR", help="Dataset for the pictures of tiles.")
    ] = None,
    predictions: PredictionsOption = None,
    pictures: PicturesOption = None,
    download: DownloadOption = False,
    previews: Annotated[bool, typer.Option("--previews/--no-previews", help="Make pictures of the tiles.")] = True,
    board: Annotated[
        Path | None, typer.Option("--board", metavar="FILE", help="board.toml that selects boards and columns.")
    ] = None,
    division: DivisionOption = None,
    checked: Annotated[
        bool, typer.Option("--checked", help="Leave out and list what `submission check` refuses.")
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Build the site from records and tile tables; list what is used, and why the rest is not.

    Exits with code 5 if no record could be used: an existing site stays as it was, a new one says
    that there are no records.
    """
    from worldstrat_bench.site import build
    from worldstrat_bench.site.config import load_config, of_repository, only_kinds
    from worldstrat_bench.site.snapshots import FOLDER, load_snapshots
    from worldstrat_bench.site.stored import archive_at_hand

    config, faults = of_repository(load_config(board), board, paths)
    for fault in faults:
        print_error(fault)
    if board is None:
        _say_what_is_not_read(paths)
    config = only_kinds(config, division) if division else config
    judged: dict[Path, dict[Path, str]] = {}
    if checked:
        from worldstrat_bench.submission.check import judged_folders

        judged = judged_folders(paths)
    frozen = load_snapshots(board.parent / FOLDER) if board is not None else ()
    alive = Alive(lambda text: typer.echo(printable(text), err=True), "building the site")
    # Pictures that are made from the data set, or not shown, need no archive.
    with alive as say, archive_at_hand(config, pictures, fetch=download and previews and data is None) as stored:
        report = build(
            paths,
            out,
            data=data,
            predictions=predictions or (),
            pictures=stored,
            previews=previews,
            config=config,
            judged=judged,
            snapshots=frozen,
            say=say,
        )
    if as_json:
        print_json(_build_document(report))
    else:
        _print_build(report)
    if stored is not None and report.boards and not report.pictures:
        typer.echo("no picture is of the targets and records of these boards, so none is shown", err=True)
    if not report.boards and not report.apart:
        raise typer.Exit(5)


def _say_what_is_not_read(paths: Sequence[Path]) -> None:
    """Say that the lists of a repository are not read, where a folder of submissions has another name."""
    from worldstrat_bench.artefacts.owners import OWNERS_FILE
    from worldstrat_bench.run.known import SUBMISSIONS

    for path in paths:
        place = path.resolve()
        if place.name != SUBMISSIONS and (place.parent / OWNERS_FILE).is_file():
            text = f"{path} is not called {SUBMISSIONS}, so that {OWNERS_FILE} beside it is not read: give --board FILE"
            say(stderr(), text)


@site_app.command("check", short_help="Check a built site, and that a rebuild gives the same bytes.")
def check_site(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="A built site.")],
    rebuild: Annotated[bool, typer.Option("--rebuild/--no-rebuild", help="Build again and compare bytes.")] = True,
    sizes: Annotated[bool, typer.Option("--sizes/--no-sizes", help="A file that is too large is a fault.")] = True,
    as_json: JsonOption = False,
) -> None:
    """Check links, ids, sizes, external requests and validity, and that a rebuild gives the same bytes."""
    from worldstrat_bench.site.checker import check

    with Alive(lambda text: typer.echo(text, err=True), "checking the site, and building it again"):
        report = check(folder, rebuild=rebuild, sizes=sizes)
    if as_json:
        print_json(_check_document(report))
    else:
        _print_check(report)
    if report.faults:
        raise typer.Exit(5)


@site_app.command("pictures", short_help="Pack the pictures of a built site.")
def pack_pictures(
    site: Annotated[Path, typer.Argument(metavar="SITE", help="Site built with --data and --predictions.")],
    *,
    out: Annotated[Path, typer.Option("--out", metavar="FILE", help="Archive to write, a zip.")],
    as_json: JsonOption = False,
) -> None:
    """Pack the pictures of a built site, so that a machine without the data can publish them; print its digest.

    The licence of the imagery lies in the archive.
    """
    from worldstrat_bench.digests import file_sha256
    from worldstrat_bench.printed import counted
    from worldstrat_bench.site.stored import pack

    tiles, files = pack(site, out)
    digest, size = file_sha256(out), out.stat().st_size
    if as_json:
        print_json({"file": str(out), "sha256": digest, "bytes": size, "tiles": tiles, "files": files})
        return
    typer.echo(
        f"{printable(str(out))}: pictures of {counted(tiles, 'tile')}, {counted(files, 'file')}, {size / 1e6:.1f} MB"
    )
    typer.echo("for reports/board.toml, once the archive has an address:")
    typer.echo('pictures_archive = "https://..."')
    typer.echo(f'pictures_sha256 = "{digest}"')


@site_app.command("snapshot", short_help="Freeze the boards of a built site under a name.")
def snapshot(
    name: Annotated[str, typer.Argument(metavar="NAME", help="Name in the snapshot's address, such as 2026-12.")],
    site: Annotated[Path, typer.Option("--site", metavar="DIR", help="Built site whose boards are frozen.")],
    *,
    out: Annotated[
        Path, typer.Option("--out", metavar="DIR", help="Folder of snapshots beside the board file.")
    ] = Path("reports/snapshots"),
    as_json: JsonOption = False,
) -> None:
    """Freeze the boards of a built site under a name that stays; the next build has a page of it."""
    from datetime import UTC, datetime

    from worldstrat_bench.errors import UsageError
    from worldstrat_bench.printed import counted
    from worldstrat_bench.site.snapshots import freeze

    made = freeze(site, name, datetime.now(UTC).date().isoformat())
    path = out / f"{name}.json"
    if path.exists():
        raise UsageError("a snapshot never changes", where=path, remedy="choose another name")
    out.mkdir(parents=True, exist_ok=True)
    made.save(path)
    if as_json:
        print_json({"file": str(path), "digest": made.digest, "boards": len(made.boards)})
    else:
        typer.echo(f"{printable(str(path))}: {counted(len(made.boards), 'board')}, sha256 {made.digest}")


@site_app.command("diff", short_help="Show what changed on the boards.")
def diff(
    first: Annotated[Path, typer.Argument(metavar="A", help="A snapshot file or a built site.")],
    second: Annotated[Path, typer.Argument(metavar="B", help="A later snapshot file or built site.")],
    as_json: JsonOption = False,
) -> None:
    """Show what changed on the boards: who entered, who left and why, new titles and records, ranks."""
    from worldstrat_bench.site.snapshots import boards_at, changes, states_at

    found = changes(boards_at(first), boards_at(second), states_at(second))
    if as_json:
        print_json([change.model_dump(mode="json") for change in found])
        return
    for change in found:
        typer.echo(printable(change.title))
        if change.only_in:
            typer.echo(f"  only in the {change.only_in}")
        for label, items in (
            ("entered", change.entered),
            ("left", change.left),
            ("new title", change.renamed),
            ("new record", change.replaced),
            ("rank", change.moved),
        ):
            for item in items:
                typer.echo(f"  {label:<12} {printable(item)}")
    if not found:
        typer.echo("nothing changed")


def _build_document(report: BuildReport) -> dict[str, object]:
    return {
        "folder": str(report.folder),
        "entry_page": str(report.entry_page),
        "files": report.files,
        "bytes": report.bytes,
        "pictures": report.pictures,
        "boards": [
            {
                "title": b.title,
                "kind": b.kind,
                "page": b.page,
                "tiles": b.tiles,
                "entries": list(b.ranked),
                "self_reported": list(b.reported),
            }
            for b in report.boards
        ],
        "apart": [{"source": source, "reason": reason} for source, reason in report.apart],
        "refused": [{"source": source, "reason": reason} for source, reason in report.refused],
    }


def _print_build(report: BuildReport) -> None:
    from worldstrat_bench.printed import counted

    for board in report.boards:
        size = f"{board.kind}, {counted(board.tiles, 'tile')}"
        typer.echo(f"{printable(board.title)} ({size}): {counted(len(board.ranked), 'entry', 'entries')}")
        for source in board.ranked:
            typer.echo(f"  used         {printable(source)}")
        for source in board.reported:
            typer.echo(f"  no rank      {printable(source)}: self-reported")
    screen = stdout()
    for source, reason in report.apart:
        say_lines(screen, f"  not ranked   {source}: {reason}", 13)
    for source, reason in report.refused:
        say_lines(screen, f"  not used     {source}: {reason}", 13)
    if not report.boards:
        what = "no record could be put on a board; the reasons are above. Give a folder of submissions, or runs"
        say(stderr(), f"{what}: each holds a record.json")
    if report.kept:
        typer.echo(f"nothing was written: the site in {printable(str(report.folder))} is as it was")
        return
    pictures = f", {counted(report.pictures, 'picture')}" if report.pictures else ", no pictures"
    typer.echo(f"{counted(report.files, 'file')}, {report.bytes / 1e6:.1f} MB{pictures}")
    typer.echo(f"open {printable(str(report.entry_page))}")


def _check_document(report: CheckReport) -> dict[str, object]:
    return {
        "folder": str(report.folder),
        "files": report.files,
        "pages": report.pages,
        "index_gzipped": report.index_gzipped,
        "assets": report.assets,
        "largest_tile_page": report.largest_tile_page,
        "rebuilt": report.rebuilt,
        "faults": list(report.faults),
        "large": list(report.large),
    }


def _print_check(report: CheckReport) -> None:
    from worldstrat_bench.printed import counted

    screen = stdout()
    for fault in report.faults:
        say(screen, fault)
    for what in report.large:
        say(screen, f"large: {what}")
    say(
        screen,
        f"{counted(report.pages, 'page')}, {counted(report.files, 'file')}; "
        f"index {report.index_gzipped / 1e3:.1f} kB gzipped, css and js "
        f"of a page at most {report.assets / 1e3:.1f} kB, largest tile page {report.largest_tile_page / 1e3:.1f} kB",
    )
    if report.faults:
        typer.echo(counted(len(report.faults), "fault"))
    else:
        typer.echo("no fault" + ("; a rebuild gives the same bytes" if report.rebuilt else ""))
