"""The engine again, slowly and obviously, to check the fast one against.

Which question this module answers: *is the compiled engine right?*

Plain NumPy, one read of one group of rows at a time, no arithmetic shared with the kernels: it
takes the same tables (digits, cell deviations, decision levels) and follows the definition to the
letter. With the same tables it must equal the engine bit for bit, with the noise of
:mod:`pimsim.analog.draws` too; where the engine samples codes in another way, in distribution.

The definition, per read of at most ``active_rows`` rows, for every plane ``p`` and slice ``s``::

    sum[p, s]    = round(sum over rows of drive[digit_p] * (digit_s + deviation)), in 2**-12 LSB
    input[g, h]  = sum over p, s of planes[g, p] * slices[h, s] * sum[p, s] + noise
    code[g, h]   = lowest + number of decision levels <= input[g, h]
    product     += plane_weights[g] * slice_weights[h] * lsb_per_code * code[g, h]

and the coding's correction is subtracted in the end. A read that the controller skips contributes
nothing.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from jaxtyping import Int, Int64
from numpy.typing import NDArray

from pimsim.analog.coding import (
    Readout,
    check_accumulator,
    correction,
    drive_levels,
    encode_inputs,
    encode_weights,
    load_max,
    readout,
    sum_range,
)
from pimsim.analog.draws import first_uniform_reaching
from pimsim.analog.transfer import AdcTransfer, transfer_of
from pimsim.analog.zero_skipping import kept_reads, packed_reads
from pimsim.config.macros import Macro

FRACTION_BITS = 12
"""Fixed point of currents and of drive levels."""

NoiseDraw = Callable[[int, int, int], NDArray[np.uint64]]
"""(plane conversion, row group, slice conversion) → uniform numbers below ``2**53``, (batch, cols),
as from :func:`pimsim.analog.draws.uniforms`."""


@dataclass(slots=True)
class OracleOutput:
    """What one macro makes of a product, and what it did for it."""

    values: Int64[np.ndarray, "batch cols"]
    histogram: Int64[np.ndarray, " sums"]
    """Conversions by their ideal input, from the smallest possible up."""
    loads: Int64[np.ndarray, " loads"]
    """Conversions by what their bit lines carry together: column sums without analog weights."""
    reads: int = 0
    """Groups of rows driven, over vectors and planes."""
    conversions: int = 0
    saturations: int = 0
    """Conversions whose noisy input lies beyond the outermost codes."""
    service_cycles: NDArray[np.int64] = field(default_factory=lambda: np.zeros((0, 0, 0), np.int64))
    """Reads, (batch, planes, row groups): 1 where the group was driven."""


def product(
    weights: Int[np.ndarray, "rows cols"],
    inputs: Int[np.ndarray, "batch rows"],
    macro: Macro,
    *,
    deviations: NDArray[Any] | None = None,
    transfer: AdcTransfer | None = None,
    noise: NoiseDraw | None = None,
) -> OracleOutput:
    """Multiply vectors by the part of a matrix that one macro holds.

    Parameters
    ----------
    weights, inputs
        Integers that fit the macro's codings; at most ``crossbar.rows`` rows.
    macro
        The kind of macro.
    deviations
        Of each cell's current at its contents, (slices, rows, cols) [2**-12 LSB]; ``None``: none.
    transfer
        Converters of the macro; ``None``: the nominal one.
    noise
        Uniform number of each conversion; the noise is its Gaussian quantile at
        ``transfer.sigma_lsb``. ``None``: no noise.

    Examples
    --------
    >>> from pimsim.analog import ideal_macro
    >>> macro = ideal_macro(rows=4, cols=8, active_rows=2, weight_bits=4, input_bits=4)
    >>> product(np.array([[3], [-8], [7]]), np.array([[-1, 2, 5]]), macro).values.tolist()
    [[16]]
    """
    out, stored, driven = (
        readout(macro),
        encode_weights(weights, macro),
        encode_inputs(inputs, macro),
    )
    converter = transfer_of(macro) if transfer is None else transfer
    error = np.zeros(stored.digits.shape, np.int64) if deviations is None else deviations
    currents = (stored.digits.astype(np.int64) << FRACTION_BITS) + error.astype(np.int64)
    drives = drive_levels(macro)[driven.digits]
    lowest, highest = sum_range(macro)
    cols = weights.shape[1]
    result = OracleOutput(
        np.zeros((len(inputs), cols), np.int64),
        np.zeros(highest - lowest + 1, np.int64),
        np.zeros(load_max(macro) + 1, np.int64),
    )
    read_of, kept = _reads(driven.digits, macro)
    for number in range(kept.shape[2]):
        own = read_of == number
        real = _column_sums(np.where(own, drives, 0), currents, FRACTION_BITS)
        ideal = _column_sums(np.where(own, driven.digits, 0), stored.digits, 0)
        for g in range(len(out.planes)):
            mask = np.any(kept[out.planes[g] != 0, :, number], axis=0)
            for h in range(len(out.slices)):
                load = ideal[out.planes[g] != 0][:, out.slices[h] != 0].sum(axis=(0, 1))[mask]
                result.loads += np.bincount(load.ravel(), minlength=len(result.loads))
                place = _Place(h, int(out.plane_weights[g] * out.slice_weights[h]), lowest, mask)
                draws = None if noise is None else noise(g, number, h)
                _convert(_mixed(out, g, h, real), _mixed(out, g, h, ideal), converter=converter,
                         draws=draws, place=place, result=result)  # fmt: skip
    result.values -= correction(inputs, macro)[:, None]
    check_accumulator(result.values, macro)
    result.reads = int(kept.sum())
    result.service_cycles = kept.astype(np.int64).transpose(1, 0, 2)
    return result


def _reads(digits: NDArray[np.uint8], macro: Macro) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
    """Read of each row (planes, batch, rows), and which take place (planes, batch, reads)."""
    packed = packed_reads(digits, macro)
    if packed is not None:
        reads = np.arange(int(packed.reads.max(initial=0)))
        return packed.read_of.astype(np.int64), reads < packed.reads[:, :, None]
    active = macro.crossbar.active_rows
    kept = kept_reads(digits, scheme=macro.zero_skipping.model, active_rows=active)
    return np.broadcast_to(np.arange(digits.shape[2]) // active, digits.shape), kept


@dataclass(frozen=True, slots=True)
class _Place:
    position: int
    """Slice conversion."""
    weight: int
    """Of its code in the product, without ``lsb_per_code``."""
    lowest_sum: int
    mask: NDArray[np.bool_]
    """Vectors whose read takes place."""


def _column_sums(drives: NDArray[Any], cells: NDArray[Any], drop_bits: int) -> NDArray[np.int64]:
    """Sums over rows for every plane and slice, (planes, slices, batch, cols), rounded half up."""
    half = (1 << drop_bits) >> 1
    planes, batch, _ = drives.shape
    slices, _, cols = cells.shape
    sums = np.zeros((planes, slices, batch, cols), np.int64)
    for p in range(planes):
        for s in range(slices):
            total = drives[p].astype(np.int64) @ cells[s].astype(np.int64)
            sums[p, s] = (total + half) >> drop_bits
    return sums


def _mixed(out: Readout, g: int, h: int, sums: NDArray[np.int64]) -> NDArray[np.int64]:
    mixed = np.zeros(sums.shape[2:], np.int64)
    for p in range(sums.shape[0]):
        for s in range(sums.shape[1]):
            mixed += out.planes[g, p] * out.slices[h, s] * sums[p, s]
    return mixed


def _convert(
    real: NDArray[np.int64],
    ideal: NDArray[np.int64],
    *,
    converter: AdcTransfer,
    draws: NDArray[np.uint64] | None,
    place: _Place,
    result: OracleOutput,
) -> None:
    """Convert (batch, cols) column sums and add what they count."""
    sums = ideal - place.lowest_sum
    sigma = converter.sigma_lsb[sums if len(converter.sigma_lsb) > 1 else np.zeros_like(sums)]

    def reaches(level: NDArray[np.int64] | int) -> NDArray[np.bool_]:
        if draws is None:
            return real >= level
        return draws >= first_uniform_reaching(level - real, sigma)

    levels = converter.thresholds[converter.converter_of[place.position, : real.shape[1]]]
    codes = np.full(real.shape, converter.lowest, np.int64)
    for index in range(converter.codes - 1):
        codes += reaches(levels[:, index])
    beyond = ~reaches(converter.saturates_below) | reaches(converter.saturates_from)
    result.values[place.mask] += place.weight * converter.lsb_per_code * codes[place.mask]
    result.histogram += np.bincount(sums[place.mask].ravel(), minlength=len(result.histogram))
    result.conversions += int(place.mask.sum()) * real.shape[1]
    result.saturations += int(beyond[place.mask].sum())
