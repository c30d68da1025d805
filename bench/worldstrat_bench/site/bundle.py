"""The style sheets and the scripts of the site: one of each for every kind of page, from the sources in ``assets/``.

Modules do not load from ``file://``, so a script is one classic script: every module that the kind needs once, those
that it imports first, without the import and export lines, in one function. Then rjsmin and rcssmin take comments and
white space out, which changes no name and no rule. Of both a page loads at most :data:`PAGE_ASSETS` bytes.
"""

from __future__ import annotations

import posixpath
import re
from functools import cache
from importlib import resources
from importlib.resources.abc import Traversable

import rcssmin
import rjsmin

PAGE_ASSETS = 32_768
"""Bytes of the script and the style sheet of a page together, as they are shipped, before any compression."""
FIRST = ("tokens", "page", "tables", "controls", "drawings")
"""Style sheets of every page, in the order of their rules: a later one overrules an earlier one."""
SHEETS = {
    "board": ("models", "charts", "board", "text"),
    "choose": ("models",),
    "compare": ("compare",),
    "page": ("charts", "strata", "content", "text"),
    "tile": ("tile",),
}
"""Sheets of each kind of page, before those that all have last. Its script starts at the module of its name."""
LAST = ("small", "print")

_IMPORT = re.compile(r'^import (?:\{[^}]*\} from )?"(\.\.?/[\w/]+)\.js";\n', re.MULTILINE)
_EXPORT = re.compile(r"^export (?=(?:async )?function |const |let |class )", re.MULTILINE)
_TEMPLATE = re.compile(r"`((?:[^`\\]|\\.)*)`")
_NAME = re.compile(r"^(?:async )?(?:function\*?|const|let|class) (\w+)", re.MULTILINE)


@cache
def bundled() -> dict[str, str]:
    """Return the shipped files by name: a style sheet and a script of every kind of page."""
    folder = resources.files("worldstrat_bench.site").joinpath("assets")
    modules = _modules(folder.joinpath("js"))
    files = {}
    for kind, own in SHEETS.items():
        names = (*FIRST, *own, *LAST)
        files[f"{kind}.css"] = style_sheet([folder.joinpath("css", f"{name}.css").read_text("utf-8") for name in names])
        files[f"{kind}.js"] = script(modules, f"pages/{kind}")
    return files


def style_sheet(sources: list[str]) -> str:
    """Return style sheets as one, without comments and white space."""
    return f"{rcssmin.cssmin(''.join(sources))}\n"


def script(modules: dict[str, str], entry: str) -> str:
    """Return a module and those that it needs as one classic script, without comments and white space.

    Parameters
    ----------
    modules : source by path, without ``.js``. They import names from each other only, as they are called there.
    entry : the module that runs.

    Raises
    ------
    ValueError
        if a module is imported and missing, imports in a circle, has an import or export of a kind that is not joined,
        or if two modules have a top-level name in common: they share one function here.
    """
    order: list[str] = []
    _visit(entry, modules, order, ())
    owner: dict[str, str] = {}
    parts = []
    for name in order:
        body = _EXPORT.sub("", _IMPORT.sub("", modules[name]))
        left = re.search(r"^(import|export)\b.*", body, re.MULTILINE)
        if left:
            raise ValueError(f"{name}.js: {left[0]!r} cannot be joined")
        for defined in _NAME.findall(body):
            if defined in owner:
                raise ValueError(f"{name}.js and {owner[defined]}.js both define {defined}")
            owner[defined] = name
        parts.append(body)
    shipped: str = rjsmin.jsmin(f'"use strict";\n(() => {{\n{"".join(parts)}}})();\n')
    _check_templates(shipped, entry)
    return f"{shipped}\n"


def _check_templates(shipped: str, entry: str) -> None:
    """Raise ValueError if a template stands inside another: rjsmin would take white space out of its text."""
    texts = _TEMPLATE.findall(shipped)
    if shipped.count("`") != 2 * len(texts) or any(text.count("{") != text.count("}") for text in texts):
        raise ValueError(f"{entry}.js: a template inside a template, or a lone back quote, cannot be shortened")


def _visit(name: str, modules: dict[str, str], order: list[str], path: tuple[str, ...]) -> None:
    """Append a module after those that it imports."""
    if name in path:
        raise ValueError(f"modules import each other in a circle: {' > '.join((*path, name))}")
    if name in order:
        return
    if name not in modules:
        raise ValueError(f"{path[-1] if path else 'the site'} imports {name}.js, which is not there")
    for imported in _IMPORT.findall(modules[name]):
        _visit(posixpath.normpath(posixpath.join(posixpath.dirname(name), imported)), modules, order, (*path, name))
    order.append(name)


def _modules(folder: Traversable, above: str = "") -> dict[str, str]:
    """Return the sources in a folder and in those below it, by path without ``.js``."""
    found: dict[str, str] = {}
    for path in folder.iterdir():
        if path.is_dir():
            found |= _modules(path, f"{above}{path.name}/")
        elif path.name.endswith(".js"):
            found[above + path.name[:-3]] = path.read_text("utf-8")
    return found
