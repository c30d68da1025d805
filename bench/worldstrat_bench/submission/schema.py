"""JSON Schemas of what people write and read, for editors and for other programs."""

from __future__ import annotations

import json
from pathlib import Path

from pydantic import BaseModel

from worldstrat_bench.artefacts.memorisation import Memorisation
from worldstrat_bench.artefacts.record import Record
from worldstrat_bench.artefacts.robustness import Robustness
from worldstrat_bench.artefacts.verification import Verification
from worldstrat_bench.submission.manifest import Manifest
from worldstrat_bench.submission.predictions_manifest import PredictionsManifest

SCHEMAS: dict[str, type[BaseModel]] = {
    "submission.schema.json": Manifest,
    "predictions.schema.json": PredictionsManifest,
    "record.schema.json": Record,
    "verification.schema.json": Verification,
    "robustness.schema.json": Robustness,
    "memorisation.schema.json": Memorisation,
}
"""File name in ``docs/schemas`` to the model that it describes."""


def schema_text(model: type[BaseModel]) -> str:
    """Return the JSON Schema (2020-12) of a model, as committed."""
    schema = {"$schema": "https://json-schema.org/draft/2020-12/schema", **model.model_json_schema()}
    return json.dumps(schema, indent=1, sort_keys=True, ensure_ascii=False) + "\n"


def write_schemas(folder: Path) -> tuple[Path, ...]:
    """Write every schema into `folder`; the paths written."""
    folder.mkdir(parents=True, exist_ok=True)
    written = []
    for name, model in SCHEMAS.items():
        path = folder / name
        path.write_text(schema_text(model), encoding="utf-8")
        written.append(path)
    return tuple(written)
