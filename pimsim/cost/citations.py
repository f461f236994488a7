"""BibTeX and text for the sources of a run.

Which question this module answers: *how do I cite what these numbers rest on?*

Constants carry their sources themselves; methods (numerics, digital units, zero skipping, the chip)
are listed in ``data/methods.csv``, whose entries of BibTeX are in ``data/methods.bib``.
"""

import csv
import re
from collections.abc import Iterable, Mapping
from functools import cache
from importlib.resources import files
from types import MappingProxyType
from typing import Final

from pimsim.analog.sources import device_sources
from pimsim.config.architecture import Architecture
from pimsim.config.bundled import known_architectures
from pimsim.errors import InputError, NotFoundError, nearest
from pimsim.records import ActionCounts, Source

CHIP_BIBLIOGRAPHY: Final = "citation.bib"
_BIBLIOGRAPHIES: Final = (
    ("pimsim.cost", "references.bib"),
    ("pimsim.cost", "methods.bib"),
    ("pimsim.analog", "references.bib"),
)


def bibtex(keys: Iterable[str]) -> str:
    """Return the BibTeX entries of these keys, each once, sorted by key, blank lines between.

    Parameters
    ----------
    keys
        Citation keys as :attr:`pimsim.records.Source.citation_key` has them. Empty keys, which
        stand for assumptions, are passed over.

    Raises
    ------
    NotFoundError
        If a key has no entry; the nearest one is given.

    Examples
    --------
    >>> print(bibtex(["horowitz2014", ""]).splitlines()[0])
    @inproceedings{horowitz2014,
    """
    entries = known_entries()
    wanted = sorted({key for key in keys if key})
    for key in wanted:
        if key not in entries:
            raise NotFoundError(f"no BibTeX entry {key!r}{nearest(key, entries)}")
    return "\n\n".join(entries[key] for key in wanted)


def known_entries() -> Mapping[str, str]:
    """Return every known entry by key: pimsim's own, and those beside descriptions of chips.

    A chip's entries stand in ``citation.bib`` beside its file; where both have a key, pimsim's own
    entry counts.
    """
    found: dict[str, str] = {}
    for path in known_architectures().values():
        beside = path.parent / CHIP_BIBLIOGRAPHY
        if beside.is_file():
            found.update(parse_entries(beside.read_text(encoding="utf-8"), str(beside)))
    return {**found, **_own_entries()}


# Part of the package: it never changes while it runs.
@cache
def _own_entries() -> Mapping[str, str]:
    texts = [
        (files(package) / "data" / name).read_text(encoding="utf-8").strip()
        for package, name in _BIBLIOGRAPHIES
    ]
    return parse_entries("\n\n".join(texts), "references.bib")


def parse_entries(text: str, file: str = "references.bib") -> Mapping[str, str]:
    """Split BibTeX into its entries by key.

    Parameters
    ----------
    text
        Entries, each beginning on a line of its own; comments before the first one are passed over.
    file
        Name for error messages.

    Raises
    ------
    InputError
        If an entry has no key, or a key comes twice.

    Examples
    --------
    >>> list(parse_entries("@misc{one, year = {1}}", "mine.bib"))
    ['one']
    """
    entries: dict[str, str] = {}
    text = re.sub(r"^%.*\n?", "", text, flags=re.MULTILINE)
    for block in re.split(r"\n(?=@)", text.strip()):
        match = re.match(r"@\w+\{([^,\s]+),", block)
        if match is None or match.group(1) in entries:
            raise InputError(f"{file}: unreadable or repeated entry: {block[:60]!r}")
        entries[match.group(1)] = block.strip()
    return MappingProxyType(entries)


def run_sources(architecture: Architecture, counts: Iterable[ActionCounts]) -> tuple[Source, ...]:
    """List the sources of everything in a run but its costs: methods and devices, each once.

    Parameters
    ----------
    architecture
        The chip.
    counts
        What the run did; a digital unit that it never used is not cited.

    Examples
    --------
    >>> from pimsim.config import load_architecture
    >>> [source.citation_key for source in run_sources(load_architecture("conventional"), ())]
    []
    """
    used = {unit.function for each in counts for unit in each.units}
    units = architecture.units.present()
    numerics = architecture.numerics
    present = [name for name in architecture.macros if architecture.tile.macros.get(name)]
    wanted = [
        ("architectures", architecture.name),
        ("schemes", numerics.scheme),
        *(("schemes", each.scheme) for each in numerics.overrides),
        *(("units", unit.model) for function, unit in units.items() if function in used),
        *(("zero_skipping", architecture.macros[name].zero_skipping.model) for name in present),
    ]
    methods = (source for key in wanted for source in _methods().get(key, ()))
    return tuple(dict.fromkeys((*methods, *device_sources(architecture))))


@cache
def _methods() -> Mapping[tuple[str, str], tuple[Source, ...]]:
    """Registry and name → papers of the method."""
    text = (files("pimsim.cost") / "data" / "methods.csv").read_text(encoding="utf-8")
    found: dict[tuple[str, str], list[Source]] = {}
    for row in csv.DictReader(text.splitlines(), strict=True):
        source = Source(
            row["reference"], row["place"], "published", citation_key=row["citation_key"]
        )
        found.setdefault((row["registry"], row["name"]), []).append(source)
    return MappingProxyType({key: tuple(sources) for key, sources in found.items()})
