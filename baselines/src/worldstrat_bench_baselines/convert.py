"""``python -m worldstrat_bench_baselines.convert CHECKPOINT OUT.safetensors``: weights without the pickle."""

from __future__ import annotations

import sys
from pathlib import Path

from worldstrat_bench_baselines.checkpoint import CheckpointError, convert


def main(arguments: list[str]) -> int:
    """Convert one file. Exit status: 0 done, 2 usage, 3 the file cannot be read."""
    if len(arguments) != 2:
        print(__doc__, file=sys.stderr)
        return 2
    try:
        count = convert(Path(arguments[0]), Path(arguments[1]))
    except (CheckpointError, OSError) as error:
        print(error, file=sys.stderr)
        return 3
    print(f"{count} tensors written to {arguments[1]}")
    return 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
