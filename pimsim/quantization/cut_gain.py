"""How much cutting bits shrinks an operand, and what undoes it on the whole.

Which question this module answers: *by which factor do codes whose low bits were cut stand below
the numbers that they stand for?*

Rounding errs either way, cutting always towards zero. The error is then no noise but a smaller
gain, which every product passes on, and a network of several layers loses its answers to it. The
factor that makes the cut codes the best multiple of the uncut ones in the least-squares sense is
known before the run, and costs nothing at run time, since it enters the constants of the
requantization that follows the product: one per output channel of the weights, one per driven
tensor, from calibration samples. The correction is ours, no paper's.

Not modelled: the same for keys and values, whose only compression rounds.
"""

from collections.abc import Mapping
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from pimsim.integer.leading_one import LeadingOneShift
from pimsim.quantization.calibration import round_statistic, symmetric_scale
from pimsim.quantization.encodings import code
from pimsim.quantization.forms import OperandForm
from pimsim.quantization.observers import operand_range
from pimsim.quantization.quantized import Encoding
from pimsim.workload import reference
from pimsim.workload.graph import PRODUCT_KINDS, Op, Workload
from pimsim.workload.reference import unfold_convolution

GAIN_SAMPLES: Final = 16
"""Calibration samples that are run: a gain is a mean over many elements of each."""


def driven_gains(
    workload: Workload, statistics: Mapping[str, float] | None, form: OperandForm
) -> dict[str, float]:
    """Gain of each traced tensor that products drive onto word lines; empty if nothing is cut.

    Parameters
    ----------
    workload
        With calibration samples, unless ``statistics`` is ``None``.
    statistics
        Peak of every tensor; ``None`` for a shape-only workload.
    form
        Of driven operands.
    """
    unit, samples = form.compression, workload.samples
    if unit is None or unit.rounding != "truncate" or statistics is None or samples is None:
        return {}
    products = {op.inputs[0]: op for op in workload.ops if op.kind in PRODUCT_KINDS}
    sums = {name: np.zeros(2) for name in products}

    def observe(name: str, value: NDArray[Any]) -> None:
        if name in products:
            peak = operand_range(statistics, name, form.basis_bits)
            scale = symmetric_scale(peak, form.basis_bits)
            codes = code(
                _rows(products[name], workload, value), Encoding(unit.input_bits, "integer", scale)
            )
            sums[name] += _moments(codes, unit.decode(unit.encode(codes)), axis=None)

    inputs = [samples.calibration[name][:GAIN_SAMPLES] for name in workload.inputs]
    for index in range(len(inputs[0])):
        reference.run(workload, *(array[index : index + 1] for array in inputs), observe=observe)
    return {name: _gain(found) for name, found in sums.items()}


def column_gains(
    codes: NDArray[np.int64], unit: LeadingOneShift | None
) -> NDArray[np.float64] | None:
    """Gain of each column of a (rows, cols) matrix; ``None`` if nothing is cut."""
    if unit is None or unit.rounding != "truncate":
        return None
    cut = unit.decode(unit.encode(codes, axis=0), axis=0)
    moments = _moments(codes, cut, axis=0)
    return np.array([_gain(column) for column in moments.T])


def _rows(op: Op, workload: Workload, value: NDArray[Any]) -> NDArray[Any]:
    """The operand as vectors that are driven: patches of a convolution's image."""
    if op.kind != "convolution":
        return value
    height, width = (int(size) for size in workload.tensors[op.inputs[1]].shape[2:])
    geometry = {
        name: (op.attributes[name][0], op.attributes[name][1])
        for name in ("stride", "padding", "dilation")
    }
    return unfold_convolution(value, (height, width), **geometry)


def _moments(exact: NDArray[Any], cut: NDArray[np.int64], axis: int | None) -> NDArray[np.float64]:
    """Sums of exact times cut, and of cut squared."""
    other = cut.astype(np.float64)
    return np.array([(exact * other).sum(axis=axis), (other * other).sum(axis=axis)])


def _gain(moments: NDArray[np.float64]) -> float:
    """Best factor, rounded as statistics are; 1 for an operand that is all zeros."""
    product, square = (float(moment) for moment in moments)
    return round_statistic(product / square) if square > 0 else 1.0
