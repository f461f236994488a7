"""Sweeps and results as parts of a page, and pages of one or several parts.

Which question this module answers: *how do several reports become one page?*
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from pimsim.provenance import VERSION
from pimsim.records import Result
from pimsim.report import figures, page, page_frame, style
from pimsim.report.markup import Section, paragraph, prefixed, section
from pimsim.report.wording import listed


@dataclass(frozen=True, slots=True)
class Part:
    """What is told of one sweep, of one result, or of several results together."""

    title: str
    kind: str
    """``simulation``, ``sweep`` or ``comparison``."""
    lead: str
    """The answer in a few sentences."""
    front: tuple[str, ...]
    """HTML before the first section."""
    sections: tuple[Section, ...]


def result_part(result: Result) -> Part:
    """Tell one result, as its own page does."""
    drawings = {name: style.to_svg(figure) for name, figure in figures.draw_all(result).items()}
    return Part(
        title=f"{result.workload['name']} on {result.architecture_name}",
        kind="simulation",
        lead=page.summary(result),
        front=page.headline(result),
        sections=tuple(one for one in page.sections(result, drawings) if one is not None),
    )


def joined(parts: Sequence[Part]) -> str:
    """Return the page of one or several parts.

    Sections of several parts are told apart by the part's title; each part begins with a section
    that holds what would stand on top of a page of its own.
    """
    first = parts[0]
    if len(parts) == 1:
        return page_frame.page(
            title=first.title,
            eyebrow=f"pimsim {VERSION}: {first.kind} report",
            lead=first.lead,
            front=first.front,
            sections=first.sections,
        )
    return page_frame.page(
        title=" · ".join(part.title for part in parts),
        eyebrow=f"pimsim {VERSION}: {listed(list(dict.fromkeys(p.kind for p in parts)))} report",
        lead=f"{len(parts)} parts: {listed([part.title for part in parts])}.",
        sections=[
            one for number, part in enumerate(parts, 1) for one in within(part, f"part-{number}")
        ],
    )


def within(part: Part, prefix: str, *told: str) -> Iterator[Section]:
    """Return a part as sections among those of others, under names of their own.

    Parameters
    ----------
    part
        What is told.
    prefix
        What each of their identifiers begins with.
    told
        HTML at the beginning.

    Yields
    ------
    Section
        First one that holds what would stand on top of a page of its own, contents included, so
        that the contents of the whole page name this one only.
    """
    own = [
        prefixed(one, prefix, title=f"{part.title}: {lowered(one.title)}") for one in part.sections
    ]
    links = page_frame.contents(own, label=f"Contents of {part.title}")
    top = section("top", part.title, *told, paragraph(part.lead))
    yield replace(prefixed(top, prefix), parts=(*top.parts, links, *_prefixed(part.front, prefix)))
    yield from (replace(one, short="") for one in own)


def _prefixed(parts: tuple[str, ...], prefix: str) -> tuple[str, ...]:
    return prefixed(section("front", "", *parts), prefix).parts


def lowered(title: str) -> str:
    """A heading as it goes on behind a colon.

    Examples
    --------
    >>> lowered("Where the joules go"), lowered("NVIDIA GPUs")
    ('where the joules go', 'NVIDIA GPUs')
    """
    return title if title[:2].isupper() else title[:1].lower() + title[1:]
