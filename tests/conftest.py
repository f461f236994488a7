"""Settings of every test run, and the result that tests of reports and of printing share.

- With pytest-xdist each worker uses one numba thread, so that workers do not fight over cores.
- Tests marked ``torch`` are deselected, not skipped, when PyTorch is missing; the header tells how
  many test functions that are. They import torch inside the test or fixture, never at the top.
- Hypothesis draws the same 200 examples in every run.
"""

import os

if "PYTEST_XDIST_WORKER" in os.environ:  # before anything imports numba
    os.environ["NUMBA_NUM_THREADS"] = "1"

import ast
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest
from hypothesis import settings

from pimsim import units
from pimsim.records import (
    Accuracy,
    ActionCounts,
    Baseline,
    CostBreakdown,
    CostItem,
    CostVariant,
    MacroCounts,
    Manifest,
    MovedBits,
    Result,
    Source,
    Timeline,
    UnitCounts,
)

TESTS = Path(__file__).resolve().parent
TORCH_INSTALLED = find_spec("torch") is not None

settings.register_profile("pimsim", derandomize=True, max_examples=200, deadline=None)
settings.load_profile("pimsim")


def pytest_report_header(config: pytest.Config) -> str | None:
    if TORCH_INSTALLED or hasattr(config, "workerinput"):
        return None
    functions = sum(count_torch_tests(path.read_text()) for path in TESTS.rglob("test_*.py"))
    return f"torch: not installed, {functions} test functions that need it are deselected"


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    if TORCH_INSTALLED:
        return
    needing = [item for item in items if item.get_closest_marker("torch")]
    if needing:
        items[:] = [item for item in items if item not in needing]
        config.hook.pytest_deselected(items=needing)


def count_torch_tests(source: str) -> int:
    """Count the test functions of a module that carry the mark ``torch``, without importing it.

    The header is printed before, and under xdist in another process than, the collection.
    """
    if "mark.torch" not in source:
        return 0
    return _marked_tests(ast.parse(source), marked=False)


def _marked_tests(scope: ast.Module | ast.ClassDef, *, marked: bool) -> int:
    assigned = [node.value for node in scope.body if isinstance(node, ast.Assign)]
    marked = marked or any(_is_torch_mark(value) for value in assigned)
    count = 0
    for node in scope.body:
        if not isinstance(node, ast.FunctionDef | ast.ClassDef):
            continue
        decorated = marked or any(_is_torch_mark(mark) for mark in node.decorator_list)
        if isinstance(node, ast.ClassDef):
            count += _marked_tests(node, marked=decorated)
        elif node.name.startswith("test_"):
            count += decorated
    return count


def _is_torch_mark(expression: ast.expr) -> bool:
    return "mark.torch" in ast.unparse(expression)


@pytest.fixture
def example_result() -> Result:
    """A small result whose parts agree: breakdowns sum to totals, the timeline to the latency.

    Two operations of one layer and a classifier on a chip with one macro kind; 1 inference takes
    2 µs and 1.6 nJ, leakage included, on 0.5 mm²; the numbers are made up.
    """
    latency_ps, area_um2 = 2_000_000, 500_000.0
    costs = (_example_cost("modelled", 1.0), _example_cost("survey_4bit_adc", 2.5))
    energy_uj = units.uj_from_pj(costs[0].energy_pj)
    latency_us = units.us_from_ps(latency_ps)
    macs, area_mm2 = 12_288, units.mm2_from_um2(area_um2)
    return Result(
        manifest=_example_manifest(),
        workload={"name": "tiny", "parameters": 8_320, "macs": macs},
        architecture_name="example",
        scheme="int8_dyadic",
        area_mm2=area_mm2,
        accuracy=Accuracy(
            metric="top1_ratio",
            higher_is_better=True,
            samples=8,
            float32=1.0,
            integer=0.875,
            analog=(0.875, 0.75, 0.875),
            agreement_ratio=0.875,
            logit_snr_db=21.5,
        ),
        latency_us=latency_us,
        throughput_per_s=units.PER_S_PER_PER_US / latency_us,
        energy_uj=energy_uj,
        power_mw=1000.0 * energy_uj / latency_us,
        tops_per_w=units.tops_per_w(macs, energy_uj),
        tops_per_mm2=units.tops_per_mm2(macs, units.PER_S_PER_PER_US / latency_us, area_mm2),
        cells_ratio=0.25,
        area_ratio=0.5,
        energy_breakdown_uj={
            "mram.adc": 0.8e-3,
            "mram.crossbar": 0.4e-3,
            "units.softmax": 0.3e-3,
            "leakage": 0.1e-3,
        },
        area_breakdown_mm2={"mram.adc": 0.3, "mram.crossbar": 0.15, "units.softmax": 0.05},
        latency_breakdown_us={"macro": 1.5, "vector_unit": 0.25, "noc": 0.25},
        assumed_energy_ratio=0.25,
        assumed_area_ratio=0.3,
        assumed_latency_ratio=1.0,
        cost_variants=tuple(
            CostVariant(
                name=cost.variant,
                energy_uj=units.uj_from_pj(cost.energy_pj),
                area_mm2=units.mm2_from_um2(cost.area_um2),
                tops_per_w=units.tops_per_w(macs, units.uj_from_pj(cost.energy_pj)),
            )
            for cost in costs
        ),
        baselines=_example_baselines(),
        counts=_example_counts(),
        costs=costs,
        timeline=_example_timeline(latency_ps),
        notes=("BitSift zero skipping is not modelled yet: every row group is read",),
    )


def _example_manifest() -> Manifest:
    return Manifest(
        pimsim_version="0.1.0",
        created="2026-01-02T03:04:05+00:00",
        command="pimsim run --workload tiny --arch example --samples 8",
        seed=0,
        samples=8,
        chips=3,
        batch=1,
        dims={"batch": 1},
        threads=1,
        config_hash="0" * 64,
        workload_hash="1" * 64,
        overrides=(),
        models={"macros.mram.adc": "flash", "units.softmax": "ibert_softmax"},
        ideal=("macros.mram.adc.noise_ratio",),
        versions={"python": "3.11.0", "numpy": "2.0.0"},
        wall_times_s={"calibrate": 0.1, "functional": 1.5, "timing": 0.2},
        host={"system": "Linux", "machine": "x86_64"},
        paths={"architecture": "example.yaml", "workload": "tiny"},
    )


def _example_cost(variant: str, adc_factor: float) -> CostBreakdown:
    """Energies and areas whose converters cost ``adc_factor`` times the default's."""
    adc, cells = "flash_comparators", "cell_read_write"
    return CostBreakdown(
        variant=variant,
        items=(
            CostItem(
                "mram.adc", "blocks.0.fc", 500.0 * adc_factor, 0.0, adc, "fitted", "convert", 1_000
            ),
            CostItem("mram.adc", "head", 300.0 * adc_factor, 0.0, adc, "fitted", "convert", 600),
            CostItem("mram.adc", None, 0.0, 300_000.0 * adc_factor, adc, "fitted"),
            CostItem("mram.crossbar", "blocks.0.fc", 250.0, 0.0, cells, "published", "read", 250),
            CostItem("mram.crossbar", "head", 150.0, 0.0, cells, "published", "read", 150),
            CostItem("mram.crossbar", None, 0.0, 150_000.0, cells, "assumed"),
            CostItem(
                "units.softmax",
                "blocks.0.softmax",
                300.0,
                0.0,
                "digital_operations",
                "assumed",
                "row",
                4,
            ),
            CostItem("units.softmax", None, 0.0, 50_000.0, "digital_operations", "published"),
            CostItem("leakage", None, 100.0, 0.0, "digital_operations", "assumed"),
        ),
        sources=(
            Source("Example, J. Ex. 2020", "Table 1", "published", 28.0, "0.9 V", "example2020"),
            Source("chosen for this example", "", "assumed"),
        ),
    )


def _example_baselines() -> tuple[Baseline, ...]:
    return (
        Baseline(
            name="conventional",
            kind="pim_simulated",
            batch=1,
            precision="int8",
            latency_us=5.0,
            energy_uj=8e-3,
            scope="whole chip, leakage included; no host",
            source="simulated: arch_configs/conventional.yaml",
            accuracy=0.875,
            area_mm2=0.75,
        ),
        Baseline(
            name="NVIDIA Example 100",
            kind="gpu_roofline_calibrated",
            batch=1,
            precision="fp16",
            latency_us=40.0,
            energy_uj=12_000.0,
            scope="board power, kernels only; no host",
            source="data sheet, 2020, p. 1",
        ),
    )


def _example_counts() -> tuple[ActionCounts, ...]:
    """Sums over 2 inferences."""
    return (
        ActionCounts(
            op="blocks.0.fc",
            inferences=2,
            macros=(
                MacroCounts(
                    macro="mram",
                    reads=500,
                    conversions=2_000,
                    column_sum_histogram=(900, 600, 300, 150, 50),
                    driven_word_lines=1_800,
                    dummy_word_lines=200,
                    programmed_zeros=4_000,
                    programmed_ones=4_192,
                    program_pulses=8_192,
                    shift_adds={12: 1_000, 20: 1_000},
                    saturations=50,
                ),
            ),
            units=(UnitCounts("requantize", {64: 8}, saturations=3),),
            moved=MovedBits(4_096, 4_096, 1_024, 0, 2_048),
        ),
        ActionCounts(
            op="blocks.0.softmax",
            inferences=2,
            units=(UnitCounts("softmax", {64: 8}),),
            moved=MovedBits(4_096, 4_096),
        ),
        ActionCounts(
            op="head",
            inferences=2,
            macros=(
                MacroCounts(
                    macro="mram",
                    reads=300,
                    conversions=1_200,
                    column_sum_histogram=(600, 300, 200, 100, 0),
                    driven_word_lines=1_200,
                    programmed_zeros=600,
                    programmed_ones=680,
                    program_pulses=1_280,
                    shift_adds={20: 1_200},
                ),
            ),
            moved=MovedBits(4_096, 640, 0, 640, 640),
        ),
    )


def _example_timeline(latency_ps: int) -> Timeline:
    """fc on both macros, softmax, head; the critical path has no gap."""
    return Timeline(
        resources=("macro:mram:0", "macro:mram:1", "unit:softmax:0", "noc"),
        resource_classes=("macro", "macro", "vector_unit", "noc"),
        ops=("blocks.0.fc", "blocks.0.softmax", "head"),
        start_ps=np.array([0, 0, 900_000, 1_000_000, 1_250_000, 1_400_000], dtype=np.int64),
        end_ps=np.array(
            [900_000, 800_000, 1_000_000, 1_250_000, 1_400_000, latency_ps], dtype=np.int64
        ),
        resource=np.array([0, 1, 3, 2, 3, 0], dtype=np.int32),
        op=np.array([0, 0, 0, 1, 1, 2], dtype=np.int32),
        token=np.array([0, 1, 1, 1, 1, 0], dtype=np.int32),
        latency_ps=latency_ps,
        critical_path_ps={
            "blocks.0.fc|macro": 900_000,
            "blocks.0.fc|noc": 100_000,
            "blocks.0.softmax|vector_unit": 250_000,
            "blocks.0.softmax|noc": 150_000,
            "head|macro": 600_000,
        },
        reads={"blocks.0.fc": 250, "head": 150},
        moved={
            "blocks.0.fc": MovedBits(2_048, 2_048, 512, 0, 1_024),
            "blocks.0.softmax": MovedBits(2_048, 2_048),
            "head": MovedBits(2_048, 320, 0, 320, 320),
        },
        events=42,
    )
