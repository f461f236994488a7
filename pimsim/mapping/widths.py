"""Macros as one product uses them: only the planes and slices that its operands need.

Which question this module answers: *what does a macro for 8-bit operands do with 4-bit ones?*

``inputs.bits`` and ``weights.bits`` of an architecture file are the widest operands that a macro
takes. The controller of a bit-serial macro stops after the highest bit-plane of its operand, and
the mapping lays as many slices side by side as the stored operand has bits; the shift-and-add
behind the converters takes the weight of each column from the controller. A narrower operand
therefore needs fewer reads, columns and conversions of the same kind: one conversion sees the same
range of sums as before.

Where planes or slices are summed in charge (``accumulate``), capacitors fix their weights, so that
all of them are always used. A digit is never narrowed below what a cell or a word line carries.

Not modelled: the configuration bits of the shift-and-add, which area models leave out.
"""

from pimsim.config.macros import Macro
from pimsim.mapping.mapped import Placement


def macro_in_use(macro: Macro, placement: Placement) -> Macro:
    """The macro with the planes and slices that a placed product needs."""
    return narrowed(
        macro, driven_bits=placement.driven_bits, driven_signed=placement.driven_signed,
        stored_bits=placement.stored_bits,
    )  # fmt: skip


def narrowed(
    macro: Macro, *, driven_bits: int | None = None, driven_signed: bool = True,
    stored_bits: int | None = None,
) -> Macro:  # fmt: skip
    """The macro with the planes and slices that operands of these widths need.

    Parameters
    ----------
    macro
        As the architecture file describes it.
    driven_bits, stored_bits
        Widths of the operands, sign included; ``None``: as wide as the macro takes. [bit]
    driven_signed
        Whether the driven operand has a sign. One without is driven in one pass of as many planes
        as it has bits, whatever ``inputs.coding`` says; the plane or pass of signs is left out.

    Examples
    --------
    >>> from pimsim.analog import ideal_macro
    >>> macro = ideal_macro(rows=8, cols=32, active_rows=8, weight_bits=8, input_bits=8)
    >>> small = narrowed(macro, driven_bits=4, stored_bits=4)
    >>> (macro.planes, macro.slices, macro.logical_cols)
    (8, 8, 4)
    >>> (small.planes, small.slices, small.logical_cols)
    (4, 4, 8)
    >>> narrowed(macro, driven_bits=7, driven_signed=False).planes
    7
    """
    inputs, weights = macro.inputs, macro.weights
    drive_bits, coding = inputs.bits, inputs.coding
    if driven_bits is not None and macro.accumulate.planes == "digital":
        if not driven_signed and coding != "unsigned":
            drive_bits, coding = drive_bits - 1, "unsigned"
        least = inputs.bits_per_cycle + (0 if coding == "unsigned" else 1)
        drive_bits = min(drive_bits, max(driven_bits, least))
    cell_bits = weights.bits
    if stored_bits is not None and macro.accumulate.slices == "digital":
        least = macro.crossbar.cell.bits + (0 if weights.coding == "offset" else 1)
        cell_bits = min(cell_bits, max(stored_bits, least))
    if (drive_bits, coding, cell_bits) == (inputs.bits, inputs.coding, weights.bits):
        return macro
    return macro.model_copy(
        update={
            "inputs": inputs.model_copy(update={"bits": drive_bits, "coding": coding}),
            "weights": weights.model_copy(update={"bits": cell_bits}),
        }
    )


def accumulator_bits(macro: Macro, placement: Placement) -> int:
    """Width of the accumulator of a whole placed product, shifts of its groups included. [bit]"""
    declared = macro.accumulate.accumulator_bits
    if declared is not None:
        return declared
    return macro_in_use(macro, placement).accumulator_bits(placement.rows) + placement.shift_places
