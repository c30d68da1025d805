"""Pictures in a stranger's wheel are decoded, and none of them is a program that something runs."""

from __future__ import annotations

import io
import os
from pathlib import Path

import numpy as np
import pytest
from PIL import EpsImagePlugin, Image

from worldstrat_bench.submission.fingerprints import images_in
from worldstrat_bench.submission.wheel import IMAGES

POSTSCRIPT = b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 64 64\n%%EndComments\n(hello) print\nshowpage\n%%EOF\n"
HEADER_OF_A_DOS_FILE = b"\xc5\xd0\xd3\xc6" + (32).to_bytes(4, "little") + len(POSTSCRIPT).to_bytes(4, "little")


@pytest.fixture
def ran(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Put a stand-in for Ghostscript on the path; the file that it makes when it is started."""
    mark, program = tmp_path / "ran", tmp_path / "bin" / "gs"
    program.parent.mkdir()
    program.write_text(f'#!/bin/sh\necho "$@" >> "{mark}"\n')
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{program.parent}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.setattr(EpsImagePlugin, "gs_binary", None)  # where it was found earlier
    return mark


@pytest.mark.parametrize("suffix", IMAGES)
@pytest.mark.parametrize("content", [POSTSCRIPT, HEADER_OF_A_DOS_FILE.ljust(32, b"\0") + POSTSCRIPT])
def test_postscript_runs_under_no_name(ran: Path, suffix: str, content: bytes) -> None:
    assert list(images_in(content, f"sr/x{suffix}")) == []
    assert not ran.exists()


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP", "TIFF", "JPEG2000", "BMP", "GIF"])
def test_pictures_are_looked_at(ran: Path, kind: str) -> None:
    """Whatever their names say, as before."""
    buffer = io.BytesIO()
    Image.fromarray(np.arange(48 * 48 * 3, dtype=np.uint8).reshape(48, 48, 3)).save(buffer, kind)
    assert [image.shape for image in images_in(buffer.getvalue(), "sr/x.png")] == [(48, 48)]
    assert not ran.exists()
