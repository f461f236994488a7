"""Ranges of every tensor on the calibration samples.

Which question this module answers: *how large do the numbers get?*

The largest absolute value of each tensor, over the workload's calibration samples only, never its
evaluation data. It is rounded to 12 significant bits before a scale is formed from it, so that the
last bits of a processor's floating-point unit cannot move an integer of the result.
"""

import math
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from pimsim.errors import QuantizationError
from pimsim.workload import reference
from pimsim.workload.graph import Workload

STATISTIC_BITS: Final = 12
"""Significant bits of a calibration statistic. [bit]"""

_BATCH_SAMPLES: Final = 64


def calibrate(workload: Workload) -> dict[str, float]:
    """Largest absolute value of each tensor of the graph over the calibration samples.

    Parameters
    ----------
    workload
        A workload with weights and calibration samples.

    Raises
    ------
    QuantizationError
        If the workload has no calibration samples.

    Notes
    -----
    Absolute-maximum calibration: nothing that occurred on the calibration samples is clipped.
    """
    if workload.samples is None or not workload.samples.calibration:
        raise QuantizationError(
            f"workload {workload.name!r} has weights but no calibration samples; add "
            "calibration.<input> to its samples.safetensors"
        )
    largest: dict[str, float] = {}

    def observe(name: str, value: NDArray[Any]) -> None:
        peak = float(np.abs(value).max(initial=0.0))
        largest[name] = max(largest.get(name, 0.0), peak)

    inputs = [workload.samples.calibration[name] for name in workload.inputs]
    for start in range(0, len(inputs[0]), _BATCH_SAMPLES):
        batch = [array[start : start + _BATCH_SAMPLES] for array in inputs]
        reference.run(workload, *batch, observe=observe)
    return {name: round_statistic(value) for name, value in largest.items()}


def round_statistic(value: float) -> float:
    """Round up to :data:`STATISTIC_BITS` significant bits.

    Examples
    --------
    >>> round_statistic(1.0), round_statistic(1.0001)
    (1.0, 1.00048828125)
    """
    if value <= 0.0:
        return 0.0
    mantissa, exponent = math.frexp(value)
    return math.ldexp(math.ceil(mantissa * (1 << STATISTIC_BITS)), exponent - STATISTIC_BITS)


def symmetric_scale(largest: float, bits: int, *, headroom: float = 1.0) -> float:
    """Real value of one code when ``±largest * headroom`` must fit ``bits`` signed bits.

    A tensor that is always zero gets the scale of one that reaches 1.

    Examples
    --------
    >>> symmetric_scale(127.0, 8)
    1.0
    """
    return (largest or 1.0) * headroom / ((1 << (bits - 1)) - 1)
