"""The viewer of a tile in a real browser: linked panes by mouse, touch and keys, and its address."""

from __future__ import annotations

import io
import re
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import unquote, urlsplit

import numpy as np
import pytest
from PIL import Image
from playwright.sync_api import Browser, Locator, Page, Request

from site_browser import Visit, visit
from site_pictures import PictureScene, size_of
from waiting import wait_until, wait_until_passed

WINDOWS = """() => [...document.querySelectorAll('.window')].map(w => {
  const world = w.querySelector('.world').getBoundingClientRect(), own = w.getBoundingClientRect();
  return [own.width, own.height, world.left - own.left, world.top - own.top, world.width, world.height]})"""
NEAR = 1.5
"""px that a window's fraction of a px may move a place."""


def windows(page: Page) -> list[list[float]]:
    """Width and height of every window, then left, top, width and height of the picture in it."""
    found: list[list[float]] = page.evaluate(WINDOWS)
    return found


def linked(page: Page) -> list[float]:
    """The one geometry that all windows have."""
    found = windows(page)
    assert all(one == pytest.approx(found[0], abs=0.01) for one in found)
    return found[0]


def uneven_tile(pictures: PictureScene) -> Path:
    """The page of a tile whose input is not square."""
    for page in pictures.tile_pages():
        width, height = size_of(page.parent.parent / "img" / page.stem / "input.webp")
        if width != height:
            return page
    raise AssertionError("every input is square, so registration is not tested")


def drawn(place: Locator) -> np.ndarray[tuple[int, ...], np.dtype[np.uint8]]:
    """What the browser paints there."""
    return np.asarray(Image.open(io.BytesIO(place.screenshot())).convert("RGB"))


def requested(page: Page) -> list[Request]:
    """A list that every request of the page is added to."""
    found: list[Request] = []

    def note(request: Request) -> None:
        found.append(request)

    page.on("request", note)
    return found


@pytest.fixture
def seen(pictures: PictureScene, browser: Browser) -> Iterator[Visit]:
    """The page of a tile on a wide screen."""
    with visit(browser, uneven_tile(pictures).as_uri(), viewport={"width": 1440, "height": 1000}) as visited:
        visited.page.wait_for_selector(".world img")
        yield visited
        visited.assert_quiet()


def test_panes_are_equal_and_the_input_lies_on_the_target(seen: Visit) -> None:
    page = seen.page
    assert page.locator(".pane").count() == 4
    width, height, *_ = linked(page)
    assert width == pytest.approx(height, abs=0.01)
    # The input's picture covers the target's square, whatever its own shape, moved by the shift alone.
    page.select_option("select[name=as]", "delivered")
    boxes = [image.bounding_box() for image in page.locator(".world img").all()]
    frames = [window.bounding_box() for window in page.locator(".window").all()]
    for box, frame in zip(boxes, frames, strict=True):
        assert box is not None
        assert frame is not None
        assert [box[k] - frame[k] for k in ("x", "y", "width", "height")] == pytest.approx([0] * 4, abs=0.6)


def test_keys_zoom_and_move_all_panes(seen: Visit) -> None:
    page = seen.page
    whole = linked(page)
    page.locator(".panes").focus()
    for key in "++++++":
        page.keyboard.press(key)
    near = linked(page)
    assert near[4] == 8 * 120
    page.keyboard.press("ArrowLeft")
    page.keyboard.press("ArrowUp")
    moved = linked(page)
    assert moved[2] - near[2] == pytest.approx(16, abs=NEAR)
    assert moved[3] - near[3] == pytest.approx(16, abs=NEAR)
    page.keyboard.press("-")
    assert linked(page)[4] == 4 * 120
    page.keyboard.press("0")
    assert linked(page) == pytest.approx(whole, abs=NEAR)
    assert page.locator("[data-z='0']").get_attribute("aria-pressed") == "true"


def test_mouse_drags_and_wheels_but_never_traps_the_page(seen: Visit) -> None:
    page = seen.page
    window = page.locator(".window").nth(1)
    window.scroll_into_view_if_needed()
    whole = linked(page)
    window.hover()
    page.evaluate("addEventListener('wheel', event => { window.kept = event.defaultPrevented })")
    page.mouse.wheel(0, -120)
    assert wait_until(lambda: page.evaluate("window.kept !== undefined"))
    assert page.evaluate("window.kept") is False  # without a click before, the page scrolls
    assert linked(page) == pytest.approx(whole, abs=NEAR)
    window.click(position={"x": 60, "y": 60})
    page.mouse.wheel(0, -120)
    page.wait_for_selector(".zoomed")
    before = linked(page)
    box = window.bounding_box()
    assert box is not None
    x, y = box["x"] + 150, box["y"] + 150
    page.mouse.move(x, y)
    page.mouse.down()
    page.mouse.move(x - 40, y - 24, steps=4)
    page.mouse.up()
    after = linked(page)
    assert after[4] == before[4] > whole[4]
    assert after[2] - before[2] == pytest.approx(-40, abs=4)
    assert after[3] - before[3] == pytest.approx(-24, abs=4)


def test_two_fingers_zoom(pictures: PictureScene, browser: Browser) -> None:
    options = {"viewport": {"width": 375, "height": 800}, "has_touch": True, "is_mobile": True}
    with visit(browser, uneven_tile(pictures).as_uri(), **options) as seen:
        page = seen.page
        window = page.locator(".window").nth(2)
        window.scroll_into_view_if_needed()
        box = window.bounding_box()
        assert box is not None
        whole = linked(page)
        touch = page.context.new_cdp_session(page)
        x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2

        def fingers(kind: str, reach: float) -> None:
            points = [{"x": x - reach, "y": y, "id": 1}, {"x": x + reach, "y": y, "id": 2}]
            touch.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": points if reach else []})

        fingers("touchStart", 15)
        for reach in (20, 30, 45):
            fingers("touchMove", reach)
        fingers("touchEnd", 0)
        page.wait_for_selector(".zoomed")
        assert wait_until(lambda: linked(page)[4] == pytest.approx(3 * whole[4], rel=0.1)), linked(page)
        assert page.evaluate("visualViewport.scale") == 1
        seen.assert_quiet()


def assert_differences(page: Page) -> None:
    """The perfect model differs from nothing, and the other one as much from it as from the target."""
    middle = slice(40, 90), slice(40, 90)
    a, b, between = (drawn(place)[middle] for place in page.locator(".layers").all())
    assert a.max() < 8  # the dark end of the bar
    assert b.mean() > a.mean() + 5
    assert np.abs(b.astype(int) - between).mean() < 6


def test_flip_swipe_and_difference(seen: Visit) -> None:
    page = seen.page
    page.select_option("select[name=mode]", "flip")
    page.select_option("select[name=pair]", "ab")
    worlds = page.locator(".world")
    assert [w.is_visible() for w in worlds.all()] == [True, False]
    page.get_by_role("button", name="Flip").click()
    assert [w.is_visible() for w in worlds.all()] == [False, True]
    assert page.locator("figcaption b.shown").inner_text() == "B"
    page.locator(".panes").focus()
    page.keyboard.press("f")
    assert [w.is_visible() for w in worlds.all()] == [True, False]

    page.select_option("select[name=mode]", "swipe")
    clip = "e => getComputedStyle(e).clipPath"
    before = worlds.first.evaluate(clip)
    divider = page.locator("input[name=cut]")
    divider.focus()
    page.keyboard.press("ArrowRight")
    assert divider.input_value() == "51"
    assert worlds.first.evaluate(clip) != before

    page.select_option("select[name=mode]", "diff")
    page.select_option("select[name=as]", "delivered")  # as scored it would be moved by an invented shift
    wait_until_passed(lambda: assert_differences(page))
    assert page.locator(".viewer > .bar").first.is_visible()


def test_native_pixels_are_drawn_without_loss_and_hard(seen: Visit, pictures: PictureScene) -> None:
    page = seen.page
    assert page.evaluate("typeof wsbCrop") == "function"
    page.locator("[data-z='4']").click()
    page.wait_for_selector(".pane:nth-child(4) .world img:nth-child(2)")
    crop = page.locator(".world").nth(3).locator("img").nth(1)
    pixels = page.evaluate(
        """async i => {await i.decode(); const c = document.createElement('canvas').getContext('2d');
           c.drawImage(i, 0, 0); return [...c.getImageData(60, 60, 2, 1).data]}""",
        crop.element_handle(),
    )
    page.evaluate("document.querySelectorAll('.cross').forEach(c => {c.style.visibility = 'hidden'})")
    left, top = linked(page)[2:4]
    shot = drawn(page.locator(".window").nth(3)).astype(int)
    row = shot[round(top + 60 * 4 + 1), :]
    for k in (0, 1):
        start = round(left + (60 + k) * 4)
        painted = row[start + 1 : start + 3]
        if 0 < start < shot.shape[1] - 4:
            assert np.abs(painted - pixels[4 * k : 4 * k + 3]).max() <= 1


def test_the_whole_view_goes_into_the_address(seen: Visit, pictures: PictureScene, browser: Browser) -> None:
    page = seen.page
    address = page.url
    for name, value in (
        ("a", "blurred"),
        ("b", "good"),
        ("mode", "swipe"),
        ("pair", "bt"),
        ("as", "delivered"),
        ("tone", "own"),
    ):
        page.select_option(f"select[name={name}]", value)
    page.locator("[data-z='4']").click()
    page.locator(".panes").focus()
    page.keyboard.press("ArrowRight")
    page.locator("input[name=cut]").fill("30")
    page.wait_for_url(re.compile("cut=30"))
    said, place = page.url, linked(page)
    assert "c=" in said
    fields = ("a", "b", "mode", "pair", "as", "tone", "cut")
    values = [page.locator(f"[name={name}]").input_value() for name in fields]
    with visit(browser, said, viewport={"width": 1440, "height": 1000}) as again:
        again.page.wait_for_selector(".world img")
        assert [again.page.locator(f"[name={name}]").input_value() for name in fields] == values
        assert linked(again.page) == pytest.approx(place, abs=NEAR)
        # The view has been written into the address when it is said in words.
        assert wait_until(lambda: again.page.locator(".viewer output").inner_text() != "")
        assert again.page.url == said
        # An address that is pasted into the open page is followed.
        again.page.goto(f"{address}#tone=gamma")
        again.page.wait_for_selector(".pane:nth-child(4)")
        assert again.page.locator("[name=tone]").input_value() == "gamma"
        again.assert_quiet()


def test_a_page_is_light_until_it_is_used(pictures: PictureScene, browser: Browser) -> None:
    for tile in pictures.tile_pages():
        context = browser.new_context(viewport={"width": 1440, "height": 1000})
        page = context.new_page()
        requests = requested(page)
        page.goto(tile.as_uri())
        page.wait_for_load_state("networkidle")
        asked = [Path(unquote(urlsplit(request.url).path)) for request in requests]
        at_once = {p for p in asked if p.name[:2] not in ("e-", "r-")}  # those wait until they are scrolled to
        assert sum(p.stat().st_size for p in at_once) <= 400_000
        assert not [p for p in asked if p.name.startswith("c-")]
        context.close()


def test_the_plot_names_the_models_of_both_panes(seen: Visit) -> None:
    first, second = (seen.page.locator(f".viewer select[name={key}]") for key in "ab")
    names = seen.page.locator(".strip text.on")
    assert names.all_text_contents() == [box.evaluate("b => b.selectedOptions[0].text") for box in (first, second)]
    second.select_option(first.input_value())
    assert len(set(names.all_text_contents())) == 1


def test_values_at_the_crosshair(seen: Visit) -> None:
    page = seen.page
    page.locator("#values summary").click()
    page.wait_for_selector(".charts svg")
    assert page.locator(".charts svg").count() == 4
    assert page.locator(".key-lines span").all_inner_texts() == ["good", "blurred", "Target"]
    lines = page.locator(".charts svg").first.locator("path[class^=ln]")
    paths = [path.get_attribute("d") for path in lines.all()]
    assert len(paths) == 3
    assert all(path is not None and path.count("L") == 119 for path in paths)
    page.locator(".panes").focus()
    page.keyboard.press("ArrowDown")
    assert wait_until(lambda: lines.first.get_attribute("d") != paths[0])


def test_print_shows_the_pictures(seen: Visit) -> None:
    page = seen.page
    page.emulate_media(media="print")
    assert not page.locator(".view").is_visible()
    assert page.locator("#pictures").evaluate("e => getComputedStyle(e).breakInside") == "auto"
    assert all(window.is_visible() for window in page.locator(".window").all())


def test_a_printed_board_is_not_cut(site: Path, browser: Browser) -> None:
    with visit(browser, (site / "index.html").as_uri(), viewport={"width": 1040, "height": 700}) as seen:
        seen.page.emulate_media(media="print")
        box = seen.page.locator("#board").bounding_box()
        assert box is not None
        assert box["x"] + box["width"] <= 1040  # A4, landscape, within its margins
