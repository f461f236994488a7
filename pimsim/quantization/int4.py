"""Products of plain 4-bit integers: what schemes of shifted groups have to beat.

Which question this module answers: *what does the transformer compute when both operands of every
product have 4 bits on evenly spaced scales?*

Weights have one scale per output channel, activations, keys and values one per tensor, all from the
absolute maximum. Everything else is as in :mod:`pimsim.quantization.int8_dyadic`: 16-bit tensors
before functions and additions, integer functions, dyadic rescaling.
"""

from collections.abc import Mapping
from typing import Final

from pimsim.config.architecture import Architecture
from pimsim.quantization.forms import check_numerics, evenly_spaced
from pimsim.quantization.int8_dyadic import lower_integers
from pimsim.quantization.quantized import QuantizedWorkload
from pimsim.workload.graph import Workload

PRODUCT_BITS: Final = 4


def quantize(
    workload: Workload, architecture: Architecture, statistics: Mapping[str, float] | None
) -> QuantizedWorkload:
    """Lower a workload to integer products of 4-bit operands.

    Parameters and errors are those of :func:`pimsim.quantization.int8_dyadic.quantize`.
    """
    check_numerics(architecture.numerics, takes=("overrides",))
    return lower_integers(workload, architecture, statistics, evenly_spaced(PRODUCT_BITS))
