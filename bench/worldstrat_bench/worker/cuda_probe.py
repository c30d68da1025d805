"""``python -P -m worldstrat_bench.worker.cuda_probe DEVICE``: can CUDA be used without any confinement?

Runs the harness's own code on the harness's own interpreter, as a process of its own: never a model, nor anything of
its environment. Prints one JSON object; see :class:`worldstrat_bench.worker.cuda_trouble.Sight`.
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

from worldstrat_bench.worker.device import device_problem

DRIVER = ("/dev/nvidia", "/dev/dxg")


def main(device: str) -> None:
    """Start the device, and say what the driver opened for that."""
    problem = device_problem(device)
    print(json.dumps({"problem": problem, "libraries": mapped_libraries(), "nodes": open_nodes()}))


def mapped_libraries() -> list[str]:
    """The driver's libraries in this process."""
    lines = Path("/proc/self/maps").read_text(encoding="utf-8", errors="replace").splitlines()
    paths = {line.split(maxsplit=5)[5] for line in lines if line.count("/") and len(line.split(maxsplit=5)) == 6}
    return sorted(path for path in paths if Path(path).name.startswith(("libcuda.so", "libnvidia-")))


def open_nodes() -> list[str]:
    """The driver's device nodes that this process holds open."""
    found = set()
    for entry in Path("/proc/self/fd").iterdir():
        try:
            found.add(os.readlink(entry))
        except OSError:  # the descriptor that listed the folder
            continue
    return sorted(path for path in found if path.startswith(DRIVER))


if __name__ == "__main__":
    main(sys.argv[1])
