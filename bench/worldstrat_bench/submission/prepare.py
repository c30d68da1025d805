"""From a submission's folder to what a run needs: the model's name, its weights, and its own interpreter."""

from __future__ import annotations

import os
import shutil
from dataclasses import dataclass
from pathlib import Path

from packaging.utils import InvalidWheelFilename, canonicalize_name, parse_wheel_filename

from worldstrat_bench.arguments import path_of, path_or_none
from worldstrat_bench.cache import cache_root
from worldstrat_bench.digests import file_sha256
from worldstrat_bench.downloads import OtherFileError
from worldstrat_bench.downloads import download as download_file
from worldstrat_bench.errors import DataError, InfrastructureError, InvalidArtefactError
from worldstrat_bench.plugins.interpreter import ENVIRONMENTS
from worldstrat_bench.run.model import ModelRequest
from worldstrat_bench.submission.environments import EnvironmentRequest, build_environment
from worldstrat_bench.submission.lock import load_lock
from worldstrat_bench.submission.manifest import MANIFEST_NAME, DataFile, Manifest, Weights, load_manifest
from worldstrat_bench.submission.own_wheel import (
    LOCKED_TWICE,
    TAKEN_NAME,
    lock_of,
    model_wheel,
    other_in_lock,
    refuse_other_code,
    taken_name,
)
from worldstrat_bench.typed import typed


@dataclass(frozen=True)
class Prepared:
    """A submission that is ready to run.

    Attributes
    ----------
    folder : of the submission.
    weights : the file, its hash checked; None if the model has none.
    python : the interpreter of its environment; None for the harness's own.
    """

    folder: Path
    manifest: Manifest
    weights: Path | None
    python: Path | None

    @property
    def model(self) -> str:
        """The entry point's name."""
        return self.manifest.model.entry_point


def prepare(
    path: Path,
    *,
    cache: Path | None = None,
    offline: bool = False,
    find_links: Path | None = None,
    environment: bool = True,
    weights: Path | None = None,
) -> Prepared:
    """Read a manifest, get its weights and build its environment, each only if it is not there yet.

    Parameters
    ----------
    path : the folder or its ``submission.toml``.
    offline : neither download weights nor ask an index.
    find_links : folder of wheels to install from.
    environment : False if the caller chooses the interpreter.
    weights : a copy of the weights on this machine, to be used in place of the one that the manifest names.

    Raises
    ------
    InvalidArtefactError
        if the manifest, the lock or a hash is wrong.
    DataError
        if the weights are not at hand and must not be downloaded.
    InfrastructureError
        if the network failed.
    """
    folder = path.parent if path.name == MANIFEST_NAME else path
    manifest = load_manifest(folder)
    store = cache or cache_root()
    # Weights before the environment: a wrong digest is found in seconds, an environment takes minutes.
    found = weights_of(manifest, folder, store / "weights", offline=offline, given=weights)
    python = None
    if environment:
        python = environment_of(manifest, folder, store / ENVIRONMENTS, offline=offline, find_links=find_links)
    return Prepared(folder, manifest, found, python)


@typed
def submitted_model(
    path: Path | str, *, python: Path | str | None = None, weights: Path | str | None = None
) -> ModelRequest:
    """Return the model of a submission as a run asks for it: weights fetched, environment built, its manifest read.

    Parameters
    ----------
    path : the folder or its ``submission.toml``.
    python : an interpreter to use instead of the submission's environment.
    weights : a copy of the weights, to rehearse a submission whose address is not there yet. It has to be the file
        that the manifest describes; other files of a set lie beside it.

    Raises
    ------
    InvalidArtefactError, DataError, InfrastructureError
        as :func:`prepare`.
    """
    own, interpreter = path_or_none(weights, "weights"), path_or_none(python, "python")
    prepared = prepare(path_of(path, "path"), environment=interpreter is None, weights=own)
    manifest = prepared.manifest
    return ModelRequest(
        name=prepared.model,
        frames=manifest.model.frames,
        draws=manifest.model.draws,
        weights=prepared.weights,
        parameters=dict(manifest.model.parameters),
        python=interpreter or prepared.python,
        train_split=manifest.training.train_split,
        submission=manifest.submission.slug,
        # Only the environment that was built from the lock file is known to hold that wheel.
        wheel_sha256=model_wheel(manifest, prepared.folder) if python is None else None,
        lock_sha256=lock_of(manifest, prepared.folder) if prepared.python is not None else None,
    )


def environment_of(
    manifest: Manifest, folder: Path, environments: Path, *, offline: bool = False, find_links: Path | None = None
) -> Path | None:
    """Return the interpreter of a submission; None if the harness's own will do: an empty lock over the harness."""
    section, model = manifest.environment, manifest.model
    path = folder / section.lock
    wheels = tuple((wheel, _wheel_sha256(manifest, wheel)) for wheel in sorted(folder.glob("*.whl")))
    if other_wheel := next((wheel for wheel, _ in wheels if not _is_of(wheel, model.distribution)), None):
        what = f"a wheel that is not the one of {model.distribution} lies beside the manifest"
        remedy = "remove it; the lock names every other package, on an index or by the address of its wheel"
        raise InvalidArtefactError(what, where=other_wheel, remedy=remedy)
    own_wheel = model.wheel is not None and not wheels
    locked = load_lock(path)
    if other := other_in_lock(manifest, folder, locked):
        what = f"{other.name} is another one in the lock than the wheel of the manifest"
        raise InvalidArtefactError(what, where=f"{path}:{other.line}", remedy=LOCKED_TWICE)
    if name := taken_name(manifest, folder, locked):
        what = f"a wheel of the submission has the name of a distribution of the harness: {name}"
        raise InvalidArtefactError(what, where=folder, remedy=TAKEN_NAME)
    # Nothing to install: the model comes with the harness, and its interpreter will do.
    if section.base == "harness" and not locked and not wheels and not own_wheel:
        return None
    text = path.read_text(encoding="utf-8-sig")
    if own_wheel and canonicalize_name(model.distribution) not in {item.name for item in locked}:
        text += f"\n{model.distribution} @ {model.wheel} --hash=sha256:{model.wheel_sha256}\n"
    request = EnvironmentRequest(
        lock=text, python=section.python, over_harness=section.base == "harness", wheels=wheels
    )
    python = build_environment(request, environments, offline=offline, find_links=find_links)
    refuse_other_code(manifest, folder, python)
    return python


def _is_of(wheel: Path, distribution: str) -> bool:
    try:
        return parse_wheel_filename(wheel.name)[0] == canonicalize_name(distribution)
    except InvalidWheelFilename:
        return False


def weights_of(
    manifest: Manifest, folder: Path, store: Path, *, offline: bool = False, given: Path | None = None
) -> Path | None:
    """Return the weights of a submission on this machine, the size and sha256 of every file checked.

    Where several files belong together they are laid into a folder of `store` by their names.

    Parameters
    ----------
    given : a copy of the weights, which is used in place of what the manifest names; other files lie beside it.

    Raises
    ------
    InvalidArtefactError
        if a file is not the one of the manifest, or weights are given and the manifest has none.
    DataError
        if a file is not at hand and must not be downloaded.
    InfrastructureError
        if the network fails.
    """
    weights = manifest.weights
    if weights is None:
        if given is not None:
            what = "the submission states no weights, and some are given"
            raise InvalidArtefactError(what, where=folder / MANIFEST_NAME, remedy=_stated(given))
        return None
    # By digest, so that two submissions may share a file and a name of a stranger is never a path here.
    place = given or (folder / weights.path if weights.path else store / weights.sha256)
    url = None if given else weights.url
    _have(place, url, weights, offline=offline, rehearsed=given is not None)
    if weights.name is None:
        return place
    # ONNX finds external data by name beside the file: the store's own names are digests.
    together = store / f"set-{weights.set_sha256}"
    _lay(together / weights.name, place)
    for file in weights.files:
        beside = given.parent / file.name if given else store / file.sha256
        _have(beside, None if given else file.url, file, offline=offline, rehearsed=given is not None)
        _lay(together / file.name, beside)
    return together / weights.name


def _stated(file: Path) -> str:
    """Return what a manifest has to say of a file of weights, as a remedy."""
    if not file.is_file():
        return "give a file, or leave out --weights"
    return f'state it in [weights]: sha256 = "{file_sha256(file)}", bytes = {file.stat().st_size}'


def _have(place: Path, url: str | None, stated: Weights | DataFile, *, offline: bool, rehearsed: bool) -> None:
    """Download a file of the weights if it is not there, and check it."""
    size, sha256 = stated.bytes, stated.sha256
    if not place.is_file() and url:
        if offline:
            remedy = f"get {url} and save it as {place}"
            raise DataError("the weights are not on this machine", where=place, remedy=remedy)
        download(url, place, bytes_expected=size, sha256=sha256)
    if not place.is_file():
        remedy = "give the file itself: --weights FILE" if rehearsed else "commit them, or give a url"
        raise InvalidArtefactError("the weights are missing", where=place, remedy=remedy)
    # Checked at every use, also what was downloaded before: a cache on a shared disk may have been changed.
    if place.stat().st_size != size or file_sha256(place) != sha256:
        what = "the weights have another size or sha256 than the manifest says"
        remedy = f"give another file, or {_stated(place)}" if rehearsed else "remove the file, or correct the manifest"
        raise InvalidArtefactError(what, where=place, remedy=remedy)


def _lay(name: Path, place: Path) -> None:
    """Give a file another name, in place of an older one: the file itself, or a copy where it is on another disk.

    Not a symbolic link: those are refused where they lead out of the folder of the weights. Two processes may do so at
    once.
    """
    name.parent.mkdir(parents=True, exist_ok=True)
    if name.exists() and name.samefile(place) and not name.is_symlink():
        return
    part = name.with_name(f".{name.name}.{os.getpid()}.part")
    part.unlink(missing_ok=True)
    try:
        part.hardlink_to(place.resolve())
    except OSError:
        shutil.copyfile(place, part)
    part.replace(name)


def download(url: str, place: Path, *, bytes_expected: int, sha256: str) -> None:
    """Fetch a file of known size and hash; nothing is left behind unless both are right.

    Raises
    ------
    InvalidArtefactError
        if what comes is not that file.
    InfrastructureError
        if the network or the disk fails.
    """
    try:
        download_file(url, place, sha256=sha256, most_bytes=bytes_expected)
    except OtherFileError:
        raise InvalidArtefactError("the download is not the file that the manifest describes", where=url) from None
    except OSError as error:
        remedy = "try again later; --weights FILE takes a copy of this machine, for a file that is not published yet"
        raise InfrastructureError(f"the download failed: {error}", where=url, remedy=remedy) from None


def _wheel_sha256(manifest: Manifest, path: Path) -> str:
    if not path.is_file():
        raise InvalidArtefactError("it has the name of a wheel and is not a file", where=path, remedy="remove it")
    return manifest.model.wheel_sha256 or file_sha256(path)
