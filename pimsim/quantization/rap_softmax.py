"""The softmax of RAP's integer graph: its own, or another one between the same two products.

Which question this module answers: *what drives the word lines of P·V, and from which logits?*

``vdr_softmax`` takes logits with their shifts and leaves the sum of each row to what follows the
product. The others serve to tell what it is worth. They normalize the row themselves and pay for
what they need: an integer softmax takes logits that were brought to 16 bits on a static scale, a
floating-point softmax converts them, and the probabilities of both are rounded to 8 bits on a
static scale from the calibration samples.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from pimsim.errors import QuantizationError
from pimsim.integer.hardware import Operation, UnitHardware
from pimsim.integer.token_shift import SHIFT_BITS
from pimsim.integer.units import RowCodes, UnitOutput
from pimsim.integer.vdr_softmax import CODE_BITS, SUM_BITS
from pimsim.quantization import constants, rap_constants, unit_constants
from pimsim.quantization.builder import FLOAT32, Value, check_last_axis
from pimsim.quantization.calibration import symmetric_scale
from pimsim.quantization.dyadic import WIDE_BITS, WIDE_HEADROOM
from pimsim.quantization.encodings import operand_places
from pimsim.quantization.quantized import Encoding
from pimsim.quantization.rap_rows import RowLowering
from pimsim.registry import UNITS
from pimsim.workload.graph import Op

VDR_SOFTMAX: Final = "vdr_softmax"
FLOATING: Final = ("fp16_softmax", "fp32_softmax")
INTEGER: Final = tuple(
    name for name in unit_constants.names("softmax") if name not in unit_constants.POWERS_OF_TWO
)
"""Integer units with probabilities on an even scale."""


@dataclass(frozen=True, slots=True)
class _Floating:
    """A floating-point softmax with conversions on both sides."""

    softmax: Any
    to_float: Any
    to_codes: Any

    @property
    def hardware(self) -> UnitHardware:
        """Operations of all three; the row's shift is added to the exponent of the scale."""
        own: UnitHardware = self.softmax.hardware
        conversions = (*self.to_float.hardware.per_element, *self.to_codes.hardware.per_element)
        shift = ((Operation("add", SHIFT_BITS), 1),)
        return replace(
            own, per_element=(*own.per_element, *conversions), per_row=(*own.per_row, *shift)
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class SoftmaxLowering(RowLowering):
    """Softmax between the two products of an attention layer."""

    def _softmax(self, op: Op) -> Value:
        check_last_axis(self.builder, op)
        value = self.builder.computed(op.inputs[0])
        model = self.builder.architecture.units.softmax.model
        if value.encoding.bits > self.forms.driven.basis_bits:
            raise QuantizationError("logits must be the result of a product of two activations")
        places = operand_places(self.builder.workload, self.readers, op.output)
        if op.output in self.builder.workload.outputs or {place for _, place in places} != {0}:
            raise QuantizationError(
                f"{model} yields 8-bit codes without a sign, and the codes of vdr_softmax are not "
                "normalized before they drive a product with the values; nothing else may take them"
            )
        if model == VDR_SOFTMAX:
            return self._exponentials(op, value)
        return self._floating(op, value) if model in FLOATING else self._integer(op, value)

    def _exponentials(self, op: Op, value: Value) -> Value:
        """Exponentials over the row's largest one, and the sums of their codes."""
        unit, step = rap_constants.vdr_softmax(self._scale(value), value.encoding.bits)
        exponents = self.shifts.get(value.name)

        def execute(arrays: Sequence[NDArray[Any]], dims: Mapping[str, int]) -> RowCodes:
            rest = list(arrays[1:])
            places = None if exponents is None else exponents.aligned(rest.pop(0), dims)
            return unit.encode(arrays[0], rest[0] if rest else None, places)

        also = () if exponents is None else (exponents.name,)
        kept = () if value.keep is None else (value.keep,)
        scale = None if self.builder.shape_only else step
        made = self._row_unit(
            op, (value.name, *also, *kept), unit, execute, name=op.name, output=op.output,
            rows=f"{op.output}.sums", shape=self.builder.shape(op.output), function="softmax",
            encoding=Encoding(CODE_BITS, "integer", scale, signed=False),
        )  # fmt: skip
        self.sums[made.name] = self._row_tensor(f"{op.output}.sums", made, SUM_BITS)
        self._probe(op, made, self.sums[made.name])
        return made

    def _probabilities(self, op: Op) -> Encoding:
        """8 bits without sign, up to the largest probability of the calibration samples."""
        statistics = self.builder.statistics
        largest = 1.0 if statistics is None else statistics[op.output] or 1.0
        scale = None if self.builder.shape_only else largest / ((1 << CODE_BITS) - 1)
        return Encoding(CODE_BITS, "integer", scale, signed=False)

    def _integer(self, op: Op, value: Value) -> Value:
        """An integer unit for logits on one scale."""
        statistics, scale = self.builder.statistics, 1.0
        if statistics is not None:
            peak = statistics[self._before_masks(op.inputs[0])]
            scale = symmetric_scale(peak, WIDE_BITS, headroom=WIDE_HEADROOM)
            scale = max(scale, constants.SOFTMAX_SMALLEST_SCALE)
        encoding = self._made(WIDE_BITS, scale)
        name = f"{op.name}.logits"
        wide = self._scaled(op, value, encoding, name=name, output=name)
        model = self.builder.architecture.units.softmax.model
        unit, step = unit_constants.softmax(model, self._scale(wide), WIDE_BITS)
        function: Any = unit
        kept = [] if value.keep is None else [Value(value.keep, FLOAT32)]
        made = self.builder.unit(
            name=op.name, op=op, function="softmax", inputs=(wide, *kept), unit=function,
            execute=lambda arrays, dims: function(*arrays), encoding=self._made(WIDE_BITS, step),
            shape=self.builder.shape(op.output), output=f"{op.output}.wide",
        )  # fmt: skip
        return self._to_probabilities(op, made)

    def _before_masks(self, tensor: str) -> str:
        """The logits without the numbers that masks fill in, which no code stands for."""
        masks = {op.output: op.inputs[0] for op in self.builder.workload.ops if op.kind == "mask"}
        while tensor in masks:
            tensor = masks[tensor]
        return tensor

    def _to_probabilities(self, op: Op, made: Value) -> Value:
        encoding = self._probabilities(op)
        ratio = 1.0 if encoding.scale is None else self._scale(made) / encoding.scale
        signed = Encoding(CODE_BITS + 1, "integer", encoding.scale)
        name = f"{op.name}.requantize"
        coded = self._rescale(op, made, name=name, ratio=ratio, encoding=signed, output=op.output)
        self.builder.tensors[op.output] = replace(
            self.builder.tensors[op.output], encoding=encoding
        )
        return Value(coded.name, encoding)

    def _floating(self, op: Op, value: Value) -> Value:
        """A floating-point unit that converts what it takes and what it yields."""
        model, encoding = self.builder.architecture.units.softmax.model, self._probabilities(op)
        requantize = UNITS[model.replace("softmax", "requantize")]
        unit = _Floating(
            softmax=UNITS[model](op=op),
            to_float=requantize(scale=(self._scale(value),)),
            to_codes=requantize(scale=(encoding.scale or 1.0,), bits=CODE_BITS + 1),
        )
        shifted = self.shifts.get(value.name)

        def execute(arrays: Sequence[NDArray[Any]], dims: Mapping[str, int]) -> UnitOutput:
            rest = list(arrays[1:])
            logits = arrays[0].astype(np.int64)
            if shifted is not None:
                logits <<= shifted.aligned(rest.pop(0), dims).astype(np.int64)
            real = unit.to_float(logits).values
            return UnitOutput(*unit.to_codes(unit.softmax(real, *rest).values))

        also = () if shifted is None else (shifted.name,)
        kept = () if value.keep is None else (value.keep,)
        return self._row_unit(
            op, (value.name, *also, *kept), unit, execute, name=op.name, output=op.output,
            rows=None, shape=self.builder.shape(op.output), function="softmax", encoding=encoding,
        )  # fmt: skip
