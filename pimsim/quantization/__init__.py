"""From floats to what the chip computes: calibration, numerics schemes, the quantized graph.

Which question this package answers: *which integers does the chip work on, and what do they mean?*
"""

from collections.abc import Callable, Mapping

from pimsim.config.architecture import Architecture
from pimsim.quantization.calibration import calibrate
from pimsim.quantization.quantized import Encoding, QuantizedOp, QuantizedTensor, QuantizedWorkload
from pimsim.registry import SCHEMES
from pimsim.workload.graph import Workload

__all__ = [
    "Encoding",
    "QuantizedOp",
    "QuantizedTensor",
    "QuantizedWorkload",
    "calibrate",
    "check_scheme",
    "quantize",
]

Scheme = Callable[[Workload, Architecture, Mapping[str, float] | None], QuantizedWorkload]
"""A numerics scheme: lowers a workload for an architecture, with peaks unless shape-only."""


def quantize(
    workload: Workload, architecture: Architecture, statistics: Mapping[str, float] | None = None
) -> QuantizedWorkload:
    """Lower a workload under the scheme that the architecture names.

    Parameters
    ----------
    workload
        With weights and calibration samples, or shape-only.
    architecture
        ``numerics.scheme`` and ``units`` decide the numbers.
    statistics
        Peaks from an earlier :func:`calibrate` of the same workload; taken now when absent.

    Raises
    ------
    QuantizationError
        If the workload has no form under the scheme.
    """
    scheme: Scheme = SCHEMES[architecture.numerics.scheme]
    if workload.shape_only:
        return scheme(workload, architecture, None)
    return scheme(workload, architecture, calibrate(workload) if statistics is None else statistics)


def check_scheme(architecture: Architecture) -> None:
    """Raise if the architecture's units are not those that its scheme builds.

    Raises
    ------
    QuantizationError
        With the key, what it names and what the scheme needs.
    """
    nothing = Workload("nothing", None, None, {}, (), (), {}, ())
    scheme: Scheme = SCHEMES[architecture.numerics.scheme]
    scheme(nothing, architecture, None)
