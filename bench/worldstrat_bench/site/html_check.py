"""A strict reader of the site's own HTML: what it links to, which ids it has, and what is wrong with it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from html.parser import HTMLParser

# What templates write and not what HTML knows: any other element was brought in by a text of a stranger.
_VOID = frozenset({"meta", "link", "img", "input", "br", "hr", "col", "source", "wbr"})
_SVG = frozenset({"svg", "path", "circle", "rect", "text", "g", "a", "title", "line"})
_HTML = frozenset(
    {
        "html",
        "head",
        "meta",
        "title",
        "link",
        "script",
        "body",
        "header",
        "main",
        "footer",
        "nav",
        "section",
        "figure",
        "figcaption",
        "div",
        "span",
        "p",
        "a",
        "b",
        "small",
        "h1",
        "h2",
        "h3",
        "ul",
        "ol",
        "li",
        "dl",
        "dt",
        "dd",
        "table",
        "caption",
        "thead",
        "tbody",
        "tr",
        "th",
        "td",
        "form",
        "fieldset",
        "legend",
        "label",
        "input",
        "select",
        "option",
        "button",
        "output",
        "details",
        "summary",
        "img",
        "pre",
        "code",
        "bdi",
    }
)
_BLOCKS = frozenset(
    {
        "div",
        "p",
        "ul",
        "ol",
        "dl",
        "table",
        "section",
        "figure",
        "form",
        "h1",
        "h2",
        "h3",
        "pre",
        "nav",
        "header",
        "footer",
        "main",
        "details",
    }
)
_EXTERNAL_SCHEMES = ("http:", "https:", "//", "ftp:", "file:", "javascript:", "data:")


@dataclass
class Page:
    """Content of one page.

    Attributes
    ----------
    links : targets of `a`, as written.
    loads : what the browser fetches by itself.
    lazy : the part of `loads` that is fetched only when it is scrolled to.
    ids : in order of appearance.
    faults : in words, the first 20.
    """

    links: list[str] = field(default_factory=list)
    loads: list[str] = field(default_factory=list)
    lazy: list[str] = field(default_factory=list)
    ids: list[str] = field(default_factory=list)
    faults: list[str] = field(default_factory=list)


def read_page(text: str) -> Page:
    """Parse a page and note every fault."""
    reader = _Reader()
    if not text.startswith("<!doctype html>\n<html lang="):
        reader.page.faults.append("does not start with the doctype and a language")
    reader.feed(text)
    reader.close()
    if reader.stack:
        reader.page.faults.append(f"<{reader.stack[-1]}> is never closed")
    repeated = {i for i in reader.page.ids if reader.page.ids.count(i) > 1}
    reader.page.faults += [f"id {i!r} is used twice" for i in sorted(repeated)]
    reader.page.faults += [f"there is no {what}" for what in ("title", "h1", "main") if what not in reader.seen]
    return reader.page


class _Reader(HTMLParser):
    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.page = Page()
        self.stack: list[str] = []
        self.seen: set[str] = set()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self._open(tag, attrs)
        if tag not in _VOID:
            self.stack.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if "svg" not in self.stack and tag not in _VOID:
            self._fault(f"<{tag}/> closes itself outside of a drawing")
        self._open(tag, attrs)

    def handle_endtag(self, tag: str) -> None:
        if not self.stack or self.stack[-1] != tag:
            self._fault(f"</{tag}> closes <{self.stack[-1] if self.stack else 'nothing'}>")
        if tag in self.stack:
            while self.stack.pop() != tag:
                pass

    def handle_comment(self, data: str) -> None:
        self._fault("a comment, which no template writes")

    def _open(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.seen.add(tag)
        if tag not in (_SVG if "svg" in self.stack else _HTML) and tag != "svg":
            self._fault(f"<{tag}> is not an element that pages use")
        if tag in _BLOCKS and "p" in self.stack:
            self._fault(f"<{tag}> inside <p>")
        names = [name for name, _ in attrs]
        for name in sorted({n for n in names if names.count(n) > 1}):
            self._fault(f"<{tag}> has two attributes {name}")
        self._attributes(tag, {name: value or "" for name, value in attrs})

    def _attributes(self, tag: str, attributes: dict[str, str]) -> None:
        if "id" in attributes:
            self.page.ids.append(attributes["id"])
        for name in sorted(attributes):
            if name.startswith("on") or name == "style":
                self._fault(f"<{tag}> has an attribute {name}, which the content policy forbids")
        if tag == "a":
            self.page.links.append(attributes.get("href", ""))
        elif tag in ("img", "script", "link") and attributes.get("rel") not in ("alternate", "canonical"):
            self._loads(tag, attributes)
        if tag == "img" and ("alt" not in attributes or "height" not in attributes):
            self._fault("<img> without alt or height")

    def _loads(self, tag: str, attributes: dict[str, str]) -> None:
        source = attributes.get("src") or attributes.get("href") or ""
        if tag == "script" and not source:
            if attributes.get("type") != "application/json":
                self._fault("a script inside the page")
            return
        if is_external(source):
            self._fault(f"<{tag}> loads {source[:60]!r} from elsewhere")
        self.page.loads.append(source)
        if attributes.get("loading") == "lazy":
            self.page.lazy.append(source)

    def _fault(self, text: str) -> None:
        if len(self.page.faults) < 20:
            line, _ = self.getpos()
            self.page.faults.append(f"line {line}: {text}")


def is_external(href: str) -> bool:
    """Return whether an address leaves the site."""
    return href.lower().startswith(_EXTERNAL_SCHEMES)


def bad_schemes(links: Iterable[str]) -> list[str]:
    """Return links of a kind that no page may have: only http, https and relative ones are allowed."""
    found = []
    for href in links:
        head = href.split("/", 1)[0]
        if ":" in head and not href.startswith(("http://", "https://")):
            found.append(href)
    return found
