"""The few pieces of HTML that the page is put together from; every text is escaped here.

Which question this module answers: *how does a table, a figure or a paragraph become HTML?*
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from html import escape
from typing import Final

from pimsim.report import style

_THEME: Final = {
    style.INK: "var(--ink)",
    style.MUTED: "var(--muted)",
    style.RULE: "var(--rule)",
    style.PAPER: "var(--paper)",
}
"""Colours of a figure that follow the page's light or dark scheme."""

BREAK: Final = "\u200b"
"""Zero-width space: where a line of a table may end."""


@dataclass(frozen=True, slots=True)
class Column:
    """One column of a table."""

    title: str
    number: bool = False
    """Numbers are set to the right."""
    prose: bool = False
    """Sentences; wide enough to be read on a telephone."""


@dataclass(frozen=True, slots=True)
class Section:
    """One titled part of a page, and its entry in the contents."""

    name: str
    title: str
    parts: tuple[str, ...]
    """HTML."""
    short: str
    """What the contents call it; empty if they leave it out."""

    def html(self) -> str:
        """Return it as HTML."""
        inner = "\n".join((f"<h2>{escape(self.title)}</h2>", *self.parts))
        return f'<section id="{escape(self.name)}">\n{inner}\n</section>'


def table(
    columns: Sequence[Column],
    rows: Iterable[Sequence[str]],
    *,
    marked: int | None = None,
    total: Sequence[str] | None = None,
) -> str:
    """Return a table whose first column names the row.

    Parameters
    ----------
    columns
        Titles and alignment.
    rows
        Plain texts, as many as columns.
    marked
        Index of a row to stand out.
    total
        A last row under a rule.
    """
    looks = ["right" if column.number else "prose" if column.prose else "" for column in columns]
    classes = [f' class="{look}"' if look else "" for look in looks]

    def line(cells: Sequence[str], tag: str = "td", row_class: str = "") -> str:
        tags = ["th", *[tag] * (len(cells) - 1)]
        scope = ' scope="col"' if tag == "th" else ' scope="row"'
        inner = "".join(
            f"<{name}{scope if name == 'th' else ''}{look}>{_broken(cell)}</{name}>"
            for name, look, cell in zip(tags, classes, cells, strict=True)
        )
        return f"<tr{row_class}>{inner}</tr>"

    body = "\n".join(
        line(cells, row_class=' class="self"' if index == marked else "")
        for index, cells in enumerate(rows)
    )
    head = line([column.title for column in columns], tag="th")
    foot = f"\n<tfoot>{line(total)}</tfoot>" if total is not None else ""
    return (
        f'<div class="scroll"><table>\n<thead>{head}</thead>\n<tbody>\n{body}\n</tbody>{foot}\n'
        "</table></div>"
    )


def pairs(entries: Mapping[str, str]) -> str:
    """Return a two-column table without a head."""
    rows = "\n".join(
        f'<tr><th scope="row">{escape(key)}</th><td>{escape(value)}</td></tr>'
        for key, value in entries.items()
    )
    return f'<div class="scroll"><table class="pairs">\n<tbody>\n{rows}\n</tbody>\n</table></div>'


def tile(name: str, value: str, unit: str = "", detail: str = "") -> str:
    """Return one headline number."""
    shown = f' <span class="unit">{escape(unit)}</span>' if unit else ""
    below = f"<small>{escape(detail)}</small>" if detail else ""
    return f"<div><dt>{escape(name)}</dt><dd>{escape(value)}{shown}{below}</dd></div>"


def breakable(text: str) -> str:
    """Let a long dotted name in a table end a line behind any of its parts.

    Examples
    --------
    >>> breakable("adc.columns_per_adc").split(BREAK)
    ['adc.', 'columns_', 'per_', 'adc']
    """
    return re.sub(r"([._])(?=[^\W\d])", rf"\1{BREAK}", text)


def _broken(text: str) -> str:
    """Escape a text; where a line may end stands a tag, which is not copied with the text."""
    return escape(text).replace(BREAK, "<wbr>")


def paragraph(text: str, css_class: str = "") -> str:
    """Return a paragraph of plain text."""
    look = f' class="{css_class}"' if css_class else ""
    return f"<p{look}>{escape(text)}</p>"


def heading(text: str) -> str:
    """Return a heading inside a section."""
    return f"<h3>{escape(text)}</h3>"


def bullets(texts: Iterable[str]) -> str:
    """Return a list of plain texts."""
    return "<ul>\n" + "\n".join(f"<li>{escape(text)}</li>" for text in texts) + "\n</ul>"


def section(name: str, title: str, *parts: str, short: str = "") -> Section:
    """Return a titled section; empty parts are left out.

    Parameters
    ----------
    name
        Its identifier, to which the contents point.
    title
        Its heading.
    parts
        HTML.
    short
        What the contents call it; the title when empty.
    """
    return Section(name, title, tuple(part for part in parts if part), short or title)


def prefixed(section: Section, prefix: str, title: str = "", short: str = "") -> Section:
    """Return a section under another name, so that a page can hold it twice.

    Parameters
    ----------
    section
        Of one of several results on a page.
    prefix
        What every identifier of it, and every reference to one, begins with.
    title, short
        Its heading and what the contents call it; as they were when empty.
    """

    def renamed(part: str) -> str:
        part = re.sub(r'\bid="([^"]+)"', rf'id="{prefix}-\1"', part)
        part = re.sub(r"url\(#([^)]+)\)", rf"url(#{prefix}-\1)", part)
        return re.sub(r'href="#([^"]+)"', rf'href="#{prefix}-\1"', part)

    parts = tuple(renamed(part) for part in section.parts)
    return Section(
        f"{prefix}-{section.name}", title or section.title, parts, short or section.short
    )


def drawing(drawings: Mapping[str, str], name: str, description: str, caption: str = "") -> str:
    """Return one of the page's figures, or nothing where the result has no data for it.

    Parameters
    ----------
    drawings
        Figure name → SVG text of matplotlib.
    name
        Which one.
    description
        What it shows, for readers who cannot see it.
    caption
        Text below it.

    Notes
    -----
    Prolog and name spaces go (the page's parser needs neither), identifiers get ``name`` as prefix
    so that figures do not clash, and ink, rules and paper follow the page's colour scheme.
    """
    if name not in drawings:
        return ""
    inner = drawings[name]
    inner = inner[inner.index("<svg") :]
    inner = re.sub(r"<!--.*?-->\s*", "", inner, flags=re.DOTALL)
    inner = re.sub(r'\sxmlns(:\w+)?="[^"]*"', "", inner)
    inner = re.sub(r'\bid="([^"]+)"', rf'id="{name}-\1"', inner)
    inner = re.sub(r"url\(#([^)]+)\)", rf"url(#{name}-\1)", inner)
    inner = re.sub(r'href="#([^"]+)"', rf'href="#{name}-\1"', inner)
    for color, variable in _THEME.items():
        inner = inner.replace(color, variable)
    inner = inner.replace("<svg", f'<svg role="img" aria-label="{escape(description)}"', 1)
    below = f"<figcaption>{escape(caption)}</figcaption>" if caption else ""
    return f'<figure id="figure-{name}">\n{inner.strip()}\n{below}</figure>'
