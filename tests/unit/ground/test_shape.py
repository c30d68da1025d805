"""Functions stay a screen long and take few arguments by place; modules stay a few screens long."""

from __future__ import annotations

import ast
from pathlib import Path

import worldstrat_bench

PACKAGE = Path(worldstrat_bench.__file__).parent
FUNCTION_LINES, MODULE_LINES, POSITIONAL = 65, 350, 8


def test_functions_and_modules_stay_short() -> None:
    long: list[str] = []
    seen = 0
    for path in sorted(PACKAGE.rglob("*.py")):
        text = path.read_text(encoding="utf-8")
        if text.count("\n") > MODULE_LINES:
            long.append(f"{path.relative_to(PACKAGE)}: {text.count(chr(10))} lines")
        for node in ast.walk(ast.parse(text)):
            if not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                continue
            seen += 1
            lines = (node.end_lineno or 0) - node.lineno + 1
            by_place = len(node.args.posonlyargs) + len(node.args.args)
            if lines > FUNCTION_LINES or by_place > POSITIONAL:
                long.append(f"{path.relative_to(PACKAGE)}: {node.name}: {lines} lines, {by_place} arguments by place")
    assert seen > 1000
    assert not long, "\n".join(long)
