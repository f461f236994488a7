"""BibTeX for the sources of a run.

Which question this module answers: *how do I cite what these numbers rest on?*
"""

import re
from collections.abc import Iterable, Mapping
from functools import cache
from importlib.resources import files
from types import MappingProxyType

from pimsim.errors import InputError, NotFoundError, nearest


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


# Part of the package: it never changes while it runs.
@cache
def known_entries() -> Mapping[str, str]:
    """Return every entry of the cost and of the analog models' ``data/references.bib`` by key."""
    texts = [
        (files(package) / "data" / "references.bib").read_text(encoding="utf-8").strip()
        for package in ("pimsim.cost", "pimsim.analog")
    ]
    return parse_entries("\n\n".join(texts))


def parse_entries(text: str) -> Mapping[str, str]:
    """Split BibTeX into its entries by key.

    Raises
    ------
    InputError
        If an entry has no key, or a key comes twice.

    Examples
    --------
    >>> list(parse_entries("@misc{one, year = {1}}"))
    ['one']
    """
    entries: dict[str, str] = {}
    for block in re.split(r"\n(?=@)", text.strip()):
        match = re.match(r"@\w+\{([^,\s]+),", block)
        if match is None or match.group(1) in entries:
            raise InputError(f"references.bib: unreadable or repeated entry: {block[:60]!r}")
        entries[match.group(1)] = block.strip()
    return MappingProxyType(entries)
