"""The converter's tables against the Gaussian they stand for."""

import math

import pytest

from pimsim.analog import ideal_macro
from pimsim.analog.adc import UNIFORM_BITS, transfer_of
from pimsim.analog.cells import CURRENT_ONE
from pimsim.errors import ModelRangeError


def noisy(noise_ratio: float | None, *, levels: int = 9, active_rows: int = 8):
    macro = ideal_macro(
        rows=active_rows,
        cols=16,
        active_rows=active_rows,
        weight_bits=2,
        input_bits=2,
        adc_levels=levels,
    )
    return macro.model_copy(
        update={"adc": macro.adc.model_copy(update={"noise_ratio": noise_ratio})}
    )


def test_a_quiet_converter_is_certain_everywhere():
    transfer = transfer_of(noisy(None))
    assert (transfer.certain_from, transfer.certain_to) == (0, transfer.step)


def test_little_noise_leaves_the_middle_of_a_step_certain():
    """Certain where both decision levels are more than about 8.2 sigma away."""
    transfer = transfer_of(noisy(0.0004))
    sigma = 0.0004 * 8 * CURRENT_ONE
    assert transfer.certain_from == pytest.approx(8.2 * sigma, rel=0.03)
    assert transfer.certain_to == pytest.approx(transfer.step - 8.2 * sigma, rel=0.03)


@pytest.mark.parametrize(("levels", "active_rows"), [(9, 8), (8, 32), (5, 12)])
def test_thresholds_are_gaussian_probabilities(levels, active_rows):
    """P(j <= m) = Phi(((m + 1) step - f) / sigma), from an independent error function."""
    transfer = transfer_of(noisy(0.05, levels=levels, active_rows=active_rows))
    sigma = 0.05 * (levels - 1) * transfer.step
    for rest in (0, 1, transfer.step // 3, transfer.step - 1):
        for index, m in enumerate(range(-transfer.span, transfer.span)):
            expected = 0.5 * math.erfc(-((m + 1) * transfer.step - rest) / sigma / math.sqrt(2))
            stored = int(transfer.thresholds[rest, index]) / (1 << UNIFORM_BITS)
            assert stored == pytest.approx(expected, abs=1e-12)


def test_the_step_is_the_smallest_integer_that_covers_the_range():
    assert transfer_of(noisy(None, levels=8, active_rows=32)).lsb_per_code == 4
    assert transfer_of(noisy(None, levels=9, active_rows=8)).lsb_per_code == 1
    assert transfer_of(noisy(None, levels=8, active_rows=8)).lsb_per_code == 1


@pytest.mark.parametrize(
    ("levels", "active_rows", "noise_ratio", "found"),
    [(65536, 8, 1.0, "65535 codes rms; with 1 LSB"), (2, 65536, 0.5, "0.5 codes rms; with 32768")],
)
def test_noise_beyond_any_sensible_table_is_refused(levels, active_rows, noise_ratio, found):
    """Such tables would take gigabytes before they gave a number."""
    with pytest.raises(ModelRangeError, match=found):
        transfer_of(noisy(noise_ratio, levels=levels, active_rows=active_rows))
