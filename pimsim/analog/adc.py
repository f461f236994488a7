"""The column converter: from a noisy current to a code.

Which question this module answers: *which code does the converter give for this column sum?*

One linear mid-tread converter: code ``c`` stands for ``c * lsb_per_code`` conducting cells and its
decision levels lie half a step below and above. Noise is Gaussian and input-referred. Flash and SAR
converters share this transfer; they differ in cost.

Not modelled yet: offset, gain error, INL and DNL, comparator and capacitor mismatch.
"""

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from pimsim.analog.cells import CURRENT_ONE
from pimsim.config.architecture import Macro
from pimsim.errors import ModelRangeError
from pimsim.registry import ADC_MODELS

UNIFORM_BITS: Final = 53
"""Resolution of the uniform number behind each noise draw; rarer events are not drawn."""

_TAIL_SIGMAS: Final = 8.3
"""Beyond this many standard deviations a Gaussian has less than ``2**-53`` of its mass."""

_TABLE_ENTRIES_MAX: Final = 1 << 24
"""Largest table of thresholds: 128 MiB."""


@dataclass(frozen=True, slots=True)
class AdcTransfer:
    """A converter as tables for the compiled kernels.

    A column sum ``v`` [2**-12 LSB], shifted by half a step, splits into ``q`` whole steps and the
    rest ``f``. Without noise the code is ``q``. With noise it is ``q + j``, and the distribution
    of ``j`` depends on ``f`` alone: ``P(j <= m) = Phi(((m + 1) * step - f) / sigma)``. The table
    holds these probabilities, so one uniform number draws the code exactly, without ever forming
    a Gaussian.
    """

    codes: int
    lsb_per_code: int
    step: int
    """Width of one code. [2**-12 LSB]"""
    certain_from: int
    """First ``f`` for which noise cannot change the code."""
    certain_to: int
    """One past the last such ``f``; equal to ``certain_from`` when there is none."""
    span: int
    """Largest ``|j|`` that the table can express."""
    thresholds: NDArray[np.uint64]
    """(step, 2 * span): row ``f`` holds ``P(j <= m) * 2**53`` for ``m = -span .. span - 1``."""


def linear_transfer(macro: Macro) -> AdcTransfer:
    """Tables of the linear converter with Gaussian noise.

    Parameters
    ----------
    macro
        ``adc.codes`` and ``lsb_per_code`` set range and step, ``adc.noise_ratio`` the rms noise
        relative to full scale, ``(codes - 1) * lsb_per_code`` LSB.

    Raises
    ------
    ModelRangeError
        If the noise spans so many codes that the table would not fit the memory set aside for it;
        with one LSB per code that is beyond some 240 codes rms.

    Notes
    -----
    A step is never less than one LSB. Codes beyond ``active_rows`` are therefore never used, yet
    they widen the full scale, and with it the noise that ``noise_ratio`` stands for.

    Sums of cell currents are integers of ``2**-12`` LSB, so ``f`` takes ``step`` values and the
    table is exact up to the ``2**-53`` resolution of the uniform draw.
    """
    adc, step = macro.adc, macro.lsb_per_code * CURRENT_ONE
    full_scale = (adc.codes - 1) * step
    sigma = (adc.noise_ratio or 0.0) * full_scale
    if sigma == 0.0:
        empty = np.zeros((1, 0), np.uint64)
        return AdcTransfer(adc.codes, macro.lsb_per_code, step, 0, step, 0, empty)
    thresholds, span = _noise_thresholds(step, sigma)
    certain = (thresholds[:, span - 1] == 0) & (thresholds[:, span] == 1 << UNIFORM_BITS)
    indices = np.flatnonzero(certain)
    start, stop = (int(indices[0]), int(indices[-1]) + 1) if indices.size else (0, 0)
    return AdcTransfer(adc.codes, macro.lsb_per_code, step, start, stop, span, thresholds)


def _noise_thresholds(step: int, sigma: float) -> tuple[NDArray[np.uint64], int]:
    from scipy.special import ndtr  # costs 0.2 s to import; only noisy converters need it

    span = int(np.ceil(_TAIL_SIGMAS * sigma / step)) + 1
    if 2 * span * step > _TABLE_ENTRIES_MAX:
        most = max(0.0, (_TABLE_ENTRIES_MAX // (2 * step) - 1) / _TAIL_SIGMAS)
        raise ModelRangeError(
            f"adc.noise_ratio stands for {sigma / step:.6g} codes rms; with "
            f"{step // CURRENT_ONE} LSB per code at most {most:.4g} are modelled: lower "
            "noise_ratio or the number of codes, or give a coarse converter more codes"
        )
    rest = np.arange(step)[:, None]
    upper = (np.arange(-span, span)[None, :] + 1) * step
    probability = ndtr((upper - rest) / sigma)
    return np.rint(probability * float(1 << UNIFORM_BITS)).astype(np.uint64), span


def transfer_of(macro: Macro) -> AdcTransfer:
    """Tables of the converter model that the macro names."""
    transfer: AdcTransfer = ADC_MODELS[macro.adc.model](macro)
    return transfer
