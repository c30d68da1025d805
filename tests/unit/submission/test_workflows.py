"""The workflows: linted, pinned, and without the mistakes that hand a repository over."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from conftest import ROOT
from worldstrat_bench.cli.app import app
from worldstrat_bench.errors import InvalidArtefactError
from worldstrat_bench.site.config import load_config
from worldstrat_bench.submission.faults import from_json
from worldstrat_bench.submission.scaffold import CHECKOUT, SETUP_PYTHON, write_scaffold
from worldstrat_bench.submission.verify_write import ATTESTED

GITHUB = ROOT / ".github"
WORKFLOWS = sorted((GITHUB / "workflows").glob("*.yml"))
ACTIONS = sorted((GITHUB / "actions").glob("*/action.yml"))
TOOLS = Path(sys.executable).parent


def run(*command: str) -> str:
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=300)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_zizmor_finds_nothing_that_a_comment_does_not_justify(tmp_path: Path) -> None:
    write_scaffold("my-sr", tmp_path / "my-sr")
    zizmor = [str(TOOLS / "zizmor"), "--offline", "--no-progress", "--persona", "regular", "--format", "plain"]
    run(*zizmor, str(GITHUB))
    run(*zizmor, str(tmp_path / "my-sr" / ".github"))
    for path in WORKFLOWS + ACTIONS:
        for line in path.read_text(encoding="utf-8").splitlines():
            if "zizmor: ignore" in line:
                assert re.search(r"zizmor: ignore\[[a-z-]+\] \w+ \w+", line), f"{path.name}: say why: {line}"


def test_they_follow_githubs_schema(tmp_path: Path) -> None:
    write_scaffold("my-sr", tmp_path / "my-sr")
    own = tmp_path / "my-sr" / ".github" / "workflows" / "benchmark.yml"
    check = str(TOOLS / "check-jsonschema")
    run(check, "--builtin-schema", "vendor.github-workflows", *map(str, WORKFLOWS), str(own))
    run(check, "--builtin-schema", "vendor.github-actions", *map(str, ACTIONS))


@pytest.mark.parametrize("path", WORKFLOWS + ACTIONS, ids=lambda path: path.name)
def test_actions_are_pinned_by_commit_one_commit_each(path: Path) -> None:
    uses = re.findall(r"uses: (\S+)(.*)", "\n".join(x for x in path.read_text().splitlines() if not x.startswith("#")))
    assert uses or path.name == "action.yml"
    for action, comment in uses:
        assert re.fullmatch(r"[\w./-]+@[0-9a-f]{40}", action), action
        assert re.fullmatch(r" # v\d+\.\d+\.\d+", comment), f"{action}: name the version"
    pinned = dict(action.split("@") for action, _ in uses)
    for name, (commit, _) in (("actions/checkout", CHECKOUT), ("actions/setup-python", SETUP_PYTHON)):
        assert pinned.get(name, commit) == commit


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.name)
def test_tokens_are_asked_for_job_by_job(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    assert "\npermissions: {}\n" in text
    assert ("pull_request_target" in text) == (path.name == "submission-check.yml")
    assert "secrets." not in text
    assert text.count("timeout-minutes:") == text.count("runs-on:")
    assert text.count("persist-credentials: false") == text.count("actions/checkout@")


def test_a_pull_request_is_checked_by_the_workflow_and_the_harness_of_its_base() -> None:
    text = (GITHUB / "workflows" / "submission-check.yml").read_text(encoding="utf-8")
    assert "\non:\n  pull_request_target:" in text
    assert "ref: ${{ github.event.pull_request.base.sha }}\n          path: harness" in text
    assert not re.search(r"(pip|python|bash|sh|source) [^\n]*\bpull/", text)
    scripts = re.findall(r"run: \|\n((?: {10}.*\n)+)", text)
    assert scripts
    assert not any("${{" in script for script in scripts)


def test_what_is_checked_is_the_merge_result_with_the_forges_list_of_changes() -> None:
    text = (GITHUB / "workflows" / "submission-check.yml").read_text(encoding="utf-8")
    assert "refs/pull/${{ github.event.pull_request.number }}/merge\n          path: pull" in text
    assert 'git -C pull rev-parse HEAD^2)\n          [[ "$merged" = "$HEAD_SHA" ]]' in text
    assert "pulls/$NUMBER/files" in text
    for option in ("--base HEAD^1", "--changed ../report/files.json", '--author "$AUTHOR"'):
        assert option in text or option in text.replace("who=(", "")
    assert "AUTHOR: ${{ github.event.pull_request.user.login }}" in text


def test_a_branch_that_a_stranger_may_push_to_belongs_to_no_maintainer() -> None:
    """Its author may be a maintainer who opened the pull request in a stranger's name."""
    text = " ".join((GITHUB / "workflows" / "submission-check.yml").read_text(encoding="utf-8").split())
    found = re.search(r"TRUSTED: >- \$\{\{ (.*?) \}\}", text)
    assert found
    member, branch = found[1].split(" && ", 1)
    assert member == """contains(fromJSON('["OWNER", "MEMBER"]'), github.event.pull_request.author_association)"""
    assert branch.startswith("(")
    assert branch.endswith(")")
    assert branch[1:-1].split(" || ") == [
        "github.event.pull_request.head.repo.full_name == github.repository",
        "github.event.pull_request.head.user.login == github.event.pull_request.user.login",
    ]


def test_the_job_that_reads_cannot_write_and_the_job_that_writes_reads_a_report() -> None:
    text = (GITHUB / "workflows" / "submission-check.yml").read_text(encoding="utf-8")
    check, comment = text.split("\n  comment:\n")
    assert ": write" not in check
    assert comment.count(": write") == 1
    assert "refs/pull" not in comment
    assert "head.sha" not in comment
    assert "hostile/check.json" in comment
    assert "submission report" in comment
    assert '[ "$CHECK" != success ]' in comment


def test_publishing_does_not_stop_at_a_bad_row() -> None:
    text = (GITHUB / "workflows" / "pages.yml").read_text(encoding="utf-8")
    assert "submission check submissions --maintainer || " in text
    assert "--checked" in text


def test_the_published_board_is_the_one_of_the_docs_and_of_tox() -> None:
    """Without ``--board`` the file is ignored without a word, and other boards are published."""
    places = [GITHUB / "workflows" / "pages.yml", ROOT / "docs" / "maintainers.md", ROOT / "docs" / "leaderboard.md"]
    places += [ROOT / "tox.ini", ROOT / "reports" / "board.toml"]
    named = {path.name: re.findall(r"site build submissions .*", path.read_text(encoding="utf-8")) for path in places}
    for name, lines in named.items():
        assert lines, name
        for line in lines:
            assert "--board reports/board.toml" in line, f"{name}: {line}"
    published = named["pages.yml"][0]
    assert published.replace("--out site", "--out ../site") in named["maintainers.md"]
    assert load_config(ROOT / "reports" / "board.toml").kinds


def test_an_evaluation_is_pinned_confined_and_attested_with_what_it_was_of() -> None:
    text = (GITHUB / "workflows" / "evaluate.yml").read_text(encoding="utf-8")
    installs = re.findall(r"bin/pip\" install (.*)", text)
    assert installs == ['"${locked[@]}"', "--no-deps --no-build-isolation -e ./harness ./harness/baselines"]
    assert "--require-hashes --only-binary :all: --no-deps -r harness/.github/requirements/evaluate.txt" in text
    assert "--isolation full" in text
    assert '--commit "$COMMIT"' in text
    evaluate, attest = text.split("\n  attest:\n")
    for name in ATTESTED:
        assert f" run/{name}\n" in evaluate, "what is not uploaded cannot be added"
        assert f" run/{name}\n" in attest + "\n", name


def test_every_requirement_of_a_workflow_is_hashed() -> None:
    for path in sorted((GITHUB / "requirements").glob("*.txt")):
        lines = path.read_text(encoding="utf-8").splitlines()
        pins = [i for i, line in enumerate(lines) if "==" in line and not line.startswith((" ", "#"))]
        assert pins, path.name
        assert all(lines[i].endswith("\\") and "--hash=sha256:" in lines[i + 1] for i in pins), path.name


def test_maintainers_own_what_judges_and_what_verifies() -> None:
    owned = (GITHUB / "CODEOWNERS").read_text(encoding="utf-8")
    for place in ("/.github/", "/bench/", "/reports/", "/baselines/", "/tests/", "/submissions/*", "verification.json"):
        assert re.search(rf"^{re.escape(place)} +@", owned, re.MULTILINE), place


def test_a_hostile_report_is_refused_or_harmless(tmp_path: Path) -> None:
    fault = {
        "rule": "files",
        "severity": "error",
        "what": "@all <b> [x](https://e.example)",
        "where": "",
        "line": 1,
        "remedy": "",
    }
    good = {"ok": False, "checked": ["my-sr"], "faults": [fault]}
    path = tmp_path / "check.json"
    path.write_text(json.dumps(good))
    result = CliRunner().invoke(app, ["submission", "report", str(path), "--markdown"], catch_exceptions=False)
    assert result.exit_code == 0
    assert "<b>" not in result.stdout
    assert "@all" not in result.stdout
    for bad in (
        "[]",
        "{",
        "[" * 10_000,
        json.dumps({**good, "x": 1}),
        json.dumps({**good, "faults": [fault] * 999}),
        json.dumps({**good, "faults": [{**fault, "rule": "`x`"}]}),
    ):
        with pytest.raises(InvalidArtefactError):
            from_json(bad)
