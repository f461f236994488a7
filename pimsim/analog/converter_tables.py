"""Decision levels as the tables that kernels walk through.

Which question this module answers: *how does a kernel find the code of a column sum in a few
instructions?*

The decision levels of a converter and the two levels beyond which a conversion counts as saturated
are sorted into one row. The number of levels at or below an input is its *interval*; a table says
what each interval's code stands for and whether it saturates.
"""

from dataclasses import dataclass
from functools import cache
from typing import Final

import numpy as np
from numpy.typing import NDArray

from pimsim.analog.cells import CURRENT_ONE
from pimsim.analog.draws import (
    HEAD_BITS,
    TAIL_SIGMAS,
    UNIFORM_BITS,
    first_uniform_reaching,
)
from pimsim.analog.transfer import AdcTransfer
from pimsim.errors import ModelRangeError

VALUE_MAX: Final = 1 << 30
"""Values of codes must leave one bit of 32 for the saturation. [LSB]"""

UNDECIDED: Final = -(1 << 31)
"""Entry of a conversion that the first bits of its draw leave open."""

QUANTILE_BITS: Final = 12
"""First bits of a draw that bound its noise."""

_SHARED_BINS_MAX: Final = 1 << 13
"""Bins of a converter that all columns share: they stay in the first cache."""

_OWN_BINS_MAX: Final = 1 << 22
"""Bins of all converters together, where columns have their own."""

_BINS_MAX: Final = 1 << 20
_COUNT_TABLE_MAX: Final = 1 << 20
"""Entries of a table by count: beyond, it would leave the caches for good."""

_DRAW_TABLE_MAX: Final = 1 << 17
"""Entries of a table by count and first bits of a draw that are still read fast."""

_WORK_MAX: Final = 1 << 24
"""Comparisons spent on filling a table."""


@dataclass(frozen=True, slots=True)
class ConverterTables:
    """The converters of one macro, each with one row of every table."""

    levels: NDArray[np.int64]
    """(rows, levels): decision levels and saturation levels, sorted. [2**-12 LSB]"""
    outcomes: NDArray[np.int32]
    """(rows, levels + 1): twice the value of each interval's code [LSB], plus 1 if it saturates."""
    bins: NDArray[np.int32]
    """(rows, 1 + bins): interval below the first bin (0), then at the lower end of each bin; the
    last bin reaches up forever."""
    origin: int
    """Lower end of the first bin. [2**-12 LSB]"""
    shift: int
    """A bin is ``2**shift`` wide. [2**-12 LSB]"""
    row_of: NDArray[np.int32]
    """(slice conversions, cols): converter of each matrix column."""
    sigma: NDArray[np.float64]
    """Rms noise by index of the ideal sum, counted from the lowest. [2**-12 LSB]"""
    sigma_step: int
    """0 if the noise is the same for every sum, so that every index finds the one entry; else 1."""

    @property
    def noisy(self) -> bool:
        """Whether any conversion is noisy."""
        return bool(self.sigma.any())

    @property
    def reach(self) -> int:
        """Noise is never larger than this, either way. [2**-12 LSB]"""
        return (
            int(np.ceil(TAIL_SIGMAS * float(self.sigma.max(initial=0.0)))) + 1 if self.noisy else 0
        )

    def intervals(self, inputs: NDArray[np.int64], row: int) -> NDArray[np.int64]:
        """Interval of each input at the converter ``row``."""
        return np.searchsorted(self.levels[row], inputs, side="right")

    def certain(self, sums: int, below: int, above: int) -> bool:
        """Whether sums ``0 .. sums`` keep their outcome if moved by ``-below`` to ``above``."""
        ideal = np.arange(sums + 1, dtype=np.int64) * CURRENT_ONE
        return all(
            np.array_equal(self.intervals(ideal - below, row), self.intervals(ideal + above, row))
            for row in range(len(self.levels))
        )


@dataclass(frozen=True, slots=True)
class CurrentTables:
    """Outcomes by bins of the input, for kernels that convert many columns at once."""

    entries: NDArray[np.int32]
    """(converters, bins), flat: outcome of a bin, or ``UNDECIDED`` where a level lies inside. The
    first and the last bin reach on forever."""
    grid: NDArray[np.int32]
    """Lower end of the first bin [2**-12 LSB], ``log2`` of their width, last bin."""
    lows: NDArray[np.int32]
    highs: NDArray[np.int32]
    """Bounds of the noise by the first ``QUANTILE_BITS`` bits of a draw. [2**-12 LSB]"""


@dataclass(frozen=True, slots=True)
class CountTables:
    """Outcomes by ideal count, for converters whose inputs are whole LSB."""

    entries: NDArray[np.int32]
    """Outcome by (converter, count, first bits of the draw), flat; or ``UNDECIDED``. One more count
    than there are sums stands for columns that do not exist: their outcome is 0."""
    counts: int
    """Counts per converter, that one included."""
    head_bits: int
    """How many first bits of a draw the table knows."""
    first: NDArray[np.int64]
    """(converter * counts + count): interval below which a draw never falls."""
    reached: NDArray[np.uint64]
    """(converter * counts + count, levels): draw from which on the next interval is reached."""

    @property
    def clips_at(self) -> int | None:
        """The top code, if one converter for all gives every count as it is, up to a top."""
        if self.head_bits or len(self.entries) != self.counts:
            return None
        values = self.entries[:-1] >> 1
        top = int(values.max(initial=0))
        linear = np.array_equal(values, np.minimum(np.arange(len(values)), top))
        return top if linear else None

    @property
    def lossless(self) -> bool:
        """Whether every conversion gives its count."""
        return self.clips_at == self.counts - 2


def converter_tables(transfer: AdcTransfer) -> ConverterTables:
    """Sort the levels of every converter and say what lies between them.

    Raises
    ------
    ModelRangeError
        If a code stands for more than ``2**30`` LSB.
    """
    rows, count = transfer.thresholds.shape
    ends = np.tile([[transfer.saturates_below, transfer.saturates_from]], (rows, 1))
    merged = np.concatenate([transfer.thresholds, ends], axis=1)
    order = np.argsort(merged, axis=1, kind="stable")
    levels = np.take_along_axis(merged, order, axis=1)
    passed = np.zeros((rows, count + 3), np.int64)
    np.cumsum(order < count, axis=1, out=passed[:, 1:])
    above_low, above_high = (
        np.concatenate(
            [np.zeros((rows, 1), np.bool_), np.cumsum(order == count + end, axis=1) > 0], axis=1
        )
        for end in (0, 1)
    )
    values = (transfer.lowest + passed) * transfer.lsb_per_code
    if values.size and int(np.abs(values).max()) >= VALUE_MAX:
        raise ModelRangeError(
            f"codes stand for up to {int(np.abs(values).max())} LSB, beyond the {VALUE_MAX} that "
            "are modelled; lower active_rows, the bits per cell or the bits per cycle"
        )
    outcomes = (2 * values + (~above_low | above_high)).astype(np.int32)
    origin, shift = _bin_grid(levels, transfer.lsb_per_code)
    edges = origin + (np.arange((int(levels.max()) - origin >> shift) + 2) << shift)
    bins = np.zeros((rows, len(edges) + 1), np.int32)
    for row in range(rows):
        bins[row, 1:] = np.searchsorted(levels[row], edges, side="right")
    sigma = transfer.sigma_lsb * CURRENT_ONE
    return ConverterTables(
        levels=np.ascontiguousarray(levels),
        outcomes=outcomes,
        bins=bins,
        origin=origin,
        shift=shift,
        row_of=np.ascontiguousarray(transfer.converter_of, dtype=np.int32),
        sigma=sigma,
        sigma_step=int(len(sigma) > 1),
    )


def _bin_grid(levels: NDArray[np.int64], lsb_per_code: int) -> tuple[int, int]:
    """Bins that start at a level and are as wide as a code, or wider where memory asks for it."""
    origin = int(levels[:, min(1, levels.shape[1] - 1)].min())
    shift = (lsb_per_code * CURRENT_ONE).bit_length() - 1
    while len(levels) * ((int(levels.max()) - origin >> shift) + 2) > _BINS_MAX:
        shift += 1
    return origin - (1 << shift), shift


def count_tables(tables: ConverterTables, sums: int, *, noisy: bool) -> CountTables | None:
    """Outcomes of all counts ``0 .. sums``, or ``None`` where the table would be too large."""
    rows, counts = len(tables.levels), sums + 2
    if rows * counts > _COUNT_TABLE_MAX:
        return None
    inputs = np.arange(sums + 1, dtype=np.int64) * CURRENT_ONE
    if not noisy:
        entries = np.zeros((rows, counts), np.int32)
        for row in range(rows):
            entries[row, :-1] = tables.outcomes[row, tables.intervals(inputs, row)]
        nothing = np.zeros((1, 1), np.uint64)
        return CountTables(entries.ravel(), counts, 0, np.zeros(1, np.int64), nothing)
    return _noisy_count_tables(tables, inputs, counts)


def _noisy_count_tables(
    tables: ConverterTables, inputs: NDArray[np.int64], counts: int
) -> CountTables | None:
    rows, reach = len(tables.levels), tables.reach
    head_bits = min(HEAD_BITS, int(_DRAW_TABLE_MAX // (rows * counts)).bit_length() - 1)
    first = np.zeros((rows, counts), np.int64)
    last = np.zeros((rows, counts), np.int64)
    for row in range(rows):
        first[row, :-1] = tables.intervals(inputs - reach, row)
        last[row, :-1] = tables.intervals(inputs + reach, row)
    width = max(1, int((last - first).max()))
    if head_bits < 4 or rows * counts * width << head_bits > _WORK_MAX:
        return None
    reached = np.full((rows, counts, width), 1 << UNIFORM_BITS, np.uint64)
    entries = np.zeros((rows, counts, 1 << head_bits), np.int32)
    lowest = np.arange(1 << head_bits, dtype=np.uint64) << np.uint64(UNIFORM_BITS - head_bits)
    highest = lowest + np.uint64((1 << (UNIFORM_BITS - head_bits)) - 1)
    sigma = np.broadcast_to(tables.sigma, (len(inputs),))
    for row in range(rows):
        place = np.minimum(first[row, :-1, None] + np.arange(width), tables.levels.shape[1] - 1)
        levels = tables.levels[row, place]
        draws = first_uniform_reaching(levels - inputs[:, None], sigma[:, None] / CURRENT_ONE)
        exists = first[row, :-1, None] + np.arange(width) < last[row, :-1, None]
        reached[row, :-1] = np.where(exists, draws, np.uint64(1 << UNIFORM_BITS))
        surely = (reached[row, :-1, None, :] <= lowest[:, None]).sum(axis=2)
        maybe = (reached[row, :-1, None, :] <= highest[:, None]).sum(axis=2)
        outcome = tables.outcomes[row, first[row, :-1, None] + surely]
        entries[row, :-1] = np.where(surely == maybe, outcome, UNDECIDED)
    return CountTables(
        entries.ravel(), counts, head_bits, first.ravel(), reached.reshape(rows * counts, width)
    )


def current_tables(tables: ConverterTables, largest: int, *, noisy: bool) -> CurrentTables | None:
    """Outcomes by bins, or ``None`` where noise depends on the sum or 32 bits do not hold a sum.

    Parameters
    ----------
    tables
        The converters.
    largest
        No column sum is larger, either way. [2**-12 LSB]
    noisy
        Whether noise can change anything.
    """
    rows, low, high = len(tables.levels), int(tables.levels.min()), int(tables.levels.max())
    reach = tables.reach if noisy else 0
    if (noisy and tables.sigma_step) or max(largest + reach, -low, high) >= 1 << 29:
        return None
    shift = tables.shift
    if not bool(((tables.levels - tables.origin) & ((1 << shift) - 1) == 0).all()):
        most = _SHARED_BINS_MAX if rows == 1 else _OWN_BINS_MAX // rows
        shift = max(0, (-(-(high - low) // most)).bit_length())
    origin = low - (2 << shift) + ((tables.origin - low) & ((1 << shift) - 1))
    edges = origin + (np.arange((high - origin >> shift) + 3, dtype=np.int64) << shift)
    if rows * (len(edges) - 1) > _OWN_BINS_MAX:
        return None
    entries = np.empty((rows, len(edges) - 1), np.int32)
    for row in range(rows):
        first, last = tables.intervals(edges[:-1], row), tables.intervals(edges[1:] - 1, row)
        entries[row] = np.where(first == last, tables.outcomes[row, first], UNDECIDED)
    grid = np.array([origin, shift, len(edges) - 2], np.int32)
    if not noisy:
        nothing = np.zeros(1 << QUANTILE_BITS, np.int32)
        return CurrentTables(entries.ravel(), grid, nothing, nothing)
    bounds = np.floor(noise_quantiles() * float(tables.sigma[0])).astype(np.int32)
    return CurrentTables(entries.ravel(), grid, bounds[:-1] - 1, bounds[1:] + 1)


@cache
def noise_quantiles() -> NDArray[np.float64]:
    """Bounds of a standard Gaussian by the first bits of its draw, from the lowest up."""
    from scipy.special import ndtri  # costs 0.2 s to import; only noisy converters need it

    share = np.arange((1 << QUANTILE_BITS) + 1) / float(1 << QUANTILE_BITS)
    quantiles: NDArray[np.float64] = ndtri(share)
    quantiles[0], quantiles[-1] = -TAIL_SIGMAS, TAIL_SIGMAS
    return quantiles
