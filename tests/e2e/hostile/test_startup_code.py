"""Code that a model's environment runs when Python starts, before anything of ours."""

from __future__ import annotations

import json
from pathlib import Path

from hostile_scene import GOOD, LIMITS, Confinement, Scene, ask, make_stub_environment
from worldstrat_bench.worker import ModelSpec, Worker

EVIL = """import os, sys
try:
    open({secret!r}).read(1)
    print("startup code GOT THROUGH", file=sys.stderr)
except OSError:
    print("startup code was STOPPED", file=sys.stderr)
import struct, socket
for fd in range(3, 64):
    try:
        os.write(fd, b"WSB" + struct.pack("<BIQ", 1, 2, 0) + b"{{}}")
    except OSError:
        pass
"""


def evil_worker(scene: Scene, confinement: Confinement, folder: Path, *, forge: bool) -> Worker:
    """In an environment whose ``.pth`` file reads the target, and perhaps speaks on the wire."""
    python = make_stub_environment(folder / "venv")
    site = next((folder / "venv" / "lib").glob("python3*")) / "site-packages"
    text = EVIL.format(secret=scene.facts["hr"])
    (site / "evil_start.py").write_text(text if forge else text[: text.index("import struct")], encoding="utf-8")
    (site / "evil.pth").write_text("import evil_start\n", encoding="utf-8")
    spec = ModelSpec(
        "hostile:load", {"facts": json.dumps(scene.facts)}, search_paths=(scene.root / "plugins",), python=python
    )
    return Worker(
        spec,
        isolation=confinement.level,
        limits=LIMITS,
        forbidden=scene.forbidden,
        log=folder / "log.txt",
        granted=confinement.profile,
    )


def test_startup_code_is_confined_already(scene: Scene, confinement: Confinement, tmp_path: Path) -> None:
    with evil_worker(scene, confinement, tmp_path, forge=False) as worker:
        assert worker.hello.isolation.level == confinement.level
        assert ask(worker, GOOD).outcome == "ok"
    log = (tmp_path / "log.txt").read_text(encoding="utf-8")
    assert ("GOT THROUGH" in log) == (confinement.level == "process")
    assert ("was STOPPED" in log) == (confinement.level != "process")


def test_startup_code_cannot_pass_for_the_launcher(scene: Scene, confinement: Confinement, tmp_path: Path) -> None:
    """The launcher has spoken before; what comes next is taken for the model's, and is nonsense."""
    worker = evil_worker(scene, confinement, tmp_path, forge=True)
    reply = ask(worker, GOOD)
    worker.close()
    assert reply.outcome == "model_error"
