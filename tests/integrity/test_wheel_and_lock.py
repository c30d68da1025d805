"""The wheel that a manifest names is the one that runs: a lock has no other code of the model."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from submission_factory import MANIFEST, code_of, make_submission, make_wheel, rewrite_record
from worldstrat_bench.artefacts.identity import model_differences
from worldstrat_bench.artefacts.record import ModelRef
from worldstrat_bench.digests import file_sha256
from worldstrat_bench.errors import InvalidArtefactError
from worldstrat_bench.plugins.code import code_sha256
from worldstrat_bench.plugins.discovery import find_model
from worldstrat_bench.submission.check import check
from worldstrat_bench.submission.manifest import load_manifest
from worldstrat_bench.submission.own_wheel import lock_of
from worldstrat_bench.submission.prepare import environment_of, prepare

OTHER = {"my_sr/__init__.py": b"", "my_sr/plugin.py": b"def load(weights, device):\n    return 'other'\n"}
ADDRESS = "https://example.org/my_sr-1.0-py3-none-any.whl"


def rules(folder: Path) -> set[str]:
    return {fault.rule for fault in check([folder]).errors}


def submission(root: Path, wheel: Path, *, stated: bool, locked: str) -> Path:
    """A submission of a wheel, behind an address or beside the manifest, and what its lock says."""
    text = MANIFEST
    if stated:
        text = text.replace(
            'version = "1.0"', f'version = "1.0"\nwheel = "{ADDRESS}"\nwheel_sha256 = "{file_sha256(wheel)}"'
        )
    folder = make_submission(root, manifest=text, record=False)
    if not stated:
        (folder / wheel.name).write_bytes(wheel.read_bytes())
    (folder / "requirements.lock").write_text(locked, encoding="utf-8")
    return folder


def test_only_the_wheel_of_the_model_lies_beside_the_manifest(tmp_path: Path) -> None:
    """The check refuses another one: a run that installs it would be for nothing."""
    wheel = make_wheel(tmp_path / "own")
    folder = submission(tmp_path, wheel, stated=False, locked="")
    for name in ("helper", "safetensors"):
        other = make_wheel(tmp_path / "other", name=name)
        (folder / other.name).write_bytes(other.read_bytes())
        with pytest.raises(InvalidArtefactError, match="a wheel that is not the one of my-sr"):
            prepare(folder, cache=tmp_path / "cache", offline=True)
        (folder / other.name).unlink()
    assert prepare(folder, cache=tmp_path / "cache", offline=True).python is not None


def test_one_wheel_lies_beside_the_manifest(tmp_path: Path) -> None:
    """A copy under another build tag costs the check as much as the first, and git nothing."""
    wheel = make_wheel(tmp_path / "own")
    folder = submission(tmp_path, wheel, stated=False, locked="")
    assert "wheel" not in rules(folder)
    (folder / "my_sr-1.0-2-py3-none-any.whl").write_bytes(wheel.read_bytes())
    assert "wheel" in rules(folder)


@pytest.mark.parametrize("kind", ["device", "pipe", "link"])
def test_a_wheel_is_a_file(tmp_path: Path, kind: str) -> None:
    wheel = make_wheel(tmp_path / "own")
    folder = submission(tmp_path, wheel, stated=False, locked="")
    place = folder / wheel.name
    place.unlink()
    if kind == "pipe":
        os.mkfifo(place)
    else:
        place.symlink_to("/dev/zero" if kind == "device" else wheel)
    assert "files" in rules(folder)


@pytest.mark.parametrize(
    ("requires", "locked", "missing"),
    [
        ("edgekernels>=1.0", "", "edgekernels"),
        ("edgekernels>=1.0", f"edgekernels==1.2 --hash=sha256:{'a' * 64}\n", ""),
        ("numpy", "", ""),
        ("my-sr", "", ""),
        ("edgekernels ; extra == 'test'", "", ""),
        ("edgekernels ; python_version < '3'", "", ""),
        ("not a requirement", "", ""),
        ("a" * 5000, "", ""),
    ],
)
def test_what_a_wheel_requires_and_nothing_installs_is_pointed_out(
    tmp_path: Path, requires: str, locked: str, missing: str
) -> None:
    wheel = make_wheel(tmp_path / "own", metadata=f"Requires-Dist: {requires}\n")
    found = check([submission(tmp_path, wheel, stated=False, locked=locked)]).notices
    said = [notice.what for notice in found if notice.rule == "lock"]
    assert [f"requires {missing}, which" in text for text in said] == [True] * bool(missing)


@pytest.mark.parametrize("stated", [True, False], ids=["address", "beside"])
@pytest.mark.parametrize(
    "line",
    [
        "my-sr==1.0 --hash=sha256:{other}",
        "My_SR==1.0 --hash=sha256:{other}",
        f"my-sr @ {ADDRESS} --hash=sha256:{{other}}",
        "my-sr==1.0 --hash=sha256:{own} --hash=sha256:{other}",
        'my-sr==1.0 ; python_version < "3" --hash=sha256:{own}\nmy-sr==1.0 --hash=sha256:{other}',
    ],
    ids=["index", "spelling", "address", "both", "marker"],
)
def test_a_lock_with_the_model_in_another_wheel_is_refused(tmp_path: Path, line: str, *, stated: bool) -> None:
    """The lock would run, and record and verification would name the wheel that readers can look at."""
    own, other = make_wheel(tmp_path / "own"), make_wheel(tmp_path / "other", package_files=OTHER)
    locked = line.format(own=file_sha256(own), other=file_sha256(other)) + "\n"
    folder = submission(tmp_path, own, stated=stated, locked=locked)
    assert rules(folder) == {"lock"}
    with pytest.raises(InvalidArtefactError, match="another one in the lock"):
        prepare(folder, cache=tmp_path / "cache", find_links=tmp_path / "other", offline=True)


def test_a_lock_with_the_very_wheel_is_installed(tmp_path: Path) -> None:
    wheel = make_wheel(tmp_path / "own")
    folder = submission(tmp_path, wheel, stated=True, locked=f"my-sr==1.0 --hash=sha256:{file_sha256(wheel)}\n")
    assert rules(folder) == set()
    found = prepare(folder, cache=tmp_path / "cache", find_links=wheel.parent, offline=True)
    assert found.python is not None


@pytest.mark.parametrize("name", ["aa-dep", "zz-dep"])
def test_another_wheel_does_not_put_its_files_in_the_place_of_the_models(tmp_path: Path, name: str) -> None:
    """Which file stays would be the installer's choice."""
    own = make_wheel(tmp_path / "own")
    files = {f"{name.replace('-', '_')}/__init__.py": b"", **OTHER}
    other = make_wheel(tmp_path / "other", name=name, package_files=files, entry_points="")
    folder = submission(tmp_path, own, stated=False, locked=f"{name}==1.0 --hash=sha256:{file_sha256(other)}\n")

    both = " and with ".join(sorted(["my-sr", name]))
    with pytest.raises(InvalidArtefactError, match=f"comes with {both}, and differs"):
        prepare(folder, cache=tmp_path / "cache", find_links=other.parent, offline=True)


def test_a_model_whose_code_is_not_that_of_its_wheel_is_refused(tmp_path: Path) -> None:
    folder = submission(tmp_path, make_wheel(tmp_path / "own"), stated=False, locked="")

    def built() -> Path:
        python = prepare(folder, cache=tmp_path / "cache", offline=True).python
        assert python is not None
        return python

    python = built()
    assert code_sha256(find_model("my-sr", python).metadata) == code_of("my-sr")
    (plugin,) = python.parents[1].glob("lib/python*/site-packages/my_sr/plugin.py")
    plugin.write_bytes(OTHER["my_sr/plugin.py"])
    with pytest.raises(InvalidArtefactError, match="other code of the model"):
        built()


def test_no_metadata_of_another_wheel_announces_the_model(tmp_path: Path) -> None:
    """Beside a cover that never runs: installers take metadata from a wheel's folder of data as they find it."""
    cover = make_wheel(tmp_path / "own")
    smuggled = {
        "tinyhelp-1.0.data/purelib/zz-1.0.dist-info/METADATA": b"Metadata-Version: 2.1\nName: my-sr\nVersion: 1.0\n",
        "tinyhelp-1.0.data/purelib/zz-1.0.dist-info/entry_points.txt": (
            b"[worldstrat_bench.models]\nmy-sr = tinyhelp.plugin:load\n"
        ),
        "tinyhelp-1.0.data/purelib/zz-1.0.dist-info/RECORD": b"tinyhelp/plugin.py,,\n",
    }
    other = make_wheel(tmp_path / "other", name="tinyhelp", files=smuggled, entry_points="")
    folder = submission(tmp_path, cover, stated=False, locked=f"tinyhelp==1.0 --hash=sha256:{file_sha256(other)}\n")
    with pytest.raises(InvalidArtefactError, match="is not the metadata of tinyhelp"):
        prepare(folder, cache=tmp_path / "cache", find_links=other.parent, offline=True)


@pytest.mark.parametrize("name", ["worldstrat-bench-baselines", "Worldstrat.Bench_Baselines", "worldstrat-bench"])
@pytest.mark.parametrize("how", ["beside", "stated", "address", "index"])
def test_no_wheel_of_a_submission_has_the_name_of_a_distribution_of_the_harness(
    tmp_path: Path, name: str, how: str
) -> None:
    """Its models would be called bicubic and onnx, and copies of it would count by their weights alone."""
    wheel = make_wheel(tmp_path / "own", name=name)
    locked = f"{name} @ https://example.org/{wheel.name} --hash=sha256:{file_sha256(wheel)}\n"
    if how == "index":
        locked = f"{name}==1.0 --hash=sha256:{file_sha256(wheel)}\n"
    folder = submission(tmp_path, wheel, stated=how == "stated", locked=locked if how in ("address", "index") else "")
    manifest = folder / "submission.toml"
    manifest.write_text(
        manifest.read_text()
        .replace('distribution = "my-sr"', f'distribution = "{name}"')
        .replace(ADDRESS, f"https://example.org/{wheel.name}")
    )
    if how != "beside":
        (folder / wheel.name).unlink(missing_ok=True)
    assert "lock" in rules(folder)
    with pytest.raises(InvalidArtefactError, match="distribution of the harness"):
        prepare(folder, cache=tmp_path / "cache", find_links=wheel.parent, offline=True)


@pytest.mark.parametrize("name", ["requirements.lock", "my_sr-1.0-py3-none-any.whl"])
def test_a_pipe_in_a_submission_is_not_waited_for(tmp_path: Path, name: str) -> None:
    folder = submission(tmp_path, make_wheel(tmp_path), stated=False, locked="")
    file = folder / name
    file.unlink(missing_ok=True)
    os.mkfifo(file)
    with pytest.raises(InvalidArtefactError, match="not a file"):
        environment_of(load_manifest(folder), folder, tmp_path / "environments", offline=True)


def test_what_a_lock_installed_is_part_of_a_models_identity(tmp_path: Path) -> None:
    """Torch and the standard library import some packages where they are there: no model has to name them."""
    own, helper = make_wheel(tmp_path / "own"), make_wheel(tmp_path / "other", name="opt-einsum", entry_points="")
    line = f"opt-einsum==1.0 --hash=sha256:{file_sha256(helper)}\n"
    folder = submission(tmp_path, own, stated=False, locked=line)
    manifest = load_manifest(folder)
    with_helper = lock_of(manifest, folder)
    (folder / "requirements.lock").write_text(f"# a comment\n\n{line}")
    assert lock_of(manifest, folder) == with_helper
    (folder / "requirements.lock").write_text("")
    alone = lock_of(manifest, folder)
    assert None not in (alone, with_helper)
    assert alone != with_helper
    (folder / own.name).unlink()
    assert lock_of(manifest, folder) is None
    honest, sly = (
        ModelRef(name="my-sr", frames=8, code_sha256="c" * 64, lock_sha256=lock) for lock in (alone, with_helper)
    )
    assert model_differences(honest, sly, partial=True) == ("lock_sha256",)
    before = honest.model_copy(update={"lock_sha256": None})  # of a record from before it was kept
    assert model_differences(before, sly, partial=True) == ()


def test_a_record_made_with_another_lock_is_refused(tmp_path: Path) -> None:
    folder = make_submission(tmp_path)
    assert rules(folder) == set()
    made = lock_of(load_manifest(folder), folder)
    rewrite_record(folder, lambda d: d["model"].update(lock_sha256=made))
    assert rules(folder) == set()
    rewrite_record(folder, lambda d: d["model"].update(lock_sha256="d" * 64))
    assert rules(folder) == {"record-manifest"}


@pytest.mark.parametrize("key", ["lock", "train_tiles", "path"])
def test_no_file_of_a_submission_is_read_through_a_folder(tmp_path: Path, key: str) -> None:
    """A folder may be a link: the first line of any file of the runner stood in a public comment."""
    secret = tmp_path / "home"
    secret.mkdir()
    (secret / "credentials").write_text("https://user:CANARY@example.org\n")
    folder = make_submission(tmp_path)
    (folder / "d").symlink_to(secret)
    text = (folder / "submission.toml").read_text()
    changed = {
        "lock": text.replace('lock = "requirements.lock"', 'lock = "d/credentials"'),
        "train_tiles": text.replace("[training]\n", '[training]\ntrain_tiles = "d/credentials"\n'),
        "path": f'{text}\n[weights]\npath = "d/credentials"\nsha256 = "{"a" * 64}"\nbytes = 1\nformat = "onnx"\n',
    }[key]
    assert changed != text
    (folder / "submission.toml").write_text(changed)
    found = check([folder])
    assert "manifest" in {fault.rule for fault in found.errors}
    assert "CANARY" not in str(found)
