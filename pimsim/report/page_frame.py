"""What every page is: one file with its style, a header with the contents, and sections.

Which question this module answers: *how do sections become a page to read, print and send?*

A page holds its style and its figures; it fetches nothing, runs no script and reads on paper, on a
telephone, light or dark. The contents follow from the sections, so that neither lacks the other's.
"""

from collections.abc import Iterable, Sequence
from html import escape
from importlib.resources import files
from typing import Final

from pimsim.report.markup import Section, paragraph

MARK: Final = ": pimsim report</title>"
"""In the head of every page, and hardly in any other file."""


def page(
    *,
    title: str,
    eyebrow: str,
    lead: str,
    sections: Iterable[Section | None],
    front: Sequence[str] = (),
) -> str:
    """Return a page as the text of one HTML file.

    Parameters
    ----------
    title
        Its heading, and the name of the window.
    eyebrow
        The line above the heading: what kind of page, by which version.
    lead
        The answer in a sentence or two.
    sections
        In their order; ``None`` stands for one that the data do not give.
    front
        HTML between the header and the first section, such as headline numbers.
    """
    present = [section for section in sections if section is not None]
    names = [section.name for section in present]
    assert len(set(names)) == len(names), f"two sections have one name: {names}"
    css = (files("pimsim.report") / "page.css").read_text(encoding="utf-8")
    body = "\n\n".join(
        [
            _header(title, eyebrow, lead, present),
            *(part for part in front if part),
            *(section.html() for section in present),
        ]
    )
    return (
        '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{escape(title)}{MARK}\n"
        f"<style>\n{css}</style>\n</head>\n<body>\n{body}\n</body>\n</html>\n"
    )


def contents(sections: Iterable[Section], label: str = "Contents") -> str:
    """Return links to sections, less those that have no short name.

    Parameters
    ----------
    sections
        In their order.
    label
        What they are the contents of, for readers who cannot see them.
    """
    links = "\n".join(
        f'<a href="#{escape(section.name)}">{escape(section.short)}</a>'
        for section in sections
        if section.short
    )
    return f'<nav aria-label="{escape(label)}">\n{links}\n</nav>'


def _header(title: str, eyebrow: str, lead: str, sections: Sequence[Section]) -> str:
    return "\n".join(
        [
            "<header>",
            paragraph(eyebrow, "eyebrow"),
            f"<h1>{escape(title).replace('_', '_<wbr>')}</h1>",
            paragraph(lead, "lead"),
            contents(sections),
            "</header>",
        ]
    )
