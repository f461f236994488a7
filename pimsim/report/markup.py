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


@dataclass(frozen=True, slots=True)
class Column:
    """One column of a table."""

    title: str
    number: bool = False
    """Numbers are set to the right."""


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
    classes = [' class="right"' if column.number else "" for column in columns]

    def line(cells: Sequence[str], tag: str = "td", row_class: str = "") -> str:
        tags = ["th", *[tag] * (len(cells) - 1)]
        scope = ' scope="col"' if tag == "th" else ' scope="row"'
        inner = "".join(
            f"<{name}{scope if name == 'th' else ''}{look}>{escape(cell)}</{name}>"
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
    return f'<div class="scroll"><table>\n<tbody>\n{rows}\n</tbody>\n</table></div>'


def tile(name: str, value: str, unit: str = "", detail: str = "") -> str:
    """Return one headline number."""
    shown = f' <span class="unit">{escape(unit)}</span>' if unit else ""
    below = f"<small>{escape(detail)}</small>" if detail else ""
    return f"<div><dt>{escape(name)}</dt><dd>{escape(value)}{shown}{below}</dd></div>"


def paragraph(text: str, css_class: str = "") -> str:
    """Return a paragraph of plain text."""
    look = f' class="{css_class}"' if css_class else ""
    return f"<p{look}>{escape(text)}</p>"


def bullets(texts: Iterable[str]) -> str:
    """Return a list of plain texts."""
    return "<ul>\n" + "\n".join(f"<li>{escape(text)}</li>" for text in texts) + "\n</ul>"


def section(name: str, title: str, *parts: str) -> str:
    """Return a titled section that the page's contents can point to."""
    inner = "\n".join(part for part in parts if part)
    return f'<section id="{name}">\n<h2>{escape(title)}</h2>\n{inner}\n</section>'


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
    return f"<figure>\n{inner.strip()}\n{below}</figure>"
