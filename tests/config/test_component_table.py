"""A chip's own component table, read-outs that integrate, and cells that wear out."""

from typing import Any

import pytest
from pydantic import ValidationError

from pimsim.config import load_architecture
from pimsim.config.component_table import Component, ComponentTable, RowSource
from pimsim.config.readout import SupplyDelay
from pimsim.errors import ConfigError

SOURCE: dict[str, Any] = {
    "reference": "a",
    "place": "b",
    "kind": "published",
    "citation_key": "shafiee2016",
}


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ({"per": "macro", "count": 1, "energy_pj": 1.0}, "needs an 'action'"),
        ({"per": "macro", "count": 1, "action": "busy"}, "spends power_mw"),
        (
            {"per": "macro", "count": 1, "action": "busy", "power_mw": 1.0, "energy_pj": 1.0},
            "spends power_mw",
        ),
        ({"per": "macro", "count": 1, "action": "conversion"}, "needs energy_pj"),
        ({"per": "tile", "count": 1, "action": "conversion", "energy_pj": 1.0}, "per: macro"),
        ({"per": "macro", "count": 1, "action": "link_bit", "energy_pj": 1.0}, "outside macros"),
        ({"per": "tile", "macro": "xbar", "count": 1}, "only with per: macro"),
        ({"per": "macro", "count": 0}, "greater than or equal to 1"),
        ({"per": "macro", "count": 1, "area_um2": -1.0}, "greater than or equal to 0"),
        ({"per": "macro", "count": 1, "energy": 1.0}, "Extra inputs"),
    ],
)
def test_rows_that_make_no_sense_are_refused(row: dict[str, Any], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        Component.model_validate(row)


def test_only_an_assumption_may_go_without_a_citation() -> None:
    with pytest.raises(ValidationError, match="citation_key"):
        RowSource.model_validate({"reference": "a", "place": "b", "kind": "measured"})
    assert RowSource.model_validate({"reference": "a", "place": "b", "kind": "assumed"})


def test_power_over_time_cannot_be_carried_to_another_supply() -> None:
    busy = {"per": "macro", "count": 1, "power_mw": 1.0, "action": "busy"}
    with pytest.raises(ValidationError, match="'adc' spends its power over time"):
        ComponentTable.model_validate(
            {
                "source": SOURCE,
                "supply": {"at_v": 0.85, "energy_exponent": 2.0},
                "components": {"adc": busy},
            }
        )


def test_a_row_has_its_own_source_or_that_of_the_table() -> None:
    own = {**SOURCE, "reference": "c"}
    table = ComponentTable.model_validate(
        {
            "source": SOURCE,
            "components": {
                "one": {"per": "chip", "count": 1},
                "two": {"per": "chip", "count": 1, "source": own},
            },
        }
    )
    assert [table.source_of(name).reference for name in ("one", "two")] == ["a", "c"]


def test_a_slower_supply_stretches_every_time_of_the_macro() -> None:
    macro = load_architecture("jia2020").macros["cim"]
    slow = macro.timed(0.7)
    ratio = (0.85 / 0.7) ** 2.66
    assert slow.read_time_ns == pytest.approx(1350.0 * ratio)
    assert slow.adc.conversion_time_ns == pytest.approx(1000.0 * ratio)
    assert macro.timed(0.85) is macro
    assert SupplyDelay(at_v=1.0, delay_exponent=0.0).delay_ratio(0.5) == 1.0


def test_a_readout_shares_its_time_out_over_the_input_cycles() -> None:
    macro = load_architecture("neurram").macros["rram"]
    timed = macro.timed(1.2)
    assert timed.read_time_ns * macro.planes == pytest.approx(7 * 296.0 + 8 * 300.0 + 300.0)
    assert timed.adc.conversion_time_ns < 0.01


REFUSED = [
    (
        ["macros.sram.crossbar.cell.model=reram"],
        "operands of an inference would be written into 'reram' cells.*units.mac_array",
    ),
    (
        ["macros.sram.crossbar.cell.model=pcm", "macros.sram.write.allow_nonvolatile=true"],
        "allow_nonvolatile needs 'endurance_cycles'",
    ),
]


@pytest.mark.parametrize(("overrides", "message"), REFUSED)
def test_operands_are_not_written_into_cells_that_wear_out(
    overrides: list[str], message: str
) -> None:
    with pytest.raises(ConfigError, match=message):
        load_architecture("rap", overrides=overrides)


def test_they_are_if_the_file_says_so() -> None:
    chip = load_architecture(
        "rap",
        overrides=[
            "macros.sram.crossbar.cell.model=reram",
            "macros.sram.write.allow_nonvolatile=true",
            "macros.sram.write.endurance_cycles=1000000",
        ],
    )
    assert chip.macros["sram"].writable


def test_neurons_that_integrate_need_planes_summed_in_charge() -> None:
    with pytest.raises(ConfigError, match=r"readout.*must be.*'charge'"):
        load_architecture("neurram", overrides=["macros.rram.accumulate.planes=digital"])


def test_the_array_for_activations_takes_only_such_a_unit() -> None:
    with pytest.raises(ConfigError, match=r"units.mac_array"):
        load_architecture("isaac", overrides=["units.mac_array.model=ibert_softmax"])
