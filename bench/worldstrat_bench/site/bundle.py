"""The style sheet and the script of the site, joined from the readable sources in ``assets/``.

Modules do not load from ``file://``, so the script is one classic script: every module once, those that it imports
first, without the import and export lines, in one function. Comments and indents stay behind. Names and line breaks do
not change: compression on the way saves as much, and no code of ours can break a script by shortening it.
"""

from __future__ import annotations

import re
from functools import cache
from importlib import resources
from importlib.resources.abc import Traversable

STYLES = ("tokens", "page", "tables", "controls", "figures", "strata", "content", "tile", "small", "print")
"""Style sheets in the order of their rules: a later one overrules an earlier one."""
ENTRY = "main"
"""The module that imports the others."""

_IMPORT = re.compile(r'^import (?:\{[^}]*\} from )?"\./(\w+)\.js";\n', re.MULTILINE)
_EXPORT = re.compile(r"^export (?=(?:async )?function |const |let |class )", re.MULTILINE)
_NAME = re.compile(r"^(?:async )?(?:function\*?|const|let|class) (\w+)", re.MULTILINE)
_LINE_COMMENT = re.compile(r"^[ \t]*//.*\n|(?<=[;{},]) // [^\n\"'`]*$", re.MULTILINE)
_BLOCK_COMMENT = re.compile(r"^[ \t]*/\*.*?\*/[ \t]*\n", re.MULTILINE | re.DOTALL)
_INDENT = re.compile(r"^[ \t]+|\n(?=\n)", re.MULTILINE)


@cache
def bundled() -> dict[str, str]:
    """Return the shipped files by name: ``site.css`` and ``site.js``."""
    folder = resources.files("worldstrat_bench.site").joinpath("assets")
    return {
        "site.css": style_sheet([_text(folder, f"css/{name}.css") for name in STYLES]),
        "site.js": script({path.name[:-3]: path.read_text("utf-8") for path in folder.joinpath("js").iterdir()}),
    }


def style_sheet(sources: list[str]) -> str:
    """Return style sheets as one, without comments and indents."""
    return "".join(_INDENT.sub("", _BLOCK_COMMENT.sub("", source)) for source in sources)


def script(modules: dict[str, str], entry: str = ENTRY) -> str:
    """Return modules as one classic script.

    Parameters
    ----------
    modules : source by name, without ``.js``. They import names from each other only, as they are called there.
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
        parts.append(_LINE_COMMENT.sub("", _BLOCK_COMMENT.sub("", body)))
    body = _INDENT.sub("", "".join(parts))
    return f'"use strict";\n(() => {{\n{body}}})();\n'


def _visit(name: str, modules: dict[str, str], order: list[str], path: tuple[str, ...]) -> None:
    """Append a module after those that it imports."""
    if name in path:
        raise ValueError(f"modules import each other in a circle: {' > '.join((*path, name))}")
    if name in order:
        return
    if name not in modules:
        raise ValueError(f"{path[-1] if path else 'the site'} imports {name}.js, which is not there")
    for imported in _IMPORT.findall(modules[name]):
        _visit(imported, modules, order, (*path, name))
    order.append(name)


def _text(folder: Traversable, path: str) -> str:
    return folder.joinpath(*path.split("/")).read_text("utf-8")
