"""``submission new``: a complete model package that works as it is written."""

from __future__ import annotations

import json
import keyword
import re
from collections.abc import Sequence
from importlib import resources
from pathlib import Path

from worldstrat_bench.errors import UsageError
from worldstrat_bench.plugins.discovery import BASELINES, REFERENCE_MODELS, installed_models, is_standard
from worldstrat_bench.preprocessing import Value
from worldstrat_bench.submission.about import MAX_PROSE, SLUG_PATTERN, Line
from worldstrat_bench.submission.placeholders import PLACEHOLDERS
from worldstrat_bench.submission.shadowed import SHADOWED

REPOSITORY = "worldstrat-bench/worldstrat-bench"
CHECKOUT = ("3d3c42e5aac5ba805825da76410c181273ba90b1", "v7.0.1")
SETUP_PYTHON = ("5fda3b95a4ea91299a34e894583c3862153e4b97", "v7.0.0")
"""Commits of the actions that a model's own workflow uses; the repository's own workflows use the same."""


def write_scaffold(slug: str, folder: Path, authors: Sequence[str] = (), description: str = "") -> tuple[Path, ...]:
    """Write a model package and its submission into `folder`; return the files written.

    Parameters
    ----------
    authors : names as pages show them; without any a placeholder is written, which the check refuses.
    description : of the model, in a sentence or two; the same holds without one.

    Raises
    ------
    UsageError
        if an author, the description or the slug cannot be used, the slug would shadow another package, or the folder
        is not empty.
    """
    package = _package_name(slug)
    refuse_full_folder(folder)
    values = {
        "slug": slug,
        "authors": stated_authors(authors),
        "description": stated_description(description),
        "package": package,
        "title": slug,  # a name in the author's own letters, which only the author knows
        "repository": REPOSITORY,
        "checkout": CHECKOUT[0],
        "checkout_version": CHECKOUT[1],
        "setup_python": SETUP_PYTHON[0],
        "setup_python_version": SETUP_PYTHON[1],
    }
    written = []
    for template, target in _targets(slug, package).items():
        path = folder / target
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(render(template, values), encoding="utf-8")
        written.append(path)
    return tuple(written)


def refuse_full_folder(folder: Path) -> None:
    """Raise UsageError unless a folder is empty or is not there."""
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise UsageError("the folder is not empty", where=folder, remedy="choose another with --out DIR")


def check_slug(slug: str) -> None:
    """Raise UsageError unless a text is a slug."""
    if not re.match(SLUG_PATTERN, slug) or "--" in slug:
        remedy = "a-z, 0-9 and single dashes between them, at most 60, such as my-sr"
        raise UsageError(f"{slug[:60]!r} is not a slug", where="SLUG", remedy=remedy)


def stated_authors(names: Sequence[str]) -> str:
    """Return names as a TOML array, or the placeholder without any; UsageError if one is not a line of text."""
    from pydantic import TypeAdapter, ValidationError

    for name in names:
        try:
            TypeAdapter(Line).validate_python(name.strip())
        except ValidationError:
            remedy = "a name as pages show it, at most 200 characters without line breaks"
            raise UsageError(f"{name[:60]!r} cannot be an author", where="--author", remedy=remedy) from None
    given = [name.strip() for name in names] or [PLACEHOLDERS["no_author"].text]
    return f"[{', '.join(map(in_toml, given))}]"


def stated_description(text: str) -> str:
    """Return a description as TOML, or the placeholder for an empty one; UsageError if it is too long."""
    given = text.strip() or PLACEHOLDERS["no_description"].text
    if len(given) > MAX_PROSE:
        what = f"it has {len(given)} characters"
        raise UsageError(
            what, where="--description", remedy=f"say it in a few sentences, at most {MAX_PROSE} characters"
        )
    return in_toml(given)


def in_toml(value: Value) -> str:
    """Return a text, a number or a truth as TOML spells it, which is as JSON does."""
    return json.dumps(value, ensure_ascii=False)


def _targets(slug: str, package: str) -> dict[str, str]:
    """Template to path in the package's folder."""
    return {
        "pyproject.toml.j2": "pyproject.toml",
        "init.py.j2": f"src/{package}/__init__.py",
        "plugin.py.j2": f"src/{package}/plugin.py",
        "test_plugin.py.j2": "tests/test_plugin.py",
        "README.md.j2": "README.md",
        "gitignore.j2": ".gitignore",
        "gitattributes.j2": ".gitattributes",
        "benchmark.yml.j2": ".github/workflows/benchmark.yml",
        "submission.toml.j2": f"submissions/{slug}/submission.toml",
        "requirements.lock.j2": f"submissions/{slug}/requirements.lock",
    }


def _package_name(slug: str) -> str:
    """Return the import name: a dash becomes an underscore, a digit in front gets an ``sr_``."""
    check_slug(slug)
    name = slug.replace("-", "_")
    name = f"sr_{name}" if name[0].isdigit() else name
    if name in SHADOWED or is_standard(name) or keyword.iskeyword(name):
        raise UsageError(f"{name!r} is the name of another package", where="SLUG", remedy="choose another slug")
    owner = BASELINES if slug in REFERENCE_MODELS else _announced_by(slug)
    if owner is not None:
        what = f"{slug!r} is already a model of {owner}: neither could be evaluated by that name"
        raise UsageError(what, where="SLUG", remedy="choose another slug")
    return name


def _announced_by(slug: str) -> str | None:
    """Return which installed distribution announces a model of that name; the one of an earlier scaffold may."""
    owners = (model.distribution for model in installed_models() if model.name == slug)
    return next((owner for owner in owners if owner != slug), None)


def render(template: str, values: dict[str, str]) -> str:
    """Return a template with its values, which are already as the target spells them."""
    from jinja2 import Environment, StrictUndefined

    source = resources.files("worldstrat_bench.submission").joinpath("templates", template).read_text(encoding="utf-8")
    # The targets are TOML, Python, Markdown and YAML with ${{ }} of their own; values are names of [a-z0-9- ] or TOML.
    environment = Environment(
        autoescape=False,
        undefined=StrictUndefined,
        keep_trailing_newline=True,
        variable_start_string="<<",
        variable_end_string=">>",
        block_start_string="<%",
        block_end_string="%>",
    )
    return environment.from_string(source).render(values)
