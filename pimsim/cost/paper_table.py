"""RAP's own component table as a cost model: power times busy time, area per processing element.

Which question this module answers: *what would this run cost, and how large would the chip be, if
every component drew what Table 1 of the RAP paper says it draws?*

A cost variant with ``paper_table: rap_table1`` takes the macros, softmax and requantization from
Table 1 [1]_ and everything that the table leaves out (LayerNorm, GELU, buffers, network, wires,
clock) from the variant's other models, as components of their own.

- *Arrays with converters*: the power of the table is that of ``table1_active_arrays`` of its 72
  MRAM arrays at work, and of the same share of its 512 SRAM arrays; both memories are power-gated
  unless they are read. So a read of one array takes ``power * read time / active arrays``. The
  paper does not say how many work; 9, one product of a 1024 x 1024 matrix of 9-bit weights, is
  assumed. With 1,024 converters in an array that is 15.6 fJ per conversion; 72 arrays would be
  2.0 fJ, a single one 141 fJ: always print them beside each other.
- *BitSift controller and shift-and-add*: power times the time in which the macros of an operation
  read; operations that read at the same time count one after the other. Macros whose
  ``zero_skipping`` is not ``bitsift`` have a controller that is off.
- *eMSB-Q and softmax*: power times the time in which the requantization and softmax units work.
- *Area*: arrays in proportion to their cells, everything else per tile. What the paper states for a
  whole processing element beyond its rows (4.0 %), and for 16 of them beyond 16 units (3.8 %), is a
  row of its own, ``table1.interconnect``. Power has such a difference, too (150.69 against
  150.8 mW; 5.1 % for 16): it is not spent, because nobody says on what.

Not in the table, hence not in these rows: SRAM writes, off-chip memory, I/O.

References
----------
.. [1] D. Yi et al., arXiv:2411.14733 (there called FLARE), Table 1.
"""

from collections.abc import Iterator
from typing import Final, NamedTuple

from pimsim.config.architecture import Architecture, CostModels, Operand
from pimsim.cost.parameters import constant
from pimsim.cost.sourced import Sourced, exact, library_constant, setting, total
from pimsim.errors import ModelRangeError
from pimsim.records import Source
from pimsim.units import UM2_PER_MM2

MODEL: Final = "rap_table1"
"""Name of this model in results."""
GROUP: Final = "table1"
"""What comes before a row in the name of its component."""
COVERED_UNITS: Final = ("softmax", "requantize")
"""Digital units that the table stands for."""
TABLE_ARRAYS: Final = {"aw": 72, "aa": 512}
"""Arrays of each kind in the table."""
DEFAULT_ACTIVE_ARRAYS: Final = 9
"""Of the 72: those that hold one matrix of 1024 x 1024 weights of 9 bits."""
_TABLE_CELLS: Final = {"aw": 72 * 1024 * 1024, "aa": 512 * 64 * 1024}
_TABLE_UNITS: Final = 16
_OPERANDS: Final[dict[str, Operand]] = {"aw": "static", "aa": "dynamic"}
_MACRO_PARTS: Final = frozenset({"arrays", "bitsift", "shift_add"})
_ROWS: Final = (
    "aw_bitsift", "aw_arrays", "aw_shift_add", "aw_emsb_q", "aa_bitsift", "aa_arrays",
    "aa_shift_add", "aa_emsb_q", "softmax_polynomial", "softmax_exponential",
    "softmax_normalization",
)  # fmt: skip


class BusyRow(NamedTuple):
    """A component that draws its power while resources of a kind work."""

    component: str
    resources: str
    """Beginning of the names of resources in :class:`pimsim.records.Timeline`."""
    power_mw: Sourced


class PaperTable(NamedTuple):
    """Table 1 on a chip."""

    architecture: Architecture
    active_arrays: int
    """Of 72: those that work at the stated power."""


def paper_table_of(architecture: Architecture, models: CostModels) -> PaperTable | None:
    """Return Table 1 of a variant; ``None`` if the variant has its models for everything.

    Raises
    ------
    ModelRangeError
        If the chip has no macros for static weights and for dynamic operands, or is not at 28 nm.
    """
    if models.paper_table is None:
        return None
    kinds = [architecture.macro_for(operand) for operand in _OPERANDS.values()]
    if None in kinds or kinds[0] == kinds[1]:
        raise ModelRangeError(
            f"cost.variants key paper_table: {MODEL!r} is of a chip with read-only macros for "
            f"static weights and writable ones for dynamic operands; {architecture.name!r} has not "
            "both"
        )
    node_nm = constant("paper_table", "unit_area_mm2").sources[0].node_nm
    if architecture.node_nm != node_nm:
        raise ModelRangeError(
            f"cost.variants key paper_table: {MODEL!r} holds at {node_nm:g} nm, found node_nm "
            f"{architecture.node_nm:g}; its 7 nm figures are plain divisions by 16"
        )
    return PaperTable(architecture, models.table1_active_arrays or DEFAULT_ACTIVE_ARRAYS)


def read_energy_pj(table: PaperTable, kind: str, read_ns: float) -> tuple[str, Sourced] | None:
    """Component and energy of one read of one array of a macro kind; ``None`` for other kinds. [pJ]

    Parameters
    ----------
    table
        Table 1 on its chip.
    kind
        Key of ``Architecture.macros``.
    read_ns
        From one read to the next. [ns]
    """
    side = _side_of(table, kind)
    if side is None:
        return None
    crossbar = table.architecture.macros[kind].crossbar
    cells = exact("cells of an array of the table", _TABLE_CELLS[side] / TABLE_ARRAYS[side])
    active = _assumed_active(table) * (TABLE_ARRAYS[side] / TABLE_ARRAYS["aw"])
    size = setting(f"cells of {kind}", crossbar.rows * crossbar.cols) / cells
    power = constant("paper_table", f"{side}_arrays_power_mw")
    energy = power * setting("read_ns", read_ns) * size / active
    return f"{GROUP}.{side}_arrays", energy.named("energy_per_array_read_pj")


def macro_of(component: str, architecture: Architecture) -> str | None:
    """Macro kind that a row of the table with the arrays or their periphery stands for.

    Examples
    --------
    >>> from pimsim.config import load_architecture
    >>> rap = load_architecture("rap")
    >>> macro_of("table1.aa_arrays", rap), macro_of("table1.aa_emsb_q", rap), macro_of("noc", rap)
    ('sram', None, None)
    """
    group, _, row = component.partition(".")
    side, _, part = row.partition("_")
    if group != GROUP or side not in _OPERANDS or part not in _MACRO_PARTS:
        return None
    return architecture.macro_for(_OPERANDS[side])


def busy_rows(table: PaperTable) -> Iterator[BusyRow]:
    """Yield the components whose power is spent by time."""
    for side, operand in _OPERANDS.items():
        kind = table.architecture.macro_for(operand)
        skips = kind and table.architecture.macros[kind].zero_skipping.model == "bitsift"
        for part in ("bitsift", "shift_add") if skips else ("shift_add",):
            yield _busy(f"{side}_{part}", f"macro:{kind}")
        yield _busy(f"{side}_emsb_q", "unit:requantize")
    for part in ("polynomial", "exponential", "normalization"):
        yield _busy(f"softmax_{part}", "unit:softmax")


def areas_um2(table: PaperTable) -> Iterator[tuple[str, Sourced]]:
    """Yield component and area on the whole chip. [µm²]"""
    architecture = table.architecture
    tiles = setting("chip.tiles", architecture.chip.tiles)
    for row in _ROWS:
        area = _um2(constant("paper_table", f"{row}_area_mm2"))
        side = row.partition("_")[0]
        if row.endswith("_arrays"):
            area = area * (_cells(table, side) / float(_TABLE_CELLS[side]))
        yield f"{GROUP}.{row}", (area * tiles).named(f"{row}_area_um2")
    unit = constant("paper_table", "unit_area_mm2")
    between = unit - total(constant("paper_table", f"{row}_area_mm2") for row in _ROWS)
    around = (constant("paper_table", "array_of_16_area_mm2") - unit * float(_TABLE_UNITS)) / float(
        _TABLE_UNITS
    )
    yield f"{GROUP}.interconnect", (_um2(between + around) * tiles).named("interconnect_area_um2")


def covers(kind: str, table: PaperTable) -> bool:
    """Whether the table stands for a macro kind."""
    return _side_of(table, kind) is not None


def _busy(row: str, resources: str) -> BusyRow:
    return BusyRow(f"{GROUP}.{row}", resources, constant("paper_table", f"{row}_power_mw"))


def _assumed_active(table: PaperTable) -> Sourced:
    """How many of the 72 MRAM arrays work at the stated power."""
    source = Source(
        "choice for pimsim",
        "cost.variants key table1_active_arrays",
        "assumed",
        condition="Table 1 does not say how many of its arrays work at the stated power",
    )
    return library_constant("table1_active_arrays", table.active_arrays, "", source, "settings")


def _side_of(table: PaperTable, kind: str) -> str | None:
    for side, operand in _OPERANDS.items():
        if table.architecture.macro_for(operand) == kind:
            return side
    return None


def _cells(table: PaperTable, side: str) -> Sourced:
    """Cells of the arrays of one kind in a tile."""
    architecture = table.architecture
    kind = architecture.macro_for(_OPERANDS[side]) or ""
    crossbar = architecture.macros[kind].crossbar
    held = setting(f"tile.macros.{kind}", architecture.tile.macros.get(kind, 0))
    return held * float(crossbar.rows * crossbar.cols)


def _um2(area_mm2: Sourced) -> Sourced:
    return area_mm2 * exact("um2 per mm2", UM2_PER_MM2)
