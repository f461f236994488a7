"""Cost of packed reads: ``pytest tests/benchmarks/test_packed_reads.py --benchmark-only -n 0``.

One chip runs 360 images of the demo, all products and digital units, with row groups and with
BitSift; asserted are the reads, never a time. As a script (``python -m
tests.benchmarks.test_packed_reads [ARCHITECTURE ...]``) it prints processor time of one thread, the
best of several turns taken one after another, which other load on the machine disturbs least.
"""

import os
import sys
import time
from functools import cache

import pytest

from pimsim.config import load_architecture, workload_path
from pimsim.functional import AnalogEngine, FunctionalRun, execute, freeze_ranges
from pimsim.mapping import MappedWorkload, map_workload
from pimsim.quantization import Observer, calibrate, quantize
from pimsim.workload.files import load
from pimsim.workload.runs import at_sizes

IMAGES = 360
KINDS = ("mram", "sram")
SKIPPING = {
    "row groups": [f"macros.{kind}.zero_skipping={{model: none}}" for kind in KINDS],
    "BitSift": [f"macros.{kind}.zero_skipping={{model: bitsift}}" for kind in KINDS],
}
PHYSICS = {
    "neither": [
        override
        for kind in KINDS
        for override in (
            f"macros.{kind}.crossbar.cell.sigma_on_ratio=0.0",
            f"macros.{kind}.adc.noise_ratio=null",
        )
    ],
    "as in rap": [],
}
READS = {
    ("rap_int8", "row groups"): 19_653_120,
    ("rap_int8", "BitSift"): 11_005_379,
    ("rap", "row groups"): 40_089_600,
    ("rap", "BitSift"): 10_004_976,
}


@cache
def mapped(architecture: str, physics: str, skipping: str) -> MappedWorkload:
    """The demo on a chip with its converters' ranges set."""
    workload = at_sizes(load(workload_path("vit_digits"), values=True), {"batch": 1})
    chip = load_architecture(architecture, overrides=PHYSICS[physics] + SKIPPING[skipping])
    quantized = quantize(workload, chip, calibrate(workload, Observer.of(chip.numerics)))
    placed = map_workload(quantized, chip, {"batch": 1})
    return freeze_ranges(placed, workload.samples.calibration)


def one_pass(placed: MappedWorkload, *, counted: bool = True) -> FunctionalRun:
    """One chip, cells drawn afresh, all images."""
    chip, samples = placed.architecture, placed.quantized.workload.samples
    inputs = {name: values[:IMAGES] for name, values in samples.evaluation.items()}
    return execute(placed, inputs, AnalogEngine(chip.macros, 0, 0, chip.pvt, counted=counted))


def reads_of(run: FunctionalRun) -> int:
    return sum(macro.reads for counts in run.counts for macro in counts.macros)


@pytest.mark.parametrize("skipping", SKIPPING)
@pytest.mark.parametrize("physics", PHYSICS)
@pytest.mark.parametrize("architecture", ["rap_int8", "rap"])
def test_functional_pass(benchmark, architecture, physics, skipping):
    """All products and units of one chip's pass over 360 images."""
    placed = mapped(architecture, physics, skipping)
    one_pass(placed)
    found = benchmark.pedantic(one_pass, (placed,), rounds=5)
    assert reads_of(found) == READS[architecture, skipping]


def processor_s(placed: MappedWorkload, *, counted: bool) -> float:
    started = time.process_time()
    one_pass(placed, counted=counted)
    return time.process_time() - started


def main(architectures: list[str]) -> None:
    """Write processor seconds of one chip, of a further chip, and of a run of three chips."""
    for architecture in architectures:
        for physics in PHYSICS:
            best: dict[tuple[str, bool], float] = {}
            for _ in range(int(os.environ.get("TURNS", "9"))):
                for skipping in SKIPPING:
                    placed = mapped(architecture, physics, skipping)
                    for counted in (True, False):
                        found = processor_s(placed, counted=counted)
                        case = skipping, counted
                        best[case] = min(best.get(case, found), found)
            for title, weights in (("first chip", (1, 0)), ("further", (0, 1)), ("of 3", (1, 2))):
                times = [
                    weights[0] * best[name, True] + weights[1] * best[name, False]
                    for name in SKIPPING
                ]
                sys.stdout.write(
                    f"{architecture:10}{physics:12}{title:12}{times[0]:7.3f}{times[1]:7.3f}"
                    f"{times[1] / times[0]:7.2f} x\n"
                )


if __name__ == "__main__":
    main(sys.argv[1:] or ["rap_int8", "rap"])
