"""Look-up of published converters and of a user's own, and the Murmann envelope."""

import math

import pytest

from pimsim.config.adc_table import AdcPoint
from pimsim.config.architecture import Adc
from pimsim.cost.adc import adc_models, murmann_fit, points_below_fit, published, user_table
from pimsim.cost.adc_points import fit_energy_pj, published_converters
from pimsim.cost.citations import known_entries
from pimsim.cost.technology import OperatingPoint, area_ratio, energy_ratio
from pimsim.errors import ModelRangeError

AT_32, AT_28 = OperatingPoint(32.0), OperatingPoint(28.0)


def adc(levels, conversion_time_ns=1.0, model="sar"):
    return Adc(
        model=model, levels=levels, columns_per_adc=1, conversion_time_ns=conversion_time_ns,
        reference="fixed", trim="none",
    )  # fmt: skip


def test_every_row_can_be_cited_and_is_named_once():
    rows = published_converters()
    assert len({row.name for row in rows}) == len(rows)
    for row in rows:
        assert row.source.citation_key in known_entries(), row.name
        assert row.source.place


@pytest.mark.parametrize(
    ("bits", "energy_pj", "area_um2"),
    [(4, 0.79, 361), (5, 0.99, 477), (6, 1.20, 627), (7, 1.42, 845), (9, 1.97, 1828),
     (10, 2.38, 3002)],
)  # fmt: skip
def test_the_series_of_isaac(bits, energy_pj, area_um2):
    found = {row.name: row for row in published_converters()}[f"isaac_sar_{bits}bit"]
    assert found.energy_pj == pytest.approx(energy_pj, abs=0.01)
    assert found.area_um2 == pytest.approx(area_um2, abs=1)


def test_isaacs_converter_at_its_node_and_rate_is_itself():
    cost = published(adc(256, 1 / 1.2), AT_32)
    assert cost.energy_per_conversion_pj.value == pytest.approx(1.67, abs=0.005)
    assert cost.area_um2.value == 1200
    assert cost.energy_per_conversion_pj.kind == "published"


def test_nine_levels_are_served_by_the_nearest_converter_of_four_bits():
    cost = published(adc(9, 1 / 1.1), AT_28)  # ISAAC's at 1.2 GS/s is nearer than FORMS' at 2.1
    assert cost.energy_per_conversion_pj.value == pytest.approx(0.79 * energy_ratio(32, 28).value)
    fast = published(adc(9, 0.5), AT_28)
    assert fast.energy_per_conversion_pj.value == pytest.approx(
        0.22619 * energy_ratio(32, 28).value, rel=1e-4
    )
    assert fast.area_um2.value == pytest.approx(284.375 * area_ratio(32, 28).value)


@pytest.mark.parametrize(
    ("converter", "words"),
    [
        (adc(2**11), "11.00 bit at 1 GHz; it has 4 bit at 1.2 GHz"),
        (adc(4), "2.00 bit"),
        (adc(256, 0.1), "8.00 bit at 10 GHz"),
        (adc(256, 1000.0), "8.00 bit at 0.001 GHz"),
    ],
)
def test_nothing_is_extrapolated_from_the_table(converter, words):
    with pytest.raises(ModelRangeError) as caught:
        published(converter, AT_28)
    assert words in str(caught.value)


def test_a_users_own_converter_is_taken_at_its_word():
    rows = [
        AdcPoint(
            enob_bits=8, rate_ghz=0.5, node_nm=28.0, energy_pj=0.4, area_um2=700.0, reference="me"
        ),
        AdcPoint(
            enob_bits=8, rate_ghz=2.0, node_nm=65.0, energy_pj=3.0, area_um2=900.0, reference="me"
        ),
    ]
    slow, fast = (user_table(adc(256, time), AT_28, table=rows) for time in (2.0, 0.5))
    assert slow.energy_per_conversion_pj.value == 0.4
    assert slow.energy_per_conversion_pj.kind == "assumed"
    assert slow.energy_per_conversion_pj.sources[0].reference == "me"
    assert fast.energy_per_conversion_pj.value == pytest.approx(3.0 * energy_ratio(65, 28).value)
    with pytest.raises(ModelRangeError, match=r"adc_table has no converter for 9\.00 bit"):
        user_table(adc(512), AT_28, table=rows)
    with pytest.raises(ModelRangeError, match="set adc_table in the cost variant"):
        user_table(adc(256), AT_28)


def test_the_envelope_follows_its_two_terms():
    assert fit_energy_pj(0.0).value == pytest.approx(0.267, rel=1e-6)
    difference = fit_energy_pj(10.0).value - fit_energy_pj(8.0).value
    assert difference == pytest.approx(0.1446e-6 * (4**10 - 4**8))


def test_the_envelope_is_no_bound_and_says_which_converters_lie_below():
    below = {point.name: point for point in points_below_fit()}
    assert {"forms_4bit", "timely_tdc_8bit", "survey_best_9bit"} == set(below)
    assert below["forms_4bit"].in_array
    assert not below["survey_best_9bit"].in_array


@pytest.mark.parametrize(
    ("levels", "area_um2"), [(2**5, 4400), (2**6, 4400), (2**7, 5800), (2**8, 5800), (2**9, 11000)]
)
def test_stand_alone_areas_come_in_bins_of_two_bits(levels, area_um2):
    assert murmann_fit(adc(levels), AT_28).area_um2.value == area_um2


def test_the_envelope_refuses_what_its_bins_do_not_hold():
    for converter in (adc(16), adc(2**11), adc(2**7, model="flash"), adc(256, 0.5)):
        with pytest.raises(ModelRangeError, match="the Murmann envelope holds for"):
            murmann_fit(converter, AT_28)


def test_all_models_side_by_side_say_where_they_do_not_apply():
    costs = adc_models(adc(9, model="flash"), AT_28)
    assert costs["survey_regression"] == "out of range: 3.17 < 4 bits"
    assert costs["murmann_fit"] == "out of range: 3.17 < 4.5 bits"
    assert list(costs) == [
        "flash_comparators", "sar_capacitor_array", "survey_regression", "survey_regression_4bit",
        "murmann_fit", "published_converters",
    ]  # fmt: skip
    slow = adc_models(adc(256, 1e5), AT_28)
    assert slow["published_converters"] == "out of range: no entry for 8 bits at 1e-05 GHz"


def test_a_users_table_joins_the_list():
    row = AdcPoint(
        enob_bits=4, rate_ghz=1.0, node_nm=28.0, energy_pj=0.4, area_um2=7.0, reference="me"
    )
    costs = adc_models(adc(9), AT_28, [row])
    assert costs["user_table"].energy_per_conversion_pj.value == 0.4


def test_eight_bit_models_bracket_each_other():
    """Lower estimate < published in-array converters < regression over stand-alone parts, at 32 nm
    and 1 GS/s; the flash doubles with every bit and has left them all behind."""
    costs = {
        name: cost.energy_per_conversion_pj.value
        for name, cost in adc_models(adc(256, 1.0), AT_32).items()
    }
    assert costs["sar_capacitor_array"] < costs["published_converters"]
    assert costs["published_converters"] < costs["survey_regression"] < costs["flash_comparators"]


@pytest.mark.parametrize("bits", [-5.0, math.nan, math.inf, 1e6])
def test_the_envelope_s_formula_refuses_what_is_no_resolution(bits):
    with pytest.raises(ModelRangeError, match="holds for 0 to 20 effective bits"):
        fit_energy_pj(bits)
