"""Checks of this machine for a run: one finding a line, each with its remedy."""

from __future__ import annotations

import platform
import shutil
import sys
from collections.abc import Callable, Iterator
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Literal

from worldstrat_bench.errors import WorldstratBenchError
from worldstrat_bench.printed import counted
from worldstrat_bench.protocol import load_protocol, protocol_ids, stage_of
from worldstrat_bench.run.finding import MachineFinding

_GIB = 1 << 30


def examine(
    data: Path | None = None,
    out: Path | None = None,
    *,
    all_devices: bool = False,
    tell: Callable[[str], None] = lambda _: None,
) -> Iterator[MachineFinding]:
    """Look at everything, one finding at a time; what raises is a finding too.

    Parameters
    ----------
    data, out : a dataset, and where runs are to go; None where there is none to look at.
    all_devices : start workers on every GPU, not on the first alone.
    tell : called with a line before each step that takes seconds.
    """
    checks: tuple[tuple[str, Callable[[], Iterator[MachineFinding]]], ...] = (
        ("python", _python),
        ("packages", _packages),
        ("harness", _harness),
        ("protocols", _protocols),
        ("torch", _torch),
        ("isolation", _isolation),
        ("GPU", lambda: _gpus(tell, every=all_devices)),
        ("models", _models),
        ("data", lambda: _data(data)),
        ("LPIPS", _lpips),
        ("cache", _cache),
        ("disk", lambda: _disk(out or Path.cwd())),
        ("memory", _memory),
    )
    for name, check in checks:
        try:
            yield from check()
        except WorldstratBenchError as error:
            yield MachineFinding(
                "bad", name, f"{error.what}{f' ({error.where})' if error.where else ''}", error.remedy or ""
            )
        except (OSError, ImportError, RuntimeError) as error:
            yield MachineFinding(
                "bad", name, f"{type(error).__name__}: {error}", "install the harness again: pip install ."
            )


def _python() -> Iterator[MachineFinding]:
    text = f"{platform.python_version()} on {platform.system()} {platform.machine()}, {sys.executable}"
    if platform.system() != "Linux":
        yield MachineFinding(
            "warn", "python", text, "models are confined on Linux only; elsewhere run only those you trust"
        )
    else:
        yield MachineFinding("ok", "python", text)


def _packages() -> Iterator[MachineFinding]:
    missing = []
    for name in ("numpy", "torch", "torchvision", "lpips", "rasterio", "safetensors", "pydantic"):
        try:
            version(name)
        except PackageNotFoundError:
            missing.append(name)
    if missing:
        yield MachineFinding(
            "bad", "packages", f"not installed: {', '.join(missing)}", f"pip install {' '.join(missing)}"
        )
    else:
        yield MachineFinding("ok", "packages", f"worldstrat-bench {version('worldstrat-bench')} and what it needs")


def _harness() -> Iterator[MachineFinding]:
    """Say which package runs, and what records will say of it."""
    from worldstrat_bench.run.environment import PACKAGE, checkout_around, probe_harness

    harness = probe_harness()
    state = {True: "with local changes", False: "clean", None: "changes unknown"}[harness.dirty]
    commit = f"commit {harness.commit}, {state}" if harness.commit else "no git commit is known"
    text = f"version {harness.version}, installed in {PACKAGE}, {commit}, code sha256 {harness.code_sha256}"
    yield MachineFinding("ok", "harness", text)
    here = checkout_around(Path.cwd())
    # Whoever changes a protocol or a reference in a checkout expects the commands to read it there.
    if here is not None and here / "bench" / PACKAGE.name != PACKAGE:
        what = f"commands run the installed package, not the checkout {here}"
        yield MachineFinding("warn", "harness", what, f"to use this checkout: pip install --editable {here}")


def _protocols() -> Iterator[MachineFinding]:
    """Say whose text is fixed, and which file is not the one that was listed."""
    by_stage: dict[str, list[str]] = {}
    for name in protocol_ids():
        by_stage.setdefault(stage_of(load_protocol(name)), []).append(name)
    text = "; ".join(f"{stage}: {', '.join(names)}" for stage, names in sorted(by_stage.items(), reverse=True))
    if {"changed", "not listed"} & set(by_stage):
        remedy = (
            "a changed text is a new file under a new id, with a line in protocols/released.toml: docs/releasing.md"
        )
        yield MachineFinding("bad", "protocols", text, remedy)
    else:
        yield MachineFinding("ok", "protocols", text)


def _torch() -> Iterator[MachineFinding]:
    import torch

    from worldstrat_bench.worker.inside.device import usable_cores

    yield MachineFinding("ok", "torch", f"{torch.__version__}, {usable_cores()} CPU cores")
    if torch.cuda.is_available():
        names = [torch.cuda.get_device_name(index) for index in range(torch.cuda.device_count())]
        yield MachineFinding("ok", "cuda", f"{torch.version.cuda}: {', '.join(names)}")
    elif torch.version.cuda:
        remedy = "--device auto uses the CPU; if there is a GPU, look at `nvidia-smi` and CUDA_VISIBLE_DEVICES"
        yield MachineFinding(
            "warn", "cuda", f"torch was built for CUDA {torch.version.cuda}, but sees no device", remedy
        )
    else:
        yield MachineFinding(
            "warn",
            "cuda",
            "this torch is for CPUs only: --device auto uses the CPU",
            "for a GPU: pip install torch with CUDA",
        )


def _isolation() -> Iterator[MachineFinding]:
    """Start a worker at every level; it is confined and tests itself, and no model is loaded."""
    problems = {level: _level_problem(level) for level in ("full", "strong")}
    if problems["full"] is None:
        yield MachineFinding("ok", "isolation", "full: bubblewrap, Landlock and seccomp hold")
        if problems["strong"] is not None:
            yield MachineFinding("warn", "isolation", f"strong: {problems['strong']}", "full is better and is there")
    elif problems["strong"] is None:
        remedy = "install bubblewrap (apt install bubblewrap) and allow user namespaces"
        yield MachineFinding("warn", "isolation", f"strong holds; full does not: {problems['full']}", remedy)
    else:
        text = f"time and memory limits only; full: {problems['full']}; strong: {problems['strong']}"
        yield MachineFinding("warn", "isolation", text, "run only models you trust here; see docs/security.md")


def _level_problem(level: Literal["full", "strong"]) -> str | None:
    from worldstrat_bench.plugins.interpreter import own_interpreter
    from worldstrat_bench.worker.log import ModelLog
    from worldstrat_bench.worker.starting import LaunchRequest, launch
    from worldstrat_bench.worker.types import Limits, ModelSpec

    limits = Limits()
    request = LaunchRequest(level, ModelSpec("none:none"), own_interpreter(), "cpu", limits, (), 1)
    session, attempt = launch(request, ModelLog(None, limits.log_bytes))
    if session is not None:
        session.finish()
    return attempt.problem


def _gpus(tell: Callable[[str], None], *, every: bool) -> Iterator[MachineFinding]:
    from worldstrat_bench.run.devices import resolve_devices
    from worldstrat_bench.run.doctor_cuda import look_at_gpus

    devices = resolve_devices("auto")
    if devices != ("cpu",):
        yield from look_at_gpus(devices, tell, every=every)


def _models() -> Iterator[MachineFinding]:
    from worldstrat_bench.plugins.discovery import BASELINES_REMEDY, installed_models

    entries = installed_models()
    usable = [entry.name for entry in entries if entry.problem is None]
    if usable:
        yield MachineFinding("ok", "models", ", ".join(usable))
    else:
        yield MachineFinding("warn", "models", "no model is installed", BASELINES_REMEDY)
    for entry in entries:
        if entry.problem is not None:
            yield MachineFinding(
                "warn", "models", f"{entry.name or entry.distribution}: {entry.problem}", "install it again"
            )


def _data(data: Path | None) -> Iterator[MachineFinding]:
    if data is None:
        remedy = "--data DIR looks at one; `worldstrat-bench data mini DIR` makes one, `data fetch` gets WorldStrat"
        yield MachineFinding("warn", "data", "no dataset was named", remedy)
        return
    from worldstrat_bench.data.layout import open_dataset

    dataset = open_dataset(data)
    name = dataset.resolve_list("auto")
    tiles = dataset.tiles(name)
    text = f"{counted(len(tiles), 'tile')} of the list {name!r}, release {dataset.release}, in {data}"
    if dataset.official_release:
        yield MachineFinding("ok", "data", text)
    else:
        yield MachineFinding(
            "warn", "data", text, "not an official release: its scores compare models on this data only"
        )


def _lpips() -> Iterator[MachineFinding]:
    from worldstrat_bench.metrics.lpips_metric import load_perceptual
    from worldstrat_bench.metrics.perceptual import Unavailable

    loaded = load_perceptual(None, False)
    if isinstance(loaded, Unavailable):
        remedy = "the first run downloads them, or copy the file here and give --lpips-weights FILE"
        yield MachineFinding("warn", "LPIPS", loaded.reason, remedy)
    else:
        yield MachineFinding("ok", "LPIPS", f"weights {loaded.sha256[:12]}")


def _cache() -> Iterator[MachineFinding]:
    """Each kind apart: decoded tiles have a size that they are kept below, what submissions need has none."""
    from worldstrat_bench.cache import cache_root, default_cache

    cache = default_cache()
    used = cache.usage()
    for kind, what in (("inputs", "inputs"), ("target", "targets"), ("statistics", "statistics of targets")):
        count, size = used.pop(kind, (0, 0))
        yield MachineFinding("ok", "cache", f"{size / _GIB:.2f} GiB, {count} decoded {what}, in {cache.folder}")
    if used:
        left = sum(size for _, size in used.values()) / _GIB
        yield MachineFinding("ok", "cache", f"{left:.2f} GiB of an older version, which go first, in {cache.folder}")
    for name in ("weights", "environments"):
        folder = cache_root() / name
        yield MachineFinding("ok", "cache", f"{_size_of(folder) / _GIB:.2f} GiB of submissions' {name} in {folder}")
    bound = f"the size for decoded tiles is {cache.max_bytes / _GIB:.2f} GiB"
    if cache.max_bytes and cache.lacks_disk():
        remedy = "free the disk, or set a smaller WORLDSTRAT_BENCH_CACHE_GIB or another folder, WORLDSTRAT_BENCH_CACHE"
        yield MachineFinding(
            "warn", "cache", f"{bound} and the disk has less than twice that free: nothing is added", remedy
        )
    else:
        yield MachineFinding("ok", "cache", bound)


def _size_of(folder: Path) -> int:
    return sum(file.lstat().st_size for file in folder.rglob("*") if file.is_file()) if folder.is_dir() else 0


def _disk(out: Path) -> Iterator[MachineFinding]:
    from worldstrat_bench.run.filesystem import is_network

    place = next(p for p in (out.absolute(), *out.absolute().parents) if p.exists())
    free = shutil.disk_usage(place).free / _GIB
    if free < 4:
        remedy = "a run on all 394 tiles keeps 1.9 GB of predictions; --no-keep removes them"
        yield MachineFinding("bad" if free < 0.5 else "warn", "disk", f"{free:.1f} GiB free in {place}", remedy)
    else:
        yield MachineFinding("ok", "disk", f"{free:.0f} GiB free in {place}")
    if is_network(place):
        yield MachineFinding(
            "warn", "disk", f"{place} is on a network file system", "runs work there, a local disk is faster"
        )


def _memory() -> Iterator[MachineFinding]:
    import psutil

    total = psutil.virtual_memory().total / _GIB
    if total < 4:
        yield MachineFinding(
            "warn", "memory", f"{total:.1f} GiB", "a model may use half of it; a run wants 4 GiB in all"
        )
    else:
        yield MachineFinding("ok", "memory", f"{total:.0f} GiB")
