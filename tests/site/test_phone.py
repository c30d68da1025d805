"""Pages on a phone: nothing that has to be read lies outside the screen."""

from __future__ import annotations

from pathlib import Path

import pytest
from playwright.sync_api import Browser

from site_browser import visit


@pytest.mark.parametrize(("width", "shown"), [(375, "narrow"), (1440, "wide")])
def test_drawings_fit_the_screen_in_one_of_two_widths(site: Path, browser: Browser, width: int, shown: str) -> None:
    for page in (site / "index.html", site / "m" / "highresnet.html", next(site.glob("t/*.html"))):
        with visit(browser, page.as_uri(), viewport={"width": width, "height": 800}) as seen:
            drawings = seen.page.locator("figure .scroll svg:visible").evaluate_all(
                "all => all.map(s => [s.getAttribute('class'), s.getBoundingClientRect().right])"
            )
            assert drawings
            two = {css.split()[-1] for css, _ in drawings} & {"wide", "narrow"}
            assert two <= {shown}
            # The drawing of every stratum is 44 rows with their intervals in figures: it scrolls in its own box.
            cut = [css for css, right in drawings if right > width and css != "fig"]
            assert cut == []
