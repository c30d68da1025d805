"""Weights that are more than the file that was named: the digest covers them, and a worker sees those and no more."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from hostile_scene import REQUIRED, make_stub_environment
from submission_factory import MANIFEST
from worldstrat_bench.artefacts.record import ModelRef
from worldstrat_bench.digests import file_sha256
from worldstrat_bench.errors import DataError, InvalidArtefactError, ModelError, UsageError
from worldstrat_bench.plugins import weights as weights_module
from worldstrat_bench.plugins.onnx_data import external_data
from worldstrat_bench.plugins.weights import weights_at, weights_sha256
from worldstrat_bench.submission.manifest import Manifest, parse_manifest
from worldstrat_bench.submission.manifest_faults import ManifestError
from worldstrat_bench.submission.prepare import weights_of
from worldstrat_bench.worker import ModelSpec, Worker
from worldstrat_bench.worker.isolation import LevelUnavailableError


def field(number: int, content: bytes) -> bytes:
    """A field of a protocol buffer that holds bytes."""
    return varint(number << 3 | 2) + varint(len(content)) + content


def varint(value: int) -> bytes:
    parts = []
    while value > 0x7F:
        parts.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes([*parts, value])


def tensor(location: str) -> bytes:
    """A TensorProto with its shape, its type, and its content in another file."""
    entries = field(13, field(1, b"offset") + field(2, b"0")) + field(
        13, field(1, b"location") + field(2, location.encode())
    )
    return varint(1 << 3) + varint(3) + field(8, b"W") + entries + varint(14 << 3) + varint(1)


def onnx(graph: bytes, more: bytes = b"") -> bytes:
    """A ModelProto: version, producer, graph, opset, and whatever else."""
    return (
        varint(1 << 3) + varint(9) + field(2, b"tests") + field(7, graph) + field(8, varint(2 << 3) + varint(17)) + more
    )


def in_attribute(content: bytes) -> bytes:
    return field(1, field(4, b"Constant") + field(5, field(1, b"value") + content))


PLACES: dict[str, Callable[[str], bytes]] = {
    "initializer": lambda name: onnx(field(5, tensor(name))),
    "sparse values": lambda name: onnx(field(15, field(1, tensor(name)))),
    "constant": lambda name: onnx(in_attribute(field(5, tensor(name)))),
    "list of tensors": lambda name: onnx(in_attribute(field(10, tensor(name)))),
    "branch of an If": lambda name: onnx(in_attribute(field(6, field(5, tensor(name))))),
    "loop in a loop": lambda name: onnx(in_attribute(field(11, in_attribute(field(6, field(5, tensor(name))))))),
    "function": lambda name: onnx(b"", field(25, field(7, field(5, field(5, tensor(name)))))),
    "training": lambda name: onnx(b"", field(20, field(2, field(5, tensor(name))))),
}


@pytest.mark.parametrize("place", PLACES)
def test_tensors_of_an_onnx_file_in_another_file_are_in_the_digest(tmp_path: Path, place: str) -> None:
    (tmp_path / "data").mkdir()
    model, data = tmp_path / "net.onnx", tmp_path / "data" / "net.bin"
    model.write_bytes(PLACES[place]("data/net.bin"))
    data.write_bytes(b"honest")
    assert sorted(weights_at(model).files) == ["data/net.bin", "net.onnx"]
    before = weights_sha256(model)
    data.write_bytes(b"others")
    assert weights_sha256(model) != before
    data.write_bytes(b"honest")
    assert weights_sha256(model) == before
    (tmp_path / "notes.txt").write_text("not a part of it")
    assert weights_sha256(model) == before


def test_an_onnx_file_alone_is_its_own_digest(tmp_path: Path) -> None:
    """Manifests state it, and nothing about such files has changed."""
    model = tmp_path / "net.onnx"
    model.write_bytes(onnx(field(5, field(8, b"W") + field(9, b"\x00" * 300))))
    assert external_data(model) == ()
    assert weights_sha256(model) == file_sha256(model)


@pytest.mark.parametrize(
    "content", [b"", b"\x80\x04pickle", b"PK\x03\x04" + b"\xff" * 90, b"\x3a\xff\xff\xff\xff\xff\xff\xff"]
)
def test_a_file_that_is_not_onnx_is_its_own_digest(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "net.onnx").write_bytes(content)
    assert weights_sha256(tmp_path / "net.onnx") == file_sha256(tmp_path / "net.onnx")


@pytest.mark.parametrize("name", ["../other/net.bin", "/etc/passwd", "a/../../net.bin", "a\\net.bin", ""])
def test_external_data_outside_of_the_folder_is_refused(tmp_path: Path, name: str) -> None:
    (tmp_path / "net.onnx").write_bytes(onnx(field(5, tensor(name))))
    with pytest.raises(UsageError, match="its tensors are in"):
        weights_at(tmp_path / "net.onnx")


def test_missing_external_data_is_named(tmp_path: Path) -> None:
    (tmp_path / "net.onnx").write_bytes(onnx(field(5, tensor("net.onnx.data"))))
    with pytest.raises(UsageError, match=r"the tensors of net\.onnx are in net\.onnx\.data, which is missing"):
        weights_at(tmp_path / "net.onnx")


def cached(root: Path) -> Path:
    """A model as the cache of Hugging Face keeps it: every file a link to a blob without a suffix."""
    snapshot, blobs = root / "snapshots" / "1", root / "blobs"
    snapshot.mkdir(parents=True)
    blobs.mkdir()
    for name, content in (("net.onnx", onnx(field(5, tensor("net.onnx.data")))), ("net.onnx.data", b"honest")):
        (blobs / f"blob-{name.replace('.', '')}").write_bytes(content)
        (snapshot / name).symlink_to(f"../../blobs/blob-{name.replace('.', '')}")
    return snapshot


def test_links_are_spelled_as_given_and_their_content_counts(tmp_path: Path) -> None:
    snapshot, plain = cached(tmp_path / "hub"), tmp_path / "plain"
    plain.mkdir()
    for name in ("net.onnx", "net.onnx.data"):
        (plain / name).write_bytes((snapshot / name).read_bytes())
    assert weights_at(snapshot / "net.onnx").path == snapshot / "net.onnx"
    before = weights_sha256(snapshot / "net.onnx")
    assert before == weights_sha256(plain / "net.onnx")
    assert weights_sha256(snapshot) == weights_sha256(plain)
    (tmp_path / "hub" / "blobs" / "blob-netonnxdata").write_bytes(b"others")
    assert weights_sha256(snapshot / "net.onnx") != before


def test_a_folder_is_its_names_and_contents(tmp_path: Path) -> None:
    (tmp_path / "w" / "b").mkdir(parents=True)
    (tmp_path / "w" / "load.py").write_text("def load(): ...\n")
    (tmp_path / "w" / "b" / "net.safetensors").write_bytes(b"1")
    digest = weights_sha256(tmp_path / "w")
    for hidden in (".git/config", "__pycache__/load.cpython-311.pyc", "b/.cache/lock"):
        (tmp_path / "w" / hidden).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "w" / hidden).write_text("x")
    assert weights_sha256(tmp_path / "w") == digest, "what no worker sees"
    (tmp_path / "w" / "more.pyc").write_bytes(b"Python imports it without a source")
    assert weights_sha256(tmp_path / "w") != digest
    (tmp_path / "w" / "more.pyc").unlink()
    (tmp_path / "w" / "b" / "net.safetensors").rename(tmp_path / "w" / "net.safetensors")
    assert weights_sha256(tmp_path / "w") != digest


def test_links_in_a_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder, inner = tmp_path / "w", tmp_path / "w" / "inner"
    inner.mkdir(parents=True)
    (inner / "net").write_bytes(b"1")
    (folder / "again").symlink_to(inner)
    (folder / "up").symlink_to(folder)
    assert sorted(weights_at(folder).files) == ["again/net", "inner/net"]
    before = weights_sha256(folder)
    (inner / "net").write_bytes(b"2")
    assert weights_sha256(folder) != before
    (folder / "gone").symlink_to("nowhere")
    with pytest.raises(UsageError, match="leads nowhere"):
        weights_at(folder)
    monkeypatch.setattr(weights_module, "MAX_FILES", 1)
    (folder / "gone").unlink()
    with pytest.raises(UsageError, match="more than 1 files"):
        weights_at(folder)


@pytest.mark.parametrize("link", ["file", "folder", "folder of links", "hidden", "blobs", "chain", "itself", "onnx"])
def test_links_of_a_stranger_lead_to_no_other_files(tmp_path: Path, link: str) -> None:
    """A cloned folder of weights; what a link in it leads to would be readable to the model, and in the digest."""
    home, folder = tmp_path / "home", tmp_path / "clone" / "w"
    (home / ".ssh").mkdir(parents=True)
    (home / ".ssh" / "key").write_text("secret")
    (folder / ".git").mkdir(parents=True)
    (folder / ".git" / "config").write_text("token")
    (folder / "net.bin").write_bytes(b"1")
    assert sorted(weights_at(folder).files) == ["net.bin"]
    given = folder
    if link == "file":
        (folder / "vocab.txt").symlink_to(home / ".ssh" / "key")
    elif link == "folder":
        (folder / "more").symlink_to(home / ".ssh")
    elif link == "folder of links":
        (folder / "more").mkdir()
        (folder / "more" / "vocab.txt").symlink_to("../../../home/.ssh/key")
    elif link == "hidden":
        (folder / "vocab.txt").symlink_to(".git/config")
    elif link == "blobs":  # looks like a cache of Hugging Face
        given = tmp_path / "clone" / "snapshots" / "1"
        given.mkdir(parents=True)
        (tmp_path / "clone" / "blobs").symlink_to(home / ".ssh")
        (given / "net.bin").symlink_to("../../blobs/key")
    elif link == "chain":
        (folder / "a").symlink_to("b")
        (folder / "b").symlink_to(home / ".ssh" / "key")
    elif link == "itself":
        given = folder / "net.pt"
        given.symlink_to(home / ".ssh" / "key")
    else:
        given = folder / "net.onnx"
        given.write_bytes(onnx(field(5, tensor("vocab.txt"))))
        (folder / "vocab.txt").symlink_to(home / ".ssh" / "key")
    with pytest.raises(UsageError, match="leads out of their folder") as refused:
        weights_at(given)
    assert "put the file itself there" in (refused.value.remedy or "")


@pytest.mark.parametrize("name", [".ssh/key", ".netrc", "data/.git/config", "__pycache__/x"])
def test_external_data_is_not_hidden(tmp_path: Path, name: str) -> None:
    (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
    (tmp_path / name).write_text("secret")
    (tmp_path / "net.onnx").write_bytes(onnx(field(5, tensor(name))))
    with pytest.raises(UsageError, match="hidden"):
        weights_at(tmp_path / "net.onnx")


def test_external_data_is_not_that_of_others(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """In the store of downloads, where every file has its sha256 for a name; and in a home, among everything else."""
    other = tmp_path / ("b" * 64)
    other.write_bytes(b"weights of another submission")
    (tmp_path / ("a" * 64)).write_bytes(onnx(field(5, tensor("b" * 64))))
    with pytest.raises(UsageError, match="files of others"):
        weights_at(tmp_path / ("a" * 64))
    (tmp_path / "net.onnx").write_bytes(onnx(field(5, tensor("tax.pdf"))))
    (tmp_path / "tax.pdf").write_text("private")
    monkeypatch.setenv("HOME", str(tmp_path))
    with pytest.raises(UsageError, match="files of others"):
        weights_at(tmp_path / "net.onnx")


def test_a_path_with_dots_after_a_link_is_where_the_system_finds_it(tmp_path: Path) -> None:
    (tmp_path / "real" / "inner").mkdir(parents=True)
    (tmp_path / "real" / "net").write_bytes(b"1")
    (tmp_path / "link").symlink_to("real/inner")
    assert weights_at(tmp_path / "link" / ".." / "net").path.resolve() == (tmp_path / "real" / "net").resolve()


SPY = """
import json, os

def load(weights, device):
    base = weights if weights.is_dir() else weights.parent
    listed, read = [], []
    for root, folders, files in os.walk(base, followlinks=True):
        listed += [os.path.relpath(os.path.join(root, name), base) for name in files]
    for name in sorted(set(listed) | {SUSPECTS}):
        try:
            with open(os.path.join(base, name), "rb") as file:
                read.append(name + "=" + file.read(20).decode("latin-1"))
        except OSError:
            pass
    raise RuntimeError("SEEN" + json.dumps([weights.name, read]) + "END")
"""


@pytest.fixture(scope="module")
def stub_python(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_stub_environment(tmp_path_factory.mktemp("stub") / "venv")


def seen(level: str, weights: Path, suspects: set[str], python: Path, plugins: Path) -> tuple[str, list[str]]:
    """The name of the weights and the files that a model reads beside or in them."""
    plugins.mkdir()
    (plugins / "spy.py").write_text(SPY.replace("{SUSPECTS}", repr(suspects)), encoding="utf-8")
    spec = ModelSpec("spy:load", weights=weights, search_paths=(plugins,), python=python)
    try:
        with pytest.raises(ModelError) as failure, Worker(spec, isolation=level):
            pass
    except LevelUnavailableError as error:
        if level in os.environ.get(REQUIRED, "").split(","):
            raise
        pytest.skip(f"isolation {level!r} is not available on this machine and was NOT tested: {error.where}")
    text = str(failure.value)
    name, files = json.loads(text[text.index("SEEN") + 4 : text.index("END")])
    return name, files


@pytest.mark.parametrize("level", ["strong", "full"])
def test_a_confined_worker_sees_the_recorded_files_of_an_onnx_file(
    tmp_path: Path, stub_python: Path, level: str
) -> None:
    """By the names that a runtime opens them by, which are links."""
    snapshot = cached(tmp_path / "hub")
    (snapshot / "other.onnx").write_bytes(b"not recorded")
    suspects = {"net.onnx", "net.onnx.data", "other.onnx"}
    name, files = seen(level, snapshot / "net.onnx", suspects, stub_python, tmp_path / "plugins")
    assert name == "net.onnx"
    assert [file.partition("=")[0] for file in files] == ["net.onnx", "net.onnx.data"]
    assert files[1] == "net.onnx.data=honest"


@pytest.mark.parametrize("level", ["strong", "full"])
def test_a_confined_worker_sees_the_recorded_files_of_a_folder(tmp_path: Path, stub_python: Path, level: str) -> None:
    folder = tmp_path / "w"
    (folder / "inner").mkdir(parents=True)
    (folder / "inner" / "far").write_bytes(b"3")
    (folder / "load.py").write_bytes(b"1")
    (folder / "inner" / "net").write_bytes(b"2")
    (folder / "linked").symlink_to("inner/far")
    hidden = {".secret", "__pycache__/load.pyc", "inner/.git/config"}
    for name in hidden:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(b"not recorded")
    assert sorted(weights_at(folder).files) == ["inner/far", "inner/net", "linked", "load.py"]
    _, files = seen(level, folder, hidden, stub_python, tmp_path / "plugins")
    assert files == ["inner/far=3", "inner/net=2", "linked=3", "load.py=1"]


WEIGHTS = """
[weights]
name = "net.onnx"
url = "https://example.org/net.onnx"
sha256 = "{model}"
bytes = {size}
format = "onnx"

[[weights.files]]
name = "data/net.bin"
url = "https://example.org/net.bin"
sha256 = "{data}"
bytes = 6
"""


@pytest.fixture
def weights_manifest(tmp_path: Path) -> tuple[Manifest, Path, Path]:
    """A manifest of two files of weights, a store that holds both, and a folder with the same files by their names."""
    store, plain = tmp_path / "store", tmp_path / "plain"
    for folder in (store, plain / "data"):
        folder.mkdir(parents=True)
    content = {"net.onnx": onnx(field(5, tensor("data/net.bin"))), "data/net.bin": b"honest"}
    for name, raw in content.items():
        (plain / name).write_bytes(raw)
        (store / file_sha256(plain / name)).write_bytes(raw)
    text = WEIGHTS.format(
        model=file_sha256(plain / "net.onnx"),
        data=file_sha256(plain / "data" / "net.bin"),
        size=len(content["net.onnx"]),
    )
    return parse_manifest(MANIFEST + text), store, plain


def test_a_submission_names_every_file_of_its_weights(
    tmp_path: Path, weights_manifest: tuple[Manifest, Path, Path]
) -> None:
    manifest, store, plain = weights_manifest
    for _ in range(2):  # and finds what it laid out before
        place = weights_of(manifest, tmp_path, store, offline=True)
        assert place is not None
        assert place.name == "net.onnx"
        assert weights_sha256(place) == weights_sha256(plain / "net.onnx")
    recorded = ModelRef(name="my-sr", frames=8)
    assert manifest.reference(recorded).weights_sha256 == weights_sha256(plain / "net.onnx")


def test_a_file_of_the_weights_that_was_changed_is_refused(
    tmp_path: Path, weights_manifest: tuple[Manifest, Path, Path]
) -> None:
    manifest, store, plain = weights_manifest
    (store / file_sha256(plain / "data" / "net.bin")).write_bytes(b"others")
    with pytest.raises(InvalidArtefactError, match="another size or sha256"):
        weights_of(manifest, tmp_path, store, offline=True)
    (store / file_sha256(plain / "data" / "net.bin")).unlink()
    with pytest.raises(DataError, match="not on this machine"):
        weights_of(manifest, tmp_path, store, offline=True)


@pytest.mark.parametrize(
    ("old", "new", "reason"),
    [
        ('name = "net.onnx"\n', "", "name and files come together"),
        ('name = "data/net.bin"', 'name = "net.onnx"', "its own name"),
        ('name = "net.onnx"', 'name = "inner/net.onnx"', "name holds no folder"),
        ('name = "data/net.bin"', 'name = "../net.bin"', "inside the submission"),
        ('name = "data/net.bin"', 'name = "net.onnx/x"', "name of a folder"),
        ('name = "data/net.bin"', 'name = "data/net\\u001b.bin"', "inside the submission"),
    ],
)
def test_names_of_files_that_cannot_be_laid_out_are_refused(old: str, new: str, reason: str) -> None:
    text = (MANIFEST + WEIGHTS).format(model="a" * 64, data="b" * 64, size=9)
    assert isinstance(parse_manifest(text), Manifest)
    with pytest.raises(ManifestError, match=reason):
        parse_manifest(text.replace(old, new))
