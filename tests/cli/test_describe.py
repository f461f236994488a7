"""``pimsim describe`` prints what a chip can do at best, as text and as JSON."""

import json
from collections.abc import Callable

import pytest
from typer.testing import Result

from pimsim.config import load_architecture
from pimsim.cost.describe import describe, to_document

Invoke = Callable[..., Result]


def test_the_json_is_the_description(invoke: Invoke) -> None:
    result = invoke("describe", "rap_int8", "--format", "json")
    assert result.exit_code == 0
    assert json.loads(result.stdout) == to_document(describe(load_architecture("rap_int8")))


def test_settings_variant_and_density_are_taken(invoke: Invoke) -> None:
    result = invoke(
        "describe", "rap_int8", "--set", "pvt.supply_v=0.8", "--set", "chip.tiles=4",
        "--variant", "survey_4bit_adc", "--density", "0.25", "--format", "json",
    )  # fmt: skip
    document = json.loads(result.stdout)
    assert (document["supply_v"], document["density_ratio"]) == (0.8, 0.25)
    assert document["cost_variant"] == "survey_4bit_adc"
    assert document["macros"]["mram"]["instances"] == 4 * 72


def test_a_table_that_gives_macros_no_area_is_not_taken_for_zero(invoke: Invoke) -> None:
    text = invoke("describe", "rap", "--variant", "paper_table").stdout
    line = next(line for line in text.splitlines() if line.startswith("area of the macro"))
    assert line.split()[-2:] == ["not", "stated"]


def test_the_text_states_peak_mvm_and_what_is_assumed(invoke: Invoke) -> None:
    text = invoke("describe", "rap_int8").stdout
    for part in (
        "cost variant modelled, 28 nm, 0.9 V; ones in 50% of the bits (assumed)",
        "chip at peak, all macros reading",
        "TOPS/mm²",
        "one full MVM of mram: 1024 x 128, 8 x 8 bit",
        "1,024 of 8 rows",
        "conversions per MAC",
        "energy of one full MVM of sram",
        "the peak is out of reach",
    ):
        assert part in " ".join(text.split()), part
    assert max(map(len, text.splitlines())) <= 100


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("rapp",), "no architecture is called 'rapp'; did you mean 'rap'?"),
        (("rap_int8", "--density", "0"), "density must be above 0 and at most 1, got 0"),
        (("rap_int8", "--density", "nan"), "density must be above 0 and at most 1, got nan"),
        (
            ("rap_int8", "--variant", "modeled"),
            "architecture 'rap_int8' has no cost variant 'modeled'; did you mean 'modelled'?",
        ),
    ],
)
def test_a_mistake_is_one_message(invoke: Invoke, arguments: tuple[str, ...], message: str) -> None:
    result = invoke("describe", *arguments)
    assert (result.exit_code, result.stdout) == (1, "")
    assert result.stderr == f"error: {message}\n"
