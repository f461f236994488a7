"""The range of a converter: which column sums its codes cover, and how coarsely.

Which question this module answers: *how many steps is a code wide, and where does the converter
clip?*

A code is a whole number of column-sum steps (LSB) wide, so that code 0 is a sum of 0 and sums of
conducting cells fall on codes, not between them. The range is *full* (all sums that can occur),
*clipped* (a stated share of them) or *calibrated*: what the sums of calibration samples need,
found once by :func:`calibrate_range` at the nominal operating point and frozen.
"""

from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from jaxtyping import Int, Int64
from numpy.typing import NDArray

from pimsim.analog.coding import encode_inputs, encode_weights, readout, sum_range
from pimsim.config.converters import CodeRange
from pimsim.config.macros import Macro
from pimsim.errors import ModelRangeError

_VECTORS_AT_ONCE: Final = 256
"""Bounds the memory of a histogram; moves no count."""


@dataclass(frozen=True, slots=True)
class ConverterRange:
    """Codes of a converter and what they stand for."""

    codes: int
    lowest: int
    """Code of index 0; below 0 where column sums can be negative."""
    lsb_per_code: int
    """Width of one code. [LSB]"""

    @property
    def full_scale_lsb(self) -> int:
        """From the lowest to the highest code: what errors are a ratio of. [LSB]"""
        return (self.codes - 1) * self.lsb_per_code

    def values(self) -> Int64[np.ndarray, " codes"]:
        """Column sum that each code stands for. [LSB]"""
        return (self.lowest + np.arange(self.codes, dtype=np.int64)) * self.lsb_per_code


@dataclass(frozen=True, slots=True)
class RangeReport:
    """What a calibrated range does to the sums that it was found from."""

    chosen: ConverterRange
    full: ConverterRange
    conversions: int
    """Column sums of the calibration samples."""
    clipped_ratio: float
    """Share of them beyond the outermost decision levels by more than half a step."""
    rms_error_lsb: float
    """Clipping and steps together, at the chosen range. [LSB]"""
    full_rms_error_lsb: float
    """The same at the full range. [LSB]"""

    def __str__(self) -> str:
        low, high = (int(value) for value in self.chosen.values()[[0, -1]])
        return (
            f"{self.chosen.codes} codes of {self.chosen.lsb_per_code} LSB cover {low} to {high} "
            f"LSB; {100 * self.clipped_ratio:.3g} % of {self.conversions:,} sums clip, rms error "
            f"{self.rms_error_lsb:.3g} LSB (full range: {self.full.lsb_per_code} LSB per code, "
            f"{self.full_rms_error_lsb:.3g} LSB)"
        )


def converter_range(macro: Macro) -> ConverterRange:
    """Range and step of the macro's converters.

    Raises
    ------
    ModelRangeError
        If the range is to be calibrated and has not been.

    Notes
    -----
    For sums from ``-n`` to ``p`` the step is the smallest whole number of LSB with
    ``ceil(n / step) + ceil(p / step) <= codes``. A converter with one code less than there are
    sums thus saturates at the largest sum only. Codes to spare go to the top of a range that
    starts at 0, and to both ends of one that does not.

    Examples
    --------
    >>> from pimsim.analog import ideal_macro
    >>> converter_range(ideal_macro(rows=32, cols=8, active_rows=32, weight_bits=4, input_bits=4,
    ...                             adc_levels=8))
    ConverterRange(codes=8, lowest=0, lsb_per_code=4)
    """
    adc = macro.adc
    if adc.range == "calibrated":
        if adc.calibrated is None:
            raise ModelRangeError(
                "adc.range is 'calibrated', but no range has been found from calibration samples; "
                "run calibrate_range and set adc.calibrated, or choose range 'full'"
            )
        found = adc.calibrated
        return ConverterRange(adc.codes, found.lowest_code, found.lsb_per_code)
    lowest, highest = sum_range(macro)
    ratio = 1.0 if adc.clip_ratio is None else adc.clip_ratio
    return _covering(int(np.ceil(-lowest * ratio)), int(np.ceil(highest * ratio)), adc.codes)


def _covering(below: int, above: int, codes: int) -> ConverterRange:
    step = max(1, -(-(below + above) // codes))
    while -(-below // step) + -(-above // step) > codes:
        step += 1
    return ConverterRange(codes, _lowest(below, above, codes, step), step)


def _lowest(below: int, above: int, codes: int, step: int) -> int:
    if below == 0:
        return 0
    needed = -(-below // step)
    spare = codes - needed - -(-above // step)
    return -(needed + spare // 2)


def sum_histogram(
    weights: Int[np.ndarray, "rows cols"], inputs: Int[np.ndarray, "batch rows"], macro: Macro
) -> Int64[np.ndarray, " sums"]:
    """Count the ideal inputs of all conversions of a product, from the smallest possible sum up.

    Parameters
    ----------
    weights, inputs
        As for :func:`pimsim.analog.mvm`; any number of rows, cut into macros and groups in order.
    macro
        The kind of macro; its converter is not used.

    Raises
    ------
    TypeError, ModelRangeError
        If an operand does not fit its coding.
    """
    lowest, highest = sum_range(macro)
    out = readout(macro)
    stored = encode_weights(weights, macro).digits.astype(np.float64)
    histogram = np.zeros(highest - lowest + 1, np.int64)
    for first in range(0, len(inputs), _VECTORS_AT_ONCE):
        part = inputs[first : first + _VECTORS_AT_ONCE]
        driven = encode_inputs(part, macro).digits.astype(np.float64)
        for group in row_groups(len(weights), macro):
            mixed = np.tensordot(out.slices.astype(np.float64), stored[:, group], axes=1)
            for planes in out.planes.astype(np.float64):
                drive = np.tensordot(planes, driven[:, :, group], axes=1)
                sums = np.matmul(drive, mixed).astype(np.int64)  # exact: far below 2**53
                histogram += np.bincount(sums.ravel() - lowest, minlength=len(histogram))
    return histogram


def row_groups(rows: int, macro: Macro) -> list[slice]:
    """Rows that are read together: macros of ``crossbar.rows``, groups of ``active_rows``."""
    height, active = macro.crossbar.rows, macro.crossbar.active_rows
    groups = []
    for block in range(0, rows, height):
        stop = min(block + height, rows)
        groups += [slice(first, min(first + active, stop)) for first in range(block, stop, active)]
    return groups


def calibrate_range(
    histogram: Int[np.ndarray, " sums"], macro: Macro
) -> tuple[CodeRange, RangeReport]:
    """Find the range that loses least of the column sums of calibration samples.

    Parameters
    ----------
    histogram
        How often each ideal sum occurred, from the smallest possible (:func:`coding.sum_range`) to
        the largest; as from :func:`sum_histogram`.
    macro
        ``adc.levels`` or ``adc.bits`` set the number of codes.

    Returns
    -------
    CodeRange
        To be stored as ``adc.calibrated``.
    RangeReport
        What it clips and how coarse it is, beside the full range.

    Raises
    ------
    ModelRangeError
        If the histogram is empty, has negative counts or does not have one entry per sum.

    Notes
    -----
    All whole steps up to the full range's are tried, and for each all positions of the range that
    contain 0 and the sums that occurred as far as they fit; the smallest mean squared error of an
    ideal mid-tread conversion wins, the smaller step on a tie. Noise and converter errors are left
    out: the range is found at the nominal corner on a perfect converter.

    Examples
    --------
    Sums that stay below 8 need only a quarter of the range of 32 rows.

    >>> from pimsim.analog import ideal_macro
    >>> macro = ideal_macro(rows=32, cols=8, active_rows=32, weight_bits=4, input_bits=4,
    ...                     adc_levels=8)
    >>> found, report = calibrate_range(np.array([1] * 8 + [0] * 25), macro)
    >>> found.lsb_per_code, report.rms_error_lsb, round(report.full_rms_error_lsb, 3)
    (1, 0.0, 1.225)
    """
    counts = _checked(histogram, macro)
    lowest = sum_range(macro)[0]
    sums = lowest + np.arange(len(counts), dtype=np.int64)
    used = counts > 0
    sums, share = sums[used], counts[used] / counts.sum()
    full = _covering(-lowest, lowest + len(counts) - 1, macro.adc.codes)
    best, chosen = np.inf, full
    for step in range(1, full.lsb_per_code + 1):
        error, candidate = _best_position(sums, share, macro.adc.codes, step)
        if error < best:
            best, chosen = error, candidate
    report = RangeReport(
        chosen=chosen,
        full=full,
        conversions=int(counts.sum()),
        clipped_ratio=float(share[_clips(sums, chosen)].sum()),
        rms_error_lsb=float(np.sqrt(_mean_squared_error(sums, share, chosen))),
        full_rms_error_lsb=float(np.sqrt(_mean_squared_error(sums, share, full))),
    )
    return CodeRange(lowest_code=chosen.lowest, lsb_per_code=chosen.lsb_per_code), report


def _checked(histogram: NDArray[Any], macro: Macro) -> NDArray[np.int64]:
    lowest, highest = sum_range(macro)
    if histogram.shape != (highest - lowest + 1,):
        raise ModelRangeError(
            f"the histogram has shape {histogram.shape}, but sums from {lowest} to {highest} need "
            f"({highest - lowest + 1},)"
        )
    if histogram.dtype.kind not in "iu" or histogram.min() < 0 or histogram.sum() == 0:
        raise ModelRangeError(
            "the histogram must hold whole counts from 0 up, at least one of them"
        )
    return histogram.astype(np.int64)


def _best_position(
    sums: NDArray[np.int64], share: NDArray[np.float64], codes: int, step: int
) -> tuple[float, ConverterRange]:
    """Best position of a range of ``codes`` codes of ``step`` LSB that contains 0."""
    below, above = max(0, -int(sums[0])), max(0, int(sums[-1]))
    needed = min(codes - 1, -(-below // step))
    first = min(needed, max(0, codes - 1 - -(-above // step)))
    candidates = [
        ConverterRange(codes, -position, step) for position in range(first, needed + 1)
    ] or [ConverterRange(codes, 0, step)]
    errors = [_mean_squared_error(sums, share, candidate) for candidate in candidates]
    best = int(np.argmin(errors))
    return errors[best], candidates[best]


def _codes_of(sums: NDArray[np.int64], converter: ConverterRange) -> NDArray[np.int64]:
    step = converter.lsb_per_code
    nearest = (2 * sums + step) // (2 * step)
    top = converter.lowest + converter.codes - 1
    clipped: NDArray[np.int64] = np.clip(nearest, converter.lowest, top)
    return clipped


def _clips(sums: NDArray[np.int64], converter: ConverterRange) -> NDArray[np.bool_]:
    error = _codes_of(sums, converter) * converter.lsb_per_code - sums
    beyond: NDArray[np.bool_] = 2 * np.abs(error) > converter.lsb_per_code
    return beyond


def _mean_squared_error(
    sums: NDArray[np.int64], share: NDArray[np.float64], converter: ConverterRange
) -> float:
    error = (_codes_of(sums, converter) * converter.lsb_per_code - sums).astype(np.float64)
    return float(share @ (error * error))
