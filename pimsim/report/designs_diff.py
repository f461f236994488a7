"""What designs differ in, key by key.

Which question this module answers: *what would I have to change to get that one?*
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from pimsim.config.architecture import Architecture
from pimsim.report.markup import Column, breakable, paragraph, table
from pimsim.report.wording import count

ABSENT: Final = "–"
"""Written where a design has no such key."""

_KEYS_SHOWN: Final = 80
_SECTION_KEYS: Final = 4
_TOLD_ELSEWHERE: Final = ("name", "description", "notes")


def differences(designs: Mapping[str, Architecture]) -> dict[str, tuple[str, ...]]:
    """List every key whose value is not the same in all designs.

    Parameters
    ----------
    designs
        Name → architecture.

    Returns
    -------
    dict
        Dotted key → value in each design, in their order; :data:`ABSENT` where it has none.
        Defaults count as if written, and a section that a design lacks is one key. Name,
        description and notes of a chip are left out.

    Examples
    --------
    >>> from pimsim.config import load_architecture
    >>> rap = load_architecture("rap")
    >>> fine = load_architecture("rap", overrides=["macros.mram.adc.levels=17"])
    >>> differences({"base": rap, "fine": fine})
    {'macros.mram.adc.levels': ('9', '17')}
    """
    dumps = [design.model_dump(mode="json") for design in designs.values()]
    for dump in dumps:
        for key in _TOLD_ELSEWHERE:
            dump.pop(key, None)
    return {".".join(path): row for path, row in _differing(dumps, ())}


def _differing(
    values: Sequence[Any], path: tuple[str, ...]
) -> Iterator[tuple[tuple[str, ...], tuple[str, ...]]]:
    """Leaves that differ; a section that a design lacks is one of them."""
    if all(value == values[0] for value in values):
        return
    if all(isinstance(value, Mapping) for value in values):
        for key in dict.fromkeys(key for value in values for key in value):
            yield from _differing([value.get(key) for value in values], (*path, str(key)))
    else:
        yield path, tuple(_text(value) for value in values)


def diff_table(designs: Mapping[str, Architecture]) -> str:
    """Return the differences as a table with a column for each design."""
    found = differences(designs)
    if not found:
        return paragraph("They do not differ in any key.")
    rows = [
        tuple(breakable(cell) for cell in (key, *values))
        for key, values in list(found.items())[:_KEYS_SHOWN]
    ]
    hidden = len(found) - len(rows)
    more = paragraph(f"{hidden} more keys differ.", "note") if hidden else ""
    return table([Column("Key"), *(Column(name) for name in designs)], rows) + more


def _text(value: Any) -> str:
    if value is None:
        return ABSENT
    if isinstance(value, float):
        return f"{value:.6g}"
    if isinstance(value, Mapping):
        return _section(value)
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _section(content: Mapping[str, Any]) -> str:
    """A small section in full, a large one as how much it holds."""
    present = {key: value for key, value in content.items() if value is not None}
    if len(present) > _SECTION_KEYS or any(isinstance(v, Mapping) for v in present.values()):
        return f"a section of {count(len(present), 'key')}"
    return ", ".join(f"{key}: {_text(value)}" for key, value in present.items()) or "empty"
