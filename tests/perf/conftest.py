"""Figures of `tox -e perf`: printed as they are known, and kept in build/perf. Nothing here fails for being slow."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path

import pytest

FOLDER = Path(__file__).resolve().parents[2] / "build" / "perf"

Publish = Callable[[str, Mapping[str, object], Iterable[str]], None]


@pytest.fixture(scope="session")
def publish(request: pytest.FixtureRequest) -> Publish:
    """``publish(name, document, lines)`` prints the lines and writes the document to build/perf/<name>.json."""
    capture = request.config.pluginmanager.getplugin("capturemanager")

    def publish_figures(name: str, document: Mapping[str, object], lines: Iterable[str]) -> None:
        FOLDER.mkdir(parents=True, exist_ok=True)
        (FOLDER / f"{name}.json").write_text(json.dumps(document, indent=1) + "\n", encoding="utf-8")
        with capture.global_and_fixture_disabled():
            print("\n" + "\n".join(lines), flush=True)

    return publish_figures
