"""The shipped script and style sheet, joined from their sources."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from worldstrat_bench.site.bundle import bundled, script, style_sheet
from worldstrat_bench.site.checker import ASSET_BYTES

ROOT = Path(__file__).resolve().parents[3]
ASSETS = ROOT / "bench/worldstrat_bench/site/assets"


def test_modules_stand_once_each_after_those_they_import() -> None:
    text = script(
        {
            "main": 'import { b } from "./b.js";\nimport {\n  a,\n  c,\n} from "./a.js";\n\nb(a, c); // start\n',
            "b": '// B.\nimport { a } from "./a.js";\n\n/**\n * Call it.\n */\nexport function b() {\n  return a;\n}\n',
            "a": 'export const a = "// kept"; // a\nexport const c = 1;\n',
            "unused": "export const a = 2;\n",
        }
    )
    assert text == (
        '"use strict";\n(() => {\nconst a = "// kept";\nconst c = 1;\nfunction b() {\nreturn a;\n}\nb(a, c);\n})();\n'
    )


@pytest.mark.parametrize(
    ("modules", "message"),
    [
        ({"main": 'import { a } from "./a.js";\n'}, "main imports a.js, which is not there"),
        ({"main": 'import { a } from "./a.js";\n', "a": 'import { x } from "./main.js";\n'}, "circle: main > a > main"),
        ({"main": 'import { a } from "./a.js";\nlet b;\n', "a": "function b() {}\n"}, "main.js and a.js both define b"),
        ({"main": "export default 3;\n"}, "'export default 3;' cannot be joined"),
        ({"main": 'import "https://example.org/x.js";\n'}, "cannot be joined"),
    ],
)
def test_what_cannot_be_joined_is_refused(modules: dict[str, str], message: str) -> None:
    with pytest.raises(ValueError, match=re.escape(message)):
        script(modules)


def test_rules_of_a_style_sheet_keep_their_order_and_meaning() -> None:
    sources = [
        "/* A. */\na:hover,\nb > c {\n  color: light-dark(#fff, #000);\n  margin: 0 auto;\n}\n",
        "@media print {\n  a {\n    color: red;\n  }\n  b {\n    top: 1px;\n  }\n}\n",
    ]
    assert style_sheet(sources) == (
        "a:hover,\nb > c {\ncolor: light-dark(#fff, #000);\nmargin: 0 auto;\n}\n"
        "@media print {\na {\ncolor: red;\n}\nb {\ntop: 1px;\n}\n}\n"
    )


def test_what_is_shipped_is_small_and_holds_every_source() -> None:
    files = bundled()
    assert sum(len(text.encode()) for text in files.values()) <= ASSET_BYTES
    for path in ASSETS.glob("js/*.js"):
        source = path.read_text("utf-8")
        for text in re.findall(r'"(?:[^"\\]|\\.)*"', re.sub(r"(?ms)^import.*?;$|^ *//.*?$|/\*.*?\*/", "", source)):
            assert text in files["site.js"], path.name
    shipped = len(re.findall(r"^[a-z-]+:(?= |$)", files["site.css"], re.MULTILINE))
    written = sum(
        len(re.findall(r"^ +[a-z-]+:(?= |$)", path.read_text("utf-8"), re.MULTILINE))
        for path in ASSETS.glob("css/*.css")
    )
    assert shipped == written > 100


@pytest.mark.skipif(shutil.which("node") is None, reason="node is not installed")
def test_the_script_parses_and_its_functions_compute_what_they_say(tmp_path: Path) -> None:
    (tmp_path / "site.js").write_text(bundled()["site.js"], encoding="utf-8")
    subprocess.run(["node", "--check", str(tmp_path / "site.js")], check=True)
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
