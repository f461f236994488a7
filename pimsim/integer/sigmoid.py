"""A code times the sigmoid of its value: the common end of the integer SiLU and GELU units.

Which question this module answers: *which integer is ``x * sigmoid(x)`` once ``exp(-|x|)`` is one?*

``sigmoid(-|x|) = e / (1 + e)`` with ``e = exp(-|x|)`` is one serial division of ``sigmoid_bits``
quotient bits, and ``sigmoid(|x|)`` its complement. I-ViT divides the exponentials of the distances
to the row's maximum instead, ``exp(x - m) / (exp(x - m) + exp(-m))`` (arXiv:2207.01405, equation
13); ``m = max(x, 0)`` gives the same value, cannot underflow, and leaves elements independent.
"""

from typing import Final

import numpy as np
from numpy.typing import NDArray

from pimsim.integer.codes import check_constant
from pimsim.integer.hardware import Operation, OperationCounts, division_cycles

LARGEST_SIGMOID_BITS: Final = 15
LARGEST_INPUT_BITS: Final = 16


def check_widths(*, input_bits: int, sigmoid_bits: int) -> None:
    """Refuse widths whose product does not fit 32 bits.

    Raises
    ------
    ModelRangeError
        If ``input_bits`` is outside [2, 16] or ``sigmoid_bits`` outside [1, 15].
    """
    check_constant("input_bits", input_bits, smallest=2, largest=LARGEST_INPUT_BITS)
    check_constant("sigmoid_bits", sigmoid_bits, smallest=1, largest=LARGEST_SIGMOID_BITS)


def times_sigmoid(
    codes: NDArray[np.int64], exponential: NDArray[np.int64], *, at_zero: int, sigmoid_bits: int
) -> NDArray[np.int64]:
    """Multiply codes by the sigmoid of their value.

    Parameters
    ----------
    codes
        The operand ``x``.
    exponential
        Code of ``exp(-|x|)``, at most ``at_zero``.
    at_zero
        Code of exp(0).
    sigmoid_bits
        Fraction bits of the sigmoid. [bit]

    Notes
    -----
    ::

        small = floor(exponential * 2**sigmoid_bits / (at_zero + exponential) + 1/2)
        out   = x * (small if x < 0 else 2**sigmoid_bits - small)

    so ``out(x) + out(-x) = |x| * (2**sigmoid_bits - 2 * small)`` and, as for the real function,
    ``out(x) - out(-x) = x * 2**sigmoid_bits``, exactly.
    """
    total = exponential + at_zero
    small: NDArray[np.int64] = exponential << (sigmoid_bits + 1)
    small += total
    total <<= 1
    small //= total
    return codes * np.where(codes < 0, small, (1 << sigmoid_bits) - small)


def sigmoid_operations(
    input_bits: int, exponential_bits: int, sigmoid_bits: int
) -> OperationCounts:
    """Operations that turn an exponential into ``x * sigmoid(x)``."""
    return (
        (Operation("add", exponential_bits + 1), 1),  # 1 + e
        (Operation("divide", exponential_bits + sigmoid_bits + 1), 1),
        (Operation("add", sigmoid_bits + 1), 2),  # rounding, complement
        (Operation("multiply", max(input_bits, sigmoid_bits + 2)), 1),
    )


def sigmoid_division_cycles(sigmoid_bits: int) -> int:
    """Cycles in which an element occupies its lane's divider."""
    return division_cycles(sigmoid_bits + 1)
