"""Ranges of every tensor on the calibration samples.

Which question this module answers: *how large do the numbers get?*

The largest absolute value of each tensor, over the workload's calibration samples only, never its
evaluation data. It is rounded to 12 significant bits before a scale is formed from it, so that the
last bits of a processor's floating-point unit cannot move an integer of the result. Where
``numerics.observer`` asks for more, the magnitudes of what enters products are counted
(:mod:`pimsim.quantization.observers`). Samples stream by in batches whose largest tensor has a
bounded size.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from pimsim.errors import QuantizationError
from pimsim.quantization.encodings import consumers, final_readers
from pimsim.quantization.observers import (
    STATISTIC_BITS,
    Histogram,
    Observer,
    Statistics,
    round_statistic,
)
from pimsim.workload import reference
from pimsim.workload.graph import PRODUCT_KINDS, Workload
from pimsim.workload.shapes import elements

__all__ = ["STATISTIC_BITS", "calibrate", "round_statistic", "symmetric_scale"]

_BATCH_SAMPLES: Final = 64
_BATCH_ELEMENTS: Final = 1 << 24
"""Elements of the largest tensor of one batch: bounds memory."""
_REARRANGEMENTS: Final = frozenset({"view", "permute", "flip", "expand"})
"""Movement that keeps all elements, or repeats all equally often: magnitudes are those before."""


def calibrate(workload: Workload, observer: Observer | None = None) -> Statistics:
    """Largest absolute value of each tensor of the graph over the calibration samples.

    Parameters
    ----------
    workload
        A workload with weights and calibration samples.
    observer
        How the ranges of what enters products are chosen; by the largest magnitude when absent.

    Returns
    -------
    Statistics
        A mapping from tensor to largest absolute value, with histograms for an observer that needs
        them.

    Raises
    ------
    QuantizationError
        If the workload has no calibration samples, or a tensor is NaN on them.

    Notes
    -----
    Infinities count for nothing: they mark what a mask leaves out. Integers and truth values have
    no scale. Memory is that of the float reference on one batch and at most 4 MiB per histogram.
    """
    if workload.samples is None or not workload.samples.calibration:
        raise QuantizationError(
            f"workload {workload.name!r} has weights but no calibration samples; add "
            "calibration.<input> to its samples.safetensors"
        )
    wanted = observer or Observer()
    watch = _Watch(workload, frozenset() if wanted.kind == "absolute_max" else _operands(workload))
    inputs = [workload.samples.calibration[name] for name in workload.inputs]
    step = _batch(workload, inputs)
    for start in range(0, len(inputs[0]), step):
        batch = [array[start : start + step] for array in inputs]
        reference.run(workload, *batch, observe=watch.see)
    largest = {name: round_statistic(value) for name, value in watch.largest.items()}
    return Statistics(largest, wanted, watch.shared())


def _batch(workload: Workload, inputs: list[NDArray[Any]]) -> int:
    """Samples that the float reference runs together."""
    one = {**reference.bind_inputs(workload, inputs), "batch": 1}
    per_sample = max(elements(spec.shape, one) for spec in workload.tensors.values())
    return max(1, min(_BATCH_SAMPLES, _BATCH_ELEMENTS // per_sample))


def _operands(workload: Workload) -> frozenset[str]:
    """Tensors that enter products, be it after movement and constant factors."""
    readers = consumers(workload)
    computed = (*workload.inputs, *(op.output for op in workload.ops))
    return frozenset(
        name
        for name in computed
        if any(
            op is not None and op.kind in PRODUCT_KINDS
            for op, _ in final_readers(workload, readers, name)
        )
    )


@dataclass(slots=True)
class _Watch:
    """Sees every tensor of every batch."""

    workload: Workload
    counted: frozenset[str]
    """Tensors of which a histogram is wanted."""
    largest: dict[str, float] = field(default_factory=dict)
    histograms: dict[str, Histogram] = field(default_factory=dict)
    same: dict[str, str] = field(init=False)
    """Tensor → the one of which it is a rearrangement."""

    def __post_init__(self) -> None:
        self.same = {}
        stored = frozenset(self.workload.stored)
        for op in self.workload.ops:
            if op.kind in _REARRANGEMENTS and op.inputs[0] not in stored:
                self.same[op.output] = self.same.get(op.inputs[0], op.inputs[0])

    def see(self, name: str, value: NDArray[Any]) -> None:
        """Take note of one tensor of one batch."""
        if value.dtype.kind != "f":
            return
        source = self.same.get(name)
        if source is not None:
            self.largest[name] = self.largest[source]
            return
        self.largest[name] = max(self.largest.get(name, 0.0), _peak(name, value))
        if name in self.counted:
            self.histograms.setdefault(name, Histogram()).add(value)

    def shared(self) -> Mapping[str, Histogram]:
        """Histograms by tensor; rearrangements have that of what they rearrange."""
        found = dict(self.histograms)
        for name, source in self.same.items():
            if source in self.histograms:
                found[name] = self.histograms[source]
        return found


def _peak(name: str, value: NDArray[Any]) -> float:
    lowest, highest = float(value.min(initial=0.0)), float(value.max(initial=0.0))
    if math.isnan(lowest):
        raise QuantizationError(
            f"tensor {name!r} is not a number (NaN) on the calibration samples, so it has no "
            "range; check the samples, and the model in float32"
        )
    peak = max(-lowest, highest)
    if math.isinf(peak):
        peak = float(np.abs(value, where=np.isfinite(value), out=np.zeros_like(value)).max())
    return peak


def symmetric_scale(largest: float, bits: int, *, headroom: float = 1.0) -> float:
    """Real value of one code when ``±largest * headroom`` must fit ``bits`` signed bits.

    A tensor that is always zero gets the scale of one that reaches 1.

    Examples
    --------
    >>> symmetric_scale(127.0, 8)
    1.0
    """
    return (largest or 1.0) * headroom / ((1 << (bits - 1)) - 1)
