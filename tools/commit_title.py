"""Refuse a commit message whose title is too long or has no area: `python tools/commit_title.py MESSAGE-FILE`."""

from __future__ import annotations

import re
import sys
from pathlib import Path

LONGEST = 72


def fault(title: str) -> str | None:
    """Return what is wrong with a commit title, or None. Titles that Git writes (merge, revert, fixup) pass."""
    if title.startswith(("Merge ", "Revert ", "fixup! ", "squash! ")):
        return None
    if len(title) > LONGEST:
        return f"the title has {len(title)} characters; at most {LONGEST}, the reason goes into the body"
    if not re.match(r"[a-z][a-z0-9 ,/_.-]*: \S", title):
        return "write the title as `area: what`, such as `docs: say how shards are merged`"
    return None


if __name__ == "__main__":
    found = fault(Path(sys.argv[1]).read_text(encoding="utf-8").partition("\n")[0])
    if found:
        sys.exit(f"commit message: {found}")
