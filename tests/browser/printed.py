"""Where things of a page lie on paper, told by links in the printed PDF.

Which question this module answers: *is anything cut when the page is printed?*

Chromium writes a link of the page as an annotation with its rectangle on its sheet. Small links at
two corners of a figure therefore tell the sheets that it begins and ends on, and whether it lies
within them. Chromium's PDFs keep annotations and sheets as plain text, apart from the streams.
"""

import re
from dataclasses import dataclass
from typing import Final

from tests.browser.devtools import Page

_MARK: Final = """
((selector) => {
  const things = [...document.querySelectorAll(selector)];
  things.forEach((thing, number) => {
    thing.style.position = "relative";
    for (const [corner, place] of [["start", "left:0;top:0"], ["end", "right:0;bottom:0"]]) {
      const link = document.createElement("a");
      link.href = `mark:${number}/${corner}`;
      link.style.cssText = `position:absolute;width:2px;height:2px;${place}`;
      thing.append(link);
    }
  });
  return things.length;
})
"""
_OBJECT: Final = re.compile(rb"(\d+) 0 obj\s(.*?)endobj", re.DOTALL)
_STREAM: Final = re.compile(rb"stream\r?\n.*?endstream", re.DOTALL)
_NUMBER: Final = rb"(-?[\d.]+)"
_BOX: Final = rb"\s*\[\s*" + rb"\s+".join([_NUMBER] * 4) + rb"\s*\]"


@dataclass(frozen=True, slots=True)
class Box:
    """A rectangle on a sheet, from its lower left corner. [pt]"""

    sheet: int
    left: float
    bottom: float
    right: float
    top: float

    def holds(self, other: "Box") -> bool:
        """Whether ``other`` lies within, on the same sheet."""
        return (
            self.sheet == other.sheet
            and self.left <= other.left
            and self.bottom <= other.bottom
            and other.right <= self.right
            and other.top <= self.top
        )


@dataclass(frozen=True, slots=True)
class Printed:
    """A print: its sheets, and the corners of what was marked."""

    sheets: tuple[Box, ...]
    corners: dict[str, Box]


def marked(page: Page, selector: str) -> tuple[int, Printed]:
    """Print a page with the first and last corner of some elements marked.

    Returns
    -------
    tuple
        How many elements there are, and the print; its corners are ``N/start`` and ``N/end``.
    """
    count = page.evaluate(f"{_MARK}({selector!r})")
    return count, read(page.pdf())


def read(pdf: bytes) -> Printed:
    """Find the sheets and marks of a PDF that Chromium wrote."""
    objects = dict(_OBJECT.findall(_STREAM.sub(b"", pdf)))
    sheets: list[Box] = []
    corners: dict[str, Box] = {}
    for text in objects.values():
        if not re.search(rb"/Type\s*/Page\b", text):
            continue
        number = len(sheets)
        sheets.append(_box(text, b"MediaBox", number))
        for link in _links(text):
            mark = re.search(rb"/URI\s*\(mark:([^)]*)\)", objects[link])
            if mark:
                corners[mark[1].decode()] = _box(objects[link], b"Rect", number)
    return Printed(tuple(sheets), corners)


def _links(sheet: bytes) -> list[bytes]:
    found = re.search(rb"/Annots\s*\[(.*?)\]", sheet, re.DOTALL)
    return re.findall(rb"(\d+) 0 R", found[1]) if found else []


def _box(text: bytes, key: bytes, sheet: int) -> Box:
    found = re.search(rb"/" + key + _BOX, text)
    assert found, f"an object of the PDF has no {key.decode()}: {text[:200]!r}"
    return Box(sheet, *(float(number) for number in found.groups()))
