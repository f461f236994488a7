"""Which reads a controller spends on the inputs that are not zero.

Which question this module answers: *how many reads does a vector take, and which are they?*

A read drives the rows of one group in one input cycle (plane). Schemes that look at the operands
skip some of them; a skipped read contributes nothing, no code and no noise.

====== ================================================= ==================================
scheme a read is skipped                                 what the controller looks at
====== ================================================= ==================================
none   never                                              nothing
value  if every input of the group is zero                whole operands, once per vector
bit    if every digit of the group is zero in that cycle  the bit-plane, before each read
====== ================================================= ==================================

Groups are the ``active_rows`` consecutive rows that are read together anyway. Not modelled: packing
the rows that remain into fewer reads, the time and energy of the controller itself.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import numpy as np
from jaxtyping import Bool, Int, UInt8
from numpy.typing import NDArray

from pimsim.analog.coding import plane_digit_max
from pimsim.config.macros import Macro
from pimsim.errors import ModelRangeError, NotFoundError, nearest
from pimsim.registry import ZERO_SKIPPING


@dataclass(frozen=True, slots=True)
class ZeroSkippingScheme:
    """A rule, and how often it leaves a read in when only the density of ones is known."""

    kept: Callable[[NDArray[np.bool_]], NDArray[np.bool_]]
    """(planes, batch, groups) of 'some digit of the group is not zero' → reads that take place."""
    kept_ratio: Callable[[float, float, int], float]
    """(share of zeros among the digits of a plane, among whole inputs, rows of a group) → expected
    share of the plane's reads that take place, for independent inputs."""


NONE: Final = ZeroSkippingScheme(
    kept=np.ones_like, kept_ratio=lambda digit_zero, value_zero, rows: 1.0
)
VALUE: Final = ZeroSkippingScheme(
    kept=lambda active: np.broadcast_to(active.any(axis=0), active.shape).copy(),
    kept_ratio=lambda digit_zero, value_zero, rows: 1.0 - value_zero**rows,
)
BIT: Final = ZeroSkippingScheme(
    kept=np.copy, kept_ratio=lambda digit_zero, value_zero, rows: 1.0 - digit_zero**rows
)


def scheme_of(name: str) -> ZeroSkippingScheme:
    """Look up a scheme.

    Raises
    ------
    NotFoundError
        If no scheme has this name.
    """
    if name not in ZERO_SKIPPING:
        raise NotFoundError(f"unknown zero-skipping scheme {name!r}{nearest(name, ZERO_SKIPPING)}")
    found: ZeroSkippingScheme = ZERO_SKIPPING[name]
    return found


def kept_reads(
    digits: UInt8[np.ndarray, "planes batch rows"], *, scheme: str, active_rows: int
) -> Bool[np.ndarray, "planes batch groups"]:
    """Say which reads take place.

    Parameters
    ----------
    digits
        Inputs of one macro as from :func:`pimsim.analog.coding.encode_inputs`.
    scheme
        Name in :data:`pimsim.registry.ZERO_SKIPPING`.
    active_rows
        Most word lines per read.

    Raises
    ------
    NotFoundError
        If no scheme has this name.
    ModelRangeError
        If ``active_rows`` is less than 1.

    Examples
    --------
    >>> digits = np.array([[[1, 0, 0, 0]], [[0, 0, 0, 0]]], np.uint8)
    >>> {name: int(kept_reads(digits, scheme=name, active_rows=2).sum())
    ...  for name in ("none", "value", "bit")}
    {'none': 4, 'value': 2, 'bit': 1}
    """
    groups = dense_read_cycles(digits.shape[2], active_rows=active_rows)
    padded = np.zeros((*digits.shape[:2], groups * active_rows), np.bool_)
    padded[:, :, : digits.shape[2]] = digits != 0
    grouped = padded.reshape(*digits.shape[:2], groups, active_rows)
    active: NDArray[np.bool_] = np.any(grouped, axis=3)
    return scheme_of(scheme).kept(active)


def dense_read_cycles(rows: int, *, active_rows: int) -> int:
    """Reads of one bit-plane when nothing is skipped: one per group of ``active_rows`` rows.

    Examples
    --------
    >>> dense_read_cycles(1024, active_rows=8)
    128
    """
    if not active_rows >= 1:
        raise ModelRangeError(f"active_rows must be 1 or more, got {active_rows}")
    return -(-rows // active_rows)


def read_cycles(
    bits: Bool[np.ndarray, "vectors rows"], *, scheme: str = "none", active_rows: int
) -> Int[np.ndarray, " vectors"]:
    """Count the reads of each bit-vector under a zero-skipping scheme.

    Parameters
    ----------
    bits
        One input bit per word line, shape (vectors, rows).
    scheme, active_rows
        As for :func:`kept_reads`.

    Raises
    ------
    NotFoundError, ModelRangeError
        As for :func:`kept_reads`.

    Examples
    --------
    >>> read_cycles(np.zeros((2, 64), bool), active_rows=8).tolist()
    [8, 8]
    >>> read_cycles(np.eye(2, 64, dtype=bool), scheme="bit", active_rows=8).tolist()
    [1, 1]
    """
    kept = kept_reads(bits[None].astype(np.uint8), scheme=scheme, active_rows=active_rows)
    counted: NDArray[np.int64] = kept[0].sum(axis=1, dtype=np.int64)
    return counted


def expected_reads(rows: int, macro: Macro, density_ratio: float) -> float:
    """Expected reads of a vector of which only the density of ones is known.

    Parameters
    ----------
    rows
        Rows on one macro.
    macro
        Scheme, coding of the inputs and ``active_rows``.
    density_ratio
        Share of ones among the bits of the inputs (of their magnitudes, where the sign is apart),
        taken as independent; half of the signs are negative.

    Returns
    -------
    float
        Reads over all planes; exact where nothing is skipped.

    Examples
    --------
    >>> from pimsim.analog import ideal_macro
    >>> macro = ideal_macro(rows=16, cols=8, active_rows=8, weight_bits=4, input_bits=4)
    >>> expected_reads(16, macro, density_ratio=0.5)
    8.0
    """
    active = macro.crossbar.active_rows
    dense_read_cycles(rows, active_rows=active)
    digit_zero = (1.0 - density_ratio) ** (np.log2(plane_digit_max(macro) + 1.0))
    passes = 2 if macro.inputs.coding == "sign_magnitude" else 1
    value_zero = float(digit_zero[: len(digit_zero) // passes].prod())
    digit_zero = 1.0 - (1.0 - digit_zero) / passes
    ratio = scheme_of(macro.zero_skipping.model).kept_ratio
    full, rest = divmod(rows, active)
    sizes = [(active, full), (rest, 1)] if rest else [(active, full)]
    return float(
        sum(count * ratio(zero, value_zero, size) for size, count in sizes for zero in digit_zero)
    )
