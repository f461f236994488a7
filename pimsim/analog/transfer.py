"""The column converter as tables: from a column sum to a code.

Which question this module answers: *which code does the converter of this column give for this
column sum, and how noisy is it?*

Everything static is folded into decision levels before a kernel runs: the range, each converter's
own errors (:mod:`pimsim.analog.decision_levels`), gain and offset, the trim, the operating point
and how far the reference follows it. The code is then ``lowest`` plus the number of levels at or
below the column sum, whatever order the levels are in.

What the operating point does to the levels is derived in :mod:`pimsim.analog.pvt`. Column sums are
in LSB of the operating point, above the pedestal of its off cells.

Not modelled: noise that is correlated between conversions, memory of the previous conversion,
drift of a converter's errors with the operating point other than its gain and offset.
"""

import math
from dataclasses import dataclass
from typing import Final

import numpy as np
from jaxtyping import Float64, Int32, Int64
from numpy.typing import NDArray

from pimsim import rng
from pimsim.analog.cells import CURRENT_ONE, read_noise_variance
from pimsim.analog.coding import readout
from pimsim.analog.decision_levels import AdcModel
from pimsim.analog.pvt import NOMINAL, OperatingPoint, operating_point
from pimsim.analog.ranges import ConverterRange, converter_range
from pimsim.analog.trim import Lines, fitted, measured, trim_point
from pimsim.config.converters import Adc
from pimsim.config.macros import Macro
from pimsim.config.pvt import Pvt
from pimsim.errors import ModelRangeError
from pimsim.registry import ADC_MODELS

_LEVEL_MAX: Final = float(1 << 62)
"""Decision levels must fit 64-bit integers. [2**-12 LSB]"""


@dataclass(frozen=True, slots=True)
class AdcTransfer:
    """The converters of one macro as tables."""

    codes: int
    lowest: int
    """Code below the lowest level; negative where column sums can be."""
    lsb_per_code: int
    """What one code counts. [LSB]"""
    thresholds: Int64[np.ndarray, "converters levels"]
    """Decision levels of each converter, ``codes - 1`` of them, one row if all are equal. The code
    is ``lowest`` plus the number of levels ``<=`` the column sum. [2**-12 LSB]"""
    saturates_below: int
    """Inputs below this are beyond the lowest code: half a step below it. [2**-12 LSB]"""
    saturates_from: int
    """Inputs from this on are beyond the highest code: half a step above it. [2**-12 LSB]"""
    converter_of: Int32[np.ndarray, "slice_conversions cols"]
    """Row of ``thresholds`` that converts each slice conversion of each matrix column; zeros where
    there is one row."""
    uniform: bool
    """Whether level ``i`` is exactly ``(lowest + i - 1/2) * lsb_per_code`` for every converter,
    ``i = 1 .. codes - 1``."""
    sigma_lsb: Float64[np.ndarray, " sums"]
    """Input-referred rms noise of a conversion by its ideal column sum, from the smallest possible
    sum up (:func:`pimsim.analog.coding.sum_range`); a single entry where all are equal. [LSB]"""


def transfer_of(macro: Macro, pvt: Pvt | None = None) -> AdcTransfer:
    """The nominal converter, shared by all columns: no spread, everything systematic.

    Parameters
    ----------
    macro
        ``adc`` and what decides the column sums.
    pvt
        Operating point; ``None``: nominal.

    Raises
    ------
    ModelRangeError
        If the range was not calibrated, or the operating point is outside the models' range.

    Examples
    --------
    >>> from pimsim.analog import ideal_macro
    >>> ideal = transfer_of(ideal_macro(rows=4, cols=8, active_rows=4, weight_bits=4, input_bits=4))
    >>> (ideal.thresholds / CURRENT_ONE).tolist(), ideal.uniform, ideal.sigma_lsb
    ([[0.5, 1.5, 2.5, 3.5]], True, array([0.]))
    """
    spreadless = macro.model_copy(update={"adc": without_spread(macro.adc)})
    return draw_transfer(spreadless, 1, 0, pvt=pvt)


def draw_transfer(macro: Macro, cols: int, key: int, *, pvt: Pvt | None = None) -> AdcTransfer:
    """The converters of one macro of one chip.

    Parameters
    ----------
    macro
        ``adc`` and what decides the column sums.
    cols
        Matrix columns on the macro; all slices of a column lie side by side, and
        ``adc.columns_per_adc`` neighbouring columns of cells share a converter.
    key
        Of chip and place: the same key is the same converters. Without meaning where nothing
        varies (:func:`has_spread`).
    pvt
        Operating point of the chip; ``None``: nominal.

    Raises
    ------
    ModelRangeError
        If the range was not calibrated, a drawn gain is not positive, or the operating point is
        outside the models' range.
    """
    converter_of = _converters(macro, cols)
    count = int(converter_of.max()) + 1 if has_spread(macro.adc) else 1
    span = converter_range(macro)
    point = operating_point(pvt, macro)
    drawn = _Converters.draw(macro, span, count, key)
    sigma = noise_sigma_lsb(macro.adc, span)
    levels = drawn.levels_at(point)
    if macro.adc.trim != "none":
        levels = levels - _trim(macro, drawn, trim_point(macro, pvt), sigma, key)
    if not np.all(np.abs(levels * CURRENT_ONE) < _LEVEL_MAX):
        raise ModelRangeError("decision levels beyond 2**50 LSB; lower the converter's errors")
    thresholds = np.rint(levels * CURRENT_ONE).astype(np.int64)
    half_step = span.lsb_per_code * CURRENT_ONE // 2
    ideal = (2 * np.arange(span.codes + 1) + 2 * span.lowest - 1) * half_step
    converter = (sigma * point.noise_ratio / point.lsb_ratio) ** 2
    variance = converter + _cell_noise_variance(macro, point)
    return AdcTransfer(
        codes=span.codes,
        lowest=span.lowest,
        lsb_per_code=span.lsb_per_code,
        thresholds=thresholds,
        saturates_below=int(ideal[0]),
        saturates_from=int(ideal[-1]),
        converter_of=converter_of if count > 1 else np.zeros_like(converter_of),
        uniform=bool((thresholds == ideal[1:-1]).all()),
        sigma_lsb=np.sqrt(variance),
    )


def has_spread(adc: Adc) -> bool:
    """Whether converters of one macro differ, so that each needs levels of its own."""
    return bool(
        adc.gain_sigma_ratio
        or adc.capacitor_mismatch_ratio
        or any(adc.of_full_scale(name) for name in ("offset_sigma", "dnl_sigma"))
        or adc.of_full_scale("comparator_offset")
        or adc.trim == "per_chip"
    )


def without_spread(adc: Adc) -> Adc:
    """The same converter with everything that is drawn left out."""
    drawn = ("offset_sigma", "dnl_sigma", "comparator_offset")
    names = [f"{name}_{unit}" for name in drawn for unit in ("ratio", "mv")]
    update: dict[str, object] = dict.fromkeys(
        [*names, "gain_sigma_ratio", "capacitor_mismatch_ratio"]
    )
    if adc.trim == "per_chip":
        update |= {"trim": "nominal", "trim_vectors": None}
    return adc.model_copy(update=update)


def noise_sigma_lsb(adc: Adc, span: ConverterRange) -> float:
    """Rms noise of a conversion at the nominal operating point, referred to the input. [LSB]

    Notes
    -----
    ``noise`` is a share of full scale. ``enob_bits`` is what noise and quantization together leave:
    quantization alone has the variance ``step**2 / 12``, and a converter of ``e`` effective bits
    has that of an ideal ``e``-bit one over the same range [1]_, so that noise adds::

        sigma = step * sqrt((4**(log2(codes) - enob_bits) - 1) / 12)

    References
    ----------
    .. [1] IEEE Std 1241-2010, Terminology and Test Methods for Analog-to-Digital Converters,
       effective number of bits.

    Examples
    --------
    >>> adc = Adc(model="sar", bits=8, columns_per_adc=1, conversion_time_ns=1.0, enob_bits=6.5,
    ...           reference="fixed", trim="none")
    >>> round(noise_sigma_lsb(adc, ConverterRange(256, 0, 1)), 4)
    0.7638
    """
    if adc.enob_bits is None:
        return adc.of_full_scale("noise") * span.full_scale_lsb
    excess = 4.0 ** (math.log2(span.codes) - adc.enob_bits) - 1.0
    return span.lsb_per_code * math.sqrt(max(0.0, excess) / 12.0)


@dataclass(frozen=True, slots=True)
class _Converters:
    """Drawn converters before trim, reference and operating point."""

    ideal: Float64[np.ndarray, " levels"]
    """Ideal decision levels. [LSB]"""
    deviations: Float64[np.ndarray, "converters levels"]
    """Of each level, gain and offset apart. [LSB]"""
    gain: Float64[np.ndarray, "converters 1"]
    offset: Float64[np.ndarray, "converters 1"]
    """Added to the input. [LSB]"""
    full_scale_lsb: int
    tracking: float
    pedestals: int
    """Off currents of one cell in the pedestal of one conversion."""

    @classmethod
    def draw(cls, macro: Macro, span: ConverterRange, count: int, key: int) -> "_Converters":
        adc = macro.adc
        model: AdcModel = ADC_MODELS[adc.model]
        ideal = (span.lowest + np.arange(1, span.codes) - 0.5) * span.lsb_per_code
        deviations = model(adc, count, key) * span.lsb_per_code
        gains = rng.for_(key, "gain").standard_normal((count, 1))
        gain = 1.0 + gains * (adc.gain_sigma_ratio or 0.0)
        if not np.all(gain > 0):
            raise ModelRangeError(
                f"a converter's gain was drawn as {float(gain.min()):.3g}; lower "
                f"adc.gain_sigma_ratio ({adc.gain_sigma_ratio})"
            )
        sigma = adc.of_full_scale("offset_sigma") * span.full_scale_lsb
        offset = rng.for_(key, "offset").standard_normal((count, 1)) * sigma
        tracking = 0.0
        if adc.reference == "replica":
            tracking = 1.0 if adc.tracking_ratio is None else adc.tracking_ratio
        return cls(
            ideal, deviations, gain, offset, span.full_scale_lsb, tracking, _pedestals(macro)
        )

    def levels_at(self, point: OperatingPoint) -> NDArray[np.float64]:
        """Decision levels at an operating point, in LSB of that point. [LSB]"""
        offset = self.offset + point.offset_ratio * self.full_scale_lsb
        own: NDArray[np.float64] = (self.ideal + self.deviations - offset) / (
            self.gain * point.gain_ratio
        )
        if point == NOMINAL:
            return own
        pedestal = self.pedestals * point.pedestal_shift_lsb
        followed = own + self.tracking * (own * (point.lsb_ratio - 1.0) + pedestal)
        return np.asarray((followed - pedestal) / point.lsb_ratio, np.float64)


def _pedestals(macro: Macro) -> int:
    """Off currents in one conversion: every read drives as much as ``active_rows`` full inputs."""
    out = readout(macro)
    drive = (1 << macro.inputs.bits_per_cycle) - 1
    return macro.crossbar.active_rows * drive * int(out.planes[0].sum() * out.slices[0].sum())


def _cell_noise_variance(macro: Macro, point: OperatingPoint) -> NDArray[np.float64]:
    """White noise of the cells by ideal column sum; one entry where cells are quiet. [LSB²]"""
    if macro.crossbar.cell.read_noise is None:
        return np.zeros(1)
    out = readout(macro)
    if out.mixes or macro.inputs.bits_per_cycle > 1:
        raise ModelRangeError(
            "crossbar.cell.read_noise depends on the column sum alone only where a conversion sees "
            "one column driven bit by bit; remove it, or set inputs.bits_per_cycle to 1, "
            "accumulate to 'digital' and weights.coding to another than 'differential'"
        )
    return read_noise_variance(macro, point)


def _trim(
    macro: Macro,
    drawn: _Converters,
    point: OperatingPoint,
    sigma: float,
    key: int,
) -> NDArray[np.float64]:
    """What the trim takes out of the levels. [LSB]"""
    adc, ideal = macro.adc, drawn.ideal
    if adc.trim == "nominal":
        spreadless = macro.model_copy(update={"adc": without_spread(adc)})
        nominal = _Converters.draw(spreadless, converter_range(macro), 1, 0)
        return _line(nominal, point).at(ideal)
    step = drawn.full_scale_lsb / len(ideal)
    per_vector = math.hypot(sigma * point.noise_ratio, step / math.sqrt(12.0))
    found = measured(
        _line(drawn, point), ideal, adc.trim_vectors or 0, per_vector, rng.for_(key, "trim")
    )
    return found.at(ideal)


def _line(converters: _Converters, point: OperatingPoint) -> Lines:
    return fitted(converters.levels_at(point) - converters.ideal, converters.ideal)


def _converters(macro: Macro, cols: int) -> NDArray[np.int32]:
    """Converter of each slice conversion of each matrix column, counted from 0."""
    slices = readout(macro).slices
    first = np.argmax(slices != 0, axis=1)
    places = np.arange(cols)[None, :] * slices.shape[1] + first[:, None]
    shared: NDArray[np.int32] = (places // macro.adc.columns_per_adc).astype(np.int32)
    return shared
