"""The words that the field does not use stay out of messages, help texts, docstrings, comments and documentation."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer

from conftest import ROOT
from worldstrat_bench.cli.app import app

FOLDERS = ("bench", "baselines", "docs", "tools", "tests", "changelog.d", ".github")
SUFFIXES = {".py", ".md", ".j2", ".js", ".css", ".toml", ".yml", ".yaml"}

# Between two words: a line break with the mark of a comment, or the underscore of a test's name.
GAP = r"(?:\s+(?:#\s+|//\s+|\*\s+)?|_)"
COMPARED = r"(?!(?:longer|more|less|fewer|worse|better|slower|faster|larger|smaller)(?![a-z]))"
DENIED = {
    "nobody, somebody: say who": r"(?i:(?<![a-z])(?:no|some|any|every)body(?![a-z]))",
    "anew: again": r"(?i:(?<![a-z])anew(?![a-z]))",
    "mend: fix": r"(?i:(?<![a-z])mend(?:s|ed|ing)?(?![a-z]))",
    "see to: check": rf"(?<![a-z])sees?{GAP}to{GAP}(?!what\b)",
    "leaves with CODE: exits with": rf"(?i:(?<![a-z])leaves?{GAP}with{GAP}(?:\d|exit|the{GAP}exit))",
    "X is no Y: is not a Y": rf"(?<!here )(?<!here_)(?<![a-z])(?:is|are){GAP}no{GAP}{COMPARED}",
    "that is none: is not one, is missing": rf"(?<!here )(?<!here_)(?<![a-z])(?:is|are){GAP}none\b",
    "made-up: synthetic, fake": r"(?<![a-z])made-up(?![a-z])",
    "meanwhile: at the same time, in between": r"(?i:(?<![a-z])meanwhile(?![a-z]))",
    "a model that draws: a stochastic model": rf"(?i:\bmodels?{GAP}that{GAP}draws?\b(?!{GAP}(?:random{GAP})?numbers))",
    "a random model: a stochastic model": rf"(?i:\brandom{GAP}models?\b)",
    "in one round: at once": rf"(?<![a-z])in{GAP}one{GAP}round(?![a-z])",
    "a record of the future: dated in the future": rf"(?<![a-z])of{GAP}the{GAP}future(?![a-z])",
    ", no TOML: not TOML": rf",{GAP}no{GAP}(?:TOML|JSON|YAML|ZIP|UTF-8)\b",
    "a fault of the harness: an error": rf"(?<![a-z])faults?{GAP}of{GAP}the{GAP}harness(?![a-z])",
    "leave X away: omit, leave out": rf"(?i:\bleave{GAP}\S+{GAP}away\b)",
    "see that: check that": rf"(?<![a-z])see{GAP}that{GAP}(?:all|the|every|no){GAP}",
    "of a kind that is not: a type of": rf"(?<![a-z])is{GAP}of{GAP}a{GAP}kind(?![a-z])",
    "for want of: because X ran out, is missing": rf"(?<![a-z])for{GAP}want{GAP}of(?![a-z])",
    "belongs into: belongs in": rf"(?<![a-z])belongs?{GAP}into(?![a-z])",
    "put right: corrected": rf"(?<![a-z])puts?{GAP}right(?![a-z])(?!{GAP}(?:there|before|after{GAP}(?:it|each)))",
    "ill-formed: malformed": r"(?i:\bill-formed\b)",
    "the command goes on: continues": rf"(?<![a-z])commands?{GAP}goe?s?{GAP}on(?![a-z])",
    "by other than: by an account that is not": rf"(?<![a-z])by{GAP}other{GAP}than(?![a-z])",
}


def texts() -> Iterator[Path]:
    """Yield the files that people read; released protocols are frozen, records and this list are left out."""
    yield from ROOT.glob("*.md")
    yield from ROOT.glob("submissions/*/README.md")
    for folder in FOLDERS:
        for path in sorted((ROOT / folder).rglob("*")):
            parts = path.relative_to(ROOT).parts
            if (
                path.suffix in SUFFIXES
                and not {"protocols", "golden", "node_modules"} & set(parts)
                and path != Path(__file__)
            ):
                yield path


def denied(text: str) -> list[tuple[int, str]]:
    """Return the line and the reason of every denied phrase in a text."""
    found = [
        (text.count("\n", 0, hit.start()) + 1, why)
        for why, pattern in DENIED.items()
        for hit in re.finditer(pattern, text)
    ]
    return sorted(found)


def test_the_tree_is_free_of_denied_phrases() -> None:
    faults = [
        f"{path.relative_to(ROOT)}:{line}: {why}"
        for path in texts()
        for line, why in denied(path.read_text(encoding="utf-8"))
    ]
    assert not faults, "\n".join(faults)


@pytest.mark.parametrize(
    "text",
    [
        "It leaves with 3.",
        "a number that is none",
        "the file is no\n    # checkpoint",
        "Nobody waits.",
        "see to the disk",
        "mend the model and score anew",
        "# Models that draw",
        "a model\n    # that draws: several predictions a tile",
        "Predictions per tile of a random model.",
        "All faults are told in one round.",
        "a record of the future",
        "if it is missing, no TOML, or has an unknown key",
        "1 a fault of the harness",
        "ill-formed files",
        "the kernel ended it for want of memory",
        "the record belongs into results",
        "what was put right after the merge",
        "give --data DIR, or leave --out away",
        "see that all machines have this folder",
        "is of a kind that is not read",
        "the same command goes on",
        "a change by other than its owners",
    ],
)
def test_denied(text: str) -> None:
    assert denied(text)


@pytest.mark.parametrize(
    "text",
    [
        "there is no file",
        "is no longer there",
        "the BLAS is no slower",
        "if value is None:",
        "None if there is none.",
        "amended",
        "models that draw random numbers",
        "the run goes on with the others",
    ],
)
def test_allowed(text: str) -> None:
    assert not denied(text)


def test_docstrings_of_the_packages_say_the_thing() -> None:
    """A docstring is a noun for a class or a value and an order for a function, never "What it is"."""
    faults = [
        f"{path.relative_to(ROOT)}: {line.strip()}"
        for folder in ("bench", "baselines/src")
        for path in sorted((ROOT / folder).rglob("*.py"))
        for line in path.read_text(encoding="utf-8").splitlines()
        if re.match(r'\s*"""(?:What|Whatever)\b', line)
    ]
    assert not faults, "\n".join(faults)


NOUNS = re.compile(
    r"[^A-Za-z]|(?:A|An|The|All|Every|Everything|Each|One|None|Nothing|Those|At|About|For|Of|As|If|Whether|Another"
    r"|Mean|Median|Moments|Statistics|Tiles|Seconds|Bytes|Values|Size|Rows?|Digest|sha256|Text|Sorted|Largest|Ways)\b"
)


def public_functions(tree: ast.AST) -> Iterator[ast.FunctionDef]:
    """Yield the functions and methods of a module that others call; a property is a value, not an order."""
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef) and not node.name.startswith("_"):
            decorators = {ast.unparse(one).rpartition(".")[2] for one in node.decorator_list}
            if not decorators & {"property", "cached_property", "setter"}:
                yield node


def test_docstrings_of_functions_begin_with_a_verb() -> None:
    faults = []
    for folder in ("bench", "baselines/src"):
        for path in sorted((ROOT / folder).rglob("*.py")):
            for function in public_functions(ast.parse(path.read_text(encoding="utf-8"))):
                text = ast.get_docstring(function) or ""
                if text and NOUNS.match(text):
                    faults.append(f"{path.relative_to(ROOT)}:{function.lineno}: {text.splitlines()[0]}")
    assert not faults, "\n".join(faults)


def commands(command: Any, name: str = "worldstrat-bench") -> Iterator[tuple[str, Any]]:
    """Yield every command of the command line with its full name, groups included.

    Typer brings a copy of click or uses click itself, by version: so the types stay open.
    """
    yield name, command
    for below in getattr(command, "commands", {}).values():
        yield from commands(below, f"{name} {below.name}")


def test_help_texts_name_defaults_and_units_alike() -> None:
    """A default that click does not print stands where it would, and a number has a name or a unit, never its type."""
    faults = []
    for name, command in commands(typer.main.get_command(app)):
        for parameter in command.params:
            text = getattr(parameter, "help", None) or ""
            if re.search(r"(?i)(?<!\[)\bdefaults?: |(?<!default: )\[[a-z0-9,]+\]$", text):
                faults.append(f"{name} {parameter.name}: {text!r}")
            if type(parameter.default) in (int, float) and not (parameter.metavar or parameter.count):
                faults.append(f"{name} {parameter.name}: a number without a metavar")
    assert not faults, "\n".join(faults)


def test_help_texts_stand_alone() -> None:
    openers = re.compile(r"(?:Of|That|What|Where|Whether|Which|Who|How|The verbs?)\b")
    faults = []
    for name, command in commands(typer.main.get_command(app)):
        texts_of_command = [
            (name, command.help),
            *((f"{name} {p.name}", getattr(p, "help", None)) for p in command.params),
        ]
        faults += [f"{where}: {text!r}" for where, text in texts_of_command if not text or openers.match(text)]
    assert not faults, "\n".join(faults)
