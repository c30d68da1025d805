"""Check the site's script and style sheet: format and lint by Biome, unit tests by Node.

    python tools/check_assets.py [--write]

With --write the sources are formatted, and what can be corrected safely is. A tool that is not installed is named and
its part is skipped; the exit code is 1 if a part fails.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent


def main(arguments: list[str]) -> int:
    """Run the parts; return the exit code."""
    if arguments not in ([], ["--write"]):
        print(__doc__, file=sys.stderr)
        return 2
    package = json.loads((ROOT / "package.json").read_text("utf-8"))
    biome = f"@biomejs/biome@{package['devDependencies']['@biomejs/biome']}"
    task = ["check", "--write"] if arguments else ["ci", "--error-on-warnings"]
    tests = sorted(str(path.relative_to(ROOT)) for path in (ROOT / "tests" / "js").glob("*.test.js"))
    failed = False
    for probe, command in (
        (["npx", "--yes", biome, "--version"], ["npx", "--yes", biome, *task, "."]),
        (["node", "--version"], ["node", "--test", *tests]),
    ):
        missing = _missing(probe)
        if missing:
            print(f"skipped: {' '.join(command[:4])}, because {missing}")
        else:
            failed |= subprocess.run(command, cwd=ROOT, check=False).returncode != 0
    return int(failed)


def _missing(probe: list[str]) -> str:
    """Return why a tool cannot be started; "" if it can. npx fetches Biome, and a desk may be offline."""
    if shutil.which(probe[0]) is None:
        return f"{probe[0]} is not installed"
    done = subprocess.run(probe, cwd=ROOT, capture_output=True, text=True, check=False)
    return f"{' '.join(probe)} failed: {done.stderr.strip()[-200:]}" if done.returncode else ""


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
