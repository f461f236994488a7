"""What it takes to put the codes of one weight together again: adders and accumulators.

Which question this module answers: *what stands behind the converters of a macro, and what does one
conversion's share of it cost?*

Where several converters work on the slices of one weight at the same time, their codes meet in a
tree of narrow adders, and one wide shift-and-add accumulates what leaves the tree; where one
converter works through all slices, every conversion takes a step of the wide shift-and-add. Either
way a matrix column has one wide accumulator, not one per converter.

Not modelled: multiplexers between columns and converters, and the registers that align codes which
arrive one after the other.
"""

from typing import NamedTuple

from pimsim.config.architecture import Macro
from pimsim.cost.digital import DigitalCosts
from pimsim.cost.sourced import Sourced, exact, total


class Tree(NamedTuple):
    """Adders between the converters of one weight and its accumulator."""

    codes: int
    """Converters whose codes meet, 1 where there is no tree."""
    levels: int
    adder_bits: int
    """Widths of all its adders together. [bit]"""


def tree_of(macro: Macro) -> Tree:
    """Return the adder tree behind the converters of one weight.

    Notes
    -----
    ``slices / columns_per_adc`` converters work on one weight at once. On level ``l`` neighbours
    that are ``2**(l - 1)`` places apart are added, so that their sum has ``2**l`` bits more than a
    code; an odd one passes.

    Examples
    --------
    Eight converters of nine codes, one for each slice:

    >>> from pimsim.config import load_architecture
    >>> tree_of(load_architecture("rap_int8").macros["mram"])
    Tree(codes=8, levels=3, adder_bits=52)
    """
    codes = max(1, min(macro.slice_conversions, macro.slices // macro.adc.columns_per_adc))
    code_bits = (macro.adc.codes - 1).bit_length()
    left, levels, bits = codes, 0, 0
    while left > 1:
        levels += 1
        bits += left // 2 * (code_bits + (1 << levels))
        left -= left // 2
    return Tree(codes, levels, bits)


def step_energy_pj(macro: Macro, costs: DigitalCosts, width_bits: int) -> Sourced:
    """Share of one conversion in the recombination, at one accumulator width. [pJ]

    Parameters
    ----------
    macro
        Slices and converters.
    costs
        Of digital operations.
    width_bits
        Width of the accumulator. [bit]

    Notes
    -----
    With ``p`` converters on one weight and adders of ``b`` bits in their tree::

        E = (E_shift_add(b) + E_shift_add(width)) / p

    An adder of the tree costs what a shift-and-add of its width does, so that the tree is pipelined
    with a register after every adder.
    """
    tree = tree_of(macro)
    wide = costs.shift_add(width_bits).energy_pj
    if tree.codes == 1:
        return wide
    together = costs.shift_add(tree.adder_bits).energy_pj + wide
    share = together / exact("converters of one weight", tree.codes)
    return share.named(f"shift_add_{width_bits}bit_share_pj", note="adder tree and accumulator")


def shift_add_area_um2(macro: Macro, costs: DigitalCosts) -> Sourced:
    """Area of all recombination logic of one macro.

    One wide shift-and-add and one tree for the converters that work on one weight together; where
    converters are shared by more columns than one weight has, every further accumulator needs a
    register of its own.

    Notes
    -----
    The accumulator of a whole product has ``inputs.bits + weights.bits + ceil(log2(rows))`` bits.

    Returns
    -------
    Sourced
        Area. [µm²]
    """
    tree = tree_of(macro)
    converters = -(-macro.crossbar.cols // macro.adc.columns_per_adc)
    accumulators = -(-converters // tree.codes)
    width = macro.accumulator_bits(macro.crossbar.rows)
    spare = max(0, macro.logical_cols - accumulators)
    each = costs.shift_add(width).area_um2
    if tree.codes > 1:
        each = each + costs.shift_add(tree.adder_bits).area_um2
    return total(
        [
            each * exact("accumulators", accumulators),
            costs.register(width).area_um2 * exact("spare accumulators", spare),
        ]
    )


def group_shift_add_area_um2(macro: Macro, costs: DigitalCosts, *, places: int) -> Sourced:
    """Area of what one macro needs beside it where groups of rows share shifts.

    Every converter, or every matrix column where they are fewer, has a shift-and-add of the wide
    accumulator and an adder for the two shifts; every further column needs a wide register of its
    own.

    Parameters
    ----------
    macro
        With the planes and slices that the operands need.
    costs
        Of digital operations.
    places
        Farthest that a sum is shifted. [bit]

    Notes
    -----
    The shifts of static weights lie beside the macro, too; where and at what cost is not modelled.

    Returns
    -------
    Sourced
        Area. [µm²]
    """
    converters = -(-macro.crossbar.cols // macro.adc.columns_per_adc)
    adders = min(converters, macro.logical_cols)
    width = macro.accumulator_bits(macro.crossbar.rows) + places
    each = costs.shift_add(width).area_um2 + costs.shift_add(places.bit_length()).area_um2
    spare = costs.register(width).area_um2 * exact(
        "spare accumulators", macro.logical_cols - adders
    )
    return each * exact("adders", adders) + spare
