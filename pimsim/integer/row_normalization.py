"""What the integer normalizations share: means, roots, and the row's factor.

Which question this module answers: *how does a row of codes come to a fixed norm without floating
point?*

``x / sqrt(sum(x**2) + epsilon)`` is ``x * floor(2**31 / root)``, kept to 15 fraction bits: I-BERT's
reciprocal (arXiv:2101.01321, github.com/kssteven418/I-BERT). ``sqrt(n)`` is part of the output's
scale, so neither the sum of squares nor its root is divided by the length ``n``.
"""

from typing import Final

import numpy as np
from numpy.typing import NDArray

from pimsim.integer.codes import check_codes, check_constant, signed_range
from pimsim.integer.hardware import Operation, OperationCounts, division_cycles
from pimsim.integer.square_root import NEWTON_STEPS

NORMALIZED_FRACTION_BITS: Final = 15
"""``x / sqrt(sum of squares)`` is kept as a multiple of ``2**-15``. [bit]"""
RECIPROCAL_EXPONENT: Final = 31
"""The row's factor is ``floor(2**31 / root)``."""
MAXIMUM_ROW_LENGTH: Final = 1 << 14
LENGTH_BITS: Final = 14
LARGEST_INPUT_BITS: Final = 16
GAIN_BITS: Final = 16
BIAS_BITS: Final = 31
"""One below 32, so that product and bias sum to 32 bits. [bit]"""
EPSILON_BITS: Final = 46
LARGEST_EPSILON: Final = (1 << EPSILON_BITS) - 1


def check_channels(name: str, constants: tuple[int, ...], *, bits: int) -> None:
    """Refuse constants per channel of which one is wider than ``bits`` bits.

    Raises
    ------
    ModelRangeError
        If a constant is out of range.
    """
    smallest, largest = signed_range(bits)
    for channel, value in enumerate(constants):
        check_constant(f"{name}[{channel}]", value, smallest=smallest, largest=largest)


def check_affine(gain: tuple[int, ...], bias: tuple[int, ...], *, maximum_row_length: int) -> None:
    """Refuse gains and biases that a unit's tables do not hold.

    Raises
    ------
    ModelRangeError
        If there are too many, or none, or one is too wide.
    ValueError
        If the two differ in length.
    """
    if len(gain) != len(bias):
        raise ValueError(
            f"gain and bias must have one code per channel each, got {len(gain)} and {len(bias)}"
        )
    check_constant("row length", len(gain), smallest=1, largest=maximum_row_length)
    check_channels("gain", gain, bits=GAIN_BITS)
    check_channels("bias", bias, bits=BIAS_BITS)


def check_rows(x: np.ndarray, *, bits: int, length: int) -> None:
    """Refuse an operand that is not made of rows of ``length`` codes of ``bits`` bits.

    Raises
    ------
    TypeError, ModelRangeError
        As :func:`pimsim.integer.codes.check_codes`.
    ValueError
        If rows have another length.
    """
    check_codes("x", x, bits=bits)
    if x.shape[-1] != length:
        raise ValueError(f"rows must have {length} elements, got shape {x.shape}")


def subtract_mean(codes: NDArray[np.int64]) -> None:
    """Centre each row in place on its mean, rounded to the nearest code, ties up."""
    length = codes.shape[-1]
    total = codes.sum(axis=-1, keepdims=True)
    codes -= (total + (length >> 1)) // length


def scale_to_norm(
    codes: NDArray[np.int64], root: NDArray[np.int64], *, numerator: int = 1 << RECIPROCAL_EXPONENT
) -> None:
    """Multiply each row in place by ``2**15 / root``, rounded half up.

    Notes
    -----
    ::

        factor = floor(numerator / root)          normal = (x * factor + 2**15) >> 16
    """
    codes *= numerator // root
    places = RECIPROCAL_EXPONENT - NORMALIZED_FRACTION_BITS
    codes += 1 << (places - 1)
    codes >>= places


def square_sum_bits(element_bits: int) -> int:
    """Width of the sum of squares of a row of ``element_bits``-bit codes. [bit]"""
    return 2 * element_bits + LENGTH_BITS


def root_operations(radicand_bits: int, *, steps: int = NEWTON_STEPS) -> OperationCounts:
    """Operations of Newton's root and of the row's factor, once per row."""
    root_bits = (radicand_bits + 1) // 2
    return (
        (Operation("divide", radicand_bits), steps),
        (Operation("add", root_bits + 1), steps),
        (Operation("compare", root_bits + 1), steps),
        (Operation("divide", RECIPROCAL_EXPONENT + 1), 1),  # 1 / root
    )


def root_cycles(radicand_bits: int, *, steps: int = NEWTON_STEPS) -> int:
    """Serial cycles of Newton's root and of the row's factor."""
    root_bits = (radicand_bits + 1) // 2
    return steps * (division_cycles(root_bits) + 1) + division_cycles(RECIPROCAL_EXPONENT + 1)
