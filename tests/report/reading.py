"""Read a page without a browser: its tags, its words, and whatever would leave the file.

Which question this module answers: *would this page fetch or run anything?*
"""

import re
from html.parser import HTMLParser
from typing import Final

_VOID: Final = frozenset({
    "area", "base", "br", "col", "embed", "hr", "img", "input", "link", "meta", "source", "track",
    "wbr",
})  # fmt: skip
_RUNS: Final = frozenset({"script", "iframe", "frame", "object", "embed", "applet"})
_FETCHES: Final = frozenset({"link", "base", "form", "portal", "audio", "video", "track"})
_ADDRESSES: Final = frozenset({
    "href", "xlink:href", "src", "srcset", "data", "poster", "background", "action", "formaction",
    "cite", "longdesc", "manifest", "ping", "content",
})  # fmt: skip
_WITHIN: Final = ("#", "data:image/")
_URL: Final = re.compile(r"""url\(\s*["']?([^"')]*)""", re.IGNORECASE)


class Reader(HTMLParser):
    """Collects tags, attributes, style sheets and visible text, and checks that tags nest."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.attributes: list[tuple[str, str, str]] = []
        self.words: list[str] = []
        self.styles: list[str] = []
        self._open: list[str] = []
        self.feed(text)
        self.close()
        assert self._open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self._note(tag, attrs)
        if tag not in _VOID:
            self._open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self._note(tag, attrs)

    def handle_endtag(self, tag: str) -> None:
        if tag not in _VOID:
            assert self._open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self._open:
            (self.styles if self._open[-1] == "style" else self.words).append(data)

    def _note(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += [(tag, name, value or "") for name, value in attrs]

    @property
    def text(self) -> str:
        """Visible words, each space an ordinary one."""
        spaces = str.maketrans("\u202f\u00a0\u2002", "   ")
        return re.sub(r"\s+", " ", " ".join(self.words).translate(spaces))

    @property
    def identifiers(self) -> list[str]:
        return [value for _, name, value in self.attributes if name == "id"]

    @property
    def targets(self) -> set[str]:
        """Identifiers that links and references point to."""
        links = {value for _, name, value in self.attributes if name in ("href", "xlink:href")}
        return {link[1:] for link in links if link.startswith("#")}


def external(text: str) -> list[str]:
    """List whatever in a page runs, or reaches beyond the file; name spaces of XML do not."""
    reader = Reader(text)
    found = [f"<{tag}>" for tag in reader.tags if tag in _RUNS | _FETCHES]
    styles = list(reader.styles)
    for tag, name, value in reader.attributes:
        if name.startswith("on"):
            found.append(f"<{tag} {name}>")
        if name == "http-equiv":
            found.append(f"<{tag} http-equiv={value}>")
        if _leaves(tag, name, value):
            found.append(f"<{tag} {name}={value[:80]}>")
        if not name.startswith("xmlns"):
            styles.append(value)
    for style in styles:
        found += [f"url({url[:80]})" for url in _URL.findall(style) if not url.startswith(_WITHIN)]
        found += re.findall(r"@import[^;]*|image-set\([^)]*\)", style)
    return found


def _leaves(tag: str, name: str, value: str) -> bool:
    if name not in _ADDRESSES:
        return False
    return (tag, name) != ("meta", "content") and not value.startswith(_WITHIN)
