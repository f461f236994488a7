"""Converter costs. The table is that of the published regression at 100 MS/s, to its digits."""

import pytest

from pimsim.config.architecture import Adc
from pimsim.cost.adc import adc_models, flash, regression, survey, survey_at_least_4_bits
from pimsim.cost.technology import OperatingPoint
from pimsim.errors import ModelRangeError

NODES = (65, 32, 28, 22, 14, 7)
TABLE = {
    4: "3.501/9860 0.924/3274 0.719/2660 0.457/1828 0.195/905 0.053/308",
    5: "3.548/9899 0.936/3287 0.728/2671 0.463/1835 0.198/909 0.054/309",
    6: "4.036/10289 1.065/3417 0.829/2776 0.527/1907 0.225/944 0.061/321",
    7: "4.973/10951 1.312/3637 1.021/2955 0.649/2030 0.277/1005 0.075/342",
    8: "6.495/11862 1.714/3939 1.333/3200 0.847/2199 0.362/1089 0.098/370",
    10: "12.54/14443 3.310/4796 2.575/3896 1.636/2678 0.700/1326 0.190/451",
}
CELLS = [
    (bits, node, *cell.split("/"))
    for bits, line in TABLE.items()
    for node, cell in zip(NODES, line.split(), strict=True)
]
AT_28 = OperatingPoint(28.0)


def adc(levels, conversion_time_ns=1.0, model="flash"):
    return Adc(
        model=model,
        levels=levels,
        columns_per_adc=1,
        conversion_time_ns=conversion_time_ns,
        reference="fixed",
        trim="none",
    )


@pytest.mark.parametrize(("bits", "node", "energy", "area"), CELLS)
def test_regression_reproduces_the_published_table(bits, node, energy, area):
    cost = regression(bits, 0.1, node)
    digits = len(energy.split(".")[1])
    assert cost.energy_per_conversion_pj == pytest.approx(float(energy), abs=0.51 * 10**-digits)
    # The coefficients are published to 7 digits, the table was made with more.
    assert cost.area_um2 == pytest.approx(float(area), abs=0.55)


@pytest.mark.parametrize(
    ("bits", "rate", "node", "energy", "area"),
    [(8, 1.28, 32, 1.929, 6469), (10, 1.0, 28, 10.85, 9083)],
)
def test_fast_converters_are_limited_by_their_rate(bits, rate, node, energy, area):
    cost = regression(bits, rate, node)
    assert cost.energy_per_conversion_pj == pytest.approx(energy, rel=5e-4)
    assert cost.area_um2 == pytest.approx(area, rel=1e-4)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((3.17, 0.1, 28), "holds for 4 to 14 effective bits, got 3.17; name 'flash_comparators'"),
        ((15, 0.1, 28), "effective bits, got 15.00; give the converter fewer codes"),
        ((8, 20.0, 28), "1e-05 to 10 GHz, got 20"),
        ((8, 1e-6, 28), "1e-05 to 10 GHz"),
        ((8, 0.1, 5), "7 to 180 nm, got 5"),
    ],
)
def test_outside_its_range_the_regression_refuses(arguments, message):
    with pytest.raises(ModelRangeError) as caught:
        regression(*arguments)
    assert message in str(caught.value)


def test_flash_of_16_codes_at_32_nm_is_its_source():
    cost = flash(adc(16), OperatingPoint(32.0))
    assert cost.energy_per_conversion_pj.value == pytest.approx(15.2e-3 / 67.2e9 * 1e12, rel=1e-4)
    assert cost.area_um2.value == pytest.approx(9100 / 32)


def test_flash_grows_by_one_comparator_per_code():
    costs = [flash(adc(levels), AT_28) for levels in (2, 3, 9, 17, 257)]
    one = costs[0]
    for levels, cost in zip((2, 3, 9, 17, 257), costs, strict=True):
        steps = levels - 1
        expected = steps * one.energy_per_conversion_pj.value
        assert cost.energy_per_conversion_pj.value == pytest.approx(expected)
        assert cost.area_um2.value == pytest.approx(steps * one.area_um2.value)


def test_the_flash_owns_up_to_its_assumption():
    assert flash(adc(9), AT_28).energy_per_conversion_pj.kind == "assumed"
    assert survey(adc(16), AT_28).energy_per_conversion_pj.kind == "fitted"


def test_nine_levels_are_far_below_the_4_bit_survey_point():
    nine = flash(adc(9), AT_28).energy_per_conversion_pj.value
    upper = survey_at_least_4_bits(adc(9, 10.0), AT_28).energy_per_conversion_pj.value
    assert upper == pytest.approx(0.719, abs=5e-4)
    assert 5 < upper / nine < 15


def test_survey_takes_rate_and_resolution_from_the_converter():
    expected = regression(10, 0.2, 28)
    cost = survey(adc(1024, 5.0, "sar"), AT_28)
    assert cost.energy_per_conversion_pj.value == expected.energy_per_conversion_pj
    assert cost.area_um2.value == expected.area_um2


def test_below_4_bit_the_survey_refuses_and_its_bound_does_not():
    with pytest.raises(ModelRangeError, match=r"got 3\.17"):
        survey(adc(9), AT_28)
    assert survey_at_least_4_bits(adc(9), AT_28) == survey(adc(16), AT_28)
    assert survey_at_least_4_bits(adc(64), AT_28) == survey(adc(64), AT_28)


def test_a_flash_is_not_faster_than_the_comparators_were_shown_to_be():
    def flash_at(conversion_time_ns):
        return Adc(
            model="flash", levels=9, columns_per_adc=1, conversion_time_ns=conversion_time_ns,
            reference="fixed", trim="none",
        )  # fmt: skip

    assert flash(flash_at(0.5), AT_28).energy_per_conversion_pj.value > 0
    with pytest.raises(ModelRangeError, match=r"0 to 2.1 GHz, got 4.00; raise conversion_time_ns"):
        flash(flash_at(0.25), AT_28)
    assert adc_models(flash_at(0.25), AT_28)["flash_comparators"] == "out of range: 4 > 2.1 GHz"
