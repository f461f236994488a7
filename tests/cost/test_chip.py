import pytest

from pimsim.config import load_architecture
from pimsim.cost.chip import chip_cost, converter_model
from pimsim.errors import ModelRangeError, NotFoundError

RAP = load_architecture("rap")


def test_a_variant_replaces_only_the_models_it_names():
    modelled, survey = (chip_cost(RAP, name) for name in ("modelled", "survey_4bit_adc"))
    assert modelled.macros["mram"].converter_model == "flash_comparators"
    assert survey.macros["mram"].converter_model == "survey_regression_4bit"
    assert modelled.tile_buffer == survey.tile_buffer


def test_an_unknown_variant_suggests_the_nearest():
    with pytest.raises(NotFoundError, match="no cost variant 'modeled'; did you mean 'modelled'"):
        chip_cost(RAP, "modeled")


def test_the_range_error_of_a_converter_names_its_macro():
    mram = RAP.macros["mram"]
    sar = mram.model_copy(update={"adc": mram.adc.model_copy(update={"model": "sar"})})
    chip = RAP.model_copy(update={"macros": {**RAP.macros, "mram": sar}})
    with pytest.raises(
        ModelRangeError, match=r"^macros.mram.adc: cost.variants.modelled.sar_adc names"
    ):
        chip_cost(chip, "modelled")


def test_a_converter_without_a_cost_model_is_refused():
    adc = RAP.macros["mram"].adc.model_copy(update={"model": "ramp"})
    with pytest.raises(NotFoundError, match="names a model for ADC 'ramp'; known: flash, sar"):
        converter_model(adc, RAP.cost.variants["modelled"])


@pytest.mark.parametrize(("macro", "converters"), [("mram", 1024), ("sram", 128)])
def test_converters_are_shared_by_columns(macro, converters):
    assert chip_cost(RAP, "modelled").macros[macro].converters == converters
