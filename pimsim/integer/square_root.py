"""Integer square root by Newton's method.

Which question this module answers: *what is ``floor(sqrt(n))`` when there is no floating point?*

References
----------
.. [1] S. Kim et al., I-BERT: Integer-only BERT Quantization, ICML 2021, arXiv:2101.01321,
   algorithm 4 (Newton's iteration from ``2**ceil(bits(n) / 2)``).
.. [2] Z. Li, Q. Gu, I-ViT: Integer-only Quantization for Efficient Vision Transformer Inference,
   ICCV 2023, arXiv:2207.01405; ten steps from 2**16: github.com/zkkli/I-ViT (Apache-2.0).
"""

from typing import Final

import numpy as np
from jaxtyping import Int
from numpy.typing import NDArray

from pimsim.errors import ModelRangeError

NEWTON_STEPS: Final = 6
"""Enough for radicands below 2**62: the start is at most twice the root, and relative errors of
1, 1/4, 1/40, 3e-4, 5e-8, 1e-15 follow; one more step takes a root that is one too large down."""
FIXED_START_EXPONENT: Final = 16
FIXED_START_STEPS: Final = 10
"""I-ViT's iteration."""
LARGEST_RADICAND: Final = (1 << 62) - 1

_POWERS_OF_TWO: Final = np.left_shift(np.int64(1), np.arange(62, dtype=np.int64))


def integer_sqrt(radicand: Int[np.ndarray, "..."]) -> Int[np.ndarray, "..."]:
    """Exact ``floor(sqrt(radicand))`` of each element.

    Parameters
    ----------
    radicand
        int64, in ``[0, 2**62)``.

    Returns
    -------
    ndarray
        int64, of the same shape.

    Raises
    ------
    TypeError
        If ``radicand`` is not int64.
    ModelRangeError
        If a value is negative or ``2**62`` or more.

    Notes
    -----
    ``x ← min(x, floor((x + floor(radicand / x)) / 2))``, :data:`NEWTON_STEPS` times. From above
    the root the iteration falls until it reaches the floor of the root [1]_; the minimum stops it
    there, where it would otherwise alternate with the next integer.

    Examples
    --------
    >>> integer_sqrt(np.array([0, 15, 16, 2**62 - 1]))
    array([         0,          3,          4, 2147483647])
    """
    if radicand.dtype != np.int64:
        raise TypeError(f"radicand must be int64, got {radicand.dtype}")
    if radicand.size == 0:
        return radicand.copy()
    smallest, largest = int(radicand.min()), int(radicand.max())
    if smallest < 0 or largest > LARGEST_RADICAND:
        raise ModelRangeError(
            f"radicand must be in [0, {LARGEST_RADICAND}], got values in [{smallest}, {largest}]"
        )
    bit_lengths = np.searchsorted(_POWERS_OF_TWO, radicand, side="right").astype(np.int64)
    root: NDArray[np.int64] = np.left_shift(np.int64(1), (bit_lengths + 1) >> 1)
    for _ in range(NEWTON_STEPS):
        step = radicand // np.maximum(root, 1)  # the root of 0 itself reaches 0
        step += root
        step >>= 1
        np.minimum(root, step, out=root)
    return root


def fixed_start_sqrt(radicand: Int[np.ndarray, "..."]) -> Int[np.ndarray, "..."]:
    """I-ViT's root: ten steps of Newton's iteration from ``2**16``, whatever the radicand [2]_.

    Parameters
    ----------
    radicand
        int64, in ``[0, 2**62)``.

    Returns
    -------
    ndarray
        int64, of the same shape, at least 1.

    Notes
    -----
    ``x ← floor((x + floor(radicand / x)) / 2)``. Ten halvings take the start to 64 at best, so
    roots of up to 185 may come out too large (64 for 0), and so may roots above ``2**22``. Between
    them the result is the floor of the root, or one more.

    Examples
    --------
    >>> fixed_start_sqrt(np.array([0, 10**4, 10**6, 10**12]))
    array([     64,     108,    1000, 1000000])
    """
    integer_sqrt(radicand[:0])  # refuses other types
    root = np.full_like(radicand, 1 << FIXED_START_EXPONENT)
    for _ in range(FIXED_START_STEPS):
        root += radicand // root
        root >>= 1
    return root
