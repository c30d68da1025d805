"""Hostile files: whatever a submission holds, the check answers with faults and never with a traceback."""

from __future__ import annotations

import json
import shutil
import tomllib
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
import tomli_w
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from submission_factory import LOCK, MANIFEST, SLUG, make_submission, make_wheel, the_result
from worldstrat_bench.artefacts.tiles import parse_tiles
from worldstrat_bench.errors import WorldstratBenchError
from worldstrat_bench.submission.check import check
from worldstrat_bench.submission.faults import as_github, as_json, as_markdown, as_text
from worldstrat_bench.submission.lock import parse_lock
from worldstrat_bench.submission.manifest import Manifest, manifest_errors
from worldstrat_bench.submission.wheel import wheel_faults

QUICK, SOAK = 150, 2000
MANIFEST_TREE = tomllib.loads(MANIFEST)
_quiet = [HealthCheck.function_scoped_fixture, HealthCheck.too_slow, HealthCheck.data_too_large]

scalars = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=20)
    | st.sampled_from(["", "\x00", "../../etc", "\u202e", "9" * 5000, "1e999", "my-sr", "https://"])
)
json_values = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=6,
)
toml_values = st.recursive(
    st.booleans() | st.integers(-(2**63), 2**63 - 1) | st.floats() | st.text(max_size=20) | st.dates(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=6,
)


def paths_of(tree: object, prefix: tuple[str, ...] = ()) -> list[tuple[str, ...]]:
    """Every key of a document, as a path."""
    if not isinstance(tree, dict):
        return [prefix]
    found = [prefix] if prefix else []
    for key, value in tree.items():
        found += paths_of(value, (*prefix, key))
    return found


def replaced(tree: Any, path: tuple[str, ...], value: object, *, remove: bool = False) -> Any:
    """A copy of a document with one place set or removed."""
    copy = json.loads(json.dumps(tree))
    node = copy
    for key in path[:-1]:
        node = node[key]
    if remove:
        del node[path[-1]]
    else:
        node[path[-1]] = value
    return copy


def spoilt_text(original: str) -> st.SearchStrategy[bytes]:
    """A text with a piece cut out, doubled or overwritten by arbitrary bytes."""
    data = original.encode()
    places = st.integers(0, len(data))
    return st.builds(
        lambda a, b, new: data[: min(a, b)] + new + data[max(a, b) :],
        places,
        places,
        st.binary(max_size=12) | st.sampled_from([b"[" * 3000, b'"', b"\n", b"{}", b",", b"\xff\xfe"]),
    )


def answers(folder: Path) -> None:
    """The check ends, and every format can be written."""
    report = check([folder])
    as_text(report), as_markdown(report), as_github(report)
    json.dumps(as_json(report), allow_nan=False)


@pytest.fixture(scope="module")
def good(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_submission(tmp_path_factory.mktemp("fuzz"))


def fuzz_manifest_values(examples: int) -> None:
    @settings(max_examples=examples, deadline=None, suppress_health_check=_quiet)
    @given(st.sampled_from(paths_of(MANIFEST_TREE)), toml_values, st.booleans())
    def run(path: tuple[str, ...], value: object, remove: bool) -> None:
        found = manifest_errors(
            tomli_w.dumps(replaced(MANIFEST_TREE, path, None, remove=True) if remove else put(path, value))
        )
        if not isinstance(found, Manifest):
            assert found
            assert all(error.what for error in found)

    def put(path: tuple[str, ...], value: object) -> Any:
        tree = json.loads(json.dumps(MANIFEST_TREE))
        node = tree
        for key in path[:-1]:
            node = node[key]
        node[path[-1]] = value
        return tree

    run()


def fuzz_files(examples: int, good: Path, tmp_path: Path) -> None:
    folder = tmp_path / "submissions" / SLUG
    shutil.copytree(good, folder)
    names = {
        "submission.toml": folder / "submission.toml",
        "requirements.lock": folder / "requirements.lock",
        "record.json": the_result(folder) / "record.json",
        "tiles.csv": the_result(folder) / "tiles.csv",
        "verification.json": the_result(folder) / "verification.json",
        "speed.json": the_result(folder) / "speed.json",
    }
    originals = {
        name: path.read_text(encoding="utf-8") if path.exists() else '{"record_id": ""}' for name, path in names.items()
    }

    @settings(max_examples=examples, deadline=None, suppress_health_check=_quiet)
    @given(st.sampled_from(sorted(names)).flatmap(lambda n: st.tuples(st.just(n), spoilt_text(originals[n]))))
    def run(case: tuple[str, bytes]) -> None:
        name, content = case
        names[name].write_bytes(content)
        try:
            answers(folder)
        finally:
            names[name].write_text(originals[name], encoding="utf-8")

    run()


def fuzz_record_values(examples: int, good: Path, tmp_path: Path) -> None:
    folder = tmp_path / "submissions" / SLUG
    shutil.copytree(good, folder)
    path = the_result(folder) / "record.json"
    tree = json.loads(path.read_text(encoding="utf-8"))
    top = [place for place in paths_of(tree) if len(place) <= 3]

    @settings(max_examples=examples, deadline=None, suppress_health_check=_quiet)
    @given(st.sampled_from(top), json_values)
    def run(place: tuple[str, ...], value: object) -> None:
        path.write_text(json.dumps(replaced(tree, place, value)), encoding="utf-8", errors="replace")
        answers(folder)

    run()


def fuzz_texts(examples: int) -> None:
    header = "tile,group,ipcc\n"

    @settings(max_examples=examples, deadline=None, suppress_health_check=_quiet)
    @given(st.text(max_size=60))
    def run(text: str) -> None:
        manifest_errors(text)
        manifest_errors(MANIFEST + text)
        for parse in (parse_lock, parse_tiles):
            for candidate in (text, LOCK + text, header + text):
                with suppress(WorldstratBenchError):
                    parse(candidate)

    run()


def fuzz_wheels(examples: int, tmp_path: Path) -> None:
    path = make_wheel(tmp_path)
    data = path.read_bytes()
    places = st.integers(0, len(data) - 1)

    @settings(max_examples=examples, deadline=None, suppress_health_check=_quiet)
    @given(places, st.binary(min_size=1, max_size=8), st.booleans())
    def run(at: int, new: bytes, cut: bool) -> None:
        path.write_bytes(data[:at] if cut else data[:at] + new + data[at + len(new) :])
        for fault in wheel_faults(path):
            assert fault.what

    run()


def test_manifest_values() -> None:
    fuzz_manifest_values(2 * QUICK)


def test_files(good: Path, tmp_path: Path) -> None:
    fuzz_files(QUICK // 3, good, tmp_path)


def test_record_values(good: Path, tmp_path: Path) -> None:
    fuzz_record_values(QUICK // 3, good, tmp_path)


def test_texts() -> None:
    fuzz_texts(2 * QUICK)


def test_wheels(tmp_path: Path) -> None:
    fuzz_wheels(2 * QUICK, tmp_path)


@pytest.mark.soak
def test_everything_for_long(good: Path, tmp_path: Path) -> None:
    fuzz_manifest_values(SOAK)
    fuzz_texts(SOAK)
    fuzz_files(SOAK, good, tmp_path / "files")
    fuzz_record_values(SOAK, good, tmp_path / "values")
    fuzz_wheels(SOAK, tmp_path)
