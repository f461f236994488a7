"""The conventional chip's functions in single precision.

Which question this module answers: *what do floating-point softmax, GELU, LayerNorm, rescaling and
addition compute, and what work is that?*

The values are IEEE 754 single precision as NumPy computes them; what each unit declares is the work
of a straightforward implementation, so that the integer units have a fair opponent. An exponential
or a square root counts as one operation of its kind; a subtraction is an addition.

Not modelled: half precision, denormals in hardware, approximate exponentials.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, ClassVar, Final, final

import numpy as np
from numpy.typing import NDArray

from pimsim.integer.hardware import Operation, UnitHardware
from pimsim.integer.units import UnitOutput
from pimsim.workload.graph import Op
from pimsim.workload.reference import execute

FP32_BITS: Final = 32
DIVIDE_CYCLES: Final = 14
"""Serial radix-4 division of a 24-bit significand with rounding and exponent; assumed."""
_MASKED: Final = -1e30
"""So far below any logit that its exponential is 0."""

_ADD = Operation("fp_add", FP32_BITS)
_MULTIPLY = Operation("fp_multiply", FP32_BITS)
_DIVIDE = Operation("fp_divide", FP32_BITS)
_EXP = Operation("fp_exp", FP32_BITS)
_CONVERT = Operation("convert", FP32_BITS)
_COMPARE = Operation("compare", FP32_BITS)


def _hardware(
    passes: int,
    per_element: tuple[tuple[Operation, int], ...],
    per_row: tuple[tuple[Operation, int], ...] = (),
    serial_cycles_per_row: int = 0,
) -> UnitHardware:
    return UnitHardware(
        passes=passes,
        per_element=per_element,
        per_row=per_row,
        serial_cycles_per_row=serial_cycles_per_row,
        pipeline_depth_cycles=8,
        table_bits=0,
        maximum_row_length=None,
    )


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Fp32Softmax:
    """Softmax over the last axis, after a constant factor on the logits."""

    name: ClassVar[str] = "fp32_softmax"

    op: Op
    factor: float = 1.0

    def __call__(self, x: NDArray[np.float32], keep: NDArray[np.bool_] | None = None) -> UnitOutput:
        """Exponentials of the distances to the row's maximum, divided by their sum.

        Elements that ``keep`` leaves out take no part and become 0.
        """
        logits = x * np.float32(self.factor)
        if keep is None:
            return UnitOutput(execute(self.op, [logits], {}), 0)
        logits = np.where(keep, logits, np.float32(_MASKED))
        return UnitOutput(execute(self.op, [logits], {}) * keep, 0)

    @property
    def hardware(self) -> UnitHardware:
        """Three passes: maximum; exponentials and their sum; normalization."""
        per_element = ((_COMPARE, 1), (_ADD, 2), (_EXP, 1), (_MULTIPLY, 2))
        return _hardware(3, per_element, ((_DIVIDE, 1),), DIVIDE_CYCLES)


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Fp32Gelu:
    """GELU as the traced model defines it; costed as ``x * sigmoid(1.702 x)``."""

    name: ClassVar[str] = "fp32_gelu"

    op: Op

    def __call__(self, x: NDArray[np.float32]) -> UnitOutput:
        """Apply GELU element by element."""
        return UnitOutput(execute(self.op, [x], {}), 0)

    @property
    def hardware(self) -> UnitHardware:
        """One pass: a multiplication, an exponential, an addition, a division, a multiplication."""
        return _hardware(1, ((_MULTIPLY, 2), (_EXP, 1), (_ADD, 1), (_DIVIDE, 1)))


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Fp32LayerNorm:
    """Layer normalization over the last axis, with gain and bias."""

    name: ClassVar[str] = "fp32_layer_norm"

    op: Op
    gain: tuple[float, ...]
    bias: tuple[float, ...]

    def __call__(self, x: NDArray[np.float32]) -> UnitOutput:
        """Normalize rows."""
        constants = [np.array(values, np.float32) for values in (self.gain, self.bias)]
        return UnitOutput(execute(self.op, [x, *constants], {}), 0)

    @property
    def hardware(self) -> UnitHardware:
        """Three passes: sum; centring and squares; scaling. A root and a division between."""
        per_element = ((_ADD, 4), (_MULTIPLY, 3))
        per_row = ((_MULTIPLY, 2), (_ADD, 1), (_DIVIDE, 2))
        return _hardware(3, per_element, per_row, 2 * DIVIDE_CYCLES)


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Fp32RmsNorm:
    """RMS normalization over the last axis, with a gain."""

    name: ClassVar[str] = "fp32_rms_norm"

    op: Op
    gain: tuple[float, ...]

    def __call__(self, x: NDArray[np.float32]) -> UnitOutput:
        """Normalize rows."""
        return UnitOutput(execute(self.op, [x, np.array(self.gain, np.float32)], {}), 0)

    @property
    def hardware(self) -> UnitHardware:
        """Two passes: sum of squares; scaling. A root and a division between."""
        per_row = ((_MULTIPLY, 1), (_ADD, 1), (_DIVIDE, 2))
        return _hardware(2, ((_ADD, 1), (_MULTIPLY, 3)), per_row, 2 * DIVIDE_CYCLES)


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Fp32Silu:
    """SiLU, ``x * sigmoid(x)``."""

    name: ClassVar[str] = "fp32_silu"

    op: Op

    def __call__(self, x: NDArray[np.float32]) -> UnitOutput:
        """Apply SiLU element by element."""
        return UnitOutput(execute(self.op, [x], {}), 0)

    @property
    def hardware(self) -> UnitHardware:
        """One pass: an exponential, an addition, a division, a multiplication."""
        return _hardware(1, ((_EXP, 1), (_ADD, 1), (_DIVIDE, 1), (_MULTIPLY, 1)))


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Fp32Rotary:
    """Rotary position embedding, with the cosines and sines as operands."""

    name: ClassVar[str] = "fp32_rotary"

    op: Op

    def __call__(
        self, x: NDArray[np.float32], cosine: NDArray[np.float32], sine: NDArray[np.float32]
    ) -> UnitOutput:
        """Turn each pair of channels by its angle."""
        return UnitOutput(execute(self.op, [x, cosine, sine], {}), 0)

    @property
    def hardware(self) -> UnitHardware:
        """One pass: two multiplications and an addition."""
        return _hardware(1, ((_MULTIPLY, 2), (_ADD, 1)))


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Fp32Requantize:
    """Accumulators to real numbers (``to_float``), or real numbers to signed codes."""

    name: ClassVar[str] = "fp32_requantize"

    scale: tuple[float, ...]
    """Real value of one step: one, or one per channel."""
    bias: tuple[float, ...] = (0.0,)
    bits: int | None = None
    """Width of the codes when quantizing, ``None`` when dequantizing. [bit]"""

    def __call__(self, x: NDArray[Any]) -> UnitOutput:
        """Dequantize or quantize rows; quantizing saturates symmetrically and counts it."""
        scale = np.array(self.scale, np.float32)
        if self.bits is None:
            return UnitOutput(x.astype(np.float32) * scale + np.array(self.bias, np.float32), 0)
        limit = (1 << (self.bits - 1)) - 1
        codes = np.rint(x / scale)
        clipped = np.clip(codes, -limit, limit)
        dtype = np.int8 if self.bits <= 8 else np.int16
        return UnitOutput(clipped.astype(dtype), int(np.count_nonzero(clipped != codes)))

    @property
    def hardware(self) -> UnitHardware:
        """One pass: conversion and scaling, and the bias or the two limits."""
        last = (_ADD, 1) if self.bits is None else (_COMPARE, 2)
        return _hardware(1, ((_CONVERT, 1), (_MULTIPLY, 1), last))


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Fp32Add:
    """Residual addition."""

    name: ClassVar[str] = "fp32_add"

    def __call__(self, a: NDArray[np.float32], b: NDArray[np.float32]) -> UnitOutput:
        """Add two tensors, broadcast against each other."""
        return UnitOutput(a + b, 0)

    @property
    def hardware(self) -> UnitHardware:
        """One addition per element."""
        return _hardware(1, ((_ADD, 1),))


ELEMENTWISE_COSTS: Final[Mapping[str, tuple[tuple[Operation, int], ...]]] = MappingProxyType(
    {
        "sub": ((_ADD, 1),),
        "neg": ((_ADD, 1),),
        "abs": ((_COMPARE, 1),),
        "relu": ((_COMPARE, 1),),
        "clamp": ((_COMPARE, 2),),
        "minimum": ((_COMPARE, 1),),
        "maximum": ((_COMPARE, 1),),
        "sqrt": ((_DIVIDE, 1),),
        "rsqrt": ((_DIVIDE, 2),),
        "exp": ((_EXP, 1),),
        "sigmoid": ((_EXP, 1), (_ADD, 1), (_DIVIDE, 1)),
        "tanh": ((_EXP, 1), (_ADD, 2), (_DIVIDE, 1)),
        "add": ((_ADD, 1),),
        "mul": ((_MULTIPLY, 1),),
        "div": ((_DIVIDE, 1),),
    }
)
"""Kinds of element-wise operations that the vector unit executes, and the work for one element. A
root takes the time and energy of a division."""


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Fp32Elementwise:
    """Any operation of :data:`ELEMENTWISE_COSTS`, as the traced model defines it."""

    name: ClassVar[str] = "fp32_elementwise"

    op: Op

    def __call__(self, *operands: NDArray[np.float32]) -> UnitOutput:
        """Compute element by element, operands broadcast against each other."""
        return UnitOutput(execute(self.op, operands, {}, np.float32), 0)

    @property
    def hardware(self) -> UnitHardware:
        """One pass."""
        return _hardware(1, ELEMENTWISE_COSTS[self.op.kind])
