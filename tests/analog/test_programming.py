"""Programming: pulses, accepted errors and failures against their closed forms."""

import math

import numpy as np
import pytest
from scipy import stats

from pimsim.analog.constants import FAMILIES, constant, family
from pimsim.analog.programming import (
    evaluate,
    program_levels,
    sigma_ratio,
    write_verify_statistics,
)
from pimsim.config.cells import Cell, Programming
from pimsim.errors import InputError, ModelRangeError, NotFoundError

CELLS = 200_000


def write_verify(tolerance=0.02, sigma=0.05, most=50, **more):
    return Programming(
        model="write_verify",
        tolerance_ratio=tolerance,
        pulse_sigma_ratio=sigma,
        pulses_max=most,
        **more,
    )


def programmed(section, target=0.6, cells=CELLS, **cell):
    model = "pcm" if section.model.startswith("pcm") else "reram"
    whole = Cell(model=model, bits=1, programming=section, **cell)
    return program_levels(whole, np.full(cells, target), np.random.default_rng(1))


@pytest.mark.parametrize("most", [1, 5, 50])
def test_pulses_are_geometric_and_cut(most):
    """Mean within 5 standard errors of the closed form; failures within 5 of the binomial's."""
    section = write_verify(most=most)
    expected = write_verify_statistics(section)
    drawn = programmed(section)
    error = 5 * expected.pulses_sigma / math.sqrt(CELLS) + 1e-12
    assert drawn.pulses / CELLS == pytest.approx(expected.pulses_mean, abs=error)
    spread = math.sqrt(expected.failed_ratio * (1 - expected.failed_ratio) / CELLS)
    assert drawn.failed_cells / CELLS == pytest.approx(expected.failed_ratio, abs=5 * spread)


@pytest.mark.parametrize("most", [1, 2, 7, 400])
def test_closed_form_of_the_pulses_equals_the_sum_over_the_distribution(most):
    section = write_verify(most=most)
    p = stats.norm.cdf(0.4) - stats.norm.cdf(-0.4)
    counts = np.arange(1, most + 1)
    mass = p * (1 - p) ** (counts - 1)
    mass[-1] = (1 - p) ** (most - 1)
    mean = (counts * mass).sum()
    found = write_verify_statistics(section)
    assert found.success_ratio == pytest.approx(p)
    assert found.pulses_mean == pytest.approx(mean)
    assert found.pulses_sigma == pytest.approx(
        math.sqrt(max(0.0, (counts**2 * mass).sum() - mean**2)), abs=1e-7
    )


def test_accepted_errors_are_a_gaussian_cut_at_the_tolerance():
    section = write_verify(most=10_000)
    error = programmed(section).conductance_ratio - 0.6
    assert np.abs(error).max() <= 0.02 + 1e-12
    cut = stats.truncnorm(-0.4, 0.4, scale=0.05)
    assert stats.kstest(error, cut.cdf).pvalue > 1e-4
    expected = write_verify_statistics(section).accepted_sigma_ratio
    assert expected == pytest.approx(cut.std(), rel=1e-9)
    assert error.std() == pytest.approx(expected, rel=0.01)


def test_cells_that_fail_stay_outside_their_tolerance():
    error = programmed(write_verify(most=1)).conductance_ratio - 0.6
    failed = np.abs(error) > 0.02
    p = stats.norm.cdf(0.4) - stats.norm.cdf(-0.4)
    assert failed.mean() == pytest.approx(1 - p, abs=0.006)
    assert stats.kstest(error, stats.norm(scale=0.05).cdf).pvalue > 1e-4


def test_errors_are_relative_to_the_swing():
    """Half of the on current is off current: the same section spreads half as far."""
    section = write_verify(most=10_000)
    whole = programmed(section).conductance_ratio.std()
    half = programmed(section, on_off_ratio=2.0).conductance_ratio.std()
    assert half == pytest.approx(whole / 2)


def test_time_and_energy_are_pulses_times_their_unit():
    section = write_verify(pulse_time_ns=100.0, pulse_energy_pj=2.0)
    found = write_verify_statistics(section)
    assert found.time_ns == pytest.approx(100.0 * found.pulses_mean)
    assert found.energy_pj == pytest.approx(2.0 * found.pulses_mean)
    without = write_verify_statistics(write_verify())
    assert (without.time_ns, without.energy_pj) == (None, None)


def test_a_tolerance_far_beyond_the_spread_takes_one_pulse():
    drawn = programmed(write_verify(tolerance=1.0, sigma=0.01))
    assert (drawn.pulses, drawn.failed_cells) == (CELLS, 0)
    assert drawn.conductance_ratio.std() == pytest.approx(0.01, rel=0.01)


@pytest.mark.parametrize(
    ("device", "top_usiemens", "polynomial"),
    [
        ("pcm_doped_gst", 25.0, (0.26348, 1.9650, -1.1731)),
        ("pcm_hermes_one_device", 10.35, (0.15781817, 2.32443916, -2.16310839, 0.68841818)),
        ("pcm_hermes_two_devices", 20.7, (0.16603222, 4.71806468, -8.48101252, 4.68961419)),
        ("reram_wan2022", 40.0, (0.348, 16.030, -43.853, 45.393, -16.815)),
    ],
)
def test_measured_spreads_are_the_published_polynomials(device, top_usiemens, polynomial):
    g = np.linspace(0.05, 1.0, 7)
    expected = np.polynomial.Polynomial(polynomial)(g) / top_usiemens
    section = Programming(model=device)
    assert sigma_ratio(section, g) == pytest.approx(expected)
    drawn = programmed(section, target=0.7).conductance_ratio
    sigma = float(np.polynomial.Polynomial(polynomial)(0.7)) / top_usiemens
    assert drawn.std() == pytest.approx(sigma, rel=5 / math.sqrt(2 * CELLS))
    assert drawn.mean() == pytest.approx(0.7, abs=5 * sigma / math.sqrt(CELLS))


def test_cmo_spread_is_linear_in_the_conductance():
    g = np.array([0.2, 1.0])
    expected = (0.0112185391 + 0.01129027418 * g * 88.19) / 88.19
    assert sigma_ratio(Programming(model="reram_cmo_hfox"), g) == pytest.approx(expected)


def test_cmo_below_its_measured_range_is_an_error():
    with pytest.raises(ModelRangeError, match=r"on_off_ratio to 9\.799 or less"):
        programmed(Programming(model="reram_cmo_hfox"), target=0.05)


def test_conductances_never_fall_below_zero():
    drawn = programmed(Programming(model="pcm_doped_gst"), target=0.0).conductance_ratio
    assert drawn.min() == 0.0
    assert (drawn == 0.0).mean() == pytest.approx(0.5, abs=0.01)


def test_a_table_is_linear_between_its_rows():
    section = Programming(
        model="table", conductance_usiemens=(0.0, 10.0, 50.0), sigma_usiemens=(1.0, 3.0, 2.0)
    )
    found = sigma_ratio(section, np.array([0.0, 0.1, 0.2, 0.6, 1.0]))
    assert found * 50.0 == pytest.approx([1.0, 2.0, 3.0, 2.5, 2.0])


def test_without_programming_every_cell_meets_its_target():
    target = np.array([0.0, 0.5, 1.0])
    drawn = program_levels(Cell(model="mram", bits=1), target, np.random.default_rng(0))
    assert drawn.conductance_ratio is target
    assert (drawn.pulses, drawn.failed_cells) == (3, 0)


def test_questions_to_the_wrong_model_are_errors():
    with pytest.raises(ModelRangeError, match="no standard deviation"):
        sigma_ratio(write_verify(), np.array([1.0]))
    with pytest.raises(ModelRangeError, match="is not write_verify"):
        write_verify_statistics(Programming(model="pcm_doped_gst"))


def test_a_spread_is_never_negative():
    assert evaluate((-1.0, 1.0), np.array([0.5, 3.0])).tolist() == [0.0, 2.0]


def test_every_device_constant_names_a_source():
    for name in FAMILIES:
        for row in family(name).values():
            assert row.source.reference
            assert row.source.place
            assert row.source.citation_key or row.source.kind == "assumed"


def test_unknown_constants_suggest_the_nearest():
    with pytest.raises(NotFoundError, match="did you mean 'cells'"):
        family("cell")
    with pytest.raises(NotFoundError, match="did you mean 'threshold_v'"):
        constant("pvt", "threshold_x")
    assert issubclass(NotFoundError, InputError)
