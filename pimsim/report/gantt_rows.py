"""Which resources share a row of the timeline figure.

Which question this module answers: *how do hundreds of resources fit on one readable page?*

Resources are grouped by kind: macros of one sort, units of one function, buffers, links. A kind
with few resources has a row for each. Where all rows together would be too many, kinds are drawn
coarser, from the second step on those with the most rows first, until they fit:

1. resources named after operations share a row with those of the same operation in other layers, so
   that a row shows one operation in all layers;
2. resources named after tiles share rows by ranges of tiles;
3. all resources of a kind share one row, macros last.
"""

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Final

_CLASS_ORDER: Final = (
    *("macro", "adc", "shift_add", "write", "program", "vector_unit"),
    *("tile_buffer", "global_buffer", "noc", "memory", "io"),
)
"""From where the work is done to how it gets there; other classes come last."""

_KINDS: Final = {
    "macro": "{} macros",
    "adc": "{} converters",
    "shift_add": "{} shift-and-add",
    "accumulate": "{} accumulators",
    "write": "{} row writes",
    "program": "{} programming",
    "unit": "{} units",
    "tile_buffer": "tile buffers",
    "global_buffer": "global buffer",
    "noc": "network",
    "memory": "off-chip memory",
    "io": "pins",
}
"""Beginning of a resource's name → what its kind is called; the second part fills the braces."""

_TILE_RANGES: Final = 4

_Coarsening = Callable[[str, Sequence[str]], "list[Row]"]


@dataclass(frozen=True, slots=True)
class Row:
    """One row: what it is called and which resources it shows."""

    kind: str
    label: str
    resources: tuple[str, ...]


def choose_rows(used: Mapping[str, str], most: int) -> list[Row]:
    """Share resources out to rows.

    Parameters
    ----------
    used
        Resource → its class, in the order of first use.
    most
        Rows to stay within, as far as every kind keeps one.

    Returns
    -------
    list of Row
        By kind, macros first; within a kind by number or in the order of first use.
    """
    kinds: dict[tuple[int, str], list[str]] = {}
    for resource, name in used.items():
        rank = _CLASS_ORDER.index(name) if name in _CLASS_ORDER else len(_CLASS_ORDER)
        kinds.setdefault((rank, split_name(resource)[0]), []).append(resource)
    rows = {key: _one_each(key[1], names) for key, names in kinds.items()}

    def fits() -> bool:
        return sum(map(len, rows.values())) <= most

    def coarsen(keys: Iterable[tuple[int, str]], coarser: _Coarsening) -> None:
        for key in sorted(keys, key=lambda key: -len(rows[key])):
            if not fits() and len(rows[key]) > 1:
                rows[key] = coarser(key[1], kinds[key])

    if not fits():  # all alike: half the rows for one layer and half for all of them would confuse
        for key, names in kinds.items():
            rows[key] = rows[key] if _numbered(names) else _by_operation(key[1], names)
    coarsen((key for key, names in kinds.items() if _numbered(names)), _by_tiles)
    coarsen((key for key in kinds if key[0] > 0), _all_in_one)
    coarsen(kinds, _all_in_one)
    return [row for key in sorted(rows, key=lambda key: key[0]) for row in rows[key]]


def split_name(resource: str) -> tuple[str, str]:
    """Return a resource's kind, for the heading, and what tells it from the others of its kind.

    Examples
    --------
    >>> split_name("macro:mram:blocks.0.mlp.up")
    ('mram macros', 'blocks.0.mlp.up')
    >>> split_name("noc:3>2"), split_name("global_buffer"), split_name("clock_tree:0")
    (('network', '3>2'), ('global buffer', ''), ('clock tree', '0'))
    """
    head, _, label = resource.partition(":")
    title = _KINDS.get(head, head.replace("_", " "))
    if "{}" in title:
        middle, _, label = label.partition(":")
        title = title.format(middle.replace("_", " "))
    return title, label


def _one_each(kind: str, names: Sequence[str]) -> list[Row]:
    ordered = names
    if _numbered(names):
        ordered = sorted(names, key=lambda name: int(split_name(name)[1]))
    return [Row(kind, split_name(name)[1], (name,)) for name in ordered]


def _numbered(names: Sequence[str]) -> bool:
    """Whether resources are told apart by the number of their tile."""
    return all(split_name(name)[1].isdigit() for name in names)


def _by_operation(kind: str, names: Sequence[str]) -> list[Row]:
    """One row for each operation of the model, over all layers."""
    groups: dict[str, list[str]] = {}
    for name in names:
        label = split_name(name)[1]
        operation = label.partition("#")[0]  # copies of replicated weights are numbered behind it
        alike = re.sub(r"(^|\.)\d+(?=\.|$)", r"\1*", operation)
        groups.setdefault(alike, []).append(name)
    return [
        Row(kind, _counted(alike, members), tuple(members)) for alike, members in groups.items()
    ]


def _by_tiles(kind: str, names: Sequence[str]) -> list[Row]:
    """A few ranges of tiles."""
    rows = _one_each(kind, names)
    cuts = [len(rows) * index // _TILE_RANGES for index in range(_TILE_RANGES + 1)]
    parts = [rows[start:stop] for start, stop in pairwise(cuts) if stop > start]
    return [Row(kind, _range(part), tuple(row.resources[0] for row in part)) for part in parts]


def _range(part: Sequence[Row]) -> str:
    first, last = part[0].label, part[-1].label
    return first if len(part) == 1 else f"tiles {first}–{last}"


def _all_in_one(kind: str, names: Sequence[str]) -> list[Row]:
    return [Row(kind, _counted("all", names), tuple(names))]


def _counted(label: str, members: Iterable[str]) -> str:
    count = len(tuple(members))
    return f"{label} ({count})" if count > 1 else label
