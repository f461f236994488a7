"""Peak numbers of published chips against arithmetic by hand, from what the papers state."""

import pytest

from pimsim.config import load_architecture, workload_path
from pimsim.config.readout import BlockingPipeline, Readout
from pimsim.cost.describe import describe
from pimsim.errors import ConfigError, MappingError
from pimsim.mapping import map_workload
from pimsim.quantization import quantize
from pimsim.validation import load_published
from pimsim.workload.files import load


def test_isaac_has_one_conversion_per_wide_mac_and_a_quarter_per_narrow_one():
    wide = describe(load_architecture("isaac")).macros["xbar"]
    narrow = describe(
        load_architecture(
            "isaac", overrides=["macros.xbar.weights.bits=8", "macros.xbar.inputs.bits=8"]
        )
    ).macros["xbar"]
    assert wide.conversions_per_mac == 8 * 16 / 128
    assert narrow.conversions_per_mac == 4 * 8 / 128


def test_isaac_peak_is_crossbars_times_macs_over_sixteen_cycles():
    chip = describe(load_architecture("isaac"))
    crossbars = 168 * 12 * 8
    assert chip.tops == pytest.approx(crossbars * 2 * 128 * 16 / 1600.0 * 1e-3)


def test_the_extension_is_no_part_of_the_published_area_or_power():
    chip = load_architecture("isaac")
    larger = load_architecture("isaac", overrides=["units.mac_array.lanes=4096"])
    assert describe(larger).area_mm2 == describe(chip).area_mm2
    assert describe(larger).power_mw == describe(chip).power_mw
    assert not any(name.startswith("extension") for name in describe(chip).area_breakdown_mm2)


def test_parts_add_up_to_the_whole():
    for name in ("isaac", "puma", "neurram", "jia2020", "rap_table1", "hermes", "raella"):
        chip = describe(load_architecture(name))
        assert sum(chip.area_breakdown_mm2.values()) == chip.area_mm2
        assert sum(chip.power_breakdown_mw.values()) == chip.power_mw


@pytest.mark.parametrize("supply_v", [0.85, 1.0, 1.2])
def test_energy_of_the_charge_domain_array_follows_the_square_of_the_supply(supply_v):
    base = describe(load_architecture("jia2020")).macros["cim"]
    here = describe(load_architecture("jia2020", overrides=[f"pvt.supply_v={supply_v}"])).macros[
        "cim"
    ]
    assert here.energy_pj / base.energy_pj == pytest.approx((supply_v / 0.85) ** 2)
    assert here.period_ns / base.period_ns == pytest.approx((0.85 / supply_v) ** 2.66, rel=1e-6)


NEURON = Readout(
    model="charge_integration",
    bits_per_phase=3,
    integration_step_ns=296.0,
    conversion_step_ns=300.0,
    phase_ns=300.0,
)


@pytest.mark.parametrize(
    ("input_bits", "output_bits", "expected"),
    [
        (1, 3, (1, 1, 1, 3)),
        (2, 4, (1, 1, 1, 4)),
        (4, 6, (3, 1, 7, 6)),
        (5, 7, (4, 2, 6, 12)),  # 2 + 2 bits: 3 + 3 additions, 7 + 5 comparisons
        (8, 10, (7, 2, 22, 16)),  # 4 + 3 bits: 15 + 7 additions, 10 + 6 comparisons
    ],
)
def test_steps_of_a_charge_integrating_neuron(input_bits, output_bits, expected):
    assert NEURON.steps(input_bits, output_bits) == expected


def test_a_vector_takes_the_time_of_its_steps():
    chip = load_architecture("neurram", overrides=["macros.rram.inputs.bits=8"])
    mvm = describe(chip).macros["rram"]
    assert mvm.period_ns == pytest.approx(22 * 296 + (8 + 4) * 300 + 2 * 300, abs=0.01)


@pytest.mark.parametrize(("input_bits", "stages"), [(16, 18), (8, 10)])
def test_a_vector_of_puma_fills_and_drains_its_pipeline(input_bits, stages):
    """Simulator: latency of an MVM is that of a converter times (input bits + 3 stages - 1)."""
    chip = load_architecture("puma", overrides=[f"macros.xbar.inputs.bits={input_bits}"])
    mvm = describe(chip).macros["xbar"]
    assert mvm.period_ns == stages * 128.0
    assert mvm.latency_ns == pytest.approx(mvm.period_ns, rel=2e-3)
    shared_mw = 128 * 0.003896875 + 128 * 9.7e-6 + 0.05 + 0.21328125 + 0.2
    assert mvm.energy_pj == pytest.approx((2.0 + 0.33 + shared_mw / 8) * mvm.period_ns)


def test_a_pipeline_of_one_stage_takes_its_input_cycles():
    assert BlockingPipeline(stages=1, stage_ns=10.0).vector_ns(8) == 80.0


def test_readout_and_pipeline_cannot_both_set_the_time_of_a_vector():
    with pytest.raises(ConfigError, match="readout and pipeline both set the time"):
        load_architecture(
            "neurram",
            overrides=["macros.rram.pipeline.stages=3", "macros.rram.pipeline.stage_ns=128"],
        )


def test_puma_falls_short_of_isaac_by_what_its_authors_say():
    """ASPLOS 2019: 20.7 % fewer operations per watt and 29.2 % fewer per area."""
    puma, isaac = describe(load_architecture("puma")), describe(load_architecture("isaac"))
    assert puma.tops_per_w / isaac.tops_per_w == pytest.approx(1.0 - 0.207, rel=0.02)
    assert puma.tops_per_mm2 / isaac.tops_per_mm2 == pytest.approx(1.0 - 0.292, rel=0.02)


def test_links_off_the_chip_draw_no_more_than_their_power():
    """Energy per bit times bandwidth is the 10.4 W of the component table."""
    for name in ("isaac", "puma"):
        chip = load_architecture(name)
        row = chip.cost.variants["published"].table.components["hyper_transport"]
        rate = chip.chip.global_buffer.bandwidth_bits_per_ns
        assert row.energy_pj * rate == pytest.approx(row.power_mw)


def test_the_supply_exponent_of_the_charge_domain_array_is_that_of_its_clocks():
    """Jia et al.: 40 MHz at 0.85 V and 100 MHz at 1.2 V, so the row at 1.2 V is calibrated."""
    delay = load_architecture("jia2020").macros["cim"].supply
    assert delay.delay_ratio(1.2) == pytest.approx(40 / 100, rel=2e-3)
    rows = [row for row in load_published("jia2020").rows if row.metric == "one_bit_tops"]
    assert all(row.calibrated for row in rows)


def test_one_bit_operands_use_every_column_of_the_charge_domain_array():
    """Jia et al.: 2,304 x 256 one-bit MACs in 54 cycles of 25 ns."""
    overrides = ["macros.cim.weights.bits=1", "macros.cim.inputs.bits=1"]
    chip = describe(load_architecture("jia2020", overrides=overrides))
    assert chip.tops == pytest.approx(2 * 2304 * 256 / 1350.0 * 1e-3)


@pytest.mark.parametrize(("tiles", "fits"), [(216, True), (215, False)])
def test_bert_base_at_eight_bits_fills_216_tiles_of_isaac(tiles, fits):
    """85 M weights of 4 slices: 20,736 crossbars of 128 x 32 weights, 96 to a tile."""
    chip = load_architecture(
        "isaac", overrides=[f"chip.tiles={tiles}", "tile.buffer.capacity_bytes=2359296"]
    )
    quantized = quantize(load(workload_path("bert_base")), chip, None)
    dims = {"batch": 1, "seq": 128}
    if not fits:
        with pytest.raises(MappingError, match="20736, 20640 are present"):
            map_workload(quantized, chip, dims)
        return
    assert map_workload(quantized, chip, dims).macros_used == {"xbar": 20736}
