"""Questions to a page that only a browser can answer: JavaScript expressions, and one function.

Which question this module answers: *can a person see and read what the page says?*
"""

import io
from collections.abc import Iterable
from typing import Final

from PIL import Image  # matplotlib needs it, too

from tests.browser.devtools import Page

LEAST_CONTRAST: Final = 4.5

FIGURES: Final = """
[...document.querySelectorAll("figure")].map((figure) => {
  const drawn = figure.querySelector("svg").getBoundingClientRect();
  const ink = [...figure.querySelectorAll("svg path, svg use, svg image, svg text")]
    .map((mark) => mark.getBoundingClientRect())
    .filter((box) => box.width > 0 || box.height > 0).length;
  return {id: figure.id, width: drawn.width, height: drawn.height, ink};
})
"""
"""Every figure: its size in CSS pixels, and how many marks of it have a size."""

DEAD_LINKS: Final = """
[...document.querySelectorAll("a[href]")]
  .map((link) => link.getAttribute("href"))
  .filter((href) => !href.startsWith("#") || !document.getElementById(href.slice(1)))
"""
"""Links that lead out of the page or nowhere."""

REPEATED_NAMES: Final = """
(() => {
  const names = [...document.querySelectorAll("[id]")].map((element) => element.id);
  return names.filter((name, place) => names.indexOf(name) !== place);
})()
"""

CONTENTS: Final = """
[...document.querySelectorAll("nav a")].map((link) => link.getAttribute("href").slice(1))
"""
SECTIONS: Final = '[...document.querySelectorAll("section[id]")].map((section) => section.id)'

TOO_WIDE: Final = """
(() => {
  const room = document.documentElement.clientWidth;
  const kinds = NodeFilter.SHOW_ELEMENT | NodeFilter.SHOW_TEXT;
  const walker = document.createTreeWalker(document.body, kinds);
  const wide = [];
  while (walker.nextNode()) {
    const node = walker.currentNode;
    const text = node.nodeType === Node.TEXT_NODE;
    const element = text ? node.parentElement : node;
    if (element.closest(".scroll, figure, pre")) continue;  // these scroll by themselves
    const range = document.createRange();
    range.selectNodeContents(node);
    const right = (text ? range : element).getBoundingClientRect().right;
    if (right > room + 0.5) wide.push(`${element.tagName} ${node.textContent.slice(0, 60)}`);
  }
  const whole = document.documentElement.scrollWidth;
  return whole > room ? [`the page: ${whole} of ${room}`, ...wide] : wide;
})()
"""
"""Whatever stands out to the right, but for what scrolls in a box of its own."""

_TEXTS: Final = """
(() => {
  const canvas = document.createElement("canvas");
  canvas.width = canvas.height = 1;
  const context = canvas.getContext("2d", {willReadFrequently: true});
  const parsed = (color) => {
    context.clearRect(0, 0, 1, 1);
    context.fillStyle = color;
    context.fillRect(0, 0, 1, 1);
    return [...context.getImageData(0, 0, 1, 1).data];
  };
  const found = [];
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (walker.nextNode()) {
    const node = walker.currentNode;
    const element = node.parentElement;
    if (node.textContent.trim() === "" || element.closest("style, title, defs")) continue;
    const range = document.createRange();
    range.selectNodeContents(node);
    const box = range.getBoundingClientRect();
    const frame = element.closest(".scroll, figure, pre");  // these scroll by themselves
    if (box.width === 0 || box.height === 0) continue;  // not shown
    if (frame && box.right > frame.getBoundingClientRect().right) continue;  // out of sight
    const style = getComputedStyle(element);
    found.push({
      text: node.textContent.trim().slice(0, 40),
      ink: parsed(element instanceof SVGElement ? style.fill : style.color),
      box: [box.left + scrollX, box.top + scrollY, box.right + scrollX, box.bottom + scrollY],
    });
  }
  return found;
})()
"""


def faint(page: Page) -> list[str]:
    """List texts whose contrast to what is behind them is below 4.5 (WCAG 2.2, 1.4.3, level AA).

    What is behind a text is the colour that its box has most of: letters fill less than half.
    """
    picture = Image.open(io.BytesIO(page.picture())).convert("RGB")
    found = []
    for shown in page.evaluate(_TEXTS):
        left, top, right, bottom = (round(edge) for edge in shown["box"])
        part = picture.crop((left, top, max(right, left + 1), max(bottom, top + 1)))
        _, behind = max(part.getcolors(part.width * part.height))
        *ink, alpha = shown["ink"]
        seen = [
            (alpha * over + (255 - alpha) * under) / 255
            for over, under in zip(ink, behind, strict=True)
        ]
        bright, dark = sorted((_luminance(seen), _luminance(behind)), reverse=True)
        contrast = (bright + 0.05) / (dark + 0.05)
        if contrast < LEAST_CONTRAST:
            found.append(f"{contrast:.2f}: {shown['text']}")
    return found


def _luminance(color: Iterable[float]) -> float:
    """Relative luminance of an sRGB colour of 0 to 255 (WCAG 2.2, definitions)."""
    red, green, blue = (
        value / 12.92 if value <= 0.04045 else ((value + 0.055) / 1.055) ** 2.4
        for value in (part / 255 for part in color)
    )
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue
