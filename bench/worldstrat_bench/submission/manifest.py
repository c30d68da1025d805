"""``submission.toml``: what a submission says about itself. Data, never code; everything in it is untrusted."""

from __future__ import annotations

from pathlib import Path, PurePosixPath
from typing import Annotated, Literal

from pydantic import AfterValidator, Field, model_validator
from pydantic_core import PydanticCustomError

from worldstrat_bench.artefacts.places import RESULTS
from worldstrat_bench.artefacts.record import ModelRef
from worldstrat_bench.digests import listing_sha256
from worldstrat_bench.measures import Returned
from worldstrat_bench.plain_files import read_plain
from worldstrat_bench.submission.about import About, Corrections, Line, Prose, Section, Sha256, Url
from worldstrat_bench.submission.lock import wheel_address_fault
from worldstrat_bench.submission.manifest_faults import ManifestError, validated
from worldstrat_bench.toml_text import read_toml

MANIFEST_NAME = "submission.toml"
MAX_MANIFEST_BYTES = 64 * 1024

_DISTRIBUTION = r"^[A-Za-z0-9](?:[A-Za-z0-9._-]{0,98}[A-Za-z0-9])?$"
_VERSION = r"^[0-9][0-9A-Za-z.!+-]{0,60}$"
_ENTRY_POINT = r"^[A-Za-z0-9](?:[A-Za-z0-9._-]{0,98}[A-Za-z0-9])?$"

TrainSplit = Literal[
    "none",
    "other",
    "worldstrat-train",
    "worldstrat-train-unleaked",
    "worldstrat-random-2022",
    "mini-train",
    "listed",
    "described",
]
"""Known lists of :mod:`worldstrat_bench.stats.train_split`; `listed` comes with names, `described` with words."""

SelectionSplit = Literal["none", "worldstrat-val", "worldstrat-train", "mini-train", "described"]
WeightsFormat = Literal["safetensors", "onnx", "torchscript", "pt2", "state_dict"]
WEIGHTS_SUFFIXES: dict[WeightsFormat, tuple[str, ...]] = {
    "safetensors": (".safetensors",),
    "onnx": (".onnx",),
    "torchscript": (".pt", ".pth", ".ts", ".torchscript"),
    "pt2": (".pt2",),
    "state_dict": (".pt", ".pth", ".ckpt", ".bin"),
}
"""How the names of weights that lie beside a manifest end."""

Python = Literal["3.9", "3.10", "3.11", "3.12", "3.13", "3.14"]


def _inside(path: str) -> str:
    """Return a relative path that stays in the submission's folder."""
    pure = PurePosixPath(path)
    if pure.is_absolute() or ".." in pure.parts or "\\" in path or not path.isprintable() or not pure.name:
        raise PydanticCustomError("outside", "must be a path inside the submission's folder")
    return path


def _kept(path: str) -> str:
    """Return the name of a file that stays as it is once maintainers verified the submission."""
    pure = PurePosixPath(path)
    # A folder on the way may be a link, and what it leads to would be read, and quoted in a fault.
    if len(pure.parts) > 1 and pure.parts[0].casefold() != RESULTS:
        raise PydanticCustomError("kept", "must be a file beside the manifest, not in a folder")
    if pure.suffix.lower() == ".md" or pure.name.casefold() == MANIFEST_NAME or pure.parts[0].casefold() == RESULTS:
        raise PydanticCustomError("kept", "must be a file of its own: no text (.md), no manifest, nothing in results/")
    return path


InnerPath = Annotated[str, Field(min_length=1, max_length=200), AfterValidator(_inside)]
KeptPath = Annotated[InnerPath, AfterValidator(_kept)]
"""Of a file that decides what runs or what is stated. Owners may change prose and add records after a verification."""
Parameter = Annotated[str, Field(max_length=1000)] | bool | int | Annotated[float, Field(allow_inf_nan=False)]


class ModelSection(Section):
    """Code of the model, and how it is run."""

    entry_point: Annotated[str, Field(pattern=_ENTRY_POINT, description='name in "worldstrat_bench.models"')]
    distribution: Annotated[str, Field(pattern=_DISTRIBUTION, description="name of the Python distribution")]
    version: Annotated[str, Field(pattern=_VERSION)]
    wheel: Annotated[Url | None, Field(description="where the wheel is, if it is on no package index")] = None
    wheel_sha256: Sha256 | None = None
    repository_folder: Annotated[
        Literal["baselines"] | None, Field(description="the model ships with this repository, in that folder")
    ] = None
    frames: Annotated[int, Field(ge=1, le=8, description="revisits that the model wants")]
    draws: Annotated[int, Field(ge=1, le=32, description="predictions of each tile, if the model draws")] = 1
    returns: Annotated[tuple[Returned, ...], Field(max_length=2, strict=False, description="beside R, G and B")] = ()
    parameters: Annotated[dict[str, Parameter], Field(max_length=64)] = Field(default_factory=dict)

    @model_validator(mode="after")
    def _wheel_is_pinned(self) -> ModelSection:
        if (self.wheel is None) != (self.wheel_sha256 is None):
            raise PydanticCustomError(
                "wheel", "wheel and wheel_sha256 come together: an address without a hash is not a pin"
            )
        if self.wheel is not None and (fault := wheel_address_fault(self.wheel, self.distribution)):
            raise PydanticCustomError("wheel", "{fault}", {"fault": fault})
        if self.wheel and self.repository_folder:
            raise PydanticCustomError("wheel", "wheel and repository_folder exclude each other")
        return self


class DataFile(Section):
    """A file beside an ONNX file that holds some of its tensors."""

    name: Annotated[InnerPath, Field(description="as the ONNX file spells it, such as net.onnx.data")]
    url: Url
    sha256: Sha256
    bytes: Annotated[int, Field(ge=1, le=20 * 1024**3)]


class Weights(Section):
    """The trained parameters: a file and what belongs to it, opened by the confined worker only."""

    url: Url | None = None
    path: Annotated[KeptPath | None, Field(description="a small file in the submission's folder, instead of url")] = (
        None
    )
    sha256: Sha256
    bytes: Annotated[int, Field(ge=1, le=20 * 1024**3)]
    format: WeightsFormat
    name: Annotated[
        InnerPath | None, Field(description="file name of the weights, such as net.onnx, where there are files beside")
    ] = None
    files: Annotated[
        tuple[DataFile, ...], Field(max_length=200, strict=False, description="the files of ONNX external data")
    ] = ()

    @model_validator(mode="after")
    def _one_place(self) -> Weights:
        if (self.url is None) == (self.path is None):
            raise PydanticCustomError("weights", "exactly one of url and path says where the weights are")
        if bool(self.files) != (self.name is not None):
            raise PydanticCustomError("weights", "name and files come together: the names are a part of the digest")
        names = [self.name, *(file.name for file in self.files)]
        if (
            len({PurePosixPath(name or "") for name in names}) != len(names)
            or len(PurePosixPath(self.name or "").parts) > 1
        ):
            raise PydanticCustomError("weights", "every file has its own name, and name holds no folder")
        own = {PurePosixPath(name or "") for name in names}
        if any(parent in own for name in own for parent in name.parents):
            raise PydanticCustomError("weights", "no file has the name of a folder of another one")
        return self

    @property
    def set_sha256(self) -> str:
        """The digest that a record of these weights holds."""
        if self.name is None:
            return self.sha256
        return listing_sha256([(self.name, self.sha256), *((file.name, file.sha256) for file in self.files)])


class Training(Section):
    """Training data of the model: a statement by its authors, checked where it can be."""

    datasets: Annotated[
        tuple[Line, ...], Field(max_length=50, strict=False, description="all data sets, [] if untrained")
    ]
    train_split: TrainSplit
    train_tiles: Annotated[KeptPath | None, Field(description='file of tile names, one a line, for "listed"')] = None
    selection_split: Annotated[
        SelectionSplit, Field(description='by which images it was chosen; "described": others, in the description')
    ]
    test_evaluations: Annotated[int, Field(ge=0, le=100_000, description="how often it was evaluated on test")]
    uses_test: Annotated[
        Literal[False], Field(description="the statement that no test tile was trained or selected on")
    ]
    description: Prose = ""

    @model_validator(mode="after")
    def _described(self) -> Training:
        if (self.train_split == "listed") != (self.train_tiles is not None):
            raise PydanticCustomError("training", 'train_split = "listed" and train_tiles come together')
        if self.train_split == "other" and not self.datasets:
            raise PydanticCustomError("training", 'train_split = "other" needs datasets: what the weights have seen')
        if "described" in (self.train_split, self.selection_split) and len(self.description.strip()) < 20:
            raise PydanticCustomError(
                "training", 'for "described" the description must say on which tiles or images, in a sentence or two'
            )
        return self


class EnvironmentSection(Section):
    """The software that the model runs in."""

    python: Python
    lock: Annotated[KeptPath, Field(description="requirements with == and --hash, in the submission's folder")]
    base: Annotated[
        Literal["locked", "harness"],
        Field(description='"locked": the lock is complete; "harness": numpy and torch come from the harness'),
    ] = "locked"


class Manifest(Section):
    """One submission of a model."""

    schema_version: Literal[1]
    protocols: Annotated[tuple[Line, ...], Field(min_length=1, max_length=10, strict=False)]
    submission: About
    model: ModelSection
    weights: Weights | None = None
    training: Training
    environment: EnvironmentSection
    correction: Corrections = ()

    def reference(self, recorded: ModelRef) -> ModelRef:
        """Return the reference to the declared model, to be compared with the one in a record.

        Parameters
        ----------
        recorded : may be named by the submission's slug instead of the entry point.
        """
        model, slug = self.model, self.submission.slug
        return ModelRef(
            name=slug if recorded.name == slug else model.entry_point,
            distribution=model.distribution,
            version=model.version,
            wheel_sha256=model.wheel_sha256,
            weights_sha256=self.weights.set_sha256 if self.weights else None,
            parameters=model.parameters,
            frames=model.frames,
            draws=model.draws,
            train_split=self.training.train_split,
            submission=slug,
        )


def load_manifest(path: Path) -> Manifest:
    """Read the ``submission.toml`` of a model, or the one in a folder.

    Raises
    ------
    ManifestError
        naming the key, its line and the remedy; also if it hands in predictions.
    """
    file, text = read_text(path)
    return parse_manifest(text, where=file)


def hands_in_predictions(text: str) -> bool:
    """Return whether the text of a ``submission.toml`` has a section of predictions, whatever else is wrong with it."""
    try:
        return "predictions" in read_toml(text)
    except ValueError:
        return False


def read_text(path: Path) -> tuple[Path, str]:
    """Return the file of a manifest, which may be named by its folder, and its text.

    Raises
    ------
    ManifestError
        if there is none, or it cannot be read.
    """
    file = path / MANIFEST_NAME if path.is_dir() else path
    try:
        content = read_plain(file, MAX_MANIFEST_BYTES)
        if len(content) > MAX_MANIFEST_BYTES:
            raise ManifestError(f"larger than {MAX_MANIFEST_BYTES // 1024} kB", where=file, remedy="shorten it")
        text = content.decode("utf-8-sig")
    except FileNotFoundError:
        remedy = "start with: worldstrat-bench submission new SLUG"
        raise ManifestError("there is no submission.toml", where=file, remedy=remedy) from None
    except UnicodeDecodeError:
        raise ManifestError("submission.toml is not UTF-8", where=file, remedy="save it as UTF-8") from None
    except (OSError, ValueError) as error:
        raise ManifestError(f"submission.toml cannot be read: {error}", where=file) from None
    return file, text


def parse_manifest(text: str, *, where: object = MANIFEST_NAME) -> Manifest:
    """Read the text of a ``submission.toml``; see :func:`load_manifest`."""
    # Read as a model's first, whose faults are the more useful ones where a text is neither.
    errors = manifest_errors(text, where=where)
    if isinstance(errors, Manifest):
        return errors
    if hands_in_predictions(text):
        remedy = "get its predictions: worldstrat-bench score DIR --submission FOLDER --data DIR --out RUN"
        raise ManifestError(
            "this submission hands in predictions: there is no model to run", where=where, remedy=remedy
        )
    raise errors[0]


def manifest_errors(text: str, *, where: object = MANIFEST_NAME) -> Manifest | tuple[ManifestError, ...]:
    """Return the manifest of a model, or everything that is wrong with its text (at least one error)."""
    return validated(text, Manifest, where)
