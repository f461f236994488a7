"""Process, voltage and temperature: what a corner does to currents and converters.

Which question this module answers: *how do the on and off current of a cell, and the gain, offset
and noise of a converter, move away from the nominal operating point?*

Everything is relative to the file's numbers, which hold at ``tt``, the nominal supply and 25 °C.
Currents are given in LSB, the difference of on and off current (of a cell with ``b`` bits: a
``2**b - 1``-th of it); the nominal off current is ``P`` LSB. At an operating point a column of
``n`` driven cells whose digits sum to ``k`` carries, beyond the nominal pedestal ``n P``::

    k * lsb_ratio + n * pedestal_shift_lsb        [nominal LSB]

A fixed reference sees all of it. A replica reference follows the *total* current with a residual
``1 - tracking_ratio``, so that the decision level that nominally lies at ``T`` moves to
``T + tracking_ratio * (T * (lsb_ratio - 1) + n * pedestal_shift_lsb)``. Decision levels that are
then expressed in LSB of the operating point, ``(level - n * pedestal_shift_lsb) / lsb_ratio``, let
column sums stay exact integers; deviations of cells are scaled to the same unit
(:func:`level_ratios`).

Not modelled: gradients and temperature differences on the die, supply droop and noise, ageing,
different shifts of n- and p-channel transistors from chip to chip, leakage of cells that are not
driven, reads that are not settled because the corner is slow, threshold shift by drain voltage.
The sensitivities of cells and converters are assumed (``data/pvt.csv`` says from what); the laws
are textbook ones.

References
----------
.. [1] T. Sakurai, A. R. Newton, Alpha-power law MOSFET model and its applications to CMOS inverter
   delay and other formulas, IEEE J. Solid-State Circuits 25(2), 584-594, 1990.
.. [2] S. M. Sze, K. K. Ng, Physics of Semiconductor Devices, 3rd ed., Wiley, 2007: mobility limited
   by lattice scattering, subthreshold current.
"""

import math
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from pimsim import rng
from pimsim.analog.constants import constant
from pimsim.config.cells import Cell
from pimsim.config.macros import Macro
from pimsim.config.pvt import NOMINAL_TEMPERATURE_DEGC, Pvt
from pimsim.errors import ModelRangeError

BOLTZMANN_PER_CHARGE: Final = 8.617333262e-5
"""Boltzmann constant over the elementary charge, exact since 2019 (SI). [V/K]"""
ZERO_DEGC_IN_K: Final = 273.15
OVERDRIVE_MIN_V: Final = 0.1
"""Least gate overdrive for which strong inversion, and with it the drive law, holds. [V]"""
_SPEED: Final = {"t": 0.0, "f": 1.0, "s": -1.0}


@dataclass(frozen=True, slots=True)
class OperatingPoint:
    """Everything that a corner changes, relative to the nominal operating point."""

    on_current_ratio: float = 1.0
    """On current over its nominal value."""
    off_current_ratio: float = 1.0
    """Off current over its nominal value."""
    lsb_ratio: float = 1.0
    """LSB over its nominal value."""
    pedestal_shift_lsb: float = 0.0
    """Off current minus its nominal value, per driven word line. [nominal LSB]"""
    gain_ratio: float = 1.0
    """Gain of the converter over its nominal value: code per current."""
    offset_ratio: float = 0.0
    """Offset of the converter at this point, added to its input, over full scale."""
    noise_ratio: float = 1.0
    """Rms noise of a conversion over its nominal value."""


NOMINAL: Final = OperatingPoint()
"""Where the numbers of a file hold as they stand."""


def operating_point(pvt: Pvt | None, macro: Macro) -> OperatingPoint:
    """Return what process, supply and temperature make of a macro.

    Parameters
    ----------
    pvt
        Corner, supply and temperature of one chip (:func:`of_chip`); ``None``: nominal.
    macro
        Cell model, on/off ratio and bits per cell decide how currents move.

    Returns
    -------
    OperatingPoint
        :data:`NOMINAL` exactly where nothing is shifted.

    Raises
    ------
    ModelRangeError
        If the spread from chip to chip was not drawn, supply or temperature are outside their
        range, the gate overdrive falls below 0.1 V, no sensitivities of the cell model are known,
        or the off current overtakes the on current.

    Notes
    -----
    With ``T`` in kelvin, ``dT = T - 298.15 K``, threshold ``V_T = V_T0 + shift + slope * dT`` and
    overdrive ``V_ov = V - V_T``:

    * SRAM: on current ``mu(T) * V_ov**alpha`` [1]_ with ``mu ~ T**-1.5`` [2]_, off current
      ``mu(T) * T**2 * exp(-V_T / (n k T / q))`` [2]_.
    * MRAM, ReRAM, PCM: the state's resistance in series with an access transistor in its linear
      region, conductance ``mu(T) * V_ov``, which is a share of the on state's total resistance; the
      state's conductance changes as ``exp(c * T0 * dT / T)``. The read voltage is regulated.
    * Converter: gain linear in process, supply and temperature, offset in the imbalance of n- and
      p-channel transistors and in temperature, noise ``sqrt(T / T0)`` (thermal, kT/C).

    Examples
    --------
    >>> from pimsim.config import load_architecture
    >>> hot = load_architecture("rap", overrides=["pvt.temperature_degc=125"])
    >>> point = operating_point(hot.pvt, hot.macros["mram"])
    >>> point.on_current_ratio < 1.0 < point.off_current_ratio
    True
    >>> operating_point(None, hot.macros["mram"]) == NOMINAL
    True
    """
    if pvt is None or pvt.is_nominal:
        return NOMINAL
    if pvt.die_sigma_v:
        raise ModelRangeError(
            f"pvt.die_sigma_v ({pvt.die_sigma_v}) stands for many chips; draw one with "
            "pimsim.analog.pvt.of_chip(pvt, key)"
        )
    transistor = _transistor(pvt)
    on, off = _currents(macro.crossbar.cell, transistor)
    pedestal = pedestal_lsb(macro.crossbar.cell)
    levels = (1 << macro.crossbar.cell.bits) - 1
    lsb = ((pedestal + levels) * on - pedestal * off) / levels
    if lsb <= 0:
        raise ModelRangeError(
            f"at {pvt.process}, {pvt.supply_v} V and {pvt.temperature_degc} °C the off current "
            f"({off:.3g} times nominal) exceeds the on current ({on:.3g} times); raise "
            "crossbar.cell.on_off_ratio or choose a milder corner"
        )
    gain, offset = _converter(pvt)
    return OperatingPoint(
        on_current_ratio=on,
        off_current_ratio=off,
        lsb_ratio=lsb,
        pedestal_shift_lsb=pedestal * (off - 1.0),
        gain_ratio=gain,
        offset_ratio=offset,
        noise_ratio=math.sqrt(transistor.temperature_ratio),
    )


def of_chip(pvt: Pvt, key: int) -> Pvt:
    """Draw where one chip sits within its corner.

    Parameters
    ----------
    pvt
        ``die_sigma_v`` is the spread from chip to chip.
    key
        ``rng.key(seed, "chip", i)``: the same key is the same chip, whatever runs on it.

    Returns
    -------
    Pvt
        With the draw added to ``threshold_shift_v`` and without ``die_sigma_v``; ``pvt`` itself if
        it has no spread.

    Examples
    --------
    >>> corner = Pvt(process="ss", supply_v=0.9, temperature_degc=25.0, die_sigma_v=0.01)
    >>> one = of_chip(corner, rng.key(0, "chip", 0))
    >>> one == of_chip(corner, rng.key(0, "chip", 0)), one.die_sigma_v
    (True, None)
    """
    if not pvt.die_sigma_v:
        return pvt
    drawn = float(rng.for_(key, "die").standard_normal()) * pvt.die_sigma_v
    shift = (pvt.threshold_shift_v or 0.0) + drawn
    return pvt.model_copy(update={"die_sigma_v": None, "threshold_shift_v": shift})


def pedestal_lsb(cell: Cell) -> float:
    """Nominal off current of a cell; zero without an on/off ratio. [LSB]

    Examples
    --------
    >>> round(pedestal_lsb(Cell(model="mram", bits=1, on_off_ratio=2.5)), 4)
    0.6667
    """
    if cell.on_off_ratio is None:
        return 0.0
    return ((1 << cell.bits) - 1) / (cell.on_off_ratio - 1.0)


def level_ratios(cell: Cell, point: OperatingPoint) -> NDArray[np.float64]:
    """Deviation of a cell at an operating point over its nominal one, both in their own LSB.

    A deviation is a share of the current of its cell, and an intermediate level lies as far between
    off and on current as it nominally does.

    Returns
    -------
    NDArray
        (2**bits,): one factor per digit; exactly 1 at the nominal point.

    Examples
    --------
    >>> level_ratios(Cell(model="mram", bits=1, on_off_ratio=2.5), NOMINAL)
    array([1., 1.])
    """
    pedestal = pedestal_lsb(cell)
    digits = np.arange(1 << cell.bits, dtype=np.float64)
    nominal = pedestal + digits
    shifted = pedestal * point.off_current_ratio + digits * point.lsb_ratio
    ratios = np.full(digits.shape, point.off_current_ratio)
    np.divide(shifted, nominal, out=ratios, where=nominal > 0)
    factors: NDArray[np.float64] = ratios / point.lsb_ratio
    return factors


@dataclass(frozen=True, slots=True)
class _Transistor:
    """An n-channel transistor at an operating point, relative to the nominal one."""

    mobility_ratio: float
    overdrive_ratio: float
    temperature_ratio: float
    """Absolute temperature over the nominal one."""
    subthreshold_ratio: float
    """Subthreshold current over its nominal value."""

    @property
    def saturation_ratio(self) -> float:
        """Saturated drain current over its nominal value."""
        alpha = constant("pvt", "velocity_saturation_exponent")
        return self.mobility_ratio * float(self.overdrive_ratio**alpha)

    @property
    def linear_ratio(self) -> float:
        """Conductance in the linear region over its nominal value."""
        return self.mobility_ratio * self.overdrive_ratio

    def activated_ratio(self, slope_coefficient: float) -> float:
        """Thermally activated conductance over its nominal value; slope at 25 °C. [1/K]"""
        nominal = NOMINAL_TEMPERATURE_DEGC + ZERO_DEGC_IN_K
        return math.exp(slope_coefficient * nominal * (1.0 - 1.0 / self.temperature_ratio))


def _transistor(pvt: Pvt) -> _Transistor:
    """Raise outside the range of the laws."""
    _check_range(pvt)
    kelvin = pvt.temperature_degc + ZERO_DEGC_IN_K
    nominal_kelvin = NOMINAL_TEMPERATURE_DEGC + ZERO_DEGC_IN_K
    nominal_threshold_v = constant("pvt", "threshold_v")
    threshold_v = (
        nominal_threshold_v
        - _SPEED[pvt.process[0]] * constant("pvt", "corner_threshold_shift_v")
        + (pvt.threshold_shift_v or 0.0)
        + constant("pvt", "threshold_temperature_coefficient") * (kelvin - nominal_kelvin)
    )
    nominal_overdrive_v = pvt.nominal_supply_v - nominal_threshold_v
    overdrive_v = pvt.supply_v - threshold_v
    if min(nominal_overdrive_v, overdrive_v) < OVERDRIVE_MIN_V:
        raise ModelRangeError(
            f"gate overdrive falls to {min(nominal_overdrive_v, overdrive_v):.3f} V at "
            f"{pvt.process}, {pvt.supply_v} V (nominal {pvt.nominal_supply_v} V) and "
            f"{pvt.temperature_degc} °C; the drive law holds from {OVERDRIVE_MIN_V} V up: raise "
            "pvt.supply_v"
        )
    ratio = kelvin / nominal_kelvin
    mobility = ratio ** constant("pvt", "mobility_temperature_exponent")
    swing = constant("pvt", "subthreshold_slope_ratio") * BOLTZMANN_PER_CHARGE
    exponent = nominal_threshold_v / (swing * nominal_kelvin) - threshold_v / (swing * kelvin)
    return _Transistor(
        mobility_ratio=mobility,
        overdrive_ratio=overdrive_v / nominal_overdrive_v,
        temperature_ratio=ratio,
        subthreshold_ratio=mobility * ratio**2 * math.exp(exponent),
    )


def _check_range(pvt: Pvt) -> None:
    """Bounds of :class:`Pvt` again, for objects that were changed without validation."""
    low, high = pvt.supply_range_v
    if not (low <= pvt.supply_v <= high and -40.0 <= pvt.temperature_degc <= 125.0):
        raise ModelRangeError(
            f"pvt at {pvt.supply_v} V and {pvt.temperature_degc} °C is outside the range of the "
            f"analog models, {low:.4g} to {high:.4g} V and -40 to 125 °C"
        )


def _currents(cell: Cell, transistor: _Transistor) -> tuple[float, float]:
    """On and off current of a cell over their nominal values."""
    if cell.model == "ideal":
        return 1.0, 1.0
    if cell.model == "sram":
        return transistor.saturation_ratio, transistor.subthreshold_ratio
    if cell.model not in ("mram", "reram", "pcm"):
        raise ModelRangeError(
            f"no sensitivities to process, voltage and temperature are known for cell model "
            f"{cell.model!r}; run it at the nominal operating point"
        )
    share = constant("pvt", f"{cell.model}_access_share_ratio")
    off_share = share / cell.on_off_ratio if cell.on_off_ratio is not None else 0.0
    currents = []
    for state, part in (("on", share), ("off", off_share)):
        slope = constant("pvt", f"{cell.model}_{state}_temperature_coefficient")
        resistance = (1.0 - part) / transistor.activated_ratio(slope)
        currents.append(1.0 / (resistance + part / transistor.linear_ratio))
    return currents[0], currents[1]


def _converter(pvt: Pvt) -> tuple[float, float]:
    """Gain over its nominal value, and offset over full scale."""
    n_speed, p_speed = (_SPEED[letter] for letter in pvt.process)
    corner_v = constant("pvt", "corner_threshold_shift_v")
    chip = -(pvt.threshold_shift_v or 0.0) / corner_v
    speed = (n_speed + p_speed) / 2.0 + chip
    warmth = pvt.temperature_degc - NOMINAL_TEMPERATURE_DEGC
    gain = (
        1.0
        + constant("pvt", "converter_gain_process_ratio") * speed
        + constant("pvt", "converter_gain_supply_ratio") * (pvt.supply_v / pvt.nominal_supply_v - 1)
        + constant("pvt", "converter_gain_temperature_coefficient") * warmth
    )
    offset = (
        constant("pvt", "converter_offset_skew_ratio") * (n_speed - p_speed) / 2.0
        + constant("pvt", "converter_offset_temperature_coefficient") * warmth
    )
    return gain, offset
