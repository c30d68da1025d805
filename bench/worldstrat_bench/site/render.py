"""Jinja with everything on the safe side, and the set of files that a build makes."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

from jinja2 import Environment, PackageLoader, StrictUndefined

from worldstrat_bench.printed import counted
from worldstrat_bench.site.bundle import bundled
from worldstrat_bench.site.text import NO_VALUE, clean, number

ICON = (
    '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 16 16"><path fill="#0b5d6b" d="M0 0h16v16H0z"/>'
    '<path fill="#fbfaf7" d="M3 3h4v4H3zM9 3h1v1H9zM11 5h2v2h-2zM3 9h2v2H3zM6 11h1v2H6zM9 9h4v4H9z"/></svg>\n'
)


@cache
def environment() -> Environment:
    """Make the environment: autoescape everywhere (by suffix misses ``*.html.j2``); an unknown name is an error."""
    env = Environment(
        loader=PackageLoader("worldstrat_bench.site", "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    env.filters["num"] = number
    env.filters["clean"] = clean
    env.filters["counted"] = counted
    env.globals["nothing"] = NO_VALUE
    env.policies["json.dumps_kwargs"] = {"sort_keys": True, "separators": (",", ":"), "allow_nan": False}
    return env


@dataclass
class Output:
    """The files of a site by path, in memory until all of them are there."""

    files: dict[str, bytes] = field(default_factory=dict)

    def put(self, path: str, content: str | bytes) -> None:
        """Add a file; a path is used once.

        Raises
        ------
        ValueError
            if the path is taken or leaves the site: a bug of ours, as all names are slugs.
        """
        parts = path.split("/")
        if path in self.files or path.startswith("/") or any(part in ("", ".", "..") for part in parts):
            raise ValueError(f"bad or repeated path {path!r}")
        # Not strictly: a lone surrogate, which JSON can hold, has no bytes in UTF-8.
        self.files[path] = content.encode("utf-8", "replace") if isinstance(content, str) else content

    def put_json(self, path: str, document: object) -> None:
        """Add a JSON file, sorted and indented by one."""
        text = json.dumps(document, sort_keys=True, indent=1, ensure_ascii=False, allow_nan=False)
        self.put(path, text + "\n")

    def page(self, path: str, template: str, context: Mapping[str, object]) -> None:
        """Render a page; templates get `root`, the way from the page to the top of the site."""
        root = "../" * path.count("/")
        self.put(path, environment().get_template(template).render(root=root, path=path, **context))

    def put_assets(self) -> None:
        """Write the style sheets and the scripts."""
        for name, text in bundled().items():
            self.put(f"assets/{name}", text)
        self.put("assets/icon.svg", ICON)

    def write(self, folder: Path) -> None:
        """Write all files, and remove files of a former build that this one does not have."""
        wanted = {folder / path for path in self.files}
        # Backwards, so that the files of a folder are gone before it is looked at.
        for old in sorted(folder.rglob("*"), reverse=True):
            if old.is_dir() and not old.is_symlink():
                if not any(old.iterdir()):
                    old.rmdir()
            elif old not in wanted:
                old.unlink()
        # After the old files are gone, or a folder could stand where a file has to go.
        for path, content in self.files.items():
            target = folder / path
            target.parent.mkdir(parents=True, exist_ok=True)
            if target.is_symlink():  # a clone may have brought it: what it leads to is not the site's
                target.unlink()
            target.write_bytes(content)
