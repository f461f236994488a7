"""What a result rests on, as a bibliography.

Which question this module answers: *which papers must I cite for this run, and what rests on
none?*
"""

from collections.abc import Iterable, Iterator
from typing import Final

from pimsim.cost.citations import known_entries
from pimsim.records import Result, Source

_PIMSIM: Final = """\
@software{pimsim,
  title = {pimsim: event-driven simulation of analog processing-in-memory chips running traced
    transformers},
  author = {{The pimsim maintainers}},
  version = {VERSION}
}"""


def used_sources(result: Result) -> tuple[Source, ...]:
    """Return every source that the result names, each once: costs, then methods and devices."""
    found: dict[Source, None] = {}
    for cost in result.costs:
        found.update(dict.fromkeys(cost.sources))
    found.update(dict.fromkeys(result.sources))
    return tuple(found)


def bibtex_of(result: Result) -> str:
    """Return BibTeX of exactly what the run used, and comments on what has no entry.

    The first entry is pimsim itself. Comments name the assumptions, sources whose entry pimsim
    does not ship, and the machines that the run is compared with.
    """
    sources, entries = used_sources(result), known_entries()
    keys = sorted({source.citation_key for source in sources if source.citation_key})
    parts = [
        f"% {_title(result)}",
        _PIMSIM.replace("VERSION", result.manifest.pimsim_version),
        *(entries[key] for key in keys if key in entries),
    ]
    parts += [_comment(title, lines) for title, lines in _without_entry(result) if lines]
    return "\n\n".join(parts) + "\n"


def text_of(result: Result) -> str:
    """Return the same as text: one line per paper with what was taken from it, then the rest."""
    places: dict[str, dict[str, None]] = {}
    for source in used_sources(result):
        if source.citation_key:
            what = f"{source.place} ({source.kind})"
            places.setdefault(source.reference, {})[what] = None
    lines = [_title(result), "", f"pimsim {result.manifest.pimsim_version}"]
    for reference, taken in sorted(places.items()):
        lines.append(reference)
        lines += [f"  {what}" for what in taken]
    for title, rest in _without_entry(result):
        if rest:
            lines += ["", title, *(f"  {line}" for line in rest)]
    return "\n".join(lines) + "\n"


def _title(result: Result) -> str:
    variants = ", ".join(cost.variant for cost in result.costs)
    return (
        f"{result.workload['name']} on {result.architecture_name}, cost variants {variants}, "
        f"numerics {result.scheme}"
    )


def _without_entry(result: Result) -> Iterator[tuple[str, list[str]]]:
    sources, entries = used_sources(result), known_entries()
    yield (
        "Assumptions, which nobody has published:",
        _distinct(_described(source) for source in sources if not source.citation_key),
    )
    yield (
        "Cited, but pimsim ships no BibTeX entry:",
        _distinct(
            f"{source.citation_key}: {_described(source)}"
            for source in sources
            if source.citation_key and source.citation_key not in entries
        ),
    )
    yield (
        "Compared with:",
        _distinct(f"{baseline.name}: {baseline.source}" for baseline in result.baselines),
    )


def _described(source: Source) -> str:
    condition = f"; {source.condition}" if source.condition else ""
    return f"{source.reference}, {source.place}{condition}"


def _distinct(lines: Iterable[str]) -> list[str]:
    return list(dict.fromkeys(lines))


def _comment(title: str, lines: list[str]) -> str:
    return "\n".join([f"% {title}", *(f"%   {line}" for line in lines)])
