"""The large parts of a result as files: counts, cost items, sources and the timeline.

Which question this module answers: *how do actions.csv, components.csv and sources.csv hold exactly
what the run counted, and how are they read back?*

Text tables are the frames of :mod:`.frames` with floats in their shortest exact form, so reading
gives back the same bits. The timeline has a file of its own kind (:mod:`.timeline_file`). A
checksum file in the format of ``sha256sum`` tells a complete set of tables from a cut one.
"""

import csv
import dataclasses
import hashlib
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Final, TypeVar, cast, get_args

from pimsim.errors import InputError
from pimsim.records import (
    ActionCounts,
    CostBreakdown,
    CostItem,
    MacroCounts,
    MovedBits,
    Result,
    Source,
    SourceKind,
    UnitCounts,
)
from pimsim.report import counted, timeline_file

CHECKSUMS: Final = "checksums.sha256"
CHECKED_FILES: Final = ("actions.csv", "components.csv", "sources.csv", "timeline.parquet")
"""The files that a result is rebuilt from, ``result.json`` apart."""

_LAST_ACTION: Final = "link_bits"
"""Last movement of the first version of actions.csv; later ones add more behind it."""

_Row = dict[str, str]
T = TypeVar("T")


def write_tables(result: Result, folder: Path) -> None:
    """Write the tables of ``result`` into ``folder``, with their checksums."""
    from pimsim.report import frames, timing_frames  # pandas; reading a result does without

    for name, frame in (
        ("actions.csv", frames.actions(result)),
        ("ops.csv", frames.ops(result)),
        ("resources.csv", timing_frames.resources(result)),
        ("components.csv", frames.components(result)),
        ("sources.csv", frames.sources(result)),
    ):
        frame.to_csv(folder / name, index=False, lineterminator="\n")
    timeline_file.write(result.timeline, folder / "timeline.parquet")
    sums = (f"{_digest(folder / name)}  {name}\n" for name in CHECKED_FILES)
    (folder / CHECKSUMS).write_text("".join(sums), encoding="utf-8")


def check_complete(folder: Path) -> None:
    """Check that every table of a result folder is there and as it was written.

    Raises
    ------
    InputError
        If one is missing, cut short or changed; the message names it.
    """
    path = folder / CHECKSUMS
    if not path.is_file():
        raise InputError(
            f"{folder}: {CHECKSUMS} is missing, so this is no complete result; run again"
        )
    lines = path.read_text(encoding="utf-8", errors="replace").splitlines()
    sums = {name: digest for digest, _, name in (line.partition("  ") for line in lines)}
    for name in CHECKED_FILES:
        if not (folder / name).is_file():
            raise InputError(
                f"{folder}: {name} is missing, so this is no complete result; run again"
            )
        if _digest(folder / name) != sums.get(name):
            raise InputError(
                f"{folder / name}: cut short or changed since the run wrote it "
                f"(its checksum is not the one in {CHECKSUMS}); restore it or run again"
            )


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def read_counts(path: Path) -> tuple[ActionCounts, ...]:
    """Rebuild the action counts that :func:`write_tables` wrote.

    Raises
    ------
    InputError
        If a row has an unknown place or action, or a number that is none; file and line are named.
    """
    counts: list[ActionCounts] = []
    rows: list[_Counted] = []
    for row in _read(path, _Counted.parse):
        if _complete(rows) and (
            row.place != "movement" or row.action == counted.MOVEMENT_ACTIONS[0]
        ):
            counts.append(_counts(rows))
            rows = []
        if rows and row.op != rows[0].op:
            raise _cut_short(path, rows)
        rows.append(row)
    if rows and not _complete(rows):
        raise _cut_short(path, rows)
    return (*counts, _counts(rows)) if rows else tuple(counts)


def _cut_short(path: Path, rows: "list[_Counted]") -> InputError:
    return InputError(f"{path}: the rows of operation {rows[0].op!r} are cut short")


def _complete(rows: "list[_Counted]") -> bool:
    """Whether rows hold all movement that the first version of the file has; it comes last."""
    return any(row.place == "movement" and row.action == _LAST_ACTION for row in rows)


@dataclasses.dataclass(frozen=True, slots=True)
class _Counted:
    """One row of actions.csv."""

    op: str
    inferences: int
    place: str
    name: str
    action: str
    key: int | None
    count: int

    @classmethod
    def parse(cls, row: _Row) -> "_Counted":
        known = {
            "macro": (*counted.MACRO_ACTIONS, "column_sum", "shift_adds"),
            "unit": ("saturations", "invocations"),
            "movement": counted.MOVEMENT_ACTIONS,
        }
        if row["action"] not in known.get(row["place"], ()):
            raise ValueError(f"no action {row['action']!r} at place {row['place']!r}")
        keyed = row["action"] in ("column_sum", "shift_adds", "invocations")
        return cls(
            op=row["op"],
            inferences=int(row["inferences"]),
            place=row["place"],
            name=row["name"],
            action=row["action"],
            key=int(row["key"]) if keyed else None,
            count=int(row["count"]),
        )


def _counts(rows: list[_Counted]) -> ActionCounts:
    """Build one operation's record from its rows."""
    macros = _records([row for row in rows if row.place == "macro"], counted.MACRO_ACTIONS[0])
    units = _records([row for row in rows if row.place == "unit"], "saturations")
    moved = {row.action: row.count for row in rows if row.place == "movement"}
    return ActionCounts(
        op=rows[0].op,
        inferences=rows[0].inferences,
        macros=tuple(_macro(record) for record in macros),
        units=tuple(_unit(record) for record in units),
        moved=MovedBits(**moved),
    )


def _records(rows: list[_Counted], first_action: str) -> list[list[_Counted]]:
    """Cut rows into records; ``first_action`` opens each."""
    records: list[list[_Counted]] = []
    for row in rows:
        if row.action == first_action:
            records.append([])
        elif not records:
            raise InputError(f"actions of operation {row.op!r} do not open with {first_action!r}")
        records[-1].append(row)
    return records


def _macro(rows: list[_Counted]) -> MacroCounts:
    sums = {
        row.key: row.count for row in rows if row.action == "column_sum" and row.key is not None
    }
    return MacroCounts(
        macro=rows[0].name,
        column_sum_histogram=tuple(
            sums.get(cells, 0) for cells in range(max(sums, default=-1) + 1)
        ),
        shift_adds=_by_key(rows, "shift_adds"),
        **{row.action: row.count for row in rows if row.action in counted.MACRO_ACTIONS},
    )


def _unit(rows: list[_Counted]) -> UnitCounts:
    return UnitCounts(
        function=rows[0].name,
        invocations_by_length=_by_key(rows, "invocations"),
        saturations=rows[0].count,
    )


def _by_key(rows: Iterable[_Counted], action: str) -> dict[int, int]:
    return {row.key: row.count for row in rows if row.action == action and row.key is not None}


def read_costs(components: Path, sources: Path) -> tuple[CostBreakdown, ...]:
    """Rebuild the cost roll-ups that :func:`write_tables` wrote, the default variant first.

    Raises
    ------
    InputError
        If a row holds a number that is none or an unknown kind of source; file and line are named.
    """
    items: dict[str, list[CostItem]] = {}
    for variant, item in _read(components, _cost_item):
        items.setdefault(variant, []).append(item)
    origins: dict[str, list[Source]] = {}
    for variant, source in _read(sources, _source):
        if variant:
            origins.setdefault(variant, []).append(source)
    return tuple(
        CostBreakdown(variant, tuple(items.get(variant, ())), tuple(origins.get(variant, ())))
        for variant in dict.fromkeys([*items, *origins])
    )


def read_sources(path: Path) -> tuple[Source, ...]:
    """Rebuild the sources that belong to no cost variant: those of methods and devices.

    Raises
    ------
    InputError
        If a row holds a number that is none or an unknown kind of source; file and line are named.
    """
    return tuple(source for variant, source in _read(path, _source) if not variant)


def _cost_item(row: _Row) -> tuple[str, CostItem]:
    return row["variant"], CostItem(
        component=row["component"],
        op=row["op"] or None,
        energy_pj=float(row["energy_pj"]),
        area_um2=float(row["area_um2"]),
        model=row["model"],
        kind=_kind(row["kind"]),
        action=row["action"],
        actions=float(row["actions_per_inference"]),
    )


def _source(row: _Row) -> tuple[str, Source]:
    return row["variant"], Source(
        reference=row["reference"],
        place=row["place"],
        kind=_kind(row["kind"]),
        node_nm=float(row["node_nm"]) if row["node_nm"] else None,
        condition=row["condition"],
        citation_key=row["citation_key"],
    )


def _kind(text: str) -> SourceKind:
    if text not in get_args(SourceKind):
        raise ValueError(f"unknown kind {text!r}; known: {', '.join(get_args(SourceKind))}")
    return cast(SourceKind, text)


def _read(path: Path, parse: Callable[[_Row], T]) -> Iterator[T]:
    """Yield ``parse(row)`` for each row of a CSV file; errors carry file and line."""
    with path.open(encoding="utf-8", newline="") as file:
        reader = csv.DictReader(file)
        try:
            for row in reader:
                if None in row or None in row.values():
                    raise ValueError(f"expected {len(reader.fieldnames or ())} columns")
                yield parse(row)
        except KeyError as error:
            raise InputError(f"{path}:{reader.line_num}: no column {error}") from None
        except (ValueError, csv.Error) as error:
            raise InputError(f"{path}:{reader.line_num}: {error}") from None
