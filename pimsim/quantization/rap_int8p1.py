"""RAP's INT(8+1): a sign, eight bits and a shift per token, no scale at run time.

Which question this module answers: *what does a transformer encoder compute on RAP, eMSB-Q and
VDR-Softmax in place of multiplications by scales and divisions?*

A number is an integer times a static real scale, one for each tensor and used at compile time only,
times ``2**shift`` with one integer per token. Products take sign and 8 bits; a sum of products
comes back to them by the token's leading one (:mod:`pimsim.integer.leading_one`).

===================  ==============================================================================
tensor               codes
===================  ==============================================================================
weights              sign + 8, one scale per matrix, channels balanced where that folds exactly
                     (:mod:`pimsim.quantization.exact_folds`)
inputs, embedding,   sign + 8 on a static scale
LayerNorm output
keys, values         ``kv_bits`` cut at a fixed place, so that all tokens share a scale
queries              sign + 8, one shift for all heads of a token
logits               sign + 8, one shift per token and head; both shifts sum up to VDR-Softmax's
                     exponent
P                    8 bits without sign, exponentials over the row's largest one
A = P·V              wide, normalized per token and head (``normalization``), then as queries
O, second FFN layer  as queries; into the residual stream by a multiplier and a shift, which the
                     token's shift lessens (``branch_scale``)
residual stream      16 bits on one static scale
GELU                 in: 16 bits on a static scale; out: as queries
===================  ==============================================================================

The attention layer is the paper's [1]_; how scales, bias, keys and values and the row sums are
treated is a reconstruction. All around it, residual stream, LayerNorm, GELU and FFN, is an
extension of ours.

Not modelled: decoders (a cache across steps), one matrix for queries, keys and values together.

References
----------
.. [1] D. Yi et al., FLARE: FP-Less PTQ and Low-ENOB ADC Based AMS-PiM for Error-Resilient, Fast,
   and Efficient Transformer Acceleration, arXiv:2411.14733.
"""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from pimsim.config.architecture import Architecture
from pimsim.errors import QuantizationError
from pimsim.quantization import unit_constants
from pimsim.quantization.attention_paths import attentions
from pimsim.quantization.builder import GraphBuilder
from pimsim.quantization.calibration import calibrate
from pimsim.quantization.encodings import connected_by_movement, consumers
from pimsim.quantization.exact_folds import Folded, fold
from pimsim.quantization.forms import (
    RAP_KEYS,
    RAP_SCHEME,
    OperandForm,
    ProductForms,
    check_numerics,
)
from pimsim.quantization.observers import Observer
from pimsim.quantization.quantized import QuantizedWorkload
from pimsim.quantization.rap_lowering import RapLowering
from pimsim.quantization.rap_rows import RapSettings
from pimsim.quantization.rap_softmax import FLOATING, INTEGER, VDR_SOFTMAX
from pimsim.quantization.rap_streams import joined_streams
from pimsim.quantization.unit_choice import check_units
from pimsim.workload import reference
from pimsim.workload.graph import Workload

OPERAND_BITS: Final = 9
"""Sign and eight bits. [bit]"""
_BATCH_SAMPLES: Final = 64
_UNITS: Final = {
    **{role: unit_constants.names(role) for role in ("layer_norm", "gelu", "rms_norm")},
    "softmax": (VDR_SOFTMAX, *INTEGER, *FLOATING),
    "requantize": ("emsb_q",),
}
"""Key of ``units`` → the models that this lowering builds."""


def quantize(
    workload: Workload, architecture: Architecture, statistics: Mapping[str, float] | None
) -> QuantizedWorkload:
    """Lower a workload to RAP's integer graph.

    Parameters
    ----------
    workload
        The traced graph of an encoder.
    architecture
        ``units`` must name ``emsb_q`` and, to be RAP, ``vdr_softmax``; with another softmax all
        else stays as it is (:mod:`pimsim.quantization.rap_softmax`). ``numerics`` may have
        ``kv_bits``, ``kv_msb``, ``kv_round``, ``normalization`` and ``branch_scale``.
    statistics
        Peaks from :func:`pimsim.quantization.calibration.calibrate`; ``None`` for a shape-only
        workload. Folding changes the size of some tensors, so the folded network is calibrated
        anew.

    Raises
    ------
    QuantizationError
        If the graph has an operation without form here, or the architecture names other units.
    """
    numerics = architecture.numerics
    check_numerics(numerics, takes=RAP_KEYS)
    check_units(architecture, _UNITS, numerics.scheme, from_scale=False)
    softmax = architecture.units.softmax.model
    if numerics.normalization is not None and softmax != VDR_SOFTMAX:
        raise QuantizationError(
            f"numerics.normalization means nothing to units.softmax.model {softmax!r}, which "
            f"normalizes its rows; remove it, or choose {VDR_SOFTMAX!r}"
        )
    settings = RapSettings.of(numerics)
    folding, peaks, largest = Folded(workload, {}, {}), None, {}
    if statistics is not None:
        folding = fold(workload)
    folded = folding.workload
    if statistics is not None:
        peaks = calibrate(folded, Observer.of(numerics))
        if softmax == VDR_SOFTMAX and settings.normalization != "reciprocal_lut":
            largest = largest_probabilities(folded)
    forms = ProductForms(
        OperandForm(OPERAND_BITS), OperandForm(OPERAND_BITS), OperandForm(settings.kv_bits)
    )
    lowering = RapLowering(
        GraphBuilder(folded, architecture, peaks), consumers(folded),
        joined_streams(folded, connected_by_movement(folded)), forms, {}, {},
        settings=settings, largest=largest, factors=dict(folding.factors), offsets=folding.offsets,
        attentions={layer.context.name: layer for layer in attentions(folded)},
    )  # fmt: skip
    return replace(lowering.run(RAP_SCHEME), workload=workload)


def largest_probabilities(workload: Workload) -> dict[str, NDArray[Any]]:
    """Largest probability of each row of every softmax on the calibration samples.

    Returns
    -------
    dict
        Output of a softmax → (heads, rows).

    Raises
    ------
    QuantizationError
        If the workload has no calibration samples.
    """
    if workload.samples is None or not workload.samples.calibration:
        raise QuantizationError(f"workload {workload.name!r} has no calibration samples")
    wanted = {op.output for op in workload.ops if op.kind == "softmax"}
    found: dict[str, list[NDArray[Any]]] = {}

    def see(name: str, value: NDArray[Any]) -> None:
        if name in wanted:
            peaks = value.max(axis=-1)
            heads = int(np.prod(peaks.shape[1:-1]))
            by_head = peaks.reshape(len(peaks), heads, -1).transpose(1, 0, 2)
            found.setdefault(name, []).append(by_head.reshape(heads, -1))

    inputs = [workload.samples.calibration[name] for name in workload.inputs]
    for start in range(0, len(inputs[0]), _BATCH_SAMPLES):
        batch = [array[start : start + _BATCH_SAMPLES] for array in inputs]
        reference.run(workload, *batch, observe=see)
    return {name: np.concatenate(parts, axis=1) for name, parts in found.items()}
