"""``python -P -m worldstrat_bench.worker.cuda_probe DEVICE``: can CUDA be used without any confinement?

Runs the harness's own code on the harness's own interpreter, as a separate process: never a model, nor anything of
its environment. Prints one JSON object; see :class:`worldstrat_bench.worker.cuda_trouble.Sight`.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

from worldstrat_bench.worker.inside.device import device_problem

DRIVER = ("/dev/nvidia", "/dev/dxg", "/dev/nvhost", "/dev/nvmap")
"""How the names of the driver's nodes begin; the last two on Tegra."""


def main(device: str) -> None:
    """Start the device, and say what the driver opened for that."""
    problem = device_problem(device)
    maps = Path("/proc/self/maps")
    libraries = driver_libraries(maps.read_text(encoding="utf-8", errors="replace")) if maps.exists() else []
    print(json.dumps({"problem": problem, "libraries": libraries, "nodes": open_nodes(DRIVER)}))


def driver_libraries(maps: str) -> list[str]:
    """Return the paths of the driver's libraries among the mappings of a process, as /proc/PID/maps lists them."""
    fields = [line.split(maxsplit=5) for line in maps.splitlines()]
    paths = {words[5] for words in fields if len(words) == 6}
    return sorted(path for path in paths if Path(path).name.startswith(("libcuda.so", "libnvidia-")))


def open_nodes(prefixes: tuple[str, ...]) -> list[str]:
    """Return the files with those prefixes that this process holds open."""
    found = set()
    for entry in Path("/proc/self/fd").glob("*"):
        try:
            found.add(str(entry.readlink()))
        except OSError:  # the descriptor that listed the folder
            continue
    return sorted(path for path in found if path.startswith(prefixes))


if __name__ == "__main__":
    main(sys.argv[1])
