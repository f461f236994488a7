"""From floats to what the chip computes: calibration, numerics schemes, the quantized graph.

Which question this package answers: *which integers does the chip work on, and what do they mean?*
"""

from collections.abc import Callable, Mapping

from pimsim.config.architecture import Architecture
from pimsim.errors import QuantizationError
from pimsim.quantization import float32
from pimsim.quantization.calibration import calibrate
from pimsim.quantization.observers import Observer, Statistics
from pimsim.quantization.quantized import Encoding, QuantizedOp, QuantizedTensor, QuantizedWorkload
from pimsim.registry import SCHEMES
from pimsim.workload.graph import Workload

__all__ = [
    "Encoding",
    "Observer",
    "QuantizedOp",
    "QuantizedTensor",
    "QuantizedWorkload",
    "Statistics",
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
        From an earlier :func:`calibrate` of the same workload with the observer that the
        architecture names; taken now when absent.

    Raises
    ------
    QuantizationError
        If the workload has no form under the scheme.
    """
    scheme: Scheme = SCHEMES[architecture.numerics.scheme]
    if workload.shape_only:
        return scheme(workload, architecture, None)
    if statistics is None:
        statistics = calibrate(workload, Observer.of(architecture.numerics))
    return scheme(workload, architecture, statistics)


def check_scheme(architecture: Architecture) -> None:
    """Raise if a chip cannot run the architecture's scheme, or lacks the units that it builds.

    Raises
    ------
    QuantizationError
        With the key, what it names and what the scheme needs.
    """
    if architecture.numerics.scheme == float32.SCHEME:
        raise QuantizationError(
            f"numerics.scheme {float32.SCHEME!r} serves comparisons only: crossbars multiply "
            "integers; choose an integer scheme"
        )
    nothing = Workload("nothing", None, None, {}, (), (), {}, ())
    scheme: Scheme = SCHEMES[architecture.numerics.scheme]
    scheme(nothing, architecture, None)
