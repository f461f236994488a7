"""The definition of conversion noise: one uniform number per conversion, drawn by hashing.

Which question this module answers: *by how much does noise move this conversion's input, and why is
that the same whatever the order of the work?*

A conversion has a place: number of the input vector within the run, conversion of input cycles
(bit-plane), row group, conversion of slices, column. Key and place are hashed to 53 random bits
``u``. The noise is the Gaussian quantile of ``(u + 1/2) / 2**53``, rounded down to ``2**-12`` LSB.
As column sums ``v`` and decision levels ``T`` are integers of that unit, rounding down loses
nothing: ``v + noise >= T`` exactly where ``v + floor(noise) >= T``. So::

    code = lowest + number of levels T with u >= round(2**53 * Phi((T - v) / sigma))

The compiled kernels decide most conversions by the first bits of ``u`` and look at the others only
where those leave two codes open; they agree with this module bit for bit.

Not modelled: events rarer than ``2**-53``; noise correlated between conversions.

References
----------
.. [1] G. L. Steele, D. Lea, C. H. Flood, "Fast splittable pseudorandom number generators", OOPSLA
   2014: SplitMix64, whose finaliser is the hash.
"""

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from pimsim.analog.cells import CURRENT_ONE

UNIFORM_BITS: Final = 53
"""Resolution of the uniform number behind each draw; rarer events are not drawn."""

HEAD_BITS: Final = 16
"""First bits of a draw, of which one hash holds four: those of four neighbouring columns."""

TAIL_SIGMAS: Final = 8.3
"""Beyond this many standard deviations a Gaussian has less than ``2**-53`` of its mass."""

GOLDEN: Final = 0x9E3779B97F4A7C15
MIX_1: Final = 0xBF58476D1CE4E5B9
MIX_2: Final = 0x94D049BB133111EB
TAIL_SALT: Final = 0xD1B54A32D192ED03
"""Keeps the hashes of first and further bits apart: 2**64 / 1.3247 (plastic number), made odd."""


@dataclass(frozen=True, slots=True)
class Places:
    """How many places a product has: the counters of its draws."""

    groups: int
    """Row groups of the whole matrix."""
    slices: int
    """Conversions of slices per column."""
    cols: int
    """Columns of the whole matrix."""

    @property
    def words(self) -> int:
        """Hashes per read and slice."""
        return -(-self.cols // 4)

    def first_word(self, plane: int, group: int, position: int) -> int:
        """Counter of the hash behind columns 0 to 3."""
        return ((plane * self.groups + group) * self.slices + position) * self.words


def uniforms(
    key: int,
    rows: NDArray[np.int64],
    places: Places,
    *,
    plane: int,
    group: int,
    position: int,
) -> NDArray[np.uint64]:
    """Draw the uniform numbers of one read of some vectors, one slice of all columns.

    Parameters
    ----------
    key
        Key of the product's read noise.
    rows
        Numbers of the vectors within the whole run.
    places
        Extent of the product.
    plane, group, position
        Which conversion of input cycles, row group and conversion of slices.

    Returns
    -------
    NDArray
        (rows, cols), each ``0 <= u < 2**53``.

    Examples
    --------
    >>> draws = uniforms(1, np.arange(3), Places(groups=1, slices=1, cols=5), plane=0, group=0,
    ...                  position=0)
    >>> draws.shape, bool((draws < 2**53).all())
    ((3, 5), True)
    """
    with np.errstate(over="ignore"):
        row_keys = _mix(_mix(np.array(key, np.uint64)) + rows.astype(np.uint64) * _u64(GOLDEN))
        tail_keys = _mix(row_keys ^ _u64(TAIL_SALT))
        columns = np.arange(places.cols, dtype=np.uint64)
        first = _u64(places.first_word(plane, group, position))
        heads = _mix(row_keys[:, None] + (first + columns // _u64(4)) * _u64(GOLDEN))
        tails = _mix(tail_keys[:, None] + (first * _u64(4) + columns) * _u64(GOLDEN))
    shift = (columns % _u64(4)) * _u64(HEAD_BITS)
    head = (heads >> shift) & _u64((1 << HEAD_BITS) - 1)
    rest = UNIFORM_BITS - HEAD_BITS
    drawn: NDArray[np.uint64] = (head << _u64(rest)) | (tails >> _u64(64 - rest))
    return drawn


def first_uniform_reaching(
    distance: NDArray[np.int64], sigma_lsb: NDArray[np.float64] | float
) -> NDArray[np.uint64]:
    """Return the smallest ``u`` whose noise is ``distance`` or more.

    Parameters
    ----------
    distance
        Decision level minus column sum. [2**-12 LSB]
    sigma_lsb
        Rms noise; without any (0), the noise reaches distances up to 0. [LSB]

    Examples
    --------
    >>> first_uniform_reaching(np.array([0, 4096]), 1.0) / 2.0**53
    array([0.5       , 0.84134475])
    >>> first_uniform_reaching(np.array([0, 1]), 0.0).tolist() == [0, 2**53]
    True
    """
    from scipy.special import ndtr  # costs 0.2 s to import; only noisy converters need it

    top = float(1 << UNIFORM_BITS)
    sigma = np.broadcast_to(np.asarray(sigma_lsb, np.float64) * CURRENT_ONE, distance.shape)
    score = np.where(distance > 0, np.inf, -np.inf)
    np.divide(distance, sigma, out=score, where=sigma > 0)
    reached: NDArray[np.uint64] = np.rint(ndtr(score) * top).astype(np.uint64)
    return reached


def _u64(value: int) -> np.uint64:
    return np.uint64(value)


def _mix(value: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """Scramble 64 bits: the finaliser of SplitMix64 [1]_."""
    value = (value ^ (value >> _u64(30))) * _u64(MIX_1)
    value = (value ^ (value >> _u64(27))) * _u64(MIX_2)
    return value ^ (value >> _u64(31))
