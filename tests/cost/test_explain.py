"""What is explained is what a run was costed with."""

import math

import pytest

from pimsim.config import load_architecture
from pimsim.cost.chip import chip_cost
from pimsim.cost.explain import components, matching, to_document, with_action
from pimsim.cost.prices import shift_add_price, unit_price
from pimsim.cost.service_times import service_times
from pimsim.errors import NotFoundError
from pimsim.units import PS_PER_NS

from .conftest import SHIPPED


def explained(name):
    """(component, quantity) → number."""
    return {
        (one.name, each.name): each.number
        for one in components(load_architecture(name))
        for each in one.quantities
    }


def spent(costed, name):
    return [item for item in costed[name].costs.items if item.energy_pj]


@pytest.mark.parametrize("name", SHIPPED)
def test_every_line_of_a_roll_up_is_a_whole_number_of_explained_prices(costed, name):
    """Macros, buffers, wires and network; units and overhead have tests of their own.

    The price of a shift-and-add depends on the rows of the operation; shown is a full column.
    """
    prices, seen = explained(name), set()
    chip = chip_cost(load_architecture(name), "modelled")
    for item in spent(costed, name):
        if item.component.startswith(("units.", "overhead.", "leakage.")):
            continue
        if item.action.startswith("shift_add_"):
            macro, width = item.component.split(".")[0], item.action.split("_")[-1]
            price = shift_add_price(chip, macro, int(width.removesuffix("bit"))).energy_pj
        else:
            price = prices[item.component, item.action]
        assert item.energy_pj == price.value * item.actions
        assert item.kind == price.kind
        seen.add(item.component)
    assert {"mram.adc", "sram.adc", "mram.crossbar", "tile_buffer", "noc"} <= seen


@pytest.mark.parametrize("name", SHIPPED)
def test_the_explained_shift_and_add_is_the_one_at_the_width_of_a_full_column(costed, name):
    chip, prices = chip_cost(load_architecture(name), "modelled"), explained(name)
    for macro, kind in load_architecture(name).macros.items():
        price = shift_add_price(chip, macro, kind.accumulator_bits(kind.crossbar.rows))
        assert prices[price.component, price.action] == price.energy_pj
    assert any(item.action.startswith("shift_add_") for item in spent(costed, name))


@pytest.mark.parametrize("name", SHIPPED)
def test_leakage_is_the_explained_power_of_a_whole_number_of_instances(costed, name):
    prices, lines = explained(name), 0
    for item in spent(costed, name):
        if item.component.startswith("leakage."):
            price = prices[item.component, item.action]
            instances = item.energy_pj / (price.value * item.actions)
            assert instances == pytest.approx(round(instances), rel=1e-12)
            assert instances > 0.5
            lines += 1
    assert lines >= 6


@pytest.mark.parametrize("name", SHIPPED)
def test_a_units_line_is_the_price_of_a_row_on_the_operations_own_hardware(costed, name):
    chip, run = chip_cost(load_architecture(name), "modelled"), costed[name]
    items = [item for item in spent(costed, name) if item.component.startswith("units.")]
    for item in items:
        length = int(item.action.removeprefix("row_of_"))
        hardware = run.mapped.op(item.op).op.hardware
        price = unit_price(chip, item.component, hardware, length)
        assert item.energy_pj == price.energy_pj.value * item.actions
    assert {item.component for item in items} >= {"units.softmax", "units.requantize"}


@pytest.mark.parametrize("name", SHIPPED)
def test_the_overhead_is_the_explained_ratio_of_what_digital_components_spent(costed, name):
    ratio = explained(name)["overhead.clock_and_control", "energy_ratio"].value
    heads = {"units", "tile_buffer", "global_buffer", "noc"}
    digital, overhead = {}, {}
    for item in spent(costed, name):
        head, _, part = item.component.partition(".")
        if head == "overhead":
            overhead[item.op] = item.energy_pj
        elif head in heads or part in ("shift_add", "controller"):
            digital[item.op] = digital.get(item.op, 0.0) + item.energy_pj
    digital.pop(None, None)
    assert overhead.keys() == digital.keys()
    for op, energy_pj in overhead.items():
        assert energy_pj == pytest.approx(ratio * digital[op], rel=1e-12)


@pytest.mark.parametrize("name", SHIPPED)
def test_every_area_of_a_roll_up_is_the_explained_one(costed, name):
    areas = {item.component: item for item in costed[name].costs.items if item.area_um2}
    found = {one.name: one for one in components(load_architecture(name))}
    assert {one.name for one in found.values() if one.area_um2} == set(areas)
    for component, item in areas.items():
        assert found[component].area_um2 == item.area_um2


@pytest.mark.parametrize("name", SHIPPED)
def test_explained_times_are_the_service_times(name):
    times, found = service_times(load_architecture(name)), explained(name)
    for macro in ("mram", "sram"):
        for key in ("read", "drive", "convert", "shift_add"):
            service_ps = getattr(times, f"{key}_ps")[macro]
            assert found[macro, f"{key}_ns"].value * PS_PER_NS == pytest.approx(service_ps)
    assert found["units", "cycle_ns"].value * PS_PER_NS == times.unit_cycle_ps
    assert found["noc", "router_delay_ns"].value * PS_PER_NS == times.router_delay_ps


@pytest.mark.parametrize("name", SHIPPED)
def test_every_quantity_has_a_derivation_down_to_inputs(name):
    for one in components(load_architecture(name)):
        for each in one.quantities:
            found = each.derivation
            assert found.result.value == each.number.value
            assert found.inputs, (one.name, each.name)
            sources = {source for leaf in found.inputs for source in leaf.sources}
            assert bool(sources) == bool(each.number.sources)
            assert all(math.isfinite(step.value) for step in found.steps)


def test_no_number_is_given_without_its_formula():
    """A model that computes in plain floats and wraps the result would show up here."""
    for name in SHIPPED:
        for one in components(load_architecture(name)):
            for each in one.quantities:
                names = {leaf.name for leaf in each.derivation.inputs}
                assert not any(text.startswith("number given") for text in names), (one, each)


def test_a_shared_converter_makes_a_read_longer_and_the_explanation_says_so():
    chip = load_architecture("rap", overrides=["macros.sram.adc.columns_per_adc=16"])
    found = {one.name: {each.name: each for each in one.quantities} for one in components(chip)}
    read = found["sram"]["read_ns"].derivation
    assert (read.result.formula, read.result.value) == ("max(drive_ns, convert_ns)", 16.0)
    assert "macros.sram.adc.columns_per_adc" in {leaf.name for leaf in read.inputs}


def test_components_are_found_by_whole_parts_of_their_names():
    found = components(load_architecture("rap"))
    assert {one.name.split(".")[0] for one in matching(found, "mram")} == {"mram"}
    assert [one.name for one in matching(found, "mram.adc")] == ["mram.adc"]
    with pytest.raises(NotFoundError, match=r"no component 'mram\.adx'; did you mean 'mram\.adc'"):
        matching(found, "mram.adx")
    with pytest.raises(NotFoundError, match="no component 'mr'"):
        matching(found, "mr")


def test_an_action_picks_quantities_by_the_beginning_of_their_name():
    found = with_action(components(load_architecture("rap")), "read_o")
    assert {each.name for one in found for each in one.quantities} == {
        "read_on_cell",
        "read_off_cell",
    }
    with pytest.raises(NotFoundError, match="no action, time or area 'convertt'; did you mean"):
        with_action(found + components(load_architecture("rap")), "convertt")


def test_a_row_of_a_unit_says_what_it_stands_for():
    noted = {
        f"{one.name}.{each.name}"
        for one in components(load_architecture("rap"))
        for each in one.quantities
        if each.note
    }
    functions = ("softmax", "layer_norm", "gelu", "requantize")
    assert noted == {f"units.{name}.row_of_{n}" for name in functions for n in (1, 64)}
    document = to_document(components(load_architecture("rap")))
    assert "pays for its own" in document["units.requantize"]["row_of_64"]["note"]
    assert document["mram.adc"]["convert"]["note"] == ""


def test_the_document_holds_every_number_with_its_steps_and_inputs():
    found = components(load_architecture("rap"))
    document = to_document(found)
    entry = document["mram.adc"]["convert"]
    assert entry["unit"] == "pj"
    assert entry["value"] == entry["steps"][0]["value"]
    assert all(leaf["sources"] or leaf["kind"] in {"setting", "exact"} for leaf in entry["inputs"])
