"""A chip that comes after others on one simulator gives what it would give alone."""

import pytest

from pimsim.config import load_architecture
from pimsim.simulate import Simulator

BASE = ("macros.mram.crossbar.rows=32",)
"""Several row blocks, so that they may wait for each other."""

TIMES = (
    "macros.mram.read_time_ns=20.0",
    "macros.mram.adc.conversion_time_ns=2.0",
    "macros.sram.write.cycle_time_ns=2.0",
    "chip.clock_ghz=2.0",
    "units.gelu.lanes=32",
    "chip.noc.link_bits_per_ns=64.0",
    "tile.buffer.bandwidth_bits_per_ns=64.0",
)
"""What only the timeline depends on."""

COMPARED = (
    "accuracy", "latency_us", "latency_breakdown_us", "energy_breakdown_uj", "area_breakdown_mm2",
    "assumed_energy_ratio", "assumed_area_ratio", "assumed_latency_ratio", "cells_ratio", "notes",
    "counts", "throughput_per_s",
)  # fmt: skip

ALL = ("layout", "values", "timeline")


@pytest.fixture(scope="module")
def used(vit):
    """A simulator that has seen other chips."""
    return Simulator(vit, samples=1, chips=1)


@pytest.mark.parametrize(
    ("overrides", "computed"),
    [
        (("cost.variants.modelled.flash_adc=survey_regression_4bit",), ()),
        (("cost.default=paper_table_72", "description=another"), ()),
        (TIMES, ("timeline",)),
        (("pvt.temperature_degc=85.0",), ("values", "timeline")),
        (("chip.noc.model=bus",), ("layout", "timeline")),
        (("macros.sram.crossbar.cell.sigma_on_ratio=0.2",), ALL),
        (("macros.mram.sync=vector",), ALL),
        (("macros.sram.write.port=column",), ALL),  # 16 columns of values, not 17 rows
        (("mapping.dataflow=layer_by_layer",), ALL),  # gathered, not masked writes of keys
    ],
)
def test_a_pass_is_used_again_only_where_nothing_else_would_come_out(
    vit, used, overrides, computed
):
    used.run(load_architecture("rap", overrides=BASE), baselines=False)
    chip = load_architecture("rap", overrides=(*BASE, *overrides))
    again = used.run(chip, baselines=False)
    assert sorted(used.computed) == sorted(computed)
    alone = Simulator(vit, samples=1, chips=1).run(chip, baselines=False)
    assert {name: getattr(again, name) for name in COMPARED} == {
        name: getattr(alone, name) for name in COMPARED
    }


def test_calibrated_converter_ranges_go_with_the_layout(vit):
    """They are found once, and the chip that is only costed anew has them, with their note."""
    ranges = ("macros.sram.adc.range=calibrated", "macros.sram.adc.levels=5")
    used = Simulator(vit, samples=1, chips=1)
    used.run(load_architecture("rap", overrides=ranges), baselines=False)
    chip = load_architecture("rap", overrides=(*ranges, "cost.default=paper_table"))
    again = used.run(chip, baselines=False)
    assert used.computed == ()
    alone = Simulator(vit, samples=1, chips=1).run(chip, baselines=False)
    assert again.notes == alone.notes
    assert any("range calibrated" in note for note in again.notes)
    assert again.recost["architecture"] == alone.recost["architecture"]


def test_only_the_default_cost_variant_is_costed_where_no_other_is_wanted(vit):
    simulator, chip = Simulator(vit, samples=1, chips=1), load_architecture("rap")
    every = simulator.run(chip, baselines=False)
    one = simulator.run(chip, baselines=False, every_variant=False)
    assert [cost.variant for cost in one.costs] == ["modelled"]
    assert [cost.variant for cost in every.costs] == list(chip.cost.variants)
    assert one.costs[0] == every.costs[0]
