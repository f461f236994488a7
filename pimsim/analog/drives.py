"""Input vectors on the word lines of one row block, and the tally of what they cause.

Which question this module answers: *what goes into the crossbar of a block, and what is counted?*
"""

from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from pimsim.analog.coding import load_max
from pimsim.analog.packed_inputs import PackedInputs
from pimsim.config.macros import Macro

CHUNK_VECTORS: Final = 32
"""Vectors per parallel job; results do not depend on it."""


@dataclass(frozen=True, slots=True)
class Drive:
    """Input vectors on the word lines of one row block."""

    digits: NDArray[np.uint8]
    """(planes, matrices * vectors, rows)."""
    values: NDArray[Any]
    """(matrices * vectors, rows): the integers that they stand for."""
    kept: NDArray[np.bool_] | None
    """(planes, matrices * vectors, groups): row groups that are read; ``None``: all."""
    row_ids: NDArray[np.int64]
    """Vector → its number within the whole run, which keys its noise."""
    matrices: int
    """Stored matrices that take equal shares of the vectors, in order."""
    packed: PackedInputs | None = None
    """Reads that take rows from anywhere in the block; ``None``: row groups are read."""
    first_matrix: int = 0
    """Number of the first matrix within the whole product: instances take them in turn."""
    counted: bool = True
    """Whether conversions are to be counted; a tally may be empty if not."""

    @property
    def vectors(self) -> int:
        """Vectors on all matrices."""
        return int(self.digits.shape[1])

    @property
    def vectors_per_matrix(self) -> int:
        """Vectors on each stored matrix."""
        return self.vectors // max(1, self.matrices)

    @property
    def kept_by_vector(self) -> NDArray[np.bool_]:
        """(vectors, planes, groups): reads that take place; empty: all."""
        if self.kept is None:
            return np.zeros((0, 0, 0), np.bool_)
        return np.ascontiguousarray(self.kept.transpose(1, 0, 2))

    def bits(self, active_rows: int) -> NDArray[np.uint8]:
        """Digits of one bit, eight rows to a byte: (vectors, planes, groups, bytes)."""
        packed = pack_rows(self.digits, active_rows, axis=2)
        planes, vectors, rows = self.digits.shape
        groups = -(-rows // active_rows)
        grouped = packed.reshape(planes, vectors, groups, -(-active_rows // 8))
        return np.ascontiguousarray(grouped.transpose(1, 0, 2, 3))


@dataclass(frozen=True, slots=True)
class Tally:
    """Conversions by the load of their bit lines, ``0 .. load_max``, and saturations."""

    histogram: NDArray[np.int64]
    saturations: int

    @classmethod
    def empty(cls, macro: Macro) -> "Tally":
        """Nothing converted yet."""
        return cls(np.zeros(load_max(macro) + 1, np.int64), 0)

    def __add__(self, other: "Tally") -> "Tally":
        return Tally(self.histogram + other.histogram, self.saturations + other.saturations)


def pack_rows(digits: NDArray[np.uint8], active_rows: int, axis: int) -> NDArray[np.uint8]:
    """Pack eight rows to a byte, lowest bit first, every row group in bytes of its own.

    Examples
    --------
    >>> pack_rows(np.array([1, 0, 1, 1, 1], np.uint8), 3, axis=0).tolist()
    [5, 3]
    """
    rows = digits.shape[axis]
    groups = -(-rows // active_rows)
    wanted = rows if active_rows % 8 == 0 else groups * active_rows
    padding = [(0, wanted - rows if i == axis else 0) for i in range(digits.ndim)]
    padded = np.pad(digits, padding) if wanted > rows else digits
    if active_rows % 8:
        padded = padded.reshape(
            *digits.shape[:axis], groups, active_rows, *digits.shape[axis + 1 :]
        )
        axis += 1
    packed: NDArray[np.uint8] = np.packbits(padded, axis=axis, bitorder="little")
    if active_rows % 8:
        axis -= 1
        return packed.reshape(*digits.shape[:axis], -1, *digits.shape[axis + 1 :])
    short = groups * (active_rows // 8) - packed.shape[axis]
    if short:
        packed = np.pad(packed, [(0, short if i == axis else 0) for i in range(packed.ndim)])
    return packed
