"""Time: drift, relaxation and 1/f noise against the distributions that they claim."""

import math

import numpy as np
import pytest

from pimsim.analog.retention import aged, compensation_ratio, exponent, flicker_sigma_ratio
from pimsim.config.cells import Cell, Drift
from pimsim.errors import ModelRangeError

CELLS = 200_000
DAY_S = 86400.0


def at_age(drift, g=1.0, cells=CELLS, **more):
    model = "reram" if drift.model.startswith("reram") else "pcm"
    cell = Cell(model=model, bits=1, drift=drift, **more)
    target = np.full(cells, g)
    return aged(cell, target, target, np.random.default_rng(2))


def lognormal(mean, sigma, growth):
    """Mean and standard deviation of growth**-nu with nu Gaussian."""
    step = math.log(growth)
    centre = math.exp(-mean * step + (sigma * step) ** 2 / 2)
    return centre, centre * math.sqrt(math.expm1((sigma * step) ** 2))


@pytest.mark.parametrize("age_s", [0.0, 3600.0, DAY_S, 3e7])
def test_a_power_law_has_its_lognormal_mean_and_spread(age_s):
    drift = Drift(
        model="power_law", age_s=age_s, nu_exponent=0.05, nu_sigma_exponent=0.008, start_s=20.0
    )
    mean, sigma = lognormal(0.05, 0.008, (age_s + 20) / 20)
    found = at_age(drift, g=0.8) / 0.8
    assert found.mean() == pytest.approx(mean, abs=5 * sigma / math.sqrt(CELLS) + 1e-12)
    assert found.std() == pytest.approx(sigma, rel=0.01, abs=1e-12)


@pytest.mark.parametrize("device", ["pcm_doped_gst", "pcm_hermes_two_devices"])
def test_the_on_state_drifts_by_its_measured_exponent(device):
    drift = Drift(model=device, age_s=DAY_S)
    (mean,), (sigma,) = exponent(drift, np.array([1.0]))
    start = {"pcm_doped_gst": 20.0, "pcm_hermes_two_devices": 300.0}[device]
    assert mean > 3 * sigma  # so that folding negative exponents changes nothing visible
    expected, spread = lognormal(mean, sigma, (DAY_S + start) / start)
    found = at_age(drift)
    assert found.mean() == pytest.approx(expected, abs=5 * spread / math.sqrt(CELLS) + 1e-4)
    assert found.std() == pytest.approx(spread, rel=0.02)


@pytest.mark.parametrize(
    ("device", "g", "mean", "sigma"),
    [
        ("pcm_doped_gst", 1.0, 0.049, 0.008),
        ("pcm_doped_gst", 0.1, 0.0244 + 0.0155 * math.log(10), -0.0059 + 0.0125 * math.log(10)),
        ("pcm_doped_gst", 1e-6, 0.1, 0.045),
        ("pcm_hermes_one_device", 1.0, 0.0736 - 0.0126 - 0.0436, 0.0104 + 0.0116 - 0.0165),
        ("pcm_hermes_one_device", 0.05, -0.0182 + 0.0387 * math.log(20), 0.0336487),
        ("pcm_hermes_two_devices", 0.5, 0.0736 - 0.0063 - 0.0109, 0.0073 + 0.00465 - 0.00295),
    ],
)
def test_exponents_are_the_published_fits(device, g, mean, sigma):
    found = exponent(Drift(model=device, age_s=0.0), np.array([g]))
    assert [float(one[0]) for one in found] == pytest.approx([mean, sigma], abs=1e-6)


@pytest.mark.parametrize("device", ["pcm_doped_gst", "reram_cmo_hfox"])
def test_at_age_zero_nothing_has_changed(device):
    assert (at_age(Drift(model=device, age_s=0.0), g=0.7) == 0.7).all()


@pytest.mark.parametrize(
    ("age_s", "sigma_usiemens"),
    [
        (1.0, 0.0),
        (DAY_S, math.sqrt(2.657**2 - 1.103**2)),
        (2 * DAY_S, math.sqrt(2.677**2 - 1.103**2)),
        (math.sqrt(DAY_S), math.sqrt((2.657**2 - 1.103**2) / 2)),
    ],
)
def test_reram_gains_the_measured_spread_since_one_second(age_s, sigma_usiemens):
    """On state: 1.103 µS at 1 s, 2.657 after a day, 2.677 after two (sums of coefficients)."""
    found = at_age(Drift(model="reram_wan2022", age_s=age_s)) - 1.0
    assert found.std() * 40.0 == pytest.approx(sigma_usiemens, rel=0.01, abs=1e-9)


def test_cmo_shifts_and_spreads_with_the_logarithm_of_time():
    found = (at_age(Drift(model="reram_cmo_hfox", age_s=DAY_S), g=0.5) - 0.5) * 88.19
    time = math.log(DAY_S)
    sigma = 0.41183342 + 0.04201137 * time
    assert found.mean() == pytest.approx(-0.08900206 * time, abs=5 * sigma / math.sqrt(CELLS))
    assert found.std() == pytest.approx(sigma, rel=0.01)


@pytest.mark.parametrize(
    ("device", "age_s", "message"),
    [
        ("reram_wan2022", 0.5, "from 1 s to 172800 s"),
        ("reram_wan2022", 3 * DAY_S, "nothing is extrapolated"),
        ("reram_cmo_hfox", 0.5, "from 1 s on"),
    ],
)
def test_ages_outside_what_was_measured_are_errors(device, age_s, message):
    with pytest.raises(ModelRangeError, match=message):
        at_age(Drift(model=device, age_s=age_s), cells=2)


def test_flicker_noise_is_the_published_formula():
    one, day = np.array([0.5]), DAY_S
    growth = math.sqrt(math.log((day + 20 + 250e-9) / 500e-9))
    expected = 0.4 * 0.0088 / 0.5**0.65 * growth
    found = flicker_sigma_ratio("pcm_doped_gst", one, np.array([0.4]), day)
    assert found == pytest.approx([expected])
    weak = flicker_sigma_ratio("pcm_doped_gst", np.array([1e-4]), np.array([1e-4]), day)
    assert weak == pytest.approx([1e-4 * 0.2 * growth])
    cmo = flicker_sigma_ratio("reram_cmo_hfox", one, one, day)
    root = math.sqrt(math.log((day + 1e-6) / 2e-6))
    assert cmo == pytest.approx([0.0277316483 * math.log10(44.095) * root / 88.19])
    hermes = flicker_sigma_ratio("pcm_hermes_two_devices", one, one, day)
    q = 0.0069 / 8 - 0.0280 / 4 + 0.0211 / 2 + 0.0123
    assert hermes == pytest.approx([0.5 * q * math.sqrt(math.log((day + 300) / 1024e-9))])


def test_flicker_noise_is_drawn_at_the_age_of_the_run():
    drift = Drift(
        model="power_law", age_s=DAY_S, nu_exponent=0.0, nu_sigma_exponent=0.0, start_s=20.0
    )
    found = at_age(drift, read_noise={"flicker": "pcm_doped_gst"})
    sigma = flicker_sigma_ratio("pcm_doped_gst", np.ones(1), np.ones(1), DAY_S)[0]
    assert found.std() == pytest.approx(sigma, rel=0.01)
    assert found.mean() == pytest.approx(1.0, abs=5 * sigma / math.sqrt(CELLS))


def test_global_compensation_restores_the_mean_and_leaves_the_spread():
    drift = Drift(model="pcm_doped_gst", age_s=DAY_S, compensation="global")
    cell = Cell(model="pcm", bits=1, drift=drift)
    fresh = np.full(CELLS, 0.9)
    now = aged(cell, fresh, fresh, np.random.default_rng(3))
    gain = compensation_ratio(cell, fresh, now)
    assert (gain * now).mean() == pytest.approx(0.9)
    assert (gain * now).std() == pytest.approx(gain * now.std())
    assert now.mean() < 0.7


def test_nothing_is_compensated_unless_asked():
    cell = Cell(model="pcm", bits=1, drift=Drift(model="pcm_doped_gst", age_s=1.0))
    assert compensation_ratio(cell, np.ones(2), np.full(2, 0.5)) == 1.0
    asked = Cell(
        model="pcm",
        bits=1,
        drift=Drift(model="pcm_doped_gst", age_s=1.0, compensation="global"),
    )
    assert compensation_ratio(asked, np.zeros(2), np.zeros(2)) == 1.0


def test_relaxation_has_no_exponent():
    with pytest.raises(ModelRangeError, match="does not drift by a power law"):
        exponent(Drift(model="reram_wan2022", age_s=1.0), np.ones(1))
