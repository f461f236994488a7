"""Ranges of converters, from what calibration samples make of them."""

from dataclasses import replace

import numpy as np
import pytest

from pimsim.analog.ranges import calibrate_range, sum_histogram
from pimsim.config.architecture import Architecture
from pimsim.errors import SimulationError
from pimsim.functional import IdealEngine, execute, freeze_ranges
from pimsim.functional.ranges import uncalibrated
from tests.quantization.traced import CONVENTIONAL, mapped, transformer_block


def chip(**adc: object) -> Architecture:
    """Full columns of 256 rows and converters of 4 bits, so that a range matters."""
    macros = {
        name: macro.model_copy(
            update={"adc": macro.adc.model_copy(update={"bits": 4, "noise_ratio": None} | adc)}
        )
        for name, macro in CONVENTIONAL.macros.items()
    }
    return CONVENTIONAL.model_copy(update={"name": "narrow", "macros": macros})


def placed(architecture: Architecture, batch: int = 1):
    workload = transformer_block(evaluation=4, tokens=9, width=32)
    return workload.samples, mapped(workload, architecture, batch=batch)


def test_a_full_range_needs_no_samples():
    _, on_chip = placed(chip())
    assert uncalibrated(on_chip) == ()
    assert freeze_ranges(on_chip, {}) is on_chip


def test_missing_ranges_are_found_frozen_and_told():
    samples, on_chip = placed(chip(range="calibrated"))
    assert uncalibrated(on_chip) == ("mram", "sram")
    frozen = freeze_ranges(on_chip, samples.calibration)
    macros = frozen.architecture.macros
    for name in ("mram", "sram"):
        found = macros[name].adc.calibrated
        full = -(-macros[name].crossbar.active_rows // 16)
        assert found.lowest_code == 0
        assert 1 <= found.lsb_per_code < full
    notes = [note for note in frozen.architecture.notes if "range calibrated: 16 codes" in note]
    assert [note.split(".")[1] for note in notes] == ["mram", "sram"]
    assert uncalibrated(frozen) == ()
    assert freeze_ranges(frozen, samples.calibration) is frozen
    assert freeze_ranges(on_chip, samples.calibration).architecture == frozen.architecture
    assert replace(frozen, architecture=on_chip.architecture) == on_chip


def test_the_histogram_is_of_every_product_on_the_kind_of_macro():
    """Recomputed from the operands that an ideal run of the same samples drives and stores."""

    class Recorder:
        def __init__(self):
            self.histogram = 0

        def static(self, op, driven, first_vector):
            if op.placement.macro == "mram":
                macro = on_chip.architecture.macros["mram"]
                self.histogram = self.histogram + sum_histogram(op.op.weights, driven, macro)
            return IdealEngine().static(op, driven, first_vector)

        def dynamic(self, op, driven, stored, first_vector):
            return IdealEngine().dynamic(op, driven, stored, first_vector)

    samples, on_chip = placed(chip(range="calibrated"), batch=2)
    count = min(8, len(next(iter(samples.calibration.values()))) // 2 * 2)
    recorder = Recorder()
    execute(on_chip, {key: v[:count] for key, v in samples.calibration.items()}, recorder)
    expected, _ = calibrate_range(recorder.histogram, on_chip.architecture.macros["mram"])
    frozen = freeze_ranges(on_chip, samples.calibration)
    assert frozen.architecture.macros["mram"].adc.calibrated == expected


def test_a_range_cannot_be_calibrated_without_samples():
    _, on_chip = placed(chip(range="calibrated"))
    with pytest.raises(SimulationError, match="there are 0 calibration samples for batches of 1"):
        freeze_ranges(on_chip, {"x": np.zeros((0, 9, 32))})
