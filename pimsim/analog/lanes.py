"""How the cells of a block lie side by side in the counting kernel.

Which question this module answers: *where in a vector register is each column of cells?*
"""

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from pimsim.analog.drives import pack_rows

LANES_MAX: Final = 512
"""Columns of cells that the counting kernel takes at once: their bits stay in the first cache."""


_REGISTER_BYTES: Final = 64


def _aligned(shape: tuple[int, ...]) -> NDArray[np.uint8]:
    """Zeros that start at a whole vector register, so that no load straddles a cache line."""
    size = int(np.prod(shape))
    room = np.zeros(size + _REGISTER_BYTES, np.uint8)
    start = -room.ctypes.data % _REGISTER_BYTES
    return room[start : start + size].reshape(shape)


@dataclass(frozen=True, slots=True)
class Lanes:
    """Lane ``s * width + c`` of lane block ``b`` holds slice ``s`` of one matrix column.

    Lane blocks start at multiples of four columns of the whole matrix, since one hash serves four
    neighbouring columns; lanes without a column pad both ends.
    """

    lead: int
    """Lanes without a column at the start of each slice of the first lane block."""
    width: int
    """Matrix columns per lane block, a multiple of 4."""
    columns: NDArray[np.int64]
    """(lane blocks, lanes): column within the block, or -1; lanes are a multiple of 64."""
    rows: NDArray[np.int32]
    """(lane blocks, lanes): converter; 0 where there is no column."""
    pads: NDArray[np.bool_]
    """(lane blocks, lanes): whether a lane stands for no column."""

    @classmethod
    def of(cls, first_col: int, cols: int, row_of: NDArray[np.int32]) -> "Lanes":
        """Lay out a block whose first column is ``first_col`` of the whole matrix.

        Parameters
        ----------
        first_col, cols
            Place of the block.
        row_of
            (slices, cols): converter of each column of cells.
        """
        slices, lead = len(row_of), first_col % 4
        most = max(4, LANES_MAX // slices // 4 * 4)
        blocks = -(-(lead + cols) // most)
        width = -(-(lead + cols) // (4 * blocks)) * 4
        blocks = -(-(lead + cols) // width)
        count = -(-slices * width // 64) * 64
        column = np.arange(width) - lead + np.arange(blocks)[:, None] * width
        column = np.where((column >= 0) & (column < cols), column, -1)
        columns = np.full((blocks, count), -1, np.int64)
        columns[:, : slices * width] = np.tile(column, slices)
        position = np.minimum(np.arange(count) // width, slices - 1)
        rows = np.where(columns >= 0, row_of[position, columns], 0).astype(np.int32)
        return cls(lead, width, columns, rows, columns < 0)

    def pack(self, digits: NDArray[np.uint8], active_rows: int) -> NDArray[np.uint8]:
        """Lay contents out, eight rows to a byte.

        Parameters
        ----------
        digits
            (slices, matrices, rows, cols), each 0 or 1.
        active_rows
            Rows per group; each starts with a byte of its own.

        Returns
        -------
        NDArray
            (matrices, lane blocks, bytes, lanes).
        """
        packed = pack_rows(digits, active_rows, axis=2)
        slices, matrices, count, cols = packed.shape
        blocks, lanes = self.columns.shape
        placed = np.zeros((slices, matrices, count, blocks * self.width), np.uint8)
        placed[..., self.lead : self.lead + cols] = packed
        placed = placed.reshape(slices, matrices, count, blocks, self.width)
        bits = _aligned((matrices, blocks, count, lanes))
        bits[..., : slices * self.width] = placed.transpose(1, 3, 2, 0, 4).reshape(
            matrices, blocks, count, slices * self.width
        )
        return bits

    def jobs(
        self, matrices: int, vectors: int, *, threads: int, reads_max: int
    ) -> list[NDArray[np.int64]]:
        """Cut a product into parallel jobs, and those into calls.

        Parameters
        ----------
        matrices, vectors
            Stored matrices, and vectors on each.
        threads
            Some jobs for each, so that all end together.
        reads_max
            Most vectors times lane blocks in one call.

        Returns
        -------
        list of arrays
            (jobs, 4): matrix, lane block, first vector, last vector + 1.
        """
        blocks = len(self.columns)
        wanted = max(1, -(-4 * threads // max(1, matrices * blocks)))
        step = max(1, min(-(-vectors // wanted), reads_max))
        parts = np.meshgrid(
            np.arange(matrices), np.arange(blocks), np.arange(0, vectors, step), indexing="ij"
        )
        matrix, block, first = (part.ravel() for part in parts)
        start = matrix * vectors + first
        stop = np.minimum(start + step, (matrix + 1) * vectors)
        jobs = np.stack([matrix, block, start, stop], axis=1).astype(np.int64)
        per_call = max(1, reads_max // step)
        return [jobs[index : index + per_call] for index in range(0, len(jobs), per_call)]
