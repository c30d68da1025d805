"""Whose pictures and labels a page shows: follows from the releases of the data its runs were scored on."""

from __future__ import annotations

from collections.abc import Iterable

from worldstrat_bench.data.split import release_names

_FOOTER = {
    "worldstrat": "Imagery of the test set: SPOT 6/7 © Airbus DS, CC BY-NC 4.0; Sentinel-2, Copernicus, and labels "
    "CC BY 4.0; WorldStrat, Cornebise, Oršolić and Kalaitzis (2022).",
    "mini": "Imagery of the mini data set: synthetic, CC0, of no satellite.",
    "other": "Imagery of unrecognised data sets: under the licence of whoever made them.",
}
_CAPTION = {
    "worldstrat": "SPOT 6/7 © Airbus DS, CC BY-NC 4.0; Sentinel-2, Copernicus, CC BY 4.0.",
    "mini": "Synthetic imagery, CC0.",
    "other": "Imagery under the licence of the data set.",
}


def synthetic(release: str) -> bool:
    """Return whether all data of a board, as records state it, are generated scenes and of no satellite."""
    return release == "mini"


def footer(releases: Iterable[str]) -> str:
    """Return the licence line of a page's footer.

    Parameters
    ----------
    releases : as records state them; only known names are told apart, none of them is printed.
    """
    return _lines(_FOOTER, releases)


def caption(releases: Iterable[str]) -> str:
    """Return the licence line below the pictures of a tile."""
    return _lines(_CAPTION, releases)


def _lines(texts: dict[str, str], releases: Iterable[str]) -> str:
    kinds = {"worldstrat" if r in release_names() else "mini" if synthetic(r) else "other" for r in releases}
    return " ".join(text for kind, text in texts.items() if kind in kinds)
