"""INT8 without floating point: I-BERT functions and dyadic rescaling.

Which question this module answers: *what does the transformer compute when every number on the chip
is an integer?*

Products take signed 8-bit operands and accumulate exactly; one 15-bit multiplier and a shift bring
an accumulator to the next tensor's scale. Tensors that feed only products have 8 bits; those that
enter softmax, GELU, LayerNorm or a residual addition have 16, with one bit of headroom over the
calibrated peak. Weights have one scale per output channel, activations one per tensor. Softmax
yields 15-bit codes, of which the 8 bits below the calibrated peak are kept, so that rows of any
length use all codes. Only the conversion of the network's input and output, on the host, uses
floating point.

The functions are those of the integer units that the architecture names, I-BERT's or any other of
:mod:`pimsim.quantization.unit_constants`. A softmax whose probabilities are powers of two
(``fqvit_softmax``) keeps them so: its operand's scale is a power of two, every probability drives
its word line in one bit-plane only, and P·V is a sum of shifted values.

References
----------
.. [1] S. Kim et al., I-BERT: Integer-only BERT Quantization, ICML 2021, arXiv:2101.01321.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from pimsim.config.architecture import Architecture
from pimsim.errors import QuantizationError
from pimsim.integer.requantize import DyadicRequantize
from pimsim.integer.units import UnitOutput
from pimsim.quantization import constants, unit_constants
from pimsim.quantization.builder import FLOAT32, GraphBuilder, Value, check_last_axis
from pimsim.quantization.compression import Operand, compress, compressed_weights
from pimsim.quantization.cut_gain import column_gains, driven_gains
from pimsim.quantization.dyadic import ACCUMULATOR_BITS, WIDE_BITS, DyadicLowering
from pimsim.quantization.encodings import (
    appended_apart,
    code,
    connected_by_movement,
    consumers,
)
from pimsim.quantization.forms import (
    OperandForm,
    ProductForms,
    check_numerics,
    evenly_spaced,
    overridden_forms,
)
from pimsim.quantization.lowering import lower_all, unmasked
from pimsim.quantization.quantized import Encoding, Groups, QuantizedWorkload
from pimsim.quantization.unit_choice import check_units, unit_model
from pimsim.workload.graph import Op, Workload

SCHEME: Final = "int8_dyadic"
PRODUCT_BITS: Final = 8
LONGEST_SYMBOLIC_SUM: Final = 1 << 16
"""Stands for the length of a sum over tokens, whose number is open, in an accumulator's width."""
_UNITS: Final = {
    **{role: unit_constants.names(role) for role in unit_constants.ROLES},
    "requantize": ("dyadic_requantize",),
}
"""Key of ``units`` → the models that this lowering builds."""


def quantize(
    workload: Workload, architecture: Architecture, statistics: Mapping[str, float] | None
) -> QuantizedWorkload:
    """Lower a workload to the integer graph.

    Parameters
    ----------
    workload
        The traced graph.
    architecture
        Its ``units`` must name the integer units of this scheme.
    statistics
        Peaks from :func:`pimsim.quantization.calibration.calibrate`; ``None`` for a shape-only
        workload, which yields the graph without numbers.

    Raises
    ------
    QuantizationError
        If the graph has an operation without integer form here, or the architecture names other
        units.
    """
    check_numerics(architecture.numerics, takes=("overrides",))
    return lower_integers(workload, architecture, statistics, evenly_spaced(PRODUCT_BITS))


def lower_integers(
    workload: Workload, architecture: Architecture, statistics: Mapping[str, float] | None,
    forms: ProductForms,
) -> QuantizedWorkload:  # fmt: skip
    """Lower a workload to an integer graph whose products take operands of these forms.

    Parameters and errors are those of :func:`quantize`; all else is as in this scheme.
    """
    check_units(architecture, _UNITS, architecture.numerics.scheme)
    builder = GraphBuilder(workload, architecture, statistics)
    gains, readers = driven_gains(workload, statistics, forms.driven), consumers(workload)
    alike = forms.stored.basis_bits == forms.driven.basis_bits
    apart = frozenset[str]() if alike else appended_apart(workload, readers)
    return _Lowering(
        builder, readers, connected_by_movement(workload, apart), forms, gains,
        overridden_forms(workload, architecture.numerics),
    ).run()  # fmt: skip


class _Lowering(DyadicLowering):
    """Products and functions of the integer schemes."""

    __slots__ = ()

    def run(self) -> QuantizedWorkload:
        builder = self.builder
        builder.send = self._send
        for name in builder.workload.inputs:
            if name not in builder.host:
                builder.values[name] = self._send(name)
        handlers = {
            "linear": self._static,
            "convolution": self._static,
            "matmul": self._matmul,
            "softmax": self._softmax,
            "layer_norm": self._layer_norm,
            "gelu": self._gelu,
            "rms_norm": self._rms_norm,
            "silu": self._silu,
            "rotary": self._rotary,
        }
        scheme = builder.architecture.numerics.scheme
        lower_all(builder, {**self.elementwise(), **handlers}, scheme)
        for name in builder.workload.outputs:
            self._output(name)
        return builder.finish(scheme)

    # --- products --------------------------------------------------------------------------------

    def _as_operand(self, op: Op, tensor: str, form: OperandForm) -> Value:
        """A tensor in the evenly spaced integers of a product; a wider one is requantized once."""
        value = unmasked(self.builder.computed(tensor))
        bits = form.basis_bits
        if value.encoding.bits <= bits:
            return value
        narrow = f"{tensor}.int{bits}"  # not of value.name: a factor shares its operand's codes
        if narrow in self.builder.tensors:
            return Value(narrow, self.builder.tensors[narrow].encoding)
        scale = None if self.builder.shape_only else self._operand_scale((tensor,), bits)
        encoding = Encoding(bits, "integer", scale)
        ratio = self._scale(value) / scale if scale is not None else 1.0
        return self._rescale(op, value, name=narrow, ratio=ratio, encoding=encoding, output=narrow)

    def _static(self, op: Op) -> Value:
        builder, forms = self.builder, self._forms_of(op.name)
        form = forms.weights
        integers = self._as_operand(op, op.inputs[0], forms.driven)
        rows = builder.rows_of(op, integers)
        name = f"{op.inputs[0] if rows is integers else rows.name}.compressed"
        driven = compress(builder, op, rows, forms.driven, axis=-1, name=name)
        weight = builder.stored(op.inputs[1])
        bias = builder.stored(op.inputs[2]) if len(op.inputs) > 2 else None
        length = math.prod(int(size) for size in builder.shape(op.inputs[1])[1:])
        accumulator = self._accumulator(length)
        codes, shifts = None, None
        scales = np.ones(int(builder.shape(op.inputs[1])[0]))
        if weight is not None:
            matrix, step = weight.reshape(len(weight), -1).T, self._scale(integers)
            largest = constants.largest_bias(accumulator.bits)
            smallest = 0.0 if bias is None else np.abs(bias) / (step * largest)
            codes, scales = constants.quantize_weights(
                matrix, form.basis_bits, smallest=smallest, per_channel=builder.per_channel
            )
            gains = column_gains(codes, form.compression)
            codes, shifts = compressed_weights(codes, form)
            scales = scales * step * self._gain(op) * (1.0 if gains is None else gains)
        accumulated = builder.product(
            op, driven.value, codes, accumulator, bits=form.bits,
            groups=self._groups(driven, form, weights=shifts),
        )  # fmt: skip
        output = f"{op.output}.pixels" if op.kind == "convolution" else op.output
        result = self._requantize(op, accumulated, scales=scales, bias=bias, output=output)
        return builder.fold(op, result)

    def _matmul(self, op: Op) -> Value:
        builder, own = self.builder, self._forms_of(op.name)
        forms = (own.driven, own.stored)
        a, b = (
            self._as_operand(op, name, form) for name, form in zip(op.inputs, forms, strict=True)
        )
        driven, stored = (
            compress(builder, op, value, form, axis=axis, name=f"{name}.{role}")
            for value, form, axis, name, role in zip(
                (a, b), forms, (-1, -2), op.inputs, ("compressed", "compressed_rows"), strict=True
            )
        )
        length = builder.shape(op.inputs[1])[-2]
        accumulated = builder.dynamic_product(
            op, driven.value, stored.value,
            self._accumulator(length if isinstance(length, int) else LONGEST_SYMBOLIC_SUM),
            groups=self._groups(driven, forms[1], stored=stored),
        )  # fmt: skip
        scale = np.array([self._scale(a) * self._scale(b) * self._gain(op)])
        return self._requantize(op, accumulated, scales=scale, bias=None, output=op.output)

    def _gain(self, op: Op) -> float:
        """What undoes the shrinking of a driven operand whose bits are cut."""
        return self.gains.get(op.inputs[0], 1.0)

    def _groups(
        self, driven: Operand, stored_form: OperandForm, *, stored: Operand | None = None,
        weights: NDArray[np.int64] | None = None,
    ) -> Groups | None:  # fmt: skip
        """Shifts of the operands of a product under a scheme of groups."""
        if self.forms.group is None:
            return None
        return Groups(
            size=self.forms.group,
            driven=driven.shifts,
            stored=None if stored is None else stored.shifts,
            weights=weights,
            driven_max=self.forms.driven.shift_max,
            stored_max=stored_form.shift_max,
        )

    def _accumulator(self, length: int) -> Encoding:
        """As wide as a sum of so many shifted products and a bias as large need."""
        if self.forms.group is None:
            return Encoding(ACCUMULATOR_BITS, "integer", None)
        bases = self.forms.driven.basis_bits + max(
            self.forms.weights.basis_bits, self.forms.stored.basis_bits
        )
        needed = bases + (length - 1).bit_length() + 1
        return Encoding(max(ACCUMULATOR_BITS, needed), "integer", None)

    def _requantize(
        self,
        op: Op,
        accumulated: Value,
        *,
        scales: NDArray[Any],
        bias: NDArray[Any] | None,
        output: str,
    ) -> Value:
        """Add the bias and bring an accumulator to its tensor's scale, as it leaves the macro."""
        encoding = self._encoding(op.output)
        addend = np.zeros(1, np.int64)
        if bias is not None:
            addend = np.rint(bias.astype(np.float64) / scales).astype(np.int64)
        ratios = np.ones(len(scales)) if encoding.scale is None else scales / encoding.scale
        multiplier, shift = constants.dyadic_per_channel(ratios)
        unit = DyadicRequantize(
            multiplier=multiplier, shift=shift, input_bits=accumulated.encoding.bits,
            output_bits=encoding.bits, symmetric=True,
        )  # fmt: skip
        return self.builder.unit(
            name=f"{op.name}.requantize", op=op, function="requantize", inputs=(accumulated,),
            unit=unit, execute=lambda arrays, dims: unit(arrays[0] + addend), encoding=encoding,
            shape=self.builder.tensors[accumulated.name].shape, output=output, stream_from=op.name,
        )  # fmt: skip

    # --- functions -------------------------------------------------------------------------------

    def _softmax(self, op: Op) -> Value:
        check_last_axis(self.builder, op)
        value = self.builder.computed(op.inputs[0])
        model = self.builder.architecture.units.softmax.model
        unit, scale = unit_constants.softmax(model, self._scale(value), value.encoding.bits)
        also = [] if value.keep is None else [Value(value.keep, FLOAT32)]
        return self._narrowed(
            op, "softmax", value, unit=unit, scale=scale, bits=WIDE_BITS,
            execute=lambda arrays, dims: unit(*arrays), also=also,
        )  # fmt: skip

    def _gelu(self, op: Op) -> Value:
        value = unmasked(self.builder.computed(op.inputs[0]))
        model = self.builder.architecture.units.gelu.model
        unit, scale = unit_constants.gelu(model, self._scale(value), value.encoding.bits)
        return self._narrowed(op, "gelu", value, unit=unit, scale=scale)

    def _silu(self, op: Op) -> Value:
        model = unit_model(self.builder.architecture, "silu", "ibert_silu")
        value = unmasked(self.builder.computed(op.inputs[0]))
        unit, scale = unit_constants.silu(model, self._scale(value), value.encoding.bits)
        return self._narrowed(op, "silu", value, unit=unit, scale=scale)

    def _rotary(self, op: Op) -> Value:
        model = unit_model(self.builder.architecture, "rotary", "table_rotary")
        builder = self.builder
        value = unmasked(builder.computed(op.inputs[0]))
        length = int(builder.shape(op.inputs[0])[-1])
        # One position: the angles of each token arrive with it, the unit stores no table of them.
        made = unit_constants.rotary(model, 1, length, value.encoding.bits)
        unit: Any = made[0]
        if op.attributes.get("interleaved", False):
            unit = replace(unit, pairing="neighbours")
        fraction = Encoding(WIDE_BITS, "integer", made[1])
        turns = [self._turns(name, fraction) for name in op.inputs[1:]]
        encoding = self._made(value.encoding.bits, self._scale(value))
        turned = builder.unit(
            name=op.name, op=op, function="rotary", inputs=(value, *turns), unit=unit,
            execute=lambda arrays, dims: unit(*arrays), encoding=encoding,
            shape=builder.shape(op.output), output=f"{op.output}.turned",
        )  # fmt: skip
        return self._to_own_scale(op, turned)

    def _turns(self, tensor: str, encoding: Encoding) -> Value:
        """Cosines or sines of the positions as fixed-point codes, computed by the host."""
        given = self.builder.from_host(tensor)
        if given is None:
            raise QuantizationError(
                f"the angles {tensor!r} are computed from activations; only those that follow from "
                "positions have an integer form"
            )
        name = f"{tensor}.fixed_point"
        if name in self.builder.tensors:
            return Value(name, encoding)

        def execute(arrays: Sequence[NDArray[Any]], dims: Mapping[str, int]) -> UnitOutput:
            return UnitOutput(code(arrays[0], encoding), 0)

        return self.builder.boundary(
            f"{tensor}.round", source=given, output=name, encoding=encoding, execute=execute,
            shape=self.builder.shape(tensor),
        )  # fmt: skip
