"""What the controller of a zero-skipping macro costs.

Which question this module answers: *what does it take to find out, before every read, which word
lines are worth driving?*

``bitsift`` counts the ones of every slice of word lines, adds the counts of the slices that share a
read, and marks what has been read; simpler schemes only ask whether a group of rows holds a one.
Every macro has a controller of its own here; macros that share inputs could share one. Built from
adders and registers of the digital library, a controller of 1,024 rows takes 7 pJ a read at 28 nm,
the nine of one product 62 pJ. Table 1 of RAP [1]_ states 8.11 mW for the static products of one
processing element, 81 pJ in 10 ns.

Not modelled: the queue of pending slices, the search order of a packing scheme (all packings cost
the same), and time: the controller is hidden behind the read before.

References
----------
.. [1] D. Yi et al., arXiv:2411.14733, Table 1 and section on BitSift-GEMV.
"""

from typing import Final

from pimsim.config.architecture import Macro
from pimsim.cost.digital import DigitalCosts, OperationCost
from pimsim.cost.sourced import exact, setting

DEFAULT_SLICE_ROWS: Final = 32
_COUNT_BITS: Final = 4
"""A slice's counter stops at the rows of a read, of which ``bitsift`` has few."""
_WORD_BITS: Final = 32


def controller(macro: Macro, costs: DigitalCosts) -> OperationCost | None:
    """Cost the zero-skipping controller of one macro; ``None`` where nothing is skipped.

    Parameters
    ----------
    macro
        Rows, scheme and its slices.
    costs
        Of digital operations.

    Returns
    -------
    OperationCost
        Energy of one read [pJ] and area [µm²].

    Notes
    -----
    With ``R`` rows in slices of ``s``: a population count of ``R`` bits takes as many full adders,
    the counts of ``R / s`` slices are added in 4 bits each, and a mask of ``R`` bits is latched; a
    scheme without counts compares ``R`` bits with zero::

        E = R E_add(1 bit) + R / s * E_add(4 bit) + R E_register(1 bit)        (bitsift)
        E = R E_compare(1 bit) + R E_register(1 bit)                           (others)

    Examples
    --------
    >>> from pimsim.config import load_architecture
    >>> from pimsim.cost.digital import operations
    >>> from pimsim.cost.technology import OperatingPoint
    >>> chip = load_architecture("rap", overrides=["macros.mram.zero_skipping.model=bitsift"])
    >>> cost = controller(chip.macros["mram"], operations(OperatingPoint(28.0)))
    >>> 5 < cost.energy_pj.value < 9
    True
    """
    scheme = macro.zero_skipping.model
    if scheme == "none":
        return None
    rows = setting("crossbar.rows", macro.crossbar.rows)
    words = rows / exact("bits of a word", _WORD_BITS)
    counting = costs.logic("add" if scheme == "bitsift" else "compare", _WORD_BITS)
    mask = costs.register(1)
    energy, area = counting.energy_pj * words, counting.area_um2 * words
    if scheme == "bitsift":
        slice_rows = macro.zero_skipping.slice_rows or DEFAULT_SLICE_ROWS
        slices = rows / setting("zero_skipping.slice_rows", slice_rows)
        adder = costs.logic("add", _COUNT_BITS)
        energy, area = energy + adder.energy_pj * slices, area + adder.area_um2 * slices
    return OperationCost(
        (energy + mask.energy_pj * rows).named("controller_energy_pj"),
        (area + mask.area_um2 * rows).named("controller_area_um2"),
    )
