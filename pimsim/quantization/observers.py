"""Which range of a tensor its codes should cover.

Which question this module answers: *what is the largest magnitude that the codes of this operand
reach, if not the largest that ever occurred?*

An observer is named in ``numerics.observer``:

* ``absolute_max``: nothing that occurred on the calibration samples is clipped;
* ``percentile``: the share ``numerics.percentile_ratio`` of the magnitudes fits, nearest rank.
  Zeros have no say: they are exact on every scale, and a masked or rectified tensor is mostly
  zeros;
* ``mse``: the range whose codes have the smallest mean square error, of ranges 2**(-k/16) of the
  largest magnitude, ``k`` = 0 to 112; of equal ones the widest.

Observers set the ranges of what the crossbars multiply, whose codes are few. Tensors of 16 bits,
before functions and additions, always keep their largest magnitude.

Magnitudes are counted in a histogram whose bins are the 12-bit numbers that every calibration
statistic is rounded up to (:mod:`pimsim.quantization.calibration`). Rounding keeps the order, so
that a percentile is exact, however many samples stream by, and a tensor takes 4 MiB at most.
"""

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Literal, final

import numpy as np
from numpy.typing import NDArray

from pimsim.config.architecture import Numerics

__all__ = ["Histogram", "Observer", "Statistics", "operand_range"]

STATISTIC_BITS: Final = 12
"""Significant bits of a calibration statistic. [bit]"""

_DROPPED_BITS: Final = 24 - STATISTIC_BITS
"""Of the 24 significant bits of single precision. [bit]"""
_INFINITE_BIN: Final = 0x7F800000 >> _DROPPED_BITS
_CHUNK_ELEMENTS: Final = 1 << 18
"""Elements that are counted together: their temporary copies fit a processor's cache."""
_STEPS_PER_OCTAVE: Final = 16
_OCTAVES: Final = 7
_LARGEST_ERROR_BITS: Final = 12
"""Wider codes are so fine that clipping never pays. [bit]"""

Kind = Literal["absolute_max", "percentile", "mse"]


@final
@dataclass(frozen=True, slots=True)
class Observer:
    """How ranges are chosen."""

    kind: Kind = "absolute_max"
    percentile_ratio: float | None = None
    """Share of the non-zero magnitudes that must fit, of ``percentile`` alone."""

    @classmethod
    def of(cls, numerics: Numerics) -> "Observer":
        """The observer that an architecture names."""
        return cls(numerics.observer, numerics.percentile_ratio)


@final
@dataclass(slots=True)
class Histogram:
    """Magnitudes of one tensor, rounded up to 12 significant bits.

    Examples
    --------
    >>> seen = Histogram()
    >>> seen.add(np.array([0.0, 1.0, -1.0, 3.0001], np.float32))
    >>> [found.tolist() for found in seen.counts()]
    [[1.0, 3.0009765625], [2, 1]]
    """

    first_bin: int = 0
    bins: NDArray[np.int64] = field(default_factory=lambda: np.zeros(0, np.int64))

    def add(self, values: NDArray[Any]) -> None:
        """Count the magnitudes of a part of the tensor; zeros and infinities are left out."""
        flat = np.ascontiguousarray(values, np.float32).reshape(-1).view(np.uint32)
        for start in range(0, flat.size, _CHUNK_ELEMENTS):
            part = flat[start : start + _CHUNK_ELEMENTS] & np.uint32(0x7FFFFFFF)
            part += np.uint32((1 << _DROPPED_BITS) - 1)
            part >>= np.uint32(_DROPPED_BITS)
            self._count(part)

    def _count(self, numbers: NDArray[np.uint32]) -> None:
        """Take numbers of bins, 0 for zeros and the largest for what is not finite."""
        first, last = int(numbers.min()), int(numbers.max())
        found = np.bincount((numbers - np.uint32(first)).astype(np.intp))
        if first == 0:  # zeros
            first, found = 1, found[1:]
        if last >= _INFINITE_BIN:
            found = found[: _INFINITE_BIN - first]
        if found.size:
            self._merge(first, found)

    def _merge(self, first: int, found: NDArray[np.int64]) -> None:
        if not self.bins.size:
            self.first_bin, self.bins = first, found.astype(np.int64)
            return
        start = min(first, self.first_bin)
        stop = max(first + found.size, self.first_bin + self.bins.size)
        if (start, stop - start) != (self.first_bin, self.bins.size):
            wider = np.zeros(stop - start, np.int64)
            wider[self.first_bin - start :][: self.bins.size] = self.bins
            self.first_bin, self.bins = start, wider
        self.bins[first - start :][: found.size] += found

    def counts(self) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
        """Magnitudes in increasing order, rounded up, and how often each occurred."""
        occupied = np.flatnonzero(self.bins)
        numbers = (occupied + self.first_bin).astype(np.uint32) << np.uint32(_DROPPED_BITS)
        return numbers.view(np.float32).astype(np.float64), self.bins[occupied]

    def percentile(self, ratio: float) -> float:
        """Smallest magnitude that at least ``ratio`` of the non-zero ones do not exceed.

        Examples
        --------
        >>> seen = Histogram()
        >>> seen.add(np.arange(1, 101, dtype=np.float32))
        >>> seen.percentile(0.9), seen.percentile(0.901), seen.percentile(1.0)
        (90.0, 91.0, 100.0)
        """
        magnitudes, counts = self.counts()
        if not counts.size:
            return 0.0
        upto = np.cumsum(counts)
        rank = min(max(1, math.ceil(ratio * int(upto[-1]) - 1e-9)), int(upto[-1]))
        return float(magnitudes[np.searchsorted(upto, rank)])

    def least_error_range(self, bits: int) -> float:
        """Range whose signed, symmetric codes of ``bits`` have the smallest mean square error.

        Notes
        -----
        With ``s = range / (2**(bits - 1) - 1)`` the error of a magnitude ``x`` is
        ``x - s * min(round(x / s), 2**(bits - 1) - 1)``: rounding below the range, clipping above.
        """
        magnitudes, counts = self.counts()
        if not counts.size:
            return 0.0
        largest = float(magnitudes[-1])
        if bits > _LARGEST_ERROR_BITS:
            return largest
        limit = (1 << (bits - 1)) - 1
        best, least = largest, math.inf
        for step in range(_STEPS_PER_OCTAVE * _OCTAVES + 1):
            reach = round_statistic(largest * 2.0 ** (-step / _STEPS_PER_OCTAVE))
            scale = reach / limit
            codes = np.minimum(np.rint(magnitudes / scale), limit)
            error = float(np.square(magnitudes - codes * scale) @ counts)
            if error < least:
                best, least = reach, error
        return best


@final
@dataclass(frozen=True, slots=True, eq=False)
class Statistics(Mapping[str, float]):
    """Largest magnitude of every tensor, and the distribution of those that need one.

    A mapping from tensor to largest magnitude, equal to any other with the same items, so that a
    scheme that wants no more can take it for one.
    """

    largest: Mapping[str, float]
    observer: Observer = Observer()
    histograms: Mapping[str, Histogram] = field(default_factory=dict)
    _found: dict[tuple[str, int], float] = field(default_factory=dict)

    def __getitem__(self, tensor: str) -> float:
        return self.largest[tensor]

    def __iter__(self) -> Iterator[str]:
        return iter(self.largest)

    def __len__(self) -> int:
        return len(self.largest)

    def range_of(self, tensor: str, bits: int) -> float:
        """Magnitude that codes of ``bits`` for ``tensor`` should reach."""
        if tensor not in self.histograms:
            return self.largest[tensor]
        if (tensor, bits) not in self._found:
            seen = self.histograms[tensor]
            self._found[tensor, bits] = (
                seen.least_error_range(bits)
                if self.observer.percentile_ratio is None
                else seen.percentile(self.observer.percentile_ratio)
            )
        return self._found[tensor, bits]


def operand_range(statistics: Mapping[str, float], tensor: str, bits: int) -> float:
    """Magnitude that an operand's codes should reach, as the observer chose it.

    Parameters
    ----------
    statistics
        From :func:`pimsim.quantization.calibration.calibrate`, or plain largest magnitudes.
    tensor
        Of the traced graph.
    bits
        Width of a code. [bit]

    Examples
    --------
    >>> operand_range({"x": 2.5}, "x", 8)
    2.5
    """
    if isinstance(statistics, Statistics):
        return statistics.range_of(tensor, bits)
    return statistics[tensor]


def round_statistic(value: float) -> float:
    """Round up to :data:`STATISTIC_BITS` significant bits.

    Examples
    --------
    >>> round_statistic(1.0), round_statistic(1.0001)
    (1.0, 1.00048828125)
    """
    if value <= 0.0:
        return 0.0
    mantissa, exponent = math.frexp(value)
    return math.ldexp(math.ceil(mantissa * (1 << STATISTIC_BITS)), exponent - STATISTIC_BITS)
