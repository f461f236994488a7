"""Which reads a controller spends on the inputs that are not zero.

Which question this module answers: *how many reads does a vector take, and which are they?*

A read drives some rows in one input cycle (plane). Schemes that look at the operands skip some of
them; a skipped read contributes nothing, no code and no noise.

======= ================================================= ==================================
scheme  a read is skipped                                 what the controller looks at
======= ================================================= ==================================
none    never                                              nothing
value   if every input of the group is zero                whole operands, once per vector
bit     if every digit of the group is zero in that cycle  the bit-plane, before each read
bitsift rows with ones are packed into reads of their own  the bit-plane, before each read
======= ================================================= ==================================

Groups are the ``active_rows`` consecutive rows that are read together anyway; how ``bitsift`` packs
is told in :mod:`pimsim.analog.bitsift`. Not modelled: the time and energy of the controller itself.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import Any, Final

import numpy as np
from jaxtyping import Bool, Int, UInt8
from numpy.typing import NDArray

from pimsim import rng
from pimsim.analog.bitsift import SLICE_ROWS, PackedReads, pack_reads, reads_max
from pimsim.analog.coding import plane_digit_max
from pimsim.analog.read_lists import ReadLists, list_reads
from pimsim.config.macros import Macro, ZeroSkipping
from pimsim.errors import ModelRangeError
from pimsim.registry import ZERO_SKIPPING

_SAMPLED_VECTORS: Final = 256
"""Random bit-vectors behind an expected number of packed reads."""


@dataclass(frozen=True, slots=True)
class ZeroSkippingScheme:
    """A rule, and how often it leaves a read in when only the density of ones is known."""

    kept: Callable[[NDArray[np.bool_]], NDArray[np.bool_]]
    """(planes, batch, groups) of 'some digit of the group is not zero' → reads that take place."""
    kept_ratio: Callable[[float, float, int], float]
    """(share of zeros among the digits of a plane, among whole inputs, rows of a group) → expected
    share of the plane's reads that take place, for independent inputs."""


@dataclass(frozen=True, slots=True)
class PackingScheme:
    """A rule that packs the rows that hold ones into reads of their own."""

    pack: Callable[..., PackedReads]
    """As :func:`pimsim.analog.bitsift.pack_reads`."""
    list_reads: Callable[..., ReadLists] | None = None
    """As :func:`pimsim.analog.read_lists.list_reads`; ``None``: made from what ``pack`` yields."""


BITSIFT: Final = PackingScheme(pack_reads, list_reads)
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


def scheme_of(name: str) -> ZeroSkippingScheme | PackingScheme:
    """Look up a scheme.

    Raises
    ------
    NotFoundError
        If no scheme has this name.
    """
    found: ZeroSkippingScheme | PackingScheme = ZERO_SKIPPING[name]
    return found


def packed_reads(
    digits: UInt8[np.ndarray, "planes batch rows"], macro: Macro
) -> PackedReads | None:
    """Pack reads as the macro's controller does; ``None`` if it only skips whole groups."""
    scheme = scheme_of(macro.zero_skipping.model)
    if not isinstance(scheme, PackingScheme):
        return None
    return scheme.pack(digits, **packing_options(macro))


def packing_options(macro: Macro) -> dict[str, Any]:
    """How the macro's controller packs, as :func:`pimsim.analog.bitsift.pack_reads` takes it."""
    chosen = macro.zero_skipping
    return {
        "active_rows": macro.crossbar.active_rows,
        "slice_rows": chosen.slice_rows or SLICE_ROWS,
        "packing": chosen.packing or "first_fit",
    }


def groups_max(rows: int, macro: Macro) -> int:
    """Most reads of a bit-vector on one macro: its row groups, or what packing may take.

    Raises
    ------
    ModelRangeError
        As :func:`dense_read_cycles` and :func:`pimsim.analog.bitsift.reads_max`.
    """
    active, chosen = macro.crossbar.active_rows, macro.zero_skipping
    if isinstance(scheme_of(chosen.model), PackingScheme):
        return reads_max(rows, active_rows=active, slice_rows=chosen.slice_rows or SLICE_ROWS)
    return dense_read_cycles(rows, active_rows=active)


def kept_reads(
    digits: UInt8[np.ndarray, "planes batch rows"],
    *,
    scheme: str,
    active_rows: int,
    slice_rows: int = SLICE_ROWS,
    packing: str = "first_fit",
) -> Bool[np.ndarray, "planes batch groups"]:
    """Say which reads take place: of each row group, or the first so many where reads are packed.

    Parameters
    ----------
    digits
        Inputs of one macro as from :func:`pimsim.analog.coding.encode_inputs`.
    scheme
        Name in :data:`pimsim.registry.ZERO_SKIPPING`.
    active_rows
        Most word lines per read.
    slice_rows, packing
        As for :func:`pimsim.analog.bitsift.pack_reads`; only where reads are packed.

    Raises
    ------
    NotFoundError
        If no scheme or packing has this name.
    ModelRangeError
        If ``active_rows`` is less than 1.

    Examples
    --------
    >>> digits = np.array([[[1, 0, 0, 0]], [[0, 0, 0, 0]]], np.uint8)
    >>> {name: int(kept_reads(digits, scheme=name, active_rows=2).sum())
    ...  for name in ("none", "value", "bit")}
    {'none': 4, 'value': 2, 'bit': 1}
    """
    rule = scheme_of(scheme)
    if isinstance(rule, PackingScheme):
        reads = rule.pack(
            digits, active_rows=active_rows, slice_rows=slice_rows, packing=packing
        ).reads
        most = reads_max(digits.shape[2], active_rows=active_rows, slice_rows=slice_rows)
        return np.arange(most) < reads[:, :, None]
    groups = dense_read_cycles(digits.shape[2], active_rows=active_rows)
    padded = np.zeros((*digits.shape[:2], groups * active_rows), np.bool_)
    padded[:, :, : digits.shape[2]] = digits != 0
    grouped = padded.reshape(*digits.shape[:2], groups, active_rows)
    active: NDArray[np.bool_] = np.any(grouped, axis=3)
    return rule.kept(active)


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
    bits: Bool[np.ndarray, "vectors rows"],
    *,
    scheme: str = "none",
    active_rows: int,
    slice_rows: int = SLICE_ROWS,
    packing: str = "first_fit",
) -> Int[np.ndarray, " vectors"]:
    """Count the reads of each bit-vector under a zero-skipping scheme.

    Parameters
    ----------
    bits
        One input bit per word line, shape (vectors, rows).
    scheme, active_rows, slice_rows, packing
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
    >>> read_cycles(np.eye(1, 64, dtype=bool), scheme="bitsift", active_rows=8).tolist()
    [1]
    """
    kept = kept_reads(
        bits[None].astype(np.uint8),
        scheme=scheme,
        active_rows=active_rows,
        slice_rows=slice_rows,
        packing=packing,
    )
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
        Reads over all planes; exact where nothing is skipped, the mean of 256 seeded random
        bit-vectors per plane where reads are packed.

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
    scheme = scheme_of(macro.zero_skipping.model)
    if isinstance(scheme, PackingScheme):
        chosen = macro.zero_skipping
        return sum(
            _mean_packed_reads(rows, active, chosen, float(1.0 - zero)) for zero in digit_zero
        )
    ratio = scheme.kept_ratio
    full, rest = divmod(rows, active)
    sizes = [(active, full), (rest, 1)] if rest else [(active, full)]
    return float(
        sum(count * ratio(zero, value_zero, size) for size, count in sizes for zero in digit_zero)
    )


@cache
def _mean_packed_reads(rows: int, active_rows: int, chosen: ZeroSkipping, ones: float) -> float:
    """Mean reads of bit-vectors whose bits are ones with probability ``ones``."""
    bits = rng.for_(0, "packed reads", rows).random((_SAMPLED_VECTORS, rows)) < ones
    cycles = read_cycles(
        bits,
        scheme=chosen.model,
        active_rows=active_rows,
        slice_rows=chosen.slice_rows or SLICE_ROWS,
        packing=chosen.packing or "first_fit",
    )
    return float(cycles.mean())
