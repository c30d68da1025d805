"""What runs beside a model: few imports, old syntax."""

from __future__ import annotations

import ast
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from worldstrat_bench.worker.plan import BESIDE, PACKAGE

OLD = (3, 9)
ALLOWED = {"numpy", "torch", "safetensors"}
LAUNCHING = {"landlock.py", "launch.py", "probes.py", "seccomp.py", "supervise.py", "syscalls.py"}
"""These run on the harness's own interpreter, without site-packages."""

MODULES = sorted([*BESIDE, *(str(file.relative_to(PACKAGE)) for file in (PACKAGE / "worker" / "inside").glob("*.py"))])
IN_CHILD = [name for name in MODULES if Path(name).name not in LAUNCHING]


def imports_of(file: Path) -> set[str]:
    """Everything a module imports, at its top or in a function; not what only a type checker reads."""
    tree = ast.parse(file.read_text(encoding="utf-8"))
    found = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING":
            node.body = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found.add(node.module)
    return found


@pytest.mark.parametrize("name", MODULES)
def test_imports(name: str) -> None:
    exposed = {"worldstrat_bench." + n.removesuffix(".py").replace("/", ".").removesuffix(".__init__") for n in MODULES}
    exposed.add("worldstrat_bench")
    allowed = ALLOWED if name in IN_CHILD else set()
    for module in imports_of(PACKAGE / name):
        top = module.partition(".")[0]
        assert top in sys.stdlib_module_names or top in allowed or module in exposed, module


@pytest.mark.parametrize("name", IN_CHILD)
def test_syntax_of_an_old_python(name: str) -> None:
    text = (PACKAGE / name).read_text(encoding="utf-8")
    tree = ast.parse(text, feature_version=OLD)
    assert not [node for node in ast.walk(tree) if isinstance(node, ast.Match)]
    assert "from __future__ import annotations" in text


@pytest.mark.parametrize("version", ["3.9", "3.10", "3.12", "3.13"])
def test_modules_load_in_other_pythons(version: str, tmp_path: Path) -> None:
    python = shutil.which(f"python{version}") or f"{Path.home()}/.pyenv/versions/none"
    candidates = sorted(Path.home().glob(f".pyenv/versions/{version}.*/bin/python"))
    python = str(candidates[0]) if candidates else python
    if subprocess.run(["sh", "-c", f"'{python}' -V"], capture_output=True, check=False).returncode:
        pytest.skip(f"there is no Python {version} here")
    for name in MODULES:
        (tmp_path / "worldstrat_bench" / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(PACKAGE / name, tmp_path / "worldstrat_bench" / name)
    modules = [n.removesuffix(".py").replace("/", ".") for n in IN_CHILD if not n.endswith("__.py")]
    code = "; ".join(f"import worldstrat_bench.{m}" for m in modules)
    done = subprocess.run(
        [python, "-I", "-c", f"import sys; sys.path.insert(0, {str(tmp_path)!r}); {code}"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
