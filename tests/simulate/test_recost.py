"""A stored result is costed again as a run would cost it, or refused."""

import dataclasses

import pytest

from pimsim.config import load_architecture
from pimsim.config.load import changed
from pimsim.errors import InputError, NotFoundError
from pimsim.recost import changes, recost, stored_architecture

MANIFEST = ("manifest", "notes")


def without(result, *names):
    return {
        field.name: getattr(result, field.name)
        for field in dataclasses.fields(result)
        if field.name not in names
    }


def test_the_stored_chip_is_the_one_that_ran(demo):
    assert stored_architecture(demo) == load_architecture("rap_int8")


def test_nothing_changed_costs_the_same(demo):
    again = recost(demo, load_architecture("rap_int8"))
    timeless = (*MANIFEST, "timeline")
    assert without(again, *timeless) == without(demo, *timeless)
    assert again.timeline is demo.timeline
    assert again.manifest.config_hash == demo.manifest.config_hash


def test_another_variant_heads_the_result_with_the_numbers_that_the_run_gave_it(demo):
    known = {variant.name: variant for variant in demo.cost_variants}
    again = recost(demo, load_architecture("rap_int8"), "survey_4bit_adc")
    assert again.costs[0].variant == "survey_4bit_adc"
    assert again.energy_uj == known["survey_4bit_adc"].energy_uj
    assert again.area_mm2 == known["survey_4bit_adc"].area_mm2
    assert again.accuracy == demo.accuracy
    assert again.latency_us == demo.latency_us
    assert sum(again.energy_breakdown_uj.values()) == pytest.approx(again.energy_uj)


def test_another_node_costs_what_a_run_at_that_node_costs(demo, vit):
    from pimsim.simulate import simulate

    overrides = ("node_nm=22.0",)
    run = simulate("rap_int8", vit, samples=8, chips=2, overrides=overrides, compare=())
    again = recost(demo, load_architecture("rap_int8", overrides=overrides))
    assert again.energy_uj == run.energy_uj
    assert again.area_breakdown_mm2 == run.area_breakdown_mm2
    assert again.energy_uj < demo.energy_uj
    assert again.sources == run.sources


def test_the_new_result_says_what_was_changed(demo):
    chip = load_architecture("rap_int8", overrides=["node_nm=22.0"])
    again = recost(demo, chip)
    assert again.notes[-1].endswith("costed again, without simulating: node_nm: 28.0 became 22.0")
    assert recost(again, load_architecture("rap_int8")).notes.count(again.notes[-1]) == 0
    assert "costed again" in again.manifest.wall_times_s


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("macros.mram.read_time_ns=20.0", r"service times change: read_ps\.mram: 10000 became"),
        ("chip.clock_ghz=2.0", "unit_cycle_ps: 1000 became 500"),
        ("chip.noc.router_delay_ns=3.0", "router_delay_ps: 2000 became 3000"),
        ("macros.sram.adc.columns_per_adc=16", r"macros\.sram\.adc\.columns_per_adc: 8 became 16"),
        ("macros.mram.adc.levels=17", r"macros\.mram\.adc\.levels: 9 became 17"),
        ("macros.mram.crossbar.cell.sigma_on_ratio=0.1", "sigma_on_ratio: 0.0295 became 0.1"),
        ("units.gelu.lanes=32", r"units\.gelu\.lanes: 64 became 32"),
        ("chip.tiles=8", r"chip\.tiles: 16 became 8"),
        ("numerics.observer=mse", r"numerics\.observer: absolute_max became mse"),
        ("pvt.temperature_degc=85.0", r"pvt\.temperature_degc: 25\.0 became 85\.0"),
        ("mapping.dataflow=token_streaming", r"mapping\.dataflow: layer_by_layer became"),
    ],
)
def test_what_counts_or_times_depend_on_needs_a_new_run(demo, override, message):
    with pytest.raises(InputError, match=message) as caught:
        recost(demo, load_architecture("rap_int8", overrides=[override]))
    assert str(caught.value).startswith("this change needs a new run: pimsim run again\n")


def test_another_chip_needs_a_new_run_and_at_most_eight_keys_are_listed(demo):
    with pytest.raises(InputError, match=r"and \d+ more"):
        recost(demo, load_architecture("conventional"))


def test_an_unknown_variant_is_not_found(demo):
    with pytest.raises(NotFoundError, match="no cost variant 'modeled'; did you mean 'modelled'"):
        recost(demo, load_architecture("rap_int8"), "modeled")


def test_a_result_without_a_basis_says_so(demo):
    bare = dataclasses.replace(demo, recost={})
    with pytest.raises(InputError, match=r"no recost\.json"):
        recost(bare, load_architecture("rap_int8"))
    newer = dataclasses.replace(demo, recost={**demo.recost, "format_version": 99})
    with pytest.raises(InputError, match="format_version 99, this pimsim reads 1"):
        recost(newer, load_architecture("rap_int8"))
    other = dataclasses.replace(demo, recost={**demo.recost, "architecture": {"name": "x"}})
    with pytest.raises(InputError, match="not one of this pimsim"):
        recost(other, load_architecture("rap_int8"))
    cut = {key: value for key, value in demo.recost.items() if key != "rounds"}
    with pytest.raises(InputError, match="not what pimsim wrote"):
        recost(dataclasses.replace(demo, recost=cut), load_architecture("rap_int8"))


def test_changes_are_listed_key_by_key():
    before = load_architecture("rap_int8")
    after = changed(before, ["node_nm=22.0", "macros.mram.adc.bits=4"])
    listed = {change.path: (change.before, change.after) for change in changes(before, after)}
    assert listed == {
        "node_nm": (28.0, 22.0),
        "macros.mram.adc.levels": (9, None),
        "macros.mram.adc.bits": (None, 4),
    }
