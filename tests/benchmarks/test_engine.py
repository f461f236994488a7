"""Speed of the crossbar engine: ``pytest tests/benchmarks --benchmark-only -n 0``.

Each benchmark records conversions per run, so that conversions per second follow; it asserts their
number, never a time. The standard product is 128 vectors of 768 by 768 x 768, 8-bit inputs bit by
bit, 8 one-bit slices, 128 rows per read: 37,748,736 conversions. ``numpy_ns_per_conversion`` is the
time of a straightforward bit-sliced product in NumPy, measured in the same run.
"""

import time
from functools import cache
from typing import Any

import numpy as np
import pytest

from pimsim import rng
from pimsim.analog import dynamic, ideal_macro, mvm, mvm_dynamic, program
from pimsim.config import load_architecture
from pimsim.config.macros import Macro

VECTORS = 1024
STANDARD = 128 * 8 * 6 * 768 * 8
CELL = {"model": "mram", "on_off_ratio": 2.5, "sigma_on_ratio": 0.03}


def macro_of(
    *, active_rows: int = 128, levels: int = 256, cell: dict[str, Any] | None = None, **adc: Any
) -> Macro:
    """A macro of 768 rows with an 8-bit converter."""
    macro = ideal_macro(
        rows=768, cols=6144, active_rows=active_rows, weight_bits=8, input_bits=8, adc_levels=levels
    )
    data = macro.model_dump()
    data["adc"].update(adc)
    data["crossbar"]["cell"].update(cell or {})
    return Macro.model_validate(data)


CASES = {
    "linear converter that never clips": macro_of(),
    "linear converter that clips": macro_of(levels=48, range="clipped", clip_ratio=0.36),
    "table: coarse steps": macro_of(levels=40),
    "table: bow": macro_of(inl_ratio=0.02),
    "table: own gain per 8 columns": macro_of(gain_sigma_ratio=0.02, columns_per_adc=8),
    "noise of 0.1 LSB": macro_of(noise_ratio=0.1 / 255),
    "noise of 0.5 LSB": macro_of(noise_ratio=0.5 / 255),
    "cells vary": macro_of(cell=CELL),
    "cells vary, noise of 0.5 LSB": macro_of(cell=CELL, noise_ratio=0.5 / 255),
    "8 rows, cells vary, noise as in rap": macro_of(
        active_rows=8, levels=9, cell={**CELL, "sigma_on_ratio": 0.0295}, noise_ratio=0.0004
    ),
}


@cache
def operands() -> tuple[np.ndarray, np.ndarray]:
    generator = np.random.default_rng(0)
    return generator.integers(-128, 128, (768, 768)), generator.integers(-128, 128, (128, 768))


@cache
def numpy_ns_per_conversion(noise_lsb: float) -> float:
    """Best of three plain bit-sliced products."""
    times = []
    for _ in range(3):
        started = time.perf_counter()
        values = numpy_product(noise_lsb)
        times.append(time.perf_counter() - started)
    weights, inputs = operands()
    assert noise_lsb or np.array_equal(values, inputs @ weights)
    return min(times) / STANDARD * 1e9


def numpy_product(noise_lsb: float) -> np.ndarray:
    """One float32 product per plane, slice and row group, rounded and clipped to 256 codes."""
    weights, inputs = operands()
    generator = np.random.default_rng(0)
    values = np.zeros((128, 768), np.int64)
    for plane in range(8):
        bits = ((inputs >> plane) & 1).astype(np.float32)
        for position in range(8):
            cells = ((weights >> position) & 1).astype(np.float32)
            sign = -1 if (plane == 7) != (position == 7) else 1
            for first in range(0, 768, 128):
                sums = bits[:, first : first + 128] @ cells[first : first + 128]
                if noise_lsb:
                    sums += noise_lsb * generator.standard_normal(sums.shape, np.float32)
                codes = np.clip(np.rint(sums), 0, 255).astype(np.int64)
                values += sign * (codes << (plane + position))
    return values


@pytest.mark.parametrize("name", CASES)
def test_standard_product(benchmark, name):
    """128 vectors through 768 x 768 under different physics."""
    macro = CASES[name]
    weights, inputs = operands()
    programmed = program(weights, macro, rng.key(0, "cells"))
    mvm(programmed, inputs, 1)  # compiled, or loaded from the cache
    output = benchmark(mvm, programmed, inputs, rng.key(0, "noise"))
    conversions = output.counts.macros[0].conversions
    assert conversions == STANDARD * 128 // macro.crossbar.active_rows
    benchmark.extra_info["conversions"] = conversions
    noise = 0.5 if "noise" in name else 0.0
    benchmark.extra_info["numpy_ns_per_conversion"] = numpy_ns_per_conversion(noise)


class BertLayer:
    """One encoder layer of BERT-base at 128 tokens: six static and twelve times two products."""

    def __init__(self, macro: Macro) -> None:
        generator = np.random.default_rng(0)
        shapes = [(768, 768)] * 4 + [(768, 3072), (3072, 768)]
        self.static = [
            program(generator.integers(-128, 128, shape), macro, rng.key(0, "cells", index))
            for index, shape in enumerate(shapes)
        ]
        self.inputs = [generator.integers(-128, 128, (128, rows)) for rows, _ in shapes]
        self.dynamic = [
            dynamic(macro, instances=12, rows=rows, cols=cols, key=rng.key(0, "heads", rows))
            for rows, cols in ((64, 128), (128, 64))
        ]
        self.stored = [generator.integers(-128, 128, (1, 12, *s)) for s in ((64, 128), (128, 64))]
        self.driven = [generator.integers(-128, 128, (1, 12, 128, rows)) for rows in (64, 128)]

    def run(self) -> int:
        """Multiply everything once; returns the conversions."""
        done = [
            mvm(*pair, rng.key(0, "noise")) for pair in zip(self.static, self.inputs, strict=True)
        ]
        for crossbars, stored, driven in zip(self.dynamic, self.stored, self.driven, strict=True):
            done.append(mvm_dynamic(crossbars, stored, driven, rng.key(0, "noise")))
        return sum(output.counts.macros[0].conversions for output in done)


BERT = {
    "128 rows, noise off": macro_of(),
    "128 rows, converter noise of 0.5 LSB": macro_of(noise_ratio=0.5 / 255),
    "8 rows, cells and noise as in rap": CASES["8 rows, cells vary, noise as in rap"],
}


@pytest.mark.parametrize("name", BERT)
def test_bert_base_layer(benchmark, name):
    """All products of one encoder layer: 8-bit operands, 128 tokens."""
    macro = BERT[name]
    layer = BertLayer(macro)
    layer.run()
    conversions = benchmark.pedantic(layer.run, rounds=3)
    active = macro.crossbar.active_rows
    static = sum(128 * 8 * -(-rows // active) * cols * 8
                 for rows, cols in [(768, 768)] * 4 + [(768, 3072), (3072, 768)])  # fmt: skip
    heads = sum(
        12 * 128 * 8 * -(-rows // active) * cols * 8 for rows, cols in ((64, 128), (128, 64))
    )
    assert conversions == static + heads
    benchmark.extra_info["conversions"] = conversions


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
