"""Index of the pictures of tiles: made by ``previews.py``, shown by tile pages and the gallery."""

from __future__ import annotations

from dataclasses import dataclass

CELL = 256
"""Side of a lossless crop, target px."""

CLOSE = 128
"""Side of the crops of a model's page, target px."""


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
class Layer(Panel):
    """A picture that the viewer shows at the size of the target.

    Attributes
    ----------
    key : "target", "input" or the model's slug; a part of the names of its files.
    own : slope and intercept that bring what is drawn, 0 to 1 on the target's stretch, to the picture's own stretch.
    """

    key: str = ""
    own: tuple[float, float] = (1.0, 0.0)


@dataclass(frozen=True)
class TilePictures:
    """The pictures of one tile, all on the same stretch.

    Attributes
    ----------
    folder : of the tile's files, from the division's folder. A layer's lossless crops are
        ``c-<key>-<x>-<y>.js`` in it, a model's picture as delivered is ``d-<key>.webp``.
    side : of the target, px.
    pixel : metres that a px of the target spans.
    range : reflectance that is drawn black and white.
    target : the high-resolution target.
    input : frame 0 in its own px, lossless.
    shift : (y, x) in target px by which the input is read to lie on the target: the median over the models.
    models : as scored (moved by the shift that the score found, mean difference removed), in the order of the board.
    errors : of the models, in the same order; on one fixed scale.
    revisits : the offered frames with their clouds marked.
    cells : left and top of the lossless crops, target px; each is :data:`CELL` px wide or ends at the edge.
    detail : (x, y) in target px of the place that is worth a look, chosen by rule.
    close : keys of the layers of which there is ``k-<key>.webp``: :data:`CLOSE` px around the detail, without loss.
    infrared : whether there are ``n-target.webp`` and ``n-input.webp``, the near infrared.
    """

    folder: str = ""
    side: int = 0
    pixel: float = 0.0
    range: tuple[float, float] = (0.0, 1.0)
    target: Layer | None = None
    input: Layer | None = None
    shift: tuple[float, float] = (0.0, 0.0)
    models: tuple[Layer, ...] = ()
    errors: tuple[Panel, ...] = ()
    revisits: tuple[Panel, ...] = ()
    cells: tuple[tuple[int, int], ...] = ()
    detail: tuple[int, int] = (0, 0)
    close: tuple[str, ...] = ()
    infrared: bool = False


NO_PICTURES = TilePictures()

NO_PICTURES_HERE = (
    "This board has no pictures: they are made from the data set and from predictions, and records hold neither."
)
NO_PICTURES_OF_TILE = "This tile has no pictures: they are made of the tiles of the gallery."
"""Sentence of a page where a reader would look for pictures; their sections are left out."""
