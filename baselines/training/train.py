"""Train one of the two networks: ``python baselines/training/train.py single|multi``.

Writes ``<name>.safetensors`` into the package, ``<name>.log.csv`` and ``<name>.json`` beside this script. The same
seed on the same machine and number of threads gives the same weights.
"""

from __future__ import annotations

import argparse
import json
import math
import platform
import time
from pathlib import Path

import torch
from safetensors.torch import save_file
from scenes import HR_SIDE, LR_SIDE, make_sample
from torch import Tensor

from worldstrat_bench.api import Target
from worldstrat_bench_baselines.fusion import ShiftAndAdd, soft_clear, wiener
from worldstrat_bench_baselines.nets import FACTOR, MultiFrameNet, SingleFrameNet, parameter_count

HERE = Path(__file__).resolve().parent
WEIGHTS = HERE.parent / "src" / "worldstrat_bench_baselines" / "weights"
TRAIN_SEED = 727_001
VALIDATION_SEED = 727_002
Row = tuple[Tensor, ...]


def prepare(kind: str, seed: int, count: int) -> list[Row]:
    """Inputs of the network, then target and weight of its pixels, for `count` samples."""
    classical = ShiftAndAdd()
    grid = Target(FACTOR * LR_SIDE, FACTOR * LR_SIDE)
    rows: list[Row] = []
    for index in range(count):
        sample = make_sample(seed, index)
        use = 8 if kind == "single" else (8, 8, 4, 2, 1)[index % 5]
        frames, clear = sample.frames[:use], sample.clear[:use]
        seen = clear[:1] if kind == "single" else clear
        sure = (soft_clear(seen) == 1).any(dim=0).float()
        sure = sure.repeat_interleave(FACTOR, -2).repeat_interleave(FACTOR, -1)
        if kind == "single":
            rows.append((frames[0, :3], sample.target, sure))
            continue
        fused = classical.fuse(frames, clear, grid)
        sharp = wiener(fused.image, fused.sigma, classical.noise_to_signal)
        rows.append((fused.image, sharp, fused.weight, frames[0, :3], sample.target, sure))
    return rows


def crops(rows: list[Row], batch: int, side: int, generator: torch.Generator) -> Row:
    """A batch of random crops of `side` LR px, turned and mirrored at random."""
    chosen = []
    for index in torch.randint(len(rows), (batch,), generator=generator).tolist():
        y, x, turns, mirror = (
            int(torch.randint(n, (1,), generator=generator)) for n in (*[LR_SIDE - side + 1] * 2, 4, 2)
        )
        parts = []
        for part in rows[index]:
            f = part.shape[-1] // LR_SIDE
            piece = part[..., f * y : f * (y + side), f * x : f * (x + side)].rot90(turns, (-2, -1))
            parts.append(piece.flip(-1) if mirror else piece)
        chosen.append(parts)
    return tuple(torch.stack(column) for column in zip(*chosen, strict=True))


def squared_error(prediction: Tensor, target: Tensor, sure: Tensor) -> Tensor:
    """Return (B,) the mean squared error after removing the bias of every band, on the pixels seen by any frame."""
    count = sure.sum((-2, -1), keepdim=True).clamp_min(1)
    difference = prediction - target
    difference = difference - (difference * sure).sum((-2, -1), keepdim=True) / count
    return (difference.square() * sure).sum((-3, -2, -1)) / (3 * count.flatten())


def decibels(net: torch.nn.Module, rows: list[Row]) -> float:
    """Mean PSNR over whole tiles, bias removed, eight px of border left out."""
    total = 0.0
    with torch.no_grad():
        for row in rows:
            *inputs, target, sure = (part[None] for part in row)
            inside = (..., slice(8, -8), slice(8, -8))
            error = squared_error(net(*inputs)[inside], target[inside], sure[inside])
            total += -10 * math.log10(max(float(error), 1e-10))
    return total / len(rows)


def baseline(rows: list[Row]) -> float:
    """The same of what the network starts from: its last layer is zero before training."""
    kind = SingleFrameNet if len(rows[0]) == 3 else MultiFrameNet
    return decibels(kind(), rows)


def train(kind: str, samples: int, minutes: float, threads: int) -> None:
    """Prepare the data, train until the minutes are over, keep the best validation score."""
    torch.set_num_threads(threads)
    torch.manual_seed(TRAIN_SEED)
    generator = torch.Generator().manual_seed(TRAIN_SEED)
    began = time.monotonic()
    validation = prepare(kind, VALIDATION_SEED, 48)
    rows = prepare(kind, TRAIN_SEED, samples)
    start = baseline(validation)
    prepared_seconds = time.monotonic() - began
    print(f"{kind}: {samples} samples in {prepared_seconds:.0f} s; before training {start:.3f} dB", flush=True)
    net = SingleFrameNet() if kind == "single" else MultiFrameNet()
    optimiser = torch.optim.AdamW(net.parameters(), lr=1e-3, weight_decay=1e-5)
    average = {k: v.clone() for k, v in net.state_dict().items()}
    log = ["step,seconds,loss,validation_db"]
    best, step, began_training, running = -math.inf, 0, time.monotonic(), 0.0
    while (done := (time.monotonic() - began_training) / (60 * minutes)) < 1:
        for group in optimiser.param_groups:  # warm up, then half a cosine over the time that there is
            group["lr"] = 8e-4 * min(1.0, (step + 1) / 50) * (0.02 + 0.98 * 0.5 * (1 + math.cos(math.pi * done)))
        *inputs, target, sure = crops(rows, 12, 32, generator)
        error = squared_error(net(*inputs), target, sure)
        loss = 0.5 * torch.log(error + 2e-5).mean()
        optimiser.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        torch.nn.utils.clip_grad_norm_(net.parameters(), 1.0)
        optimiser.step()
        running += float(loss.detach())
        step += 1
        decay = min(0.995, step / (step + 20))
        for key, value in net.state_dict().items():
            average[key].lerp_(value, 1 - decay)
        if step % 100 == 0:
            best = _check(
                kind, net, average, validation, best, log, step, time.monotonic() - began_training, running / 100
            )
            running = 0.0
    _check(
        kind, net, average, validation, best, log, step, time.monotonic() - began_training, running / max(1, step % 100)
    )
    facts = {
        "network": type(net).__name__,
        "parameters": parameter_count(net),
        "train_seed": TRAIN_SEED,
        "validation_seed": VALIDATION_SEED,
        "samples": samples,
        "steps": step,
        "lr_side": LR_SIDE,
        "hr_side": HR_SIDE,
        "minutes": minutes,
        "preparation_seconds": round(prepared_seconds),
        "threads": threads,
        "torch": torch.__version__,
        "machine": platform.machine(),
        "validation_db_before": round(start, 3),
        "validation_db_best": max(float(line.split(",")[3]) for line in log[1:]),
    }
    (HERE / f"{kind}.json").write_text(json.dumps(facts, indent=1) + "\n")


def _check(
    kind: str,
    net: torch.nn.Module,
    average: dict[str, Tensor],
    validation: list[Row],
    best: float,
    log: list[str],
    step: int,
    seconds: float,
    loss: float,
) -> float:
    """Score the averaged weights; write them if they are the best so far. Returns the best score."""
    own = {k: v.clone() for k, v in net.state_dict().items()}
    net.load_state_dict(average)
    score = decibels(net, validation)
    net.load_state_dict(own)
    log.append(f"{step},{seconds:.0f},{loss:.4f},{score:.4f}")
    print(log[-1], flush=True)
    (HERE / f"{kind}.log.csv").write_text("\n".join(log) + "\n")
    if score > best:
        WEIGHTS.mkdir(exist_ok=True)
        save_file({k: v.contiguous() for k, v in average.items()}, WEIGHTS / f"{kind}.safetensors")
    return max(best, score)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("kind", choices=["single", "multi"])
    parser.add_argument("--samples", type=int, default=960)
    parser.add_argument("--minutes", type=float, default=22)
    parser.add_argument("--threads", type=int, default=1)
    options = parser.parse_args()
    train(options.kind, options.samples, options.minutes, options.threads)
