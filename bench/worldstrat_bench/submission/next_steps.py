"""The last words of ``submission new``: what the file says, what is left to fill in, the next commands."""

from __future__ import annotations

import shlex
from pathlib import Path

from worldstrat_bench.submission.check_files import SUBMISSIONS
from worldstrat_bench.submission.manifest import MANIFEST_NAME, load_manifest
from worldstrat_bench.submission.placeholders import MARK, PLACEHOLDERS, undecided
from worldstrat_bench.submission.scaffold import in_toml
from worldstrat_bench.submission.stated_weights import file_says


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
    if left:
        lines += ["", f"Fill in {place / MANIFEST_NAME}:", *(f"  {key}" for key in left)]
    if marked := undecided((place / MANIFEST_NAME).read_text(encoding="utf-8")):
        lines += ["", f"There, look at these and take their mark {MARK!r} away:", *(f"  {key}" for key in marked)]
    quoted = shlex.quote(str(place))
    install = [f"pip install --no-deps --editable {shlex.quote(str(folder))}"] if weights is None else []
    commands = (
        *install,
        # Before the run: a record keeps what the manifest said, so that a later correction takes another run.
        f"worldstrat-bench submission check {quoted}",
        f"worldstrat-bench models check {quoted}",
        f"worldstrat-bench evaluate {quoted} --data DIR --out RUN",
        f"worldstrat-bench submission add RUN {quoted}",
        f"worldstrat-bench submission check {quoted}",
    )
    return "\n".join([*lines, "", "Then:", *(f"  {command}" for command in commands)]) + "\n"


def _parameters(weights: Path) -> list[str]:
    """Return what [model.parameters] holds, from where, and what of the file cannot be used as it is."""
    says = file_says(weights)
    source = f"from {' and '.join(says.sources)}" if says.sources else "which the file does not say"
    values = [f"  {name} = {in_toml(value)}" for name, value in says.parameters.items()]
    faults = [f"{weights.name}: {fault}." for fault in says.faults]
    return ["", f"[model.parameters], {source}:", *values, f"and frames = {says.frames}.", *faults]
