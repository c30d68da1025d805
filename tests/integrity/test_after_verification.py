"""Changes to a submission after maintainers verified it, and names that are not its own."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from git_scene import commit, git, rules, write_owners
from site_scenes import write_verification
from submission_factory import MANIFEST, add_record, make_submission, record_of, the_result
from worldstrat_bench.artefacts.base import read_json
from worldstrat_bench.artefacts.verification import Verification
from worldstrat_bench.cli.console import printable, stderr, stdout
from worldstrat_bench.stats.counting import Claim, counting_rows
from worldstrat_bench.submission.check import Options, check
from worldstrat_bench.submission.check_manifest_changes import sealed
from worldstrat_bench.submission.faults import CheckFinding, CheckReport, as_github, as_markdown, as_text
from worldstrat_bench.toml_text import read_toml

CORRECTION = '\n[[correction]]\ndate = "2026-11-26"\nwhat = "The title named another network."\n'


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A repository with a verified submission of eve and one of vic that is not verified."""
    root = tmp_path_factory.mktemp("verified")
    git(root, "init", "--quiet", "--initial-branch", "main")
    for slug, author in (("eves-sr", "Eve"), ("vics-sr", "Vic Tim")):
        text = MANIFEST.replace('"my-sr"', f'"{slug}"').replace("Ada Example", author)
        folder = make_submission(root, slug, manifest=text)
        if slug == "eves-sr":
            write_verification(the_result(folder), record_of(folder))
    write_owners(root, eves_sr="eve", vics_sr="vic")
    commit(root)
    return root


@pytest.fixture
def root(template: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(template, tmp_path / "clone"))


def replaced(old: str, new: str) -> Callable[[Path], None]:
    def change(folder: Path) -> None:
        path = folder / "submission.toml"
        text = path.read_text()
        assert old in text
        path.write_text(text.replace(old, new) + CORRECTION)

    return change


def other_lock(folder: Path) -> None:
    path = folder / "requirements.lock"
    path.write_text(path.read_text().replace("1.2.3", "6.6.6"))


def other_wheel(folder: Path) -> None:
    (folder / "extra_sr-1.0-py3-none-any.whl").write_bytes(b"PK")


def manifest_elsewhere(folder: Path) -> None:
    (folder / "sub").mkdir()
    (folder / "sub" / "submission.toml").write_text("")


SEALED = {
    "authors": replaced('["Eve"]', '["Eve", "Vic Tim"]'),
    "main": replaced("[submission]", "[submission]\nmain = true"),
    "evaluations": replaced("test_evaluations = 1", "test_evaluations = 0"),
    "datasets": replaced('datasets = ["WorldStrat"]', 'datasets = ["Other"]'),
    "lock": other_lock,
    "wheel": other_wheel,
    "manifest elsewhere": manifest_elsewhere,
}


def verified_on_a_branch(root: Path) -> Path:
    """Verify vic's submission on a branch, as it is on main, and return its folder with main checked out."""
    folder, held = root / "submissions" / "vics-sr", git(root, "rev-parse", "HEAD")
    git(root, "switch", "--quiet", "--create", "verify")
    write_verification(the_result(folder), record_of(folder))
    path = the_result(folder) / Verification.FILE
    Verification.load(path).model_copy(update={"commit": held}).save(path)
    commit(root)
    git(root, "switch", "--quiet", "main")
    return folder


def merged(root: Path) -> list[CheckFinding]:
    """Merge the branch into main, and return what the check of that pull request says of the state."""
    git(root, "merge", "--quiet", "--no-ff", "-m", "verified", "verify")
    report = check([root / "submissions"], Options(base="HEAD^1", author="jo", maintainer=True))
    return [fault for fault in report.faults if fault.rule == "verified"]


def test_a_lock_that_was_merged_since_a_verification_refuses_it(root: Path) -> None:
    """Until the verification is merged its owner may change the lock: the record stood beside one that never ran."""
    other_lock(verified_on_a_branch(root))
    assert not rules(root, "vic")
    commit(root)
    (fault,) = merged(root)
    assert (fault.severity, "requirements.lock is not what it was" in fault.what) == ("error", True)


def test_words_that_were_merged_since_a_verification_do_not(root: Path) -> None:
    folder = verified_on_a_branch(root)
    replaced("A model for tests.", "A model, for tests.")(folder)
    (folder / "README.md").write_text("prose")
    commit(root)
    assert merged(root) == []


def test_a_commit_that_is_not_here_is_pointed_out(root: Path) -> None:
    folder = verified_on_a_branch(root)
    git(root, "switch", "--quiet", "verify")
    path = the_result(folder) / Verification.FILE
    Verification.load(path).model_copy(update={"commit": "a" * 40}).save(path)
    commit(root)
    git(root, "switch", "--quiet", "main")
    (found,) = merged(root)
    assert (found.severity, "is not in this clone" in found.what) == ("notice", True)


@pytest.mark.parametrize("name", ["lock.md", "notes/LOCK.MD", "sub/submission.toml", "results/wsb-1/x/timings.csv"])
@pytest.mark.parametrize("key", ["lock", "train_tiles", "path"])
def test_what_decides_what_runs_cannot_be_a_file_that_owners_change(tmp_path: Path, name: str, key: str) -> None:
    """Owners may change prose after a verification: a lock that was called so was replaced under a verified record."""
    assert not rules_of(tmp_path / "before", MANIFEST)
    weights = f'[weights]\npath = "{name}"\nsha256 = "{"0" * 64}"\nbytes = 1\nformat = "safetensors"\n'
    text = {
        "lock": MANIFEST.replace("requirements.lock", name),
        "train_tiles": MANIFEST.replace('"worldstrat-train"', f'"listed"\ntrain_tiles = "{name}"'),
        "path": f"{MANIFEST}\n{weights}",
    }[key]
    assert "manifest" in rules_of(tmp_path / "after", text)


def rules_of(place: Path, manifest: str) -> set[str]:
    """Return the rules that a submission without a record breaks."""
    return {fault.rule for fault in check([make_submission(place, manifest=manifest, record=False)]).errors}


@pytest.mark.parametrize("change", SEALED)
def test_what_was_verified_stays_as_it_was(root: Path, change: str) -> None:
    SEALED[change](root / "submissions" / "eves-sr")
    assert "verified" in rules(root, "eve")
    assert "verified" not in rules(root, None, maintainer=True)


@pytest.mark.parametrize(("verified", "now"), [("1", "true"), ("1", "1.0"), ("0", "false"), ("0", "-0.0")])
def test_numbers_that_python_takes_for_equal_are_not_what_was_verified(verified: str, now: str) -> None:
    texts = (MANIFEST.replace("strength = 0.3", f"level = {value}") for value in (verified, now, verified))
    before, changed, same = (sealed(read_toml(text)) for text in texts)
    assert before == same != changed


def test_before_a_verification_owners_change_what_is_theirs(root: Path) -> None:
    other_lock(root / "submissions" / "vics-sr")
    assert rules(root, "vic") == set()


def test_after_it_they_change_what_readers_are_told(root: Path) -> None:
    folder = root / "submissions" / "eves-sr"
    replaced('title = "eves-sr"', 'title = "Eves net"')(folder)
    (folder / "README.md").write_text("More words.\n")
    add_record(folder, "eves-sr", device_class="H100-80GB")
    assert rules(root, "eve") == set()


def claim(key: str, day: int, *authors: str, main: bool = False, owners: tuple[str, ...] | None = None) -> Claim:
    return Claim(
        key, authors, frozenset(), f"2026-01-{day:02d}T00:00:00Z", main, None if owners is None else frozenset(owners)
    )


def test_a_main_entry_takes_the_place_of_its_owners_first_alone() -> None:
    victim = claim("victim", 1, "Vic Tim", owners=("vic",))
    for owners in (("eve",), (), None):
        assert counting_rows([victim, claim("impostor", 2, "Vic Tim", main=True, owners=owners)]) == {"victim"}
    both = [claim("victim", 1, "Vic Tim", owners=()), claim("impostor", 2, "Vic Tim", main=True, owners=())]
    assert counting_rows(both) == {"victim"}
    unlisted = claim("victim", 1, "Vic Tim")
    assert counting_rows([unlisted, claim("impostor", 2, "Vic Tim", main=True)]) == {"victim"}
    assert counting_rows([victim, claim("better", 2, "Vic Tim", main=True, owners=("vic", "ada"))]) == {"better"}


def test_the_models_of_this_repository_are_its_maintainers(root: Path) -> None:
    """The key that says so lets a title's authors be called maintainers."""
    text = MANIFEST.replace('"my-sr"', '"new-sr"').replace("Ada Example", "The worldstrat-bench maintainers")
    folder = make_submission(root, "new-sr", manifest=text)
    assert rules(root, "mallory") == {"name"}
    path = folder / "submission.toml"
    path.write_text(text.replace("frames = 8", 'frames = 8\nrepository_folder = "baselines"'))
    assert rules(root, "mallory") == {"repository"}
    assert rules(root, None, maintainer=True) == set()


@pytest.mark.parametrize(("slug", "licence"), [("verified-sr", "MIT"), ("new-sr", "MIT, verified by the maintainers")])
def test_no_name_says_what_only_pages_say(root: Path, slug: str, licence: str) -> None:
    text = MANIFEST.replace('"my-sr"', f'"{slug}"').replace('"Apache-2.0"', f'"{licence}"')
    make_submission(root, slug, manifest=text.replace("Ada Example", "Cy"))
    assert rules(root, None) == {"name"}


def test_a_key_that_is_there_twice_is_refused(root: Path) -> None:
    path = the_result(root / "submissions" / "vics-sr") / "record.json"
    path.write_text(path.read_text().replace("{", '{"seed": 777,', 1))
    assert "record-readable" in rules(root, "vic")
    with pytest.raises(ValueError, match="twice"):
        read_json('{"a": {"b": 1, "b": 2}}')
    assert read_json(json.dumps({"a": {"b": 1}, "b": 2})) == {"a": {"b": 1}, "b": 2}


NAMES = ["::notice title=check::passed", "::stop-commands::x", "::add-mask::e", "\n::error::x"]


@pytest.mark.parametrize("name", NAMES)
def test_no_line_of_a_report_begins_with_a_foreign_word(name: str) -> None:
    report = CheckReport((name,), ())
    for text in (as_github(report), as_text(report)):
        assert all(line.startswith("submission check: ") for line in text.splitlines())


@pytest.mark.parametrize("text", ["##[add-mask]e", "x ##[stop-commands]y", "###[error]z"])
def test_no_line_holds_the_older_form_of_a_command(text: str) -> None:
    """A runner of workflows looks for it anywhere in a line."""
    fault = CheckFinding("name", text, where=text, remedy=text)
    report = CheckReport((text,), (fault,))
    lines = (as_github(report), as_text(report), as_markdown(report), printable(text))
    assert not any("##[" in line for line in lines)


def test_words_of_a_model_do_not_become_signs(capsys: pytest.CaptureFixture[str]) -> None:
    for console in (stderr(), stdout()):
        console.print(":white_check_mark: passed", markup=False, highlight=False)
    assert "✅" not in "".join(capsys.readouterr())
