"""A chip that comes after others on one simulator gives what it would give alone."""

import pytest

from pimsim.config import load_architecture
from pimsim.simulate import Simulator

BASE = ("macros.mram.crossbar.rows=32",)
"""Several row blocks, so that they may wait for each other."""

REUSED = (
    "macros.mram.read_time_ns=20.0",
    "macros.mram.adc.conversion_time_ns=2.0",
    "macros.sram.write.cycle_time_ns=2.0",
    "chip.clock_ghz=2.0",
    "tile.buffer.bandwidth_bits_per_ns=64.0",
    "units.gelu.lanes=32",
)
"""What neither values nor the reads of a vector depend on."""

COMPARED = (
    "accuracy", "latency_us", "latency_breakdown_us", "energy_breakdown_uj", "area_breakdown_mm2",
)  # fmt: skip


@pytest.mark.parametrize(
    ("overrides", "reused"),
    [
        (REUSED, True),
        (("macros.mram.sync=vector",), False),
        (("macros.sram.write.port=column",), False),  # 16 columns of values, not 17 rows
        (("mapping.dataflow=layer_by_layer",), False),  # gathered, not masked writes of keys
    ],
)
def test_values_are_used_again_only_where_nothing_else_would_come_out(vit, overrides, reused):
    used = Simulator(vit, samples=1, chips=1)
    used.run(load_architecture("rap", overrides=BASE), baselines=False)
    chip = load_architecture("rap", overrides=(*BASE, *overrides))
    again = used.run(chip, baselines=False)
    alone = Simulator(vit, samples=1, chips=1).run(chip, baselines=False)
    assert {name: getattr(again, name) for name in COMPARED} == {
        name: getattr(alone, name) for name in COMPARED
    }
    assert reused != any("analog chip" in stage for stage in again.manifest.wall_times_s)
