"""Checkpoints are read, and what they carry beside tensors runs nothing."""

from __future__ import annotations

import io
import os
import pickle
import resource
import subprocess
import sys
import zipfile
from collections import OrderedDict
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from torch import Tensor, nn

from worldstrat_bench_baselines.checkpoint import CheckpointError, convert, load_tensors, read_checkpoint
from worldstrat_bench_baselines.convert import main


class Settings:
    """An object of the training code, as Lightning stores them beside the weights."""

    def __init__(self) -> None:
        self.rate = 0.1


class Payload:
    """Runs a command when it is unpickled by an ordinary reader."""

    def __init__(self, command: str) -> None:
        self.command = command

    def __reduce__(self) -> tuple[Callable[[str], int], tuple[str]]:
        return os.system, (self.command,)


def weights() -> OrderedDict[str, Tensor]:
    torch.manual_seed(5)
    net = nn.Sequential(nn.Conv2d(3, 4, 3), nn.PReLU(), nn.BatchNorm2d(4))
    return OrderedDict((f"backbone.{k}", v) for k, v in net.state_dict().items())


def lightning(path: Path, **extra: object) -> dict[str, Tensor]:
    state = weights()
    torch.save({"state_dict": state, "epoch": 3, "hyper_parameters": {"settings": Settings()}, **extra}, path)
    return dict(state)


def same(found: dict[str, Tensor], wanted: dict[str, Tensor]) -> None:
    assert found.keys() == wanted.keys()
    for name, tensor in wanted.items():
        assert found[name].dtype == tensor.dtype
        assert torch.equal(found[name], tensor), name


def test_a_lightning_checkpoint_with_objects_in_it(tmp_path: Path) -> None:
    wanted = lightning(tmp_path / "a.ckpt", optimizer_states=[{"state": {0: {"step": torch.tensor(1.0)}}}])
    same(read_checkpoint(tmp_path / "a.ckpt"), wanted)
    with pytest.raises(pickle.UnpicklingError):  # which is why the restricted reader exists
        torch.load(tmp_path / "a.ckpt", weights_only=True)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64, torch.int64, torch.uint8, torch.bool])
def test_every_type_of_number(dtype: torch.dtype, tmp_path: Path) -> None:
    tensor = (torch.arange(24) % 2).reshape(4, 6).to(dtype)
    torch.save({"a": tensor, "view": tensor.T[1:, ::2], "p": nn.Parameter(tensor.float())}, tmp_path / "a.pt")
    same(read_checkpoint(tmp_path / "a.pt"), {"a": tensor, "view": tensor.T[1:, ::2], "p": tensor.float()})


def test_conversion_to_safetensors(tmp_path: Path) -> None:
    wanted = lightning(tmp_path / "a.ckpt")
    assert convert(tmp_path / "a.ckpt", tmp_path / "a.safetensors") == len(wanted)
    same(load_file(tmp_path / "a.safetensors"), wanted)


def test_the_content_tells_what_a_file_is(tmp_path: Path) -> None:
    wanted = lightning(tmp_path / "weights")
    convert(tmp_path / "weights", tmp_path / "weights.ckpt")
    same(load_tensors(tmp_path / "weights"), wanted)
    same(load_tensors(tmp_path / "weights.ckpt"), wanted)
    (tmp_path / "weights").write_bytes(b"neither")
    with pytest.raises(CheckpointError, match="neither"):
        load_tensors(tmp_path / "weights")


def test_a_payload_runs_nothing(tmp_path: Path) -> None:
    canary = tmp_path / "canary"
    wanted = lightning(tmp_path / "evil.ckpt", callbacks=Payload(f"touch '{canary}'"))
    same(read_checkpoint(tmp_path / "evil.ckpt"), wanted)
    assert not canary.exists()
    torch.load(tmp_path / "evil.ckpt", weights_only=False)  # the trap is real: an ordinary reader springs it
    assert canary.exists()


def test_a_payload_in_place_of_the_weights_runs_nothing(tmp_path: Path) -> None:
    canary = tmp_path / "canary"
    torch.save(Payload(f"touch '{canary}'"), tmp_path / "evil.ckpt")
    with pytest.raises(CheckpointError, match="no tensors"):
        read_checkpoint(tmp_path / "evil.ckpt")
    assert not canary.exists()


def archive(path: Path, program: bytes, numbers: bytes = b"") -> Path:
    with zipfile.ZipFile(path, "w") as file:
        file.writestr("archive/data.pkl", program)
        file.writestr("archive/data/0", numbers)
    return path


class _Writer(pickle.Pickler):
    """Writes what torch writes, but says of a storage what it is told to."""

    def persistent_id(self, value: object) -> object:
        return ("storage", torch.FloatStorage, "0", "cpu", 4) if isinstance(value, Settings) else None


class Reaching:
    """A tensor of 4 numbers that claims to have a million."""

    def __init__(self, size: tuple[int, ...], stride: tuple[int, ...], offset: int = 0) -> None:
        self.claim: tuple[object, ...] = (Settings(), offset, size, stride, False, OrderedDict())

    def __reduce__(self) -> tuple[object, tuple[object, ...]]:
        return torch._utils._rebuild_tensor_v2, self.claim


@pytest.mark.parametrize(
    "claim",
    [
        Reaching((1000, 1000), (1000, 1)),
        Reaching((2,), (1,), 3),
        Reaching((2, 2), (0, 0), 9),
        Reaching((10**6, 10**6), (0, 0)),
        Reaching((2,), (-1,)),
        Reaching((2, 2), (1,)),
    ],
)
def test_a_tensor_cannot_reach_beyond_its_storage(claim: Reaching, tmp_path: Path) -> None:
    stream = io.BytesIO()
    _Writer(stream, protocol=2).dump({"a": claim})
    with pytest.raises(CheckpointError, match="tensor"):
        read_checkpoint(archive(tmp_path / "a.pt", stream.getvalue(), b"\0" * 16))


@pytest.mark.parametrize(
    "program",
    [
        b"",
        b"garbage",
        pickle.dumps([1, 2]),
        b"\x80\x02cbuiltins\neval\nX\x04\x00\x00\x001/0 \x85R.",
        b"\x80\x02ctorch._utils\n_rebuild_tensor_v2\n}X\x08\x00\x00\x00__code__K\x01sb.",
        b"\x80\x02" + b"]" * 50_000 + b"e" * 50_000 + b".",
    ],
    ids=["empty", "garbage", "no tensors", "eval", "build on a function", "deep"],
)
def test_damaged_and_hostile_programs_are_one_error(program: bytes, tmp_path: Path) -> None:
    with pytest.raises(CheckpointError):
        read_checkpoint(archive(tmp_path / "a.pt", program))


def test_files_that_are_not_checkpoints(tmp_path: Path) -> None:
    (tmp_path / "a.ckpt").write_bytes(b"not a zip archive")
    with pytest.raises(CheckpointError, match=r"a\.ckpt"):
        read_checkpoint(tmp_path / "a.ckpt")
    wanted = lightning(tmp_path / "b.ckpt")
    assert wanted
    content = (tmp_path / "b.ckpt").read_bytes()
    (tmp_path / "b.ckpt").write_bytes(content[: len(content) // 2])
    with pytest.raises(CheckpointError):
        read_checkpoint(tmp_path / "b.ckpt")


def test_the_converter_as_a_command(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    lightning(tmp_path / "a.ckpt")
    out = tmp_path / "a.safetensors"
    command = [sys.executable, "-m", "worldstrat_bench_baselines.convert", str(tmp_path / "a.ckpt"), str(out)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert len(load_file(out)) == 8
    assert main([str(out), str(tmp_path / "b")]) == 3  # it is safetensors already
    assert main([]) == 2
    assert "not a checkpoint" in capsys.readouterr().err


def test_a_number_in_a_small_file_takes_no_memory(tmp_path: Path) -> None:
    """In C the memo of an unpickler is an array as long as the largest number that a file names."""
    program = b"\x80\x02}" + b"r" + (0x0FFFFFFF).to_bytes(4, "little") + b"."
    with zipfile.ZipFile(tmp_path / "small.ckpt", "w") as archive:
        archive.writestr("a/data.pkl", program)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with pytest.raises(CheckpointError):
        read_checkpoint(tmp_path / "small.ckpt")
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 500_000  # kB
