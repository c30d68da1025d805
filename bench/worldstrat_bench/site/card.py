"""The picture that a link to the board shows elsewhere (Open Graph)."""

from __future__ import annotations

import io
import textwrap
from collections.abc import Sequence

from PIL import Image, ImageDraw, ImageFont

from worldstrat_bench.site.text import cut_middle

SIZE = (1200, 630)
FILE = "card.png"
_INK, _PAPER, _ACCENT, _FAINT = "#1c2326", "#fbfaf7", "#0b5d6b", "#566068"


def card(heading: str, sentences: Sequence[str], bars: Sequence[tuple[str, float, str]]) -> bytes:
    """Return a PNG.

    Parameters
    ----------
    sentences : the answer of the board; two are shown.
    bars : name, length from 0 to 1 and value of the best models; five are shown.
    """
    image = Image.new("RGB", SIZE, _PAPER)
    draw = ImageDraw.Draw(image)
    draw.rectangle((0, 0, SIZE[0], 14), fill=_ACCENT)
    draw.text((60, 48), "worldstrat-bench", font=ImageFont.load_default(30), fill=_ACCENT)
    draw.text((60, 96), cut_middle(heading, 56), font=ImageFont.load_default(44), fill=_INK)
    y = 176
    for sentence in sentences[:2]:
        for line in textwrap.wrap(sentence, 78)[:2]:
            draw.text((60, y), line, font=ImageFont.load_default(28), fill=_INK)
            y += 38
        y += 8
    y = max(y + 16, 340)
    for name, length, value in bars[:5]:
        draw.text((60, y), cut_middle(name, 30), font=ImageFont.load_default(26), fill=_FAINT)
        draw.rectangle((500, y + 4, 500 + 480 * max(0.01, min(1.0, length)), y + 30), fill=_ACCENT)
        draw.text((1000, y), value, font=ImageFont.load_default(26), fill=_INK)
        y += 46
    buffer = io.BytesIO()
    image.save(buffer, "PNG", optimize=True)
    return buffer.getvalue()
