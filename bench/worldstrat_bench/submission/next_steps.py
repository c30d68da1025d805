"""The last words of ``submission new``: the values of a sidecar, what is left to fill in, the next commands."""

from __future__ import annotations

import shlex
from pathlib import Path

from worldstrat_bench.submission.check_files import SUBMISSIONS
from worldstrat_bench.submission.manifest import MANIFEST_NAME, load_manifest
from worldstrat_bench.submission.placeholders import PLACEHOLDERS
from worldstrat_bench.submission.scaffold_file import sidecar_values


def next_steps(slug: str, folder: Path, weights: Path | None) -> str:
    """Return lines for the terminal about the submission that was just written into `folder`.

    Parameters
    ----------
    weights : the file that it was made for; None for a package.
    """
    place = folder / SUBMISSIONS / slug
    manifest = load_manifest(place)
    left = [f"{p.section}.{p.key}" for p in PLACEHOLDERS.values() if p.left_in(manifest)]
    lines = []
    if weights is not None:
        lines += _parameters(weights)
    if weights is not None or left:
        asked = [*left, *(["frames"] if weights is not None else [])]
        lines += ["", f"Fill in {place / MANIFEST_NAME}:", *(f"  {key}" for key in asked)]
    quoted = shlex.quote(str(place))
    install = [f"pip install --no-deps --editable {shlex.quote(str(folder))}"] if weights is None else []
    commands = (
        *install,
        f"worldstrat-bench models check {quoted}",
        f"worldstrat-bench evaluate {quoted} --data DIR --out RUN",
        f"worldstrat-bench submission add RUN {quoted}",
        f"worldstrat-bench submission check {quoted}",
    )
    return "\n".join([*lines, "", "Then:", *(f"  {command}" for command in commands)]) + "\n"


def _parameters(weights: Path) -> list[str]:
    """Return what [model.parameters] holds, and from where."""
    found = sidecar_values(weights)
    if not found:
        return ["", "[model.parameters] is empty: say which bands and which scale the network takes."]
    side = weights.with_suffix(".yaml").name
    return ["", f"[model.parameters], from {side}:", *(f"  {name} = {value}" for name, value in found.items())]
