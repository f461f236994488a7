"""A run under every model of its converters."""

import dataclasses

import pytest

from pimsim.adc_comparison import under_adc_models
from pimsim.config import load_architecture
from pimsim.errors import InputError
from pimsim.recost import recost


@pytest.fixture(scope="module")
def models(demo):
    return {cost.model: cost for cost in under_adc_models(demo)}


def test_the_runs_own_model_gives_the_runs_own_numbers(demo, models):
    own = models["flash_comparators"]
    assert own.this_run
    assert (own.energy_uj, own.area_mm2) == (demo.energy_uj, demo.area_mm2)
    assert own.tops_per_w == pytest.approx(demo.tops_per_w)
    assert [name for name, cost in models.items() if cost.this_run] == ["flash_comparators"]


def test_a_model_gives_what_a_cost_variant_with_it_gives(demo, models):
    known = {variant.name: variant for variant in demo.cost_variants}["survey_4bit_adc"]
    assert models["survey_regression_4bit"].energy_uj == known.energy_uj
    assert models["survey_regression_4bit"].area_mm2 == known.area_mm2


def test_where_a_model_does_not_apply_it_says_why(models):
    survey = models["survey_regression"]
    assert (survey.energy_uj, survey.area_mm2, survey.tops_per_w) == (None, None, None)
    assert survey.reason == "mram, sram: out of range: 3.17 < 4 bits"
    assert all((cost.energy_uj is None) == bool(cost.reason) for cost in models.values())


def test_every_model_of_converters_is_there(models):
    assert set(models) >= {
        "flash_comparators",
        "sar_capacitor_array",
        "survey_regression",
        "survey_regression_4bit",
        "murmann_fit",
    }


def test_only_the_converters_are_costed_otherwise(demo, models):
    chip = load_architecture(
        "rap_int8", overrides=["cost.variants.modelled.flash_adc=sar_capacitor_array"]
    )
    again = recost(demo, chip)
    assert again.energy_uj == models["sar_capacitor_array"].energy_uj
    before, after = demo.energy_breakdown_uj, again.energy_breakdown_uj
    assert before["mram.crossbar"] == after["mram.crossbar"]
    assert before["mram.adc"] != after["mram.adc"]


def test_a_result_that_cannot_be_costed_again_is_refused(demo):
    with pytest.raises(InputError, match=r"no recost\.json"):
        under_adc_models(dataclasses.replace(demo, recost={}))
