"""The manifest: where errors point, and that the committed schemas are current."""

from __future__ import annotations

import json
import tomllib
from pathlib import Path

import jsonschema
import pytest

from conftest import ROOT
from submission_factory import MANIFEST
from worldstrat_bench.submission.locate import line_of
from worldstrat_bench.submission.manifest import Manifest, manifest_errors, parse_manifest
from worldstrat_bench.submission.manifest_faults import ManifestError
from worldstrat_bench.submission.schema import SCHEMAS, schema_text


@pytest.mark.parametrize("name", SCHEMAS)
def test_the_committed_schema_is_current(name: str) -> None:
    """`worldstrat-bench submission schema` writes it."""
    assert (ROOT / "docs" / "schemas" / name).read_text(encoding="utf-8") == schema_text(SCHEMAS[name])


def test_the_schema_accepts_what_the_model_accepts() -> None:
    schema = json.loads(schema_text(Manifest))
    document = tomllib.loads(MANIFEST)
    jsonschema.Draft202012Validator.check_schema(schema)
    jsonschema.validate(document, schema)
    document["model"]["frames"] = 9
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(document, schema)


@pytest.mark.parametrize(
    ("old", "new", "line_with", "message"),
    [
        ("frames = 8", "frames = 80", "frames = 80", "model.frames"),
        ('slug = "my-sr"', 'slug = "MY"', 'slug = "MY"', "submission.slug"),
        ('licence = "Apache-2.0"\n', "", "[submission]", "submission.licence: the key is missing"),
        ("strength = 0.3", "strength = [1]", "strength = [1]", "model.parameters.strength"),
        ("[training]", "[training]\nx = 1", "x = 1", "training.x: there is no such key"),
        ("[training]", "[training", "[training", "not TOML"),
    ],
)
def test_an_error_names_key_line_and_remedy(old: str, new: str, line_with: str, message: str) -> None:
    text = MANIFEST.replace(old, new)
    with pytest.raises(ManifestError) as caught:
        parse_manifest(text, where="submission.toml")
    assert message in caught.value.what
    assert caught.value.remedy
    assert caught.value.line is not None
    assert text.splitlines()[caught.value.line - 1] == line_with


def test_every_error_is_found_at_once() -> None:
    found = manifest_errors(MANIFEST.replace("frames = 8", "frames = 0").replace('python = "3.11"', 'python = "2.7"'))
    assert isinstance(found, tuple)
    assert [error.what.split(":")[0] for error in found] == ["model.frames", "environment.python"]


def test_lines_of_dotted_and_quoted_keys_and_of_lists_of_tables() -> None:
    text = '# a comment = 1\n[a."b.c"]\nd.e = 1\n\n[[f]]\ng = """\nh = 2\n"""\n'
    assert line_of(text, ("a", "b.c")) == 2
    assert line_of(text, ("a", "b.c", "d", "e")) == 3
    assert line_of(text, ("f", 0, "g")) == 6
    assert line_of(text, ("a", "missing")) == 2
    assert line_of(text, ("nowhere",)) is None


def test_a_missing_manifest_says_how_to_start(tmp_path: Path) -> None:
    from worldstrat_bench.submission.manifest import load_manifest

    with pytest.raises(ManifestError, match=r"there is no submission\.toml") as caught:
        load_manifest(tmp_path)
    assert "submission new" in (caught.value.remedy or "")
