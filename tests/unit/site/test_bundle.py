"""The shipped scripts and style sheets, joined from their sources."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from worldstrat_bench.site.bundle import FIRST, LAST, PAGE_ASSETS, SHEETS, bundled, script, style_sheet

ROOT = Path(__file__).resolve().parents[3]
ASSETS = ROOT / "bench/worldstrat_bench/site/assets"


def test_modules_stand_once_each_after_those_they_import() -> None:
    text = script(
        {
            "pages/one": 'import { b } from "../b.js";\nimport {\n  a,\n  c,\n} from "../a.js";\n\nb(a, c); // start\n',
            "b": '// B.\nimport { a } from "./a.js";\n\n/**\n * Call it.\n */\nexport function b() {\n  return a;\n}\n',
            "a": 'export const a = "// kept  ";\nexport const c = `a  ${a.replace(/ {2}/g, " ")}`; // a\n',
            "unused": "export const a = 2;\n",
        },
        "pages/one",
    )
    assert text == (
        '"use strict";(()=>{const a="// kept  ";const c=`a  ${a.replace(/ {2}/g, " ")}`;function b(){return a;}'
        "\nb(a,c);})();\n"
    )


@pytest.mark.parametrize(
    ("modules", "message"),
    [
        ({"one": 'import { a } from "./a.js";\n'}, "one imports a.js, which is not there"),
        ({"one": 'import { a } from "./a.js";\n', "a": 'import { x } from "./one.js";\n'}, "circle: one > a > one"),
        ({"one": 'import { a } from "./a.js";\nlet b;\n', "a": "function b() {}\n"}, "one.js and a.js both define b"),
        ({"one": "export default 3;\n"}, "'export default 3;' cannot be joined"),
        ({"one": 'import "https://example.org/x.js";\n'}, "cannot be joined"),
        ({"one": "f(`a ${b ? ` ${b} c` : ''} d`);\n"}, "one.js: a template inside a template"),
        ({"one": "f(`a ${b.map((c) => `${c}  `)}`, { d });\n"}, "one.js: a template inside a template"),
        ({"one": 'const a = "`" + f(() => {}) + `${b}`;\n'}, "or a lone back quote"),
    ],
)
def test_what_cannot_be_joined_is_refused(modules: dict[str, str], message: str) -> None:
    with pytest.raises(ValueError, match=re.escape(message)):
        script(modules, "one")


def test_rules_of_a_style_sheet_keep_their_order_and_meaning() -> None:
    sources = [
        "/* A. */\na:hover,\nb > c {\n  color: light-dark(#fff, #000);\n  margin: 0 auto;\n}\n",
        "@media print {\n  a :is(b) {\n    color: red;\n  }\n  b {\n    top: calc(1px + 2%);\n  }\n}\n",
    ]
    assert style_sheet(sources) == (
        "a:hover,b>c{color:light-dark(#fff,#000);margin:0 auto}@media print{a :is(b){color:red}b{top:calc(1px + 2%)}}\n"
    )


def test_what_a_page_loads_is_small() -> None:
    files = bundled()
    assert sorted(files) == sorted(f"{kind}.{end}" for kind in SHEETS for end in ("css", "js"))
    for kind in SHEETS:
        assert sum(len(files[f"{kind}.{end}"].encode()) for end in ("css", "js")) <= PAGE_ASSETS, kind


def test_every_source_is_shipped_with_its_texts() -> None:
    files = bundled()
    scripts = "".join(text for name, text in files.items() if name.endswith(".js"))
    for path in ASSETS.rglob("*.js"):
        source = re.sub(r"(?ms)^import.*?;$|^ *//.*?$|/\*.*?\*/", "", path.read_text("utf-8"))
        for text in re.findall(r'"(?:[^"\\]|\\.)*"|`(?:[^`\\]|\\.)*`', source):
            assert text in scripts, path.name
    named = {*FIRST, *LAST, *(name for own in SHEETS.values() for name in own)}
    assert named == {path.stem for path in ASSETS.glob("css/*.css")}


@pytest.mark.skipif(shutil.which("node") is None, reason="node is not installed")
def test_the_scripts_parse_and_its_functions_compute_what_they_say(tmp_path: Path) -> None:
    for kind in SHEETS:
        path = tmp_path / f"{kind}.js"
        path.write_text(bundled()[path.name], encoding="utf-8")
        subprocess.run(["node", "--check", str(path)], check=True)
    tests = sorted(map(str, (ROOT / "tests/js").glob("*.test.js")))
    done = subprocess.run(["node", "--test", *tests], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout
    assert "# tests 0" not in done.stdout


def test_a_tool_that_is_not_installed_is_named(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, str(ROOT / "tools/check_assets.py")],
        env={"PATH": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0
    assert "skipped: npx" in done.stdout
    assert "skipped: node" in done.stdout
