"""How the headline numbers follow from what the passes found."""

from dataclasses import replace

import pytest

from pimsim.config import load_architecture
from pimsim.cost import basis_of, roll_up
from pimsim.simulate import simulate
from pimsim.summarize import (
    ChipRun,
    _area_ratio,
    _assumed_latency_ratio,
    _cells_ratio,
    _latency_breakdown_us,
)
from pimsim.workload import Workload

pytestmark = pytest.mark.xdist_group("simulate")


def test_used_area_is_that_of_the_macros_in_use(passes: ChipRun):
    """30 of 1152 mram and 32 of 8192 sram macros: all of a macro counts, its converters too."""
    assert passes.mapped.macros_used == {"mram": 30, "sram": 32}
    areas = {
        kind: sum(
            item.area_um2 for item in passes.costs[0].items if item.component.startswith(f"{kind}.")
        )
        for kind in ("mram", "sram")
    }
    expected = (areas["mram"] * 30 / 1152 + areas["sram"] * 32 / 8192) / sum(areas.values())
    assert _area_ratio(passes.costs[0], basis_of(passes.mapped)) == pytest.approx(
        expected, rel=1e-12
    )


def test_the_arrays_of_a_table_of_a_paper_are_macros_too(passes: ChipRun):
    """Table 1 names its arrays by operand; all of 1152 and 8192 arrays in use fill the area."""
    rap = load_architecture("rap")
    basis = replace(basis_of(passes.mapped), architecture=rap)
    costs = roll_up(basis, passes.functional.counts, passes.timeline, "paper_table")
    every = replace(basis, macros_used={"mram": 1152, "sram": 8192})
    assert _area_ratio(costs, every) == pytest.approx(1.0, rel=1e-12)
    none = replace(basis, macros_used={"mram": 0, "sram": 8192})
    assert 0.0 < _area_ratio(costs, none) < 1.0


def test_used_cells_are_those_of_all_macros(passes: ChipRun):
    full = {"mram": 1152 * 1024 * 1024, "sram": 8192 * 64 * 1024}
    assert _cells_ratio(replace(passes, mapped=replace(passes.mapped, cells_used=full))) == 1.0
    half = {"mram": 1152 * 1024 * 1024, "sram": 0}
    ratio = _cells_ratio(replace(passes, mapped=replace(passes.mapped, cells_used=half)))
    assert ratio == pytest.approx(1152 * 16 / (1152 * 16 + 8192), rel=1e-12)


def test_the_critical_path_is_told_by_what_was_at_work(passes: ChipRun):
    """Macros by kind, units by function, the rest by place; equal names add up."""
    path = {
        "head|macro": 5_000_000,
        "blocks.0.mlp.up|macro": 1_000_000,
        "blocks.0.attention.matmul|macro": 3_000_000,
        "blocks.0.attention.matmul|write": 500_000,
        "norm|vector_unit": 2_000_000,
        "head.requantize|vector_unit": 250_000,
        "norm|tile_buffer": 125_000,
        "head|noc": 125_000,
    }
    timeline = replace(passes.timeline, critical_path_ps=path, latency_ps=12_000_000)
    run = replace(passes, timeline=timeline)
    assert _latency_breakdown_us(run) == {
        "mram.reads": 6.0,
        "sram.reads": 3.0,
        "units.layer_norm": 2.0,
        "sram.writes": 0.5,
        "units.requantize": 0.25,
        "noc": 0.125,
        "tile_buffer": 0.125,
    }
    kinds = {**run.service_times.kinds, "macro": "measured", "noc": "published"}
    times = replace(run.service_times, kinds=kinds)
    assert _assumed_latency_ratio(replace(run, service_times=times)) == (2.875e6) / 12e6


def test_what_a_reader_of_the_mapping_must_know_is_in_the_notes(vit: Workload):
    memory = (
        "chip.memory={technology: lpddr4, capacity_bytes: 1000000000, bandwidth_bits_per_ns: 100.0,"
        " latency_ns: 100.0}"
    )
    rounds = (
        *("chip.tiles=1", "tile.macros.mram=16", "mapping.time_multiplex=true", memory),
        "macros.mram.reprogram={row_time_ns: 1000.0, endurance_cycles: 1000000}",
    )
    result = simulate("rap_int8", vit, samples=1, chips=1, compare=(), overrides=rounds)
    note = (
        "'mram' macros are programmed up to 2 times per inference; their cells last for 500,000 "
        "inferences"
    )
    assert note in result.notes
