"""Speed of the crossbar engine: ``pytest tests/benchmarks --benchmark-only -n 0``.

Each benchmark records conversions per run, so that conversions per second follow; it asserts their
number, never a time.
"""

import numpy as np
import pytest

from pimsim import rng
from pimsim.analog import dynamic, mvm, mvm_dynamic, program
from pimsim.config import load_architecture

VECTORS = 1024


@pytest.mark.parametrize("chip", ["rap", "conventional"])
def test_static_product(benchmark, chip):
    """1,024 vectors through a 64 x 64 matrix with variation and converter noise."""
    macro = load_architecture(chip).macros["mram"]
    generator = np.random.default_rng(0)
    programmed = program(generator.integers(-127, 128, (64, 64)), macro, rng.key(0, "cells"))
    inputs = generator.integers(-127, 128, (VECTORS, 64))
    output = benchmark(mvm, programmed, inputs, rng.key(0, "noise"))
    groups = -(-64 // macro.crossbar.active_rows)
    conversions = output.counts.macros[0].conversions
    assert conversions == VECTORS * 8 * groups * 64 * 8
    benchmark.extra_info["conversions"] = conversions


def test_dynamic_product(benchmark):
    """Q·Kᵀ of 64 images of the demo: four heads, 17 tokens, 16 rows."""
    macro = load_architecture("rap").macros["sram"]
    generator = np.random.default_rng(0)
    crossbars = dynamic(macro, instances=4, rows=16, cols=17, key=rng.key(0, "cells"))
    stored = generator.integers(-127, 128, (64, 4, 16, 17))
    inputs = generator.integers(-127, 128, (64, 4, 17, 16))
    output = benchmark(mvm_dynamic, crossbars, stored, inputs, rng.key(0, "noise"))
    conversions = output.counts.macros[0].conversions
    assert conversions == 64 * 4 * 17 * 8 * 2 * 17 * 8
    benchmark.extra_info["conversions"] = conversions
