"""Every artefact is read and refused in the same way: what is wrong, in which file, and how to get a valid one."""

from __future__ import annotations

from pathlib import Path

import pytest

from worldstrat_bench.artefacts.base import Artefact
from worldstrat_bench.artefacts.record import Record
from worldstrat_bench.artefacts.robustness import Robustness
from worldstrat_bench.artefacts.speed import SpeedReport
from worldstrat_bench.artefacts.verification import Verification
from worldstrat_bench.errors import InvalidArtefactError

KINDS = (Record, SpeedReport, Robustness, Verification)

BROKEN = {
    "not-json": (b"{", "not JSON"),
    "deep": (b"[" * 90_000, "not JSON"),
    "a-list": (b"[1]", "valid dictionary"),
    "infinite": (b'{"seed": Infinity}', "Infinity is not allowed"),
    "not-utf-8": (b"{\xff}", "not UTF-8: .* at byte 1"),
    "unknown-key": (b'{"undeclared": 1}', "not a valid"),
    "huge-number": (b'{"seed": 1' + b"0" * 5000 + b"}", "not a valid"),
    "surrogate": (b'{"record_id": "\\ud800"}', "not a valid"),
}


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
@pytest.mark.parametrize("name", BROKEN)
def test_a_broken_file_says_what_where_and_what_to_do(tmp_path: Path, kind: type[Artefact], name: str) -> None:
    content, words = BROKEN[name]
    path = tmp_path / kind.FILE
    path.write_bytes(content)
    with pytest.raises(InvalidArtefactError, match=words) as caught:
        kind.load(path)
    assert caught.value.what.startswith(f"not a valid {kind.KIND}: ")
    assert caught.value.where == str(path)
    assert caught.value.remedy == kind.REMEDY
    assert len(caught.value.what) < 600


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
def test_a_file_that_cannot_be_read(tmp_path: Path, kind: type[Artefact]) -> None:
    with pytest.raises(InvalidArtefactError, match=f"there is no {kind.KIND}") as caught:
        kind.load(tmp_path / kind.FILE)
    assert caught.value.remedy
    with pytest.raises(InvalidArtefactError, match=f"the {kind.KIND} cannot be read"):
        kind.load(tmp_path)


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
def test_a_large_file_is_refused_unread(tmp_path: Path, kind: type[Artefact]) -> None:
    path = tmp_path / kind.FILE
    with path.open("wb") as stream:
        stream.truncate(kind.MAX_BYTES + 1)
    with pytest.raises(InvalidArtefactError, match="larger than"):
        kind.load(path)
    with pytest.raises(InvalidArtefactError, match="larger than"):
        kind.parse(b" " * (kind.MAX_BYTES + 1))


def test_a_byte_order_mark_is_read_over(tmp_path: Path) -> None:
    with pytest.raises(InvalidArtefactError, match="Field required"):
        Verification.parse(b"\xef\xbb\xbf{}")
