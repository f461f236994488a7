"""``pimsim explain`` prints every price with its formula, inputs and sources."""

import json
from collections.abc import Callable

import pytest
from typer.testing import Result

from pimsim.config import load_architecture
from pimsim.cost.explain import components

Invoke = Callable[..., Result]


def test_without_a_component_every_one_is_listed(invoke: Invoke) -> None:
    result = invoke("explain", "rap")
    assert result.exit_code == 0
    listed = {line.split()[0] for line in result.stdout.splitlines() if line.strip()}
    assert {one.name for one in components(load_architecture("rap"))} <= listed
    assert max(map(len, result.stdout.splitlines())) <= 100


def test_a_component_comes_with_formula_numbers_value_and_source(invoke: Invoke) -> None:
    text = invoke("explain", "rap", "mram.adc", "--action", "convert").stdout
    for part in (
        "mram.adc: convert = 0.0910184 pJ (assumed, flash_comparators)",
        "= comparator_energy_pj · (adc.codes − 1)",
        "= 0.0113773 pJ · (9 − 1)",
        "= 0.0910184 pJ",
        "forms_4bit_energy_pj = 0.22619 pJ (published, adc.csv)",
        "Yuan et al. (FORMS), ISCA 2021, component table, via hwcomponents-library forms.py;",
        "adc.codes = 9 (architecture file)",
    ):
        assert part in text, part
    assert "area" not in text
    assert max(map(len, text.splitlines())) <= 100


def test_a_time_says_which_of_two_sets_it(invoke: Invoke) -> None:
    text = invoke("explain", "rap", "mram", "--action", "read_ns").stdout
    assert "mram: read_ns = 10 ns (setting, architecture file)" in text
    assert "= max(drive_ns, convert_ns)" in text
    assert "macros.mram.read_time_ns = 10 ns (architecture file)" in text


def test_the_json_holds_values_steps_and_inputs(invoke: Invoke) -> None:
    result = invoke("explain", "rap", "noc", "--variant", "survey_4bit_adc", "--format", "json")
    document = json.loads(result.stdout)
    assert document["cost_variant"] == "survey_4bit_adc"
    found = {one.name: one for one in components(load_architecture("rap"), "survey_4bit_adc")}
    values = {each.name: each.number.value for each in found["noc"].quantities}
    assert {name: entry["value"] for name, entry in document["components"]["noc"].items()} == values


def test_settings_are_taken(invoke: Invoke) -> None:
    text = invoke(
        "explain", "rap", "mram.adc", "--set", "macros.mram.adc.levels=17", "--action", "convert"
    ).stdout
    assert "(17 − 1)" in text


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("rapp",), "no architecture is called 'rapp'"),
        (("rap", "mram.adx"), "no component 'mram.adx'; did you mean 'mram.adc'?"),
        (("rap", "--action", "convertt"), "no action, time or area 'convertt'; did you mean"),
        (("rap", "--variant", "paper"), "has no cost variant 'paper'"),
    ],
)
def test_a_mistake_is_one_message(invoke: Invoke, arguments: tuple[str, ...], message: str) -> None:
    result = invoke("explain", *arguments)
    assert (result.exit_code, result.stdout) == (1, "")
    assert result.stderr.startswith("error: ")
    assert message in result.stderr
