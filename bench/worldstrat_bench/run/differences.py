"""Differences between two notes of a run, in the words of its user."""

from __future__ import annotations

from pydantic import BaseModel

from worldstrat_bench.artefacts.identity import short_value

_WORDS = {
    "protocol.id": "protocol",
    "protocol.sha256": "protocol file",
    "release": "dataset release",
    "official": "officialness of the dataset",
    "list_sha256": "tiles of the list",
    "files_sha256": "dataset files",
    "inputs": "real or synthetic inputs (--lr)",
    "model.wheel_sha256": "model wheel",
    "model.lock_sha256": "lock of the model's environment",
    "model.code_sha256": "model code",
    "model.weights_sha256": "model weights",
    "model.parameters": "model parameters",
    "model.name": "model",
    "model.version": "model version",
    "model.frames": "frames",
    "limits.tile_seconds": "time limit of a tile (--tile-seconds)",
    "limits.memory_bytes": "memory limit (--memory-gib)",
    "lpips_backbone_sha256": "LPIPS weights",
    "lpips_null": "whether LPIPS can be computed",
    "device_type": "scoring device",
    "device.device_class": "device class",
}


def differences(before: BaseModel, now: BaseModel, *, leave_out: frozenset[str] = frozenset()) -> tuple[str, ...]:
    """Return the differences between two notes of one kind, each as "model version: 1.0, now 1.1"."""
    old, new = _flat(before), _flat(now)
    names = [name for name in (*old, *(n for n in new if n not in old)) if name not in leave_out]
    return tuple(
        f"{_word(name)}: {short_value(old.get(name))}, now {short_value(new.get(name))}"
        for name in names
        if old.get(name) != new.get(name)
    )


def _word(name: str) -> str:
    if name.startswith("optional."):
        return f"version of the optional metric {name.removeprefix('optional.')} (--metrics)"
    if name.startswith("model.editable."):
        return f"code of {name.removeprefix('model.editable.')}, which is installed in editable mode"
    return _WORDS.get(name) or name.replace(".", " ").replace("_", " ")


def _flat(note: BaseModel) -> dict[str, object]:
    flat: dict[str, object] = {}
    for name in type(note).model_fields:
        value = getattr(note, name)
        if isinstance(value, BaseModel):
            flat.update({f"{name}.{inner}": content for inner, content in _flat(value).items()})
        elif name in ("packages", "optional", "editable"):  # the one that differs is what a reader looks for
            flat.update({f"{name}.{package}": version for package, version in value.items()})
        else:
            flat[name] = value
    return flat
