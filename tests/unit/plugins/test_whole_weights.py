"""Files that stand where weights should be: nothing, or a pointer of Git LFS."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from worldstrat_bench.errors import UsageError
from worldstrat_bench.plugins.weights import weights_at
from worldstrat_bench.submission.scaffold_file import write_file_scaffold

POINTER = b"version https://git-lfs.github.com/spec/v1\noid sha256:" + b"a" * 64 + b"\nsize 2126912\n"


def scaffold(file: Path) -> None:
    write_file_scaffold("my-net", file.parent / "out", file)


@pytest.mark.parametrize(
    ("take", "content", "words"),
    [
        (weights_at, POINTER, "pointer of Git LFS"),
        (scaffold, POINTER, "pointer of Git LFS"),
        (scaffold, b"", "is empty"),
    ],
)
def test_it_is_said_before_anything_is_written(
    take: Callable[[Path], object], content: bytes, words: str, tmp_path: Path
) -> None:
    (tmp_path / "net.onnx").write_bytes(content)
    with pytest.raises(UsageError, match=words) as caught:
        take(tmp_path / "net.onnx")
    assert caught.value.where == str(tmp_path / "net.onnx")
    assert caught.value.remedy
    assert not (tmp_path / "out").exists()


def test_a_folder_may_hold_empty_modules_and_no_pointers(tmp_path: Path) -> None:
    folder = tmp_path / "model"
    folder.mkdir()
    (folder / "__init__.py").touch()
    (folder / "short.bin").write_bytes(POINTER[:20])
    assert len(weights_at(folder).files) == 2
    (folder / "net.safetensor").write_bytes(POINTER)
    with pytest.raises(UsageError, match="pointer of Git LFS") as caught:
        weights_at(folder)
    assert caught.value.where == str(folder / "net.safetensor")
