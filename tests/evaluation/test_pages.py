"""The report pages at the width of a phone: what is wider than the screen scrolls by itself, not with the page."""

import re
from html.parser import HTMLParser
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PAGES = sorted((ROOT / "lossless_ros" / "evaluation" / "pages").glob("*.html"))
PHONE = 390  # width of the screen [px]
EMPTY = {"img", "meta"}  # elements without an end


def rules() -> list[tuple[str, str]]:
    """Return selector and properties of every rule of the pages' style."""
    style = re.sub(r"/\*.*?\*/", "", (ROOT / "lossless_ros" / "evaluation" / "pages" / "base.html").read_text())
    return [(selector.strip(), text) for selector, text in re.findall(r"([^{}>]+)\{([^{}]*)\}", style)]


class Elements(HTMLParser):
    """The elements of a page: tag, classes, and whether they are in a container that scrolls sideways."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[tuple[str, list[str], bool]] = []
        self._open: list[tuple[str, bool]] = []

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        classes = (dict(attributes).get("class") or "").split()
        within = bool(self._open) and self._open[-1][1]
        self.found.append((tag, classes, within))
        if tag not in EMPTY:
            self._open.append((tag, within or "wide" in classes))

    def handle_endtag(self, tag: str) -> None:
        assert self._open.pop()[0] == tag


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_tables_and_wide_images_scroll_by_themselves(page: Path) -> None:
    elements = Elements()
    elements.feed(page.read_text())
    assert not [tag for tag, classes, within in elements.found if (tag == "table" or "strip" in classes) and not within]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_plots_scroll_by_themselves(page: Path) -> None:
    for line in page.read_text().splitlines():
        assert "_plot }}" not in line or '<div class="wide">{{' in line


def test_nothing_else_is_wider_than_a_phone() -> None:
    wide = [
        selector
        for selector, text in rules()
        for size in re.findall(r"(?<!max-)\bwidth:\s*(\d+)px", text)
        if int(size) > PHONE and selector not in (".strip", ".wide svg")
    ]
    assert not wide
    style = dict(rules())
    assert "overflow-x: auto" in style[".wide"]
    assert "max-width: 100%" in style["img, svg"]
    assert "overflow-wrap: anywhere" in style["h1, p"]  # paths
