"""Locked environments: built from wheels of the lock's hashes, without an index, once."""

from __future__ import annotations

import hashlib
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from submission_factory import MANIFEST, make_submission, make_wheel
from worldstrat_bench.digests import file_sha256
from worldstrat_bench.errors import DataError, InvalidArtefactError, UsageError
from worldstrat_bench.plugins.discovery import find_model
from worldstrat_bench.submission.environments import EnvironmentRequest, build_environment, interpreter_of
from worldstrat_bench.submission.lock import LockError, parse_lock
from worldstrat_bench.submission.prepare import prepare, submitted_model
from worldstrat_bench.worker import ModelSpec, Worker
from worldstrat_bench.worker.conformance import make_task

BUILDERS = [pytest.param(False, id="pip"), pytest.param(True, id="uv")]


@pytest.fixture
def links(tmp_path: Path) -> Path:
    """A folder of two wheels to install from."""
    make_wheel(tmp_path / "links")
    make_wheel(tmp_path / "links", name="helper", version="2.0", entry_points="")
    return tmp_path / "links"


def lock_of(links: Path) -> str:
    return (
        f"my-sr==1.0 \\\n    --hash=sha256:{file_sha256(links / 'my_sr-1.0-py3-none-any.whl')}\n"
        f"helper==2.0 --hash=sha256:{file_sha256(links / 'helper-2.0-py3-none-any.whl')}\n"
    )


def ask(python: Path, program: str) -> str:
    done = subprocess.run([str(python), "-c", program], capture_output=True, text=True, check=False)
    return done.stdout.strip() or done.stderr.strip().splitlines()[-1]


@pytest.mark.parametrize("uv", BUILDERS)
def test_an_environment_has_what_the_lock_says_and_nothing_else(tmp_path: Path, links: Path, uv: bool) -> None:
    request = EnvironmentRequest(lock_of(links))
    python = build_environment(request, tmp_path / "envs", find_links=links, offline=True, uv=uv)
    assert "my_sr" in ask(python, "import my_sr.plugin, helper; print(my_sr.__name__)")
    assert "No module named 'torch'" in ask(python, "import torch")
    shutil.rmtree(links)  # built once: the second time nothing is installed
    assert build_environment(request, tmp_path / "envs", find_links=links, offline=True, uv=uv) == python


@pytest.mark.parametrize("uv", BUILDERS)
def test_over_the_harness_numpy_is_there(tmp_path: Path, links: Path, uv: bool) -> None:
    request = EnvironmentRequest(lock_of(links), over_harness=True)
    python = build_environment(request, tmp_path / "envs", find_links=links, offline=True, uv=uv)
    assert ask(python, "import numpy, safetensors, my_sr; print('all')") == "all"


def test_over_the_harness_an_adapter_runs_with_what_the_lock_adds(tmp_path: Path, links: Path) -> None:
    """A submission without Python: its model is a reference model, which may be installed in editable mode."""
    request = EnvironmentRequest(lock_of(links), over_harness=True)
    python = build_environment(request, tmp_path / "envs", find_links=links, offline=True, uv=False)
    entry = find_model("bicubic", python)
    with Worker(ModelSpec(entry.target, search_paths=entry.search_paths, python=python)) as worker:
        reply = worker.predict(make_task(1, 24, 24, 96), 1)
    assert reply.image is not None, reply.message


@pytest.mark.parametrize("uv", BUILDERS)
def test_a_wheel_with_another_hash_is_refused_and_leaves_nothing(tmp_path: Path, links: Path, uv: bool) -> None:
    lock = f"my-sr==1.0 --hash=sha256:{'0' * 64}\n"
    with pytest.raises(InvalidArtefactError, match="could not install my-sr of the lock") as caught:
        build_environment(EnvironmentRequest(lock), tmp_path / "envs", find_links=links, offline=True, uv=uv)
    assert "lock" in (caught.value.remedy or "")
    assert [path for path in (tmp_path / "envs").iterdir() if path.is_dir()] == []


@pytest.mark.parametrize("uv", BUILDERS)
def test_a_source_distribution_is_not_built(tmp_path: Path, links: Path, uv: bool) -> None:
    source = links / "sly-1.0.tar.gz"
    folder = tmp_path / "sly-1.0"
    folder.mkdir()
    (folder / "setup.py").write_text(f"open({str(tmp_path / 'ran')!r}, 'w')\n")
    (folder / "PKG-INFO").write_text("Metadata-Version: 2.1\nName: sly\nVersion: 1.0\n")
    subprocess.run(["tar", "-C", str(tmp_path), "-czf", str(source), "sly-1.0"], check=True)
    lock = f"sly==1.0 --hash=sha256:{file_sha256(source)}\n"
    with pytest.raises(InvalidArtefactError):
        build_environment(EnvironmentRequest(lock), tmp_path / "envs", find_links=links, offline=True, uv=uv)
    assert not (tmp_path / "ran").exists()


def test_a_submission_with_its_wheel_is_prepared_offline(tmp_path: Path, links: Path) -> None:
    folder = make_submission(tmp_path, record=False)
    (folder / "requirements.lock").write_text("# the wheel is beside this file\n")
    shutil.copy(links / "my_sr-1.0-py3-none-any.whl", folder)
    prepared = prepare(folder, cache=tmp_path / "cache", offline=True)
    assert prepared.model == "my-sr"
    assert prepared.python is not None
    assert ask(prepared.python, "import my_sr.plugin; print('in')") == "in"


def test_without_requirements_the_harness_is_the_environment(tmp_path: Path) -> None:
    folder = make_submission(tmp_path, record=False)
    (folder / "requirements.lock").write_text("# nothing\n")
    assert prepare(folder, cache=tmp_path / "cache", offline=True).python is None


WEIGHTS = '[weights]\nurl = "https://example.org/w"\nsha256 = "{sha}"\nbytes = 3\nformat = "safetensors"\n\n[training]'


def test_weights_are_looked_for_by_their_hash(tmp_path: Path) -> None:
    sha = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"  # of b"abc"
    folder = make_submission(tmp_path, record=False, manifest=MANIFEST.replace("[training]", WEIGHTS.format(sha=sha)))
    (folder / "requirements.lock").write_text("")
    cache = tmp_path / "cache"
    with pytest.raises(DataError, match="not on this machine"):
        prepare(folder, cache=cache, offline=True)
    (cache / "weights").mkdir(parents=True, exist_ok=True)
    (cache / "weights" / sha).write_bytes(b"abd")
    with pytest.raises(InvalidArtefactError, match="another size or sha256"):
        prepare(folder, cache=cache, offline=True)
    (cache / "weights" / sha).write_bytes(b"abc")
    assert prepare(folder, cache=cache, offline=True).weights == cache / "weights" / sha


def test_weights_that_are_not_published_are_rehearsed_with_a_copy(tmp_path: Path) -> None:
    sha = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"  # of b"abc"
    folder = make_submission(tmp_path, record=False, manifest=MANIFEST.replace("[training]", WEIGHTS.format(sha=sha)))
    (folder / "requirements.lock").write_text("")
    copy, cache = tmp_path / "mine.safetensors", tmp_path / "cache"
    with pytest.raises(InvalidArtefactError, match="missing"):
        prepare(folder, cache=cache, weights=copy)
    copy.write_bytes(b"abcd")
    with pytest.raises(InvalidArtefactError, match="another size or sha256") as caught:
        prepare(folder, cache=cache, weights=copy)
    assert f'sha256 = "{hashlib.sha256(b"abcd").hexdigest()}", bytes = 4' in (caught.value.remedy or "")
    copy.write_bytes(b"abc")
    assert prepare(folder, cache=cache, weights=copy).weights == copy
    assert submitted_model(str(folder), weights=str(copy)).weights == copy
    bare = make_submission(tmp_path / "bare", record=False)
    with pytest.raises(InvalidArtefactError, match="states no weights") as caught:
        prepare(bare, cache=cache, weights=copy)
    assert f'sha256 = "{sha}", bytes = 3' in (caught.value.remedy or "")


def test_a_set_of_weights_is_rehearsed_with_the_files_beside_the_copy(tmp_path: Path) -> None:
    digests = [hashlib.sha256(content).hexdigest() for content in (b"net", b"data")]
    text = (
        WEIGHTS.format(sha=digests[0])
        .replace("safetensors", "onnx")
        .replace('"https://example.org/w"', '"https://e.org/n"')
    )
    text = text.replace("\n\n[training]", '\nname = "net.onnx"\n[[weights.files]]\nname = "net.onnx.data"\n')
    text += f'url = "https://e.org/d"\nsha256 = "{digests[1]}"\nbytes = 4\n\n[training]'
    folder = make_submission(tmp_path, record=False, manifest=MANIFEST.replace("[training]", text))
    (folder / "requirements.lock").write_text("")
    (tmp_path / "copy.onnx").write_bytes(b"net")
    with pytest.raises(InvalidArtefactError, match="missing"):
        prepare(folder, cache=tmp_path / "cache", weights=tmp_path / "copy.onnx")
    (tmp_path / "net.onnx.data").write_bytes(b"data")
    found = prepare(folder, cache=tmp_path / "cache", weights=tmp_path / "copy.onnx").weights
    assert found is not None
    assert (found.name, (found.parent / "net.onnx.data").read_bytes()) == ("net.onnx", b"data")


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("a==1", "no --hash"),
        ("a", "not pinned"),
        ("a==1.* --hash=sha256:" + "a" * 64, "not pinned"),
        ("-e .", "options of pip"),
        ("-r other.txt", "options of pip"),
        ("--no-binary :all:", "options of pip"),
        ("a @ http://x/a.whl --hash=sha256:" + "a" * 64, "https"),
        ("a==1 --hash=md5:aa", "not understood"),
        ("a==1 --hash=sha256:" + "a" * 64 + "\na==1 --hash=sha256:" + "a" * 64, "twice"),
        ("a==1 --global-option=x --hash=sha256:" + "a" * 64, "not understood"),
    ],
)
def test_a_lock_is_nothing_but_pins(line: str, reason: str) -> None:
    with pytest.raises(LockError, match=reason) as caught:
        parse_lock(f"# comment\n{line}\n")
    assert caught.value.line in (2, 3)


def test_an_interpreter_that_is_not_here_is_named() -> None:
    with pytest.raises(UsageError, match=r"no Python 3\.0 here"):
        interpreter_of("3.0")


def test_a_wheel_beside_the_manifest_is_named_by_its_digest(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WORLDSTRAT_BENCH_CACHE", str(tmp_path / "cache"))
    folder = make_submission(tmp_path, record=False)
    (folder / "requirements.lock").write_text("")
    wheel = make_wheel(folder)
    assert submitted_model(folder).wheel_sha256 == file_sha256(wheel)
    assert submitted_model(folder, python=sys.executable).wheel_sha256 is None
