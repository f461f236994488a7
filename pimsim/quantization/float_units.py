"""The conventional chip's functions in single and in half precision.

Which question this module answers: *what do floating-point softmax, GELU, LayerNorm, rescaling and
addition compute, and what work is that?*

The values are IEEE 754 single precision as NumPy computes them; what each unit declares is the work
of a straightforward implementation, so that the integer units have a fair opponent. An exponential
or a square root counts as one operation of its kind; a subtraction is an addition.

A unit in half precision (``fp16_*``) takes and returns half-precision numbers. It declares 16-bit
operators, but sums over a row, and the scaling of an accumulator, in single precision, as mixed
precision does (Micikevicius et al., arXiv:1710.03740, section 3.3). What exceeds 65504 is saturated
and counted.

Not modelled: the rounding of intermediate results inside a unit in half precision, whose result is
rounded once; denormals in hardware; approximate exponentials.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, ClassVar, Final, final

import numpy as np
from numpy.typing import NDArray

from pimsim.integer.hardware import Operation, OperationKind, UnitHardware
from pimsim.integer.units import UnitOutput
from pimsim.quantization.precision import FP32_BITS, HALF, SINGLE, Precision
from pimsim.workload.graph import Op
from pimsim.workload.reference import execute

_MASKED: Final = -1e30
"""So far below any logit that its exponential is 0."""

_ACCUMULATE = Operation("fp_add", FP32_BITS)
"""Sums over a row are in single precision on every unit."""
_SCALE = Operation("fp_multiply", FP32_BITS)
"""So is the scaling of an accumulator of 32 bits, which half precision could not hold."""
_CONVERT = Operation("convert", FP32_BITS)


def _hardware(
    passes: int,
    per_element: tuple[tuple[Operation, int], ...],
    per_row: tuple[tuple[Operation, int], ...] = (),
    serial_cycles_per_row: int = 0,
    serial_cycles_per_element: int = 0,
) -> UnitHardware:
    return UnitHardware(
        passes=passes,
        per_element=per_element,
        per_row=per_row,
        serial_cycles_per_row=serial_cycles_per_row,
        serial_cycles_per_element=serial_cycles_per_element,
        pipeline_depth_cycles=8,
        table_bits=0,
        maximum_row_length=None,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Fp32Softmax:
    """Softmax over the last axis, after a constant factor on the logits."""

    name: ClassVar[str] = "fp32_softmax"
    precision: ClassVar[Precision] = SINGLE

    op: Op
    factor: float = 1.0

    def __call__(self, x: NDArray[np.float32], keep: NDArray[np.bool_] | None = None) -> UnitOutput:
        """Exponentials of the distances to the row's maximum, divided by their sum.

        Elements that ``keep`` leaves out take no part and become 0.
        """
        logits = self.precision.taken(x) * np.float32(self.factor)
        if keep is None:
            return self.precision.rounded(execute(self.op, [logits], {}))
        logits = np.where(keep, logits, np.float32(_MASKED))
        return self.precision.rounded(execute(self.op, [logits], {}) * keep)

    @property
    def hardware(self) -> UnitHardware:
        """Three passes: maximum; exponentials and their sum; normalization."""
        of = self.precision.operation
        per_element = (
            (of("compare"), 1), (of("fp_add"), 1), (_ACCUMULATE, 1), (of("fp_exp"), 1),
            (of("fp_multiply"), 2),
        )  # fmt: skip
        per_row = ((of("fp_divide"), 1),)
        return _hardware(3, per_element, per_row, self.precision.divide_cycles)


@dataclass(frozen=True, slots=True, kw_only=True)
class Fp32Gelu:
    """GELU as the traced model defines it; costed as ``x * sigmoid(1.702 x)``."""

    name: ClassVar[str] = "fp32_gelu"
    precision: ClassVar[Precision] = SINGLE

    op: Op

    def __call__(self, x: NDArray[np.float32]) -> UnitOutput:
        """Apply GELU element by element."""
        return self.precision.rounded(execute(self.op, [self.precision.taken(x)], {}))

    @property
    def hardware(self) -> UnitHardware:
        """One pass: a multiplication, an exponential, an addition, a division, a multiplication.

        Each lane has a serial divider, as in the integer units.
        """
        of = self.precision.operation
        per_element = (
            (of("fp_multiply"), 2), (of("fp_exp"), 1), (of("fp_add"), 1), (of("fp_divide"), 1),
        )  # fmt: skip
        serial = self.precision.divide_cycles
        return _hardware(1, per_element, serial_cycles_per_element=serial)


@dataclass(frozen=True, slots=True, kw_only=True)
class Fp32LayerNorm:
    """Layer normalization over the last axis, with gain and bias."""

    name: ClassVar[str] = "fp32_layer_norm"
    precision: ClassVar[Precision] = SINGLE

    op: Op
    gain: tuple[float, ...]
    bias: tuple[float, ...]

    def __call__(self, x: NDArray[np.float32]) -> UnitOutput:
        """Normalize rows."""
        taken = self.precision.taken
        constants = [taken(np.array(values, np.float32)) for values in (self.gain, self.bias)]
        return self.precision.rounded(execute(self.op, [taken(x), *constants], {}))

    @property
    def hardware(self) -> UnitHardware:
        """Three passes: sum; centring and squares; scaling. A root and a division between."""
        of = self.precision.operation
        per_element = ((_ACCUMULATE, 2), (of("fp_add"), 2), (of("fp_multiply"), 3))
        per_row = ((of("fp_multiply"), 2), (of("fp_add"), 1), (of("fp_divide"), 2))
        return _hardware(3, per_element, per_row, 2 * self.precision.divide_cycles)


@dataclass(frozen=True, slots=True, kw_only=True)
class Fp32RmsNorm:
    """RMS normalization over the last axis, with a gain."""

    name: ClassVar[str] = "fp32_rms_norm"
    precision: ClassVar[Precision] = SINGLE

    op: Op
    gain: tuple[float, ...]

    def __call__(self, x: NDArray[np.float32]) -> UnitOutput:
        """Normalize rows."""
        taken = self.precision.taken
        gain = taken(np.array(self.gain, np.float32))
        return self.precision.rounded(execute(self.op, [taken(x), gain], {}))

    @property
    def hardware(self) -> UnitHardware:
        """Two passes: sum of squares; scaling. A root and a division between."""
        of = self.precision.operation
        per_element = ((_ACCUMULATE, 1), (of("fp_multiply"), 3))
        per_row = ((of("fp_multiply"), 1), (of("fp_add"), 1), (of("fp_divide"), 2))
        return _hardware(2, per_element, per_row, 2 * self.precision.divide_cycles)


@dataclass(frozen=True, slots=True, kw_only=True)
class Fp32Silu:
    """SiLU, ``x * sigmoid(x)``."""

    name: ClassVar[str] = "fp32_silu"
    precision: ClassVar[Precision] = SINGLE

    op: Op

    def __call__(self, x: NDArray[np.float32]) -> UnitOutput:
        """Apply SiLU element by element."""
        return self.precision.rounded(execute(self.op, [self.precision.taken(x)], {}))

    @property
    def hardware(self) -> UnitHardware:
        """One pass: an exponential, an addition, a division, a multiplication.

        Each lane has a serial divider, as in the integer units.
        """
        of = self.precision.operation
        kinds: tuple[OperationKind, ...] = ("fp_exp", "fp_add", "fp_divide", "fp_multiply")
        serial = self.precision.divide_cycles
        return _hardware(
            1, tuple((of(kind), 1) for kind in kinds), serial_cycles_per_element=serial
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Fp32Rotary:
    """Rotary position embedding, with the cosines and sines as operands."""

    name: ClassVar[str] = "fp32_rotary"
    precision: ClassVar[Precision] = SINGLE

    op: Op

    def __call__(
        self, x: NDArray[np.float32], cosine: NDArray[np.float32], sine: NDArray[np.float32]
    ) -> UnitOutput:
        """Turn each pair of channels by its angle."""
        operands = [self.precision.taken(values) for values in (x, cosine, sine)]
        return self.precision.rounded(execute(self.op, operands, {}))

    @property
    def hardware(self) -> UnitHardware:
        """One pass: two multiplications and an addition."""
        of = self.precision.operation
        return _hardware(1, ((of("fp_multiply"), 2), (of("fp_add"), 1)))


@dataclass(frozen=True, slots=True, kw_only=True)
class Fp32Requantize:
    """Accumulators to real numbers (``to_float``), or real numbers to signed codes."""

    name: ClassVar[str] = "fp32_requantize"
    precision: ClassVar[Precision] = SINGLE

    scale: tuple[float, ...]
    """Real value of one step: one, or one per channel."""
    bias: tuple[float, ...] = (0.0,)
    bits: int | None = None
    """Width of the codes when quantizing, ``None`` when dequantizing. [bit]"""

    def __call__(self, x: NDArray[Any]) -> UnitOutput:
        """Dequantize or quantize rows; quantizing saturates symmetrically and counts it."""
        scale = np.array(self.scale, np.float32)
        if self.bits is None:
            real = x.astype(np.float32) * scale + np.array(self.bias, np.float32)
            return self.precision.rounded(real)
        limit = (1 << (self.bits - 1)) - 1
        codes = np.rint(self.precision.taken(x) / scale)
        clipped = np.clip(codes, -limit, limit)
        dtype = np.int8 if self.bits <= 8 else np.int16
        return UnitOutput(clipped.astype(dtype), int(np.count_nonzero(clipped != codes)))

    @property
    def hardware(self) -> UnitHardware:
        """One pass: conversion and scaling, and the bias or the two limits.

        In half precision, dequantizing rounds a second time.
        """
        of = self.precision.operation
        if self.bits is not None:
            return _hardware(1, ((of("convert"), 1), (of("fp_multiply"), 1), (of("compare"), 2)))
        again = () if self.precision == SINGLE else ((of("convert"), 1),)
        return _hardware(1, ((_CONVERT, 1), (_SCALE, 1), (_ACCUMULATE, 1), *again))


@dataclass(frozen=True, slots=True, kw_only=True)
class Fp32Add:
    """Residual addition."""

    name: ClassVar[str] = "fp32_add"
    precision: ClassVar[Precision] = SINGLE

    def __call__(self, a: NDArray[np.float32], b: NDArray[np.float32]) -> UnitOutput:
        """Add two tensors, broadcast against each other."""
        return self.precision.rounded(self.precision.taken(a) + self.precision.taken(b))

    @property
    def hardware(self) -> UnitHardware:
        """One addition per element."""
        return _hardware(1, ((self.precision.operation("fp_add"), 1),))


ELEMENTWISE_COSTS: Final[Mapping[str, tuple[tuple[OperationKind, int], ...]]] = MappingProxyType(
    {
        "sub": (("fp_add", 1),),
        "neg": (("fp_add", 1),),
        "abs": (("compare", 1),),
        "relu": (("compare", 1),),
        "clamp": (("compare", 2),),
        "minimum": (("compare", 1),),
        "maximum": (("compare", 1),),
        "sqrt": (("fp_divide", 1),),
        "rsqrt": (("fp_divide", 2),),
        "exp": (("fp_exp", 1),),
        "sigmoid": (("fp_exp", 1), ("fp_add", 1), ("fp_divide", 1)),
        "tanh": (("fp_exp", 1), ("fp_add", 2), ("fp_divide", 1)),
        "add": (("fp_add", 1),),
        "mul": (("fp_multiply", 1),),
        "div": (("fp_divide", 1),),
    }
)
"""Kinds of element-wise operations that the vector unit executes, and the work for one element. A
root takes the time and energy of a division."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Fp32Elementwise:
    """Any operation of :data:`ELEMENTWISE_COSTS`, as the traced model defines it."""

    name: ClassVar[str] = "fp32_elementwise"
    precision: ClassVar[Precision] = SINGLE

    op: Op

    def __call__(self, *operands: NDArray[np.float32]) -> UnitOutput:
        """Compute element by element, operands broadcast against each other."""
        taken = [self.precision.taken(values) for values in operands]
        return self.precision.rounded(execute(self.op, taken, {}, np.float32))

    @property
    def hardware(self) -> UnitHardware:
        """One pass; each lane has a serial divider."""
        of = self.precision.operation
        costs = ELEMENTWISE_COSTS[self.op.kind]
        divisions = dict(costs).get("fp_divide", 0)
        return _hardware(
            1,
            tuple((of(kind), count) for kind, count in costs),
            serial_cycles_per_element=divisions * self.precision.divide_cycles,
        )


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Fp16Softmax(Fp32Softmax):
    """:class:`Fp32Softmax` in half precision."""

    name: ClassVar[str] = "fp16_softmax"
    precision: ClassVar[Precision] = HALF


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Fp16Gelu(Fp32Gelu):
    """:class:`Fp32Gelu` in half precision."""

    name: ClassVar[str] = "fp16_gelu"
    precision: ClassVar[Precision] = HALF


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Fp16LayerNorm(Fp32LayerNorm):
    """:class:`Fp32LayerNorm` in half precision."""

    name: ClassVar[str] = "fp16_layer_norm"
    precision: ClassVar[Precision] = HALF


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Fp16RmsNorm(Fp32RmsNorm):
    """:class:`Fp32RmsNorm` in half precision."""

    name: ClassVar[str] = "fp16_rms_norm"
    precision: ClassVar[Precision] = HALF


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Fp16Silu(Fp32Silu):
    """:class:`Fp32Silu` in half precision."""

    name: ClassVar[str] = "fp16_silu"
    precision: ClassVar[Precision] = HALF


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Fp16Rotary(Fp32Rotary):
    """:class:`Fp32Rotary` in half precision."""

    name: ClassVar[str] = "fp16_rotary"
    precision: ClassVar[Precision] = HALF


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Fp16Requantize(Fp32Requantize):
    """:class:`Fp32Requantize` in half precision."""

    name: ClassVar[str] = "fp16_requantize"
    precision: ClassVar[Precision] = HALF


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Fp16Add(Fp32Add):
    """:class:`Fp32Add` in half precision."""

    name: ClassVar[str] = "fp16_add"
    precision: ClassVar[Precision] = HALF


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Fp16Elementwise(Fp32Elementwise):
    """:class:`Fp32Elementwise` in half precision."""

    name: ClassVar[str] = "fp16_elementwise"
    precision: ClassVar[Precision] = HALF
