"""What pictures of a tile there are: made by ``previews.py``, shown by tile pages and the gallery."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Panel:
    """One picture.

    Attributes
    ----------
    path : from the division's folder.
    title : "Target", "Input" or the model's name.
    note : a line below it.
    """

    path: str
    title: str
    note: str = ""


@dataclass(frozen=True)
class TilePictures:
    """The pictures of one tile, all on the same stretch.

    Attributes
    ----------
    side : of the large panels, px.
    target, input : the high-resolution target and frame 0, enlarged to the same size.
    predictions, errors : by model, in the order of the board; errors on one fixed scale.
    revisits : the offered frames with their clouds marked.
    """

    side: int = 0
    target: Panel | None = None
    input: Panel | None = None
    predictions: tuple[Panel, ...] = ()
    errors: tuple[Panel, ...] = ()
    revisits: tuple[Panel, ...] = ()


NO_PICTURES = TilePictures()
