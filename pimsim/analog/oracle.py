"""The engine again, slowly and obviously, to check the fast one against.

Which question this module answers: *is the compiled engine right?*

Plain NumPy, one read at a time, sharing no arithmetic with the kernels: real-valued currents
instead of packed integers, Gaussian draws instead of thresholds. With noise off it must equal the
engine bit for bit, with noise on in distribution.
"""

from typing import Any

import numpy as np
from jaxtyping import Int
from numpy.typing import NDArray

from pimsim.config.architecture import Macro


def mvm(
    weights: Int[np.ndarray, "rows cols"],
    inputs: Int[np.ndarray, "batch rows"],
    macro: Macro,
    *,
    on_deviation: NDArray[Any] | None = None,
    off_deviation: NDArray[Any] | None = None,
    generator: np.random.Generator | None = None,
) -> Int[np.ndarray, "batch cols"]:
    """Multiply through one macro's worth of analog reads.

    Parameters
    ----------
    weights, inputs
        Integers that fit the macro's codings; any number of rows, cut into groups in order.
    macro
        The kind of macro; only ``active_rows``, codings and converter are used.
    on_deviation, off_deviation
        Deviation of each cell's current when it holds 1 or 0, (rows, slices, cols). [LSB]
    generator
        Source of converter noise; none is added without it.
    """
    rows, cols = weights.shape
    bits = macro.weights.bits
    shape = (rows, bits, cols)
    on = np.zeros(shape) if on_deviation is None else on_deviation
    off = np.zeros(shape) if off_deviation is None else off_deviation
    result = np.zeros((len(inputs), cols), np.int64)
    for plane in range(macro.inputs.bits):
        driven = (inputs.astype(np.int64) >> plane) & 1
        plane_sign = -1 if plane == macro.inputs.bits - 1 and _signed(macro) else 1
        for position in range(bits):
            slice_sign = -1 if position == bits - 1 else 1
            cell = (weights.astype(np.int64) >> position) & 1
            current = np.where(cell == 1, 1.0 + on[:, position], off[:, position])
            for first in range(0, rows, macro.crossbar.active_rows):
                group = slice(first, first + macro.crossbar.active_rows)
                column = driven[:, group].astype(float) @ current[group]
                codes = _convert(column, macro, generator)
                result += plane_sign * slice_sign * (codes * macro.lsb_per_code << plane + position)
    return result


def _signed(macro: Macro) -> bool:
    return macro.inputs.coding == "twos_complement"


def _convert(
    column: NDArray[np.float64], macro: Macro, generator: np.random.Generator | None
) -> NDArray[np.int64]:
    steps = column / macro.lsb_per_code
    if generator is not None and macro.adc.noise_ratio:
        full_scale_steps = macro.adc.codes - 1
        steps = steps + generator.standard_normal(steps.shape) * (
            macro.adc.noise_ratio * full_scale_steps
        )
    return np.clip(np.floor(steps + 0.5), 0, macro.adc.codes - 1).astype(np.int64)
