"""Ideal sum and deviation of a column in one number.

Which question this module answers: *how do ideal sums and currents come out of one exact sum?*

An ideal sum and its deviation are packed into one number, ``ideal * 2**bits + deviation``. All such
numbers are whole and, by a bound that is computed, below ``2**24`` (or ``2**53``) in every partial
sum, so that a float32 (or float64) product is exact whatever its order; where no float holds them,
integers are multiplied.
"""

from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from pimsim.analog.blocks import Block
from pimsim.analog.cells import CURRENT_ONE
from pimsim.analog.coding import (
    Readout,
    drive_levels,
    plane_digit_max,
    readout,
    slice_digit_max,
)
from pimsim.config.macros import Macro
from pimsim.errors import ModelRangeError

_BOWED_BITS: Final = 40
"""Bits of a deviation where drive levels are not whole."""

_EXACT_INT32: Final = 1 << 31
_EXACT_FLOAT32: Final = 1 << 24
_EXACT_FLOAT64: Final = 1 << 53
_EXACT_INT64: Final = 1 << 63


@dataclass(frozen=True, slots=True)
class Packing:
    """How ideal sums and deviations share one number, and which type holds it exactly."""

    macro: Macro
    merge: Readout
    bits: int
    """Bits of the deviation."""
    bound: int
    """No partial sum of packed numbers is larger, either way."""
    dtype: Any
    mixes: tuple[bool, bool]
    """Whether planes, and slices, meet before the converter."""

    @property
    def fits_32_bits(self) -> bool:
        """Whether 32-bit integers hold every partial sum."""
        return self.bound < _EXACT_INT32

    @classmethod
    def of(cls, block: Block) -> "Packing":
        """Choose the narrowest type that is exact.

        Raises
        ------
        ModelRangeError
            If column sums do not fit 64-bit integers.
        """
        macro = block.product.macro
        merge, active = readout(macro), macro.crossbar.active_rows
        mixes = tuple(
            not np.array_equal(mix, np.eye(mix.shape[1], dtype=np.int64))
            for mix in (merge.planes, merge.slices)
        )
        drive = int((np.abs(merge.planes) * plane_digit_max(macro)).sum(axis=1).max())
        largest = int((np.abs(merge.slices) * slice_digit_max(macro)).sum(axis=1).max())
        sway = max(block.sway) * int(np.abs(merge.slices).sum(axis=1).max()) * drive
        bits = sway.bit_length() + 1 if sway else 0
        if macro.inputs.dac_inl_ratio:
            bits = _BOWED_BITS
        bound = drive * active * (largest << bits) + 2 * sway
        if bound >= _EXACT_INT64:
            raise ModelRangeError(
                f"column sums reach {bound:.3g} in units of 2**-{bits} LSB, beyond 64 bits; lower "
                "active_rows, the bits per cell or per cycle, or the variation of the cells"
            )
        dtype: Any = np.int64
        if bound < _EXACT_FLOAT64:
            dtype = np.float32 if bound < _EXACT_FLOAT32 else np.float64
        return cls(macro, merge, bits, bound, dtype, (mixes[0], mixes[1]))

    def cells(
        self, digits: NDArray[np.uint8], deviations: NDArray[np.int32] | None
    ) -> NDArray[Any]:
        """Cells of one row group as operand of a product.

        Parameters
        ----------
        digits, deviations
            (slices, matrices, rows, cols).

        Returns
        -------
        NDArray
            (matrices, rows, slice conversions * cols); where drive levels are not whole, digits
            and deviations as they were.
        """
        if self.macro.inputs.dac_inl_ratio:
            missed = np.zeros_like(digits) if deviations is None else deviations
            return np.stack([digits, missed]).astype(np.int64)
        slices, matrices, rows, cols = digits.shape
        packed = np.empty((matrices, rows, slices, cols), self.dtype)
        np.multiply(digits.transpose(1, 2, 0, 3), self.dtype(1 << self.bits), out=packed)
        if deviations is not None:
            packed += deviations.transpose(1, 2, 0, 3)
        if self.mixes[1]:
            packed = np.einsum("hs,mrsc->mrhc", self.merge.slices.astype(self.dtype), packed)
        return packed.reshape(matrices, rows, -1)

    def sums(self, digits: NDArray[np.uint8], cells: NDArray[Any]) -> NDArray[Any]:
        """Packed inputs of all converters: (vectors, plane, slice conversions, cols)."""
        if self.macro.inputs.dac_inl_ratio:
            return self._bowed_sums(digits, cells)
        if self.mixes[0]:
            drive = np.einsum("gp,pvr->vgr", self.merge.planes, digits.astype(np.int64))
        else:
            drive = digits.transpose(1, 0, 2)
        vectors, planes, rows = drive.shape
        driven = drive.astype(self.dtype).reshape(len(cells), -1, rows)
        packed: NDArray[Any] = driven @ cells
        if packed.dtype == np.float64:
            packed = packed.astype(np.int64)
        return packed.reshape(vectors, planes, len(self.merge.slices), -1)

    def loads(
        self,
        digits: NDArray[np.uint8],
        stored: NDArray[np.uint8],
        kept: NDArray[np.bool_] | None,
    ) -> NDArray[np.int64]:
        """What the bit lines of each conversion carry together, one after another. [LSB]"""
        drive = np.einsum("gp,pvr->vgr", self.merge.planes != 0, digits.astype(np.float64))
        cells = np.einsum("hs,smrc->mrhc", self.merge.slices != 0, stored.astype(np.float64))
        matrices, rows = cells.shape[:2]
        found = drive.reshape(matrices, -1, rows) @ cells.reshape(matrices, rows, -1)
        found = found.reshape(*drive.shape[:2], -1)
        loads: NDArray[np.int64] = (found if kept is None else found[kept]).astype(np.int64).ravel()
        return loads

    def _bowed_sums(self, digits: NDArray[np.uint8], cells: NDArray[Any]) -> NDArray[np.int64]:
        """Sums where drive levels are not whole: each is rounded before it meets others."""
        stored, deviations = cells
        by_matrix = digits.reshape(len(digits), stored.shape[1], -1, digits.shape[2])
        currents = stored * CURRENT_ONE + deviations
        product, mix = "pmvr,smrc->mvpsc", "gp,hs,mvpsc->mvghc"
        real = np.einsum(product, drive_levels(self.macro)[by_matrix], currents)
        real = (real + CURRENT_ONE // 2) // CURRENT_ONE
        ideal = np.einsum(product, by_matrix.astype(np.int64), stored)
        real = np.einsum(mix, self.merge.planes, self.merge.slices, real)
        ideal = np.einsum(mix, self.merge.planes, self.merge.slices, ideal)
        packed: NDArray[np.int64] = (ideal << self.bits) + (real - ideal * CURRENT_ONE)
        return packed.reshape(-1, *packed.shape[2:])
