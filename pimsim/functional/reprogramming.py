"""What it takes to program static weights again in every inference.

Which question this module answers: *how many cells and word lines are programmed because macros are
multiplexed in time?*

Every copy of a static matrix is programmed once per inference, all cells of it, whatever they held
before. One pulse per cell is counted; how many a write-verify loop needs on average is in the time
per word line (``reprogram.row_time_ns``) and in the cost model.

Not modelled: cells that already hold the right digit and could be left alone.
"""

from dataclasses import replace

import numpy as np

from pimsim.analog.coding import encode_weights
from pimsim.errors import SimulationError
from pimsim.mapping.mapped import MappedOp, MappedWorkload
from pimsim.mapping.widths import macro_in_use
from pimsim.records import MacroCounts


def with_reprogramming(
    counts: MacroCounts,
    op: MappedOp,
    mapped: MappedWorkload,
    *,
    inferences: int,
    density_ratio: float | None = None,
) -> MacroCounts:
    """Add the programming of a static product's weights, if they are not resident.

    Parameters
    ----------
    counts
        What the product does otherwise.
    op, mapped
        The product, and what it is part of.
    inferences
        How many the counts sum over.
    density_ratio
        Share of ones among the stored bits; only needed where the weights are not known.

    Raises
    ------
    SimulationError
        If neither weights nor a density are known.
    """
    placement = op.placement
    if mapped.rounds == 1 or placement is None or op.op.kind != "static_product":
        return counts
    macro = macro_in_use(mapped.architecture.macros[placement.macro], placement)
    times = placement.copies * inferences
    if op.op.weights is None:
        if density_ratio is None:
            raise SimulationError(f"op {op.op.name!r} has no weights to program")
        cells = placement.rows * placement.cols * macro.slices
        ones = round(density_ratio * cells)
    else:
        digits = encode_weights(op.op.weights, macro).digits
        cells, ones = digits.size, int(np.count_nonzero(digits))
    rows = sum(block.row_stop - block.row_start for block in placement.blocks)
    return replace(
        counts,
        programmed_ones=counts.programmed_ones + ones * times,
        programmed_zeros=counts.programmed_zeros + (cells - ones) * times,
        program_pulses=counts.program_pulses + cells * times,
        row_writes=counts.row_writes + rows * times,
    )
