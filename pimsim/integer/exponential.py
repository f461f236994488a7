"""Exponentials of a distance below zero, which softmax, GELU and SiLU units share.

Which question this module answers: *which integer stands for ``exp(-d * S)`` when ``d`` is a code?*

Two published forms, both split ``exp(-x)`` into ``2**-z`` (a shift) and a rest on one octave:

*Polynomial* (I-BERT [1]_): ``z = floor(x / ln 2)``, the rest by ``0.35815147 p**2 + 0.96963238 p +
1``, at most 1.9e-3 off. Constants for the scale ``S``::

    q_ln2 = floor(ln(2) / S)
    q_b   = floor((0.96963238 / 0.35815147) / S)
    q_c   = floor(1 / (0.35815147 * S**2))

*Shift* (I-ViT [2]_): ``x * log2(e)`` is ``x + x/2 - x/16``, and ``2**-f`` on one octave the
straight line ``1 - f/2``: no multiplication by a coefficient, at most 0.044 off, or 7.9 % of the
value up to a distance of 5. Its only constant is ``one = floor(1 / S)``.

References
----------
.. [1] S. Kim et al., I-BERT: Integer-only BERT Quantization, ICML 2021, arXiv:2101.01321;
   coefficients and widths: github.com/kssteven418/I-BERT (MIT).
.. [2] Z. Li, Q. Gu, I-ViT: Integer-only Quantization for Efficient Vision Transformer Inference,
   ICCV 2023, arXiv:2207.01405, algorithm 1; constants: github.com/zkkli/I-ViT (Apache-2.0).
"""

from typing import Final

import numpy as np
from numpy.typing import NDArray

from pimsim.errors import ModelRangeError
from pimsim.integer.codes import check_constant
from pimsim.integer.hardware import Operation, OperationCounts

POLYNOMIAL_BITS: Final = 32
"""Width of the polynomial's registers. [bit]"""
POLYNOMIAL_EXPONENTIAL_BITS: Final = 16
"""Width of a polynomial exponential; exp(0) uses all of it. [bit]"""
LARGEST_HALVINGS: Final = 30
"""Distances above 30 ln 2 count as 30 ln 2, where the 16-bit exponential is 0."""
LARGEST_ONE: Final = (1 << 16) - 1
"""Largest code of 1 that the shift exponential takes."""


def check_polynomial(*, q_ln2: int, q_b: int, q_c: int) -> None:
    """Refuse constants with which the exponential is not positive and falling.

    Raises
    ------
    ModelRangeError
        If a constant is out of range, or the three were not derived from one scale.
    """
    check_constant("q_c", q_c, smallest=1, largest=(1 << POLYNOMIAL_BITS) - 1)
    check_constant("q_b", q_b, smallest=1, largest=q_c)
    # The polynomial is lowest q_b / 2 below the maximum; up to there it falls with distance.
    check_constant("q_ln2", q_ln2, smallest=1, largest=q_b // 2)
    if (q_ln2 - 1) * (q_b - q_ln2 + 1) >= q_c:
        raise ModelRangeError(
            f"q_ln2 {q_ln2}, q_b {q_b} and q_c {q_c} give an exponential "
            "of 0 or less; derive all three from one scale"
        )


def polynomial_exponential(
    distance: NDArray[np.int64], *, q_ln2: int, q_b: int, q_c: int
) -> NDArray[np.int64]:
    """I-BERT's exponential of ``-distance``, 16 bits.

    Parameters
    ----------
    distance
        Codes of 0 or more; overwritten.
    q_ln2, q_b, q_c
        Constants of the scale, accepted by :func:`check_polynomial`.

    Notes
    -----
    With ``d`` the distance, limited to ``30 * q_ln2``::

        z   = floor(d / q_ln2)              r = z * q_ln2 - d, in (-q_ln2, 0]
        exp = (r * (r + q_b) + q_c) / 2**z, aligned so that exp(0) has 16 bits, truncated
    """
    np.minimum(distance, LARGEST_HALVINGS * q_ln2, out=distance)
    halvings = distance // q_ln2
    rest = halvings * q_ln2
    rest -= distance
    polynomial: NDArray[np.int64] = rest + q_b
    polynomial *= rest
    polynomial += q_c
    excess_bits = q_c.bit_length() - POLYNOMIAL_EXPONENTIAL_BITS
    if excess_bits > 0:
        halvings += excess_bits
    else:
        polynomial <<= -excess_bits
    polynomial >>= halvings
    return polynomial


def polynomial_at_zero(q_c: int) -> int:
    """Return the code of exp(0): the leading 16 bits of ``q_c``.

    Examples
    --------
    >>> polynomial_at_zero(27921)
    55842
    """
    excess_bits = q_c.bit_length() - POLYNOMIAL_EXPONENTIAL_BITS
    return q_c >> excess_bits if excess_bits > 0 else q_c << -excess_bits


def polynomial_operations(distance_bits: int) -> OperationCounts:
    """Operations of one polynomial exponential, given its distance."""
    return (
        (Operation("compare", distance_bits), 1),  # limit of 30 halvings
        (Operation("multiply", distance_bits), 2),  # by 1 / q_ln2, and back by q_ln2
        (Operation("add", distance_bits), 1),  # rest
        (Operation("add", POLYNOMIAL_BITS), 2),  # + q_b, + q_c
        (Operation("multiply", POLYNOMIAL_BITS), 1),  # r (r + q_b)
        (Operation("shift", POLYNOMIAL_BITS), 1),  # by z and the static alignment
    )


def polynomial_table_bits(distance_bits: int) -> int:
    """Storage of ``q_ln2``, its reciprocal, ``q_b`` and ``q_c``. [bit]"""
    return 2 * distance_bits + 2 * POLYNOMIAL_BITS


def shift_exponential(distance: NDArray[np.int64], *, one: int, halvings: int) -> NDArray[np.int64]:
    """I-ViT's exponential of ``-distance``, in ``halvings + 1`` bits.

    Parameters
    ----------
    distance
        Codes of 0 or more.
    one
        Code of 1 on the distance's scale, 1 to 65,535.
    halvings
        Largest shift: distances beyond ``2**-halvings`` count as that.

    Notes
    -----
    With ``x = -distance``, all shifts rounding down::

        y   = min(-(x + (x >> 1) - (x >> 4)), halvings * one)      # distance * log2(e)
        z   = floor(y / one)               r = y - z * one, in [0, one)
        exp = (2 * one - r) * 2**halvings / 2**(z + bit_length(one)), truncated

    which is the authors' ``(one - r / 2) * 2**(halvings - z)`` after a static right shift by
    ``bit_length(one) - 1``, so that the width depends on no scale. It never reaches 0: at the limit
    1 is left.
    """
    negative = -distance
    exponent = -(negative + (negative >> 1) - (negative >> 4))
    np.minimum(exponent, halvings * one, out=exponent)
    whole = exponent // one
    result: NDArray[np.int64] = whole * one
    result -= exponent
    result += 2 * one
    result <<= halvings
    result >>= whole + one.bit_length()
    return result


def shift_at_zero(one: int, halvings: int) -> int:
    """Return the code of exp(0).

    Examples
    --------
    >>> shift_at_zero(100, 15)
    51200
    """
    return one << (halvings + 1) >> one.bit_length()


def shift_operations(distance_bits: int, halvings: int) -> OperationCounts:
    """Operations of one shift exponential, given its distance.

    The authors' "no multiplication" holds for the coefficients; dividing by the code of 1 and
    multiplying back takes two, as it does for any scale that is not a power of two.
    """
    exponent_bits = distance_bits + 1
    return (
        (Operation("add", exponent_bits), 2),  # + x/2, - x/16
        (Operation("compare", exponent_bits), 1),  # limit
        (Operation("multiply", exponent_bits), 2),  # by 1 / one, and back by one
        (Operation("add", exponent_bits), 2),  # rest, 2 * one - rest
        (Operation("shift", max(halvings, LARGEST_ONE.bit_length()) + 1), 1),
    )


def shift_table_bits(distance_bits: int) -> int:
    """Storage of ``one`` and of its reciprocal. [bit]"""
    return LARGEST_ONE.bit_length() + distance_bits + 1
