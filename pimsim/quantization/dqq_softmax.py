"""An integer softmax between floating-point dequantize and quantize.

Which question this module answers: *what does an integer softmax unit take and yield on a chip
whose other units are floating-point?*

The logits come as real numbers. The chip's requantization unit turns them into codes on one static
scale from the calibration samples (a conversion, a multiplication and two limits per element), the
unit works in integers, and its 8-bit codes drive the word lines of P·V as they are: nothing is
dequantized before.

* ``vdr_softmax`` takes sign + 8 bits, as RAP's logits have, without the shifts that eMSB-Q would
  give them: every row takes the entry of the table for exponent 0, and the other nine lie idle. Its
  codes have 8 bits without a sign and are not normalized. ``numerics.normalization:
  reciprocal_lut`` takes the sum of each row out of P·V before that is dequantized.
* Any other takes 16 bits with one bit of headroom, and a multiplier and a shift bring its
  probabilities to the signed 8 bits that the floating-point softmax's would have.

Not modelled: the area of that multiplier, which is the softmax unit's last stage (its time and
energy are counted); a step of the logits for each row or head.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from pimsim.config.architecture import Architecture
from pimsim.errors import QuantizationError
from pimsim.integer.hardware import UnitHardware
from pimsim.integer.requantize import DyadicRequantize
from pimsim.integer.units import RowCodes, UnitOutput
from pimsim.integer.vdr_normalize import GUARD_BITS, VdrNormalize
from pimsim.integer.vdr_softmax import CODE_BITS, ENTRIES, SUM_BITS
from pimsim.quantization import constants, rap_constants, unit_constants
from pimsim.quantization.attention_paths import probe_dims
from pimsim.quantization.builder import FLOAT32, GraphBuilder, Value
from pimsim.quantization.calibration import symmetric_scale
from pimsim.quantization.encodings import consumers, operand_places
from pimsim.quantization.forms import check_numerics
from pimsim.quantization.quantized import Encoding, Execute, QuantizedOp, QuantizedTensor
from pimsim.quantization.row_tensors import RowTensor
from pimsim.quantization.unit_choice import check_units
from pimsim.workload.graph import Op

VDR_SOFTMAX: Final = "vdr_softmax"
INTEGER: Final = tuple(
    name for name in unit_constants.names("softmax") if name not in unit_constants.POWERS_OF_TWO
)
"""Integer units with probabilities on an even scale."""
VDR_LOGIT_BITS: Final = 9
"""Sign and eight bits, which the unit is made for. [bit]"""
WIDE_BITS: Final = 16
WIDE_HEADROOM: Final = 2.0
NORMALIZATION: Final = "reciprocal_lut"
_NOMINAL_SCALE: Final = 2.0**-10
"""Stands for the unknown scale when only the hardware of a shape-only graph is wanted."""

Quantize = Callable[[Value, Op, Encoding, str], Value]
"""How the scheme quantizes a floating-point tensor: value, reader, encoding, name."""


def check_softmax(architecture: Architecture, floating: Sequence[str], scheme: str) -> None:
    """Raise unless the scheme has a form for the chip's softmax and its normalization.

    Parameters
    ----------
    architecture
        The chip.
    floating
        Floating-point softmax units that the scheme builds.
    scheme
        For messages.

    Raises
    ------
    QuantizationError
        Naming the key, what it says and what is possible.
    """
    check_units(architecture, {"softmax": (*floating, *INTEGER, VDR_SOFTMAX)}, scheme)
    unit, numerics = architecture.units.softmax, architecture.numerics
    unnormalized = unit is not None and unit.model == VDR_SOFTMAX
    check_numerics(numerics, takes=("normalization",) if unnormalized else ())
    if numerics.normalization not in (None, NORMALIZATION):
        raise QuantizationError(
            f"numerics.normalization is {numerics.normalization!r}, which leaves a factor in every "
            f"row that scheme {scheme!r} has no static gains for; set it to {NORMALIZATION!r}, or "
            "choose scheme 'rap_int8p1'"
        )


@dataclass(frozen=True, slots=True)
class _Normalizing:
    """An integer softmax whose probabilities are brought to 8 bits."""

    softmax: Any
    to_codes: DyadicRequantize

    def __call__(self, *operands: NDArray[Any]) -> UnitOutput:
        """Logits, and truth values of the elements to keep, if any."""
        wide = self.softmax(*operands)
        narrow = self.to_codes(wide.values)
        return UnitOutput(narrow.values, wide.saturations + narrow.saturations)

    @property
    def hardware(self) -> UnitHardware:
        """Operations of both."""
        own: UnitHardware = self.softmax.hardware
        return replace(own, per_element=(*own.per_element, *self.to_codes.hardware.per_element))


@dataclass(frozen=True, slots=True)
class SoftmaxLowering:
    """Lowers softmaxes to the integer unit of the chip."""

    builder: GraphBuilder
    sums: dict[str, RowTensor] = field(default_factory=dict)
    """Codes that are not normalized → the sums of their rows."""
    probes: list[QuantizedOp] = field(default_factory=list)
    """Turn such codes back to probabilities, for comparisons with the traced network."""

    def softmax(self, op: Op, value: Value, probabilities: Encoding, quantize: Quantize) -> Value:
        """Lower one softmax.

        Parameters
        ----------
        op
            The softmax, along its last axis.
        value
            Logits in floating point; a constant factor and a mask may wait on them.
        probabilities
            Of the scheme's 8-bit operand that the result becomes, if it is normalized.
        quantize
            The scheme's way of making codes of real numbers.

        Raises
        ------
        QuantizationError
            If something other than products takes the probabilities, in the place that drives the
            word lines, or the logits are too large for the unit.
        """
        model = self.builder.architecture.units.softmax.model
        places = operand_places(self.builder.workload, consumers(self.builder.workload), op.output)
        if op.output in self.builder.workload.outputs or {place for _, place in places} != {0}:
            raise QuantizationError(
                f"{model} yields 8-bit codes that drive the word lines of a product, and something "
                "else takes them here; choose a floating-point softmax, such as 'fp32_softmax'"
            )
        if model == VDR_SOFTMAX:
            return self._exponentials(op, value, quantize)
        return self._normalized_row(op, value, model, probabilities, quantize)

    def _exponentials(self, op: Op, value: Value, quantize: Quantize) -> Value:
        encoding = Encoding(VDR_LOGIT_BITS, "integer", self._scale(op, VDR_LOGIT_BITS))
        logits = quantize(value, op, encoding, f"{op.name}.logits")
        scale = _NOMINAL_SCALE if encoding.scale is None else encoding.scale
        unit, step = rap_constants.vdr_softmax(scale, VDR_LOGIT_BITS)
        if unit.first_exponent + ENTRIES <= 0:
            reach = scale * ((1 << (VDR_LOGIT_BITS - 1)) - 1)
            raise QuantizationError(
                f"logits reach {reach:.4g} on calibration samples, in steps of {scale:.3g}: beyond "
                f"the table of {VDR_SOFTMAX}; choose a softmax with 16-bit logits, such as "
                "'ibert_softmax'"
            )

        def execute(arrays: Sequence[NDArray[Any]], dims: Mapping[str, int]) -> RowCodes:
            return unit.encode(*arrays)

        sums = f"{op.output}.sums"
        codes = Encoding(CODE_BITS, "integer", self._known(step), signed=False)
        made = self._unit(
            op, logits, value.keep, unit=unit, execute=execute, encoding=codes, rows=sums
        )
        shape = self.builder.tensors[made.name].shape
        self.builder.tensors[sums] = QuantizedTensor(
            sums, (*shape[:-1], 1), Encoding(SUM_BITS, "integer", self._known(1.0))
        )
        self.sums[made.name] = RowTensor(sums, shape)
        self._probe(op, made, sums)
        return made

    def _normalized_row(
        self, op: Op, value: Value, model: str, probabilities: Encoding, quantize: Quantize
    ) -> Value:
        encoding = Encoding(WIDE_BITS, "integer", self._scale(op, WIDE_BITS))
        logits = quantize(value, op, encoding, f"{op.name}.logits")
        scale = _NOMINAL_SCALE if encoding.scale is None else encoding.scale
        softmax, step = unit_constants.softmax(model, scale, WIDE_BITS)
        ratio = 1.0 if probabilities.scale is None else step / probabilities.scale
        multiplier, shift = constants.dyadic(ratio)
        to_codes = DyadicRequantize(
            multiplier=multiplier, shift=shift, input_bits=WIDE_BITS,
            output_bits=probabilities.bits, symmetric=True,
        )  # fmt: skip
        unit = _Normalizing(softmax, to_codes)
        return self._unit(
            op, logits, value.keep, unit=unit, execute=lambda arrays, dims: unit(*arrays),
            encoding=probabilities,
        )  # fmt: skip

    def _scale(self, op: Op, bits: int) -> float | None:
        """Step of the logits as the softmax takes them, from their peak where no mask fills in."""
        if self.builder.statistics is None:
            return None
        tensor = op.inputs[0]
        masks = {
            one.output: one.inputs[0] for one in self.builder.workload.ops if one.kind == "mask"
        }
        while tensor in masks:
            tensor = masks[tensor]
        peak = self.builder.statistics[tensor]
        if bits == VDR_LOGIT_BITS:
            return max(symmetric_scale(peak, bits), rap_constants.VDR_SMALLEST_SCALE)
        scale = symmetric_scale(peak, bits, headroom=WIDE_HEADROOM)
        return max(scale, constants.SOFTMAX_SMALLEST_SCALE)

    def _known(self, scale: float) -> float | None:
        return None if self.builder.shape_only else scale

    def _unit(
        self, op: Op, logits: Value, keep: str | None, *, unit: Any, execute: Execute,
        encoding: Encoding, rows: str | None = None,
    ) -> Value:  # fmt: skip
        return self.builder.emit(
            QuantizedOp(
                name=op.name, kind="unit", source=op.name,
                inputs=(logits.name, *(() if keep is None else (keep,))), output=op.output,
                function="softmax", shifts=rows, hardware=unit.hardware,
                execute=None if self.builder.shape_only else execute, group=op.group,
            ),
            self.builder.shape(op.output), encoding,
        )  # fmt: skip

    def _probe(self, op: Op, made: Value, sums: str) -> None:
        if self.builder.shape_only:
            return

        def execute(arrays: Sequence[NDArray[Any]], dims: Mapping[str, int]) -> UnitOutput:
            real = arrays[0] / np.maximum(arrays[1], 1)
            return UnitOutput(real.astype(np.float32), 0)

        name = f"{op.output}.probe"
        encoding = Encoding(CODE_BITS, "float", None)
        self.builder.tensors[name] = QuantizedTensor(name, self.builder.shape(op.output), encoding)
        self.probes.append(
            QuantizedOp(
                name=name, kind="boundary", source=op.name, inputs=(made.name, sums), output=name,
                execute=execute,
            )
        )  # fmt: skip

    def move(self, op: Op) -> Value:
        """Lower data movement; the sums of rows go with their rows."""
        before = self.builder.operand(op.inputs[0]).name
        value = self.builder.move(op)
        if before in self.sums:
            dims = probe_dims(self.builder.workload)
            self.sums[value.name] = self.sums[before].moved(op, dims)
        return value

    def means(self, op: Op, driven: Value, stored: Value, accumulated: Value) -> Value:
        """What a product yields, with the sums of its rows taken out if it has codes with sums.

        Parameters
        ----------
        op
            The product.
        driven, stored
            Its operands.
        accumulated
            What its macros yield.
        """
        sums = self.sums.get(driven.name)
        if sums is None:
            return accumulated
        unit = VdrNormalize(
            method=NORMALIZATION, input_bits=accumulated.encoding.bits,
            output_bits=stored.encoding.bits + GUARD_BITS + 2,
        )  # fmt: skip

        def execute(arrays: Sequence[NDArray[Any]], dims: Mapping[str, int]) -> UnitOutput:
            return unit(arrays[0], sums.aligned(arrays[1], dims))

        name = f"{op.name}.normalize"
        return self.builder.unit(
            name=name, op=op, function="requantize",
            inputs=(accumulated, Value(sums.name, FLOAT32)), unit=unit, execute=execute,
            encoding=Encoding(unit.output_bits, "integer", None),
            shape=self.builder.tensors[accumulated.name].shape, output=f"{op.output}.means",
            stream_from=op.name,
        )  # fmt: skip

    def product_step(self, driven: Value, step: float) -> float:
        """Real value of a driven code in :meth:`means`: codes over their sum have none left."""
        return 2.0**-GUARD_BITS if driven.name in self.sums else step
