"""A hand-made result: three operations, two macro kinds, two cost variants, 30 busy intervals."""

import dataclasses
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from pimsim.records import (
    Accuracy,
    ActionCounts,
    AdcModelCost,
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
from pimsim.report import write
from pimsim.units import mm2_from_um2, tops_per_mm2, tops_per_w, uj_from_pj, us_from_ps

MACS = 12_345
INFERENCES = 4
OPS = ("blocks.0.attention.query", "blocks.0.attention.softmax", "blocks.1.attention.logits")
RESOURCES = (
    ("macro:mram:0", "macro"),
    ("macro:mram:1", "macro"),
    ("macro:sram:10", "macro"),
    ("macro:sram:9", "macro"),
    ("unit:softmax:0", "vector_unit"),
    ("noc", "noc"),
)


def _moved(scale: int) -> MovedBits:
    return MovedBits(
        tile_buffer_read_bits=512 * scale,
        tile_buffer_write_bits=256 * scale,
        global_buffer_read_bits=128 * scale,
        link_bits=384 * scale,
    )


def _counts() -> tuple[ActionCounts, ...]:
    mram = MacroCounts(
        macro="mram",
        reads=640,
        conversions=40_960,
        column_sum_histogram=(20_000, 12_000, 0, 8_900, 60, 0, 0, 0, 0),
        driven_word_lines=5_000,
        dummy_word_lines=120,
        programmed_zeros=4_096,
        programmed_ones=4_090,
        shift_adds={12: 1_024, 16: 512},
        saturations=3,
    )
    sram = MacroCounts(macro="sram", reads=321, conversions=2**40 + 1, row_writes=17)
    softmax = UnitCounts("softmax", {17: 68, 5: 4}, saturations=1)
    return (
        ActionCounts(OPS[0], INFERENCES, macros=(mram,), moved=_moved(1 * INFERENCES)),
        ActionCounts(
            OPS[1],
            INFERENCES,
            units=(softmax, UnitCounts("requantize", {})),
            moved=_moved(2 * INFERENCES),
        ),
        ActionCounts(OPS[2], INFERENCES, macros=(sram, dataclasses.replace(mram, reads=1))),
    )


def _costs() -> tuple[CostBreakdown, ...]:
    horowitz = Source(
        "Horowitz, ISSCC 2014",
        'Fig. 1.1.9, "rough" costs',
        "published",
        45.0,
        "0.9 V",
        "horowitz2014",
    )
    guess = Source("pimsim", "no source, 28 nm <guess> & more", "assumed")
    items = (
        CostItem(
            "mram.adc", OPS[0], 1e5 / 3, 0.0, "flash_comparators", "fitted", "convert", 10_240
        ),
        CostItem(
            "sram.adc", OPS[2], 0.1 + 0.2, 0.0, "flash_comparators", "assumed", "convert", 0.5
        ),
        CostItem("softmax", OPS[1], 7_000.0, 0.0, "digital_operations", "published", "row", 17.0),
        CostItem("mram.adc", None, 2_500.0, 0.0, "flash_comparators", "assumed", "leak", 1.0),
        CostItem("mram.adc", None, 0.0, 1.5e6, "flash_comparators", "fitted"),
        CostItem("softmax", None, 0.0, 123_456.7, "digital_operations", "assumed"),
    )
    scaled = tuple(dataclasses.replace(item, energy_pj=2 * item.energy_pj) for item in items)
    return (
        CostBreakdown("modelled", items, (horowitz, guess)),
        CostBreakdown("upper_bound", scaled, (guess,)),
    )


def _timeline() -> Timeline:
    """Five intervals of each of six resources; every resource serves one at a time."""
    rows = []
    for resource in range(len(RESOURCES)):
        for token in range(5):
            start = 1_250 * resource + 10_000 * token + 7
            end = start + 6_001 + 250 * resource
            wait = 11 * token + resource
            rows.append((start, resource, end, (resource + token) % len(OPS), token, wait))
    rows.sort()
    start_ps, resource, end_ps, op, token, wait_ps = (
        np.array(column) for column in zip(*rows, strict=True)
    )
    latency_ps = int(end_ps.max())
    paths = {f"{OPS[0]}|macro": 20_000, f"{OPS[1]}|vector_unit": 15_001}
    paths[f"{OPS[2]}|macro"] = latency_ps - sum(paths.values())
    names, classes = zip(*RESOURCES, strict=True)
    return Timeline(
        resources=names,
        resource_classes=classes,
        ops=OPS,
        start_ps=start_ps.astype(np.int64),
        end_ps=end_ps.astype(np.int64),
        resource=resource.astype(np.int32),
        op=op.astype(np.int32),
        token=token.astype(np.int32),
        latency_ps=latency_ps,
        critical_path_ps=paths,
        reads={OPS[0]: 160, OPS[2]: 80},
        moved={OPS[0]: _moved(1), OPS[1]: _moved(2)},
        events=321,
        wait_ps=wait_ps.astype(np.int64),
        request=np.zeros(len(rows), dtype=np.int32),
        request_start_ps=(0,),
        request_end_ps=(latency_ps,),
        loading_ps=1_000_000,
        path_end_ps=np.array([20_000, 35_001, latency_ps], dtype=np.int64),
        path_op=np.array([0, 1, 2], dtype=np.int32),
        path_resource=np.array([0, 4, -1], dtype=np.int32),
        path_class=("macro", "vector_unit", "macro"),
    )


def _manifest() -> Manifest:
    return Manifest(
        pimsim_version="0.1.0",
        created="2026-01-02T03:04:05+00:00",
        command="pimsim run --samples 4 --chips 2",
        seed=0,
        samples=4,
        chips=2,
        batch=1,
        dims={"batch": 1},
        threads=2,
        config_hash="c0ffee",
        workload_hash="f00d",
        overrides=("macros.mram.adc.levels=9",),
        models={"softmax": "ibert_softmax", "mram.adc": "flash"},
        ideal=("macros.sram.adc: offset, gain and nonlinearity",),
        versions={"numpy": "2.0.0"},
        wall_times_s={"functional": 1.25},
        host={"machine": "x86_64"},
        paths={"output": "/somewhere/private"},
    )


def build() -> Result:
    """Return the result; its headline is worked out from its parts as ``simulate`` does."""
    costs, timeline = _costs(), _timeline()
    energy_uj = uj_from_pj(costs[0].energy_pj)
    area_mm2 = mm2_from_um2(costs[0].area_um2)
    latency_us = us_from_ps(timeline.latency_ps)
    throughput_per_s = 1e6 / latency_us
    energy: dict[str, float] = {}
    area: dict[str, float] = {}
    for item in costs[0].items:
        energy[item.component] = energy.get(item.component, 0.0) + uj_from_pj(item.energy_pj)
        area[item.component] = area.get(item.component, 0.0) + mm2_from_um2(item.area_um2)
    latency: dict[str, float] = {}
    for place, time_ps in timeline.critical_path_ps.items():
        part = place.rpartition("|")[2]
        latency[part] = latency.get(part, 0.0) + us_from_ps(time_ps)
    return Result(
        manifest=_manifest(),
        workload={"name": "toy", "parameters": 4_321, "macs": MACS},
        architecture_name="rap",
        scheme="int8_dyadic",
        area_mm2=area_mm2,
        accuracy=Accuracy("top1_ratio", True, 4, 1.0, 0.75, (0.75, 0.5), 0.625, 31.25),
        latency_us=latency_us,
        throughput_per_s=throughput_per_s,
        energy_uj=energy_uj,
        power_mw=1_000 * energy_uj / latency_us,
        tops_per_w=tops_per_w(MACS, energy_uj),
        tops_per_mm2=tops_per_mm2(MACS, throughput_per_s, area_mm2),
        cells_ratio=0.125,
        area_ratio=0.25,
        energy_breakdown_uj=energy,
        area_breakdown_mm2=area,
        latency_breakdown_us=latency,
        assumed_energy_ratio=0.2,
        assumed_area_ratio=0.1,
        assumed_latency_ratio=1.0,
        cost_variants=tuple(
            CostVariant(
                cost.variant,
                uj_from_pj(cost.energy_pj),
                mm2_from_um2(cost.area_um2),
                tops_per_w(MACS, uj_from_pj(cost.energy_pj)),
            )
            for cost in costs
        ),
        baselines=(
            Baseline(
                "conventional",
                "pim_simulated",
                1,
                "int8_dqq",
                90.0,
                1.5,
                "chip",
                "pimsim",
                0.9,
                2.0,
            ),
            Baseline(
                "NVIDIA A100",
                "gpu_roofline_calibrated",
                1,
                "fp16",
                20.5,
                8_200.0,
                "board, no host",
                "data sheet",
            ),
        ),
        counts=_counts(),
        costs=costs,
        timeline=timeline,
        notes=("BitSift is not modelled yet: every row group is read",),
        sources=(Source("Kim, ICML 2021", "i-exp", "published", citation_key="kim2021"),),
        recost={"format_version": 1, "rounds": 1, "macros_used": {"mram": 3}, "hardware": [[1.5]]},
        adc_models=(
            AdcModelCost("flash_comparators", True, energy_uj, area_mm2, 1.5),
            AdcModelCost("survey_regression", False, None, None, None, "mram: 3.17 < 4 bits"),
        ),
    )


@pytest.fixture
def result() -> Result:
    return build()


@pytest.fixture
def rebuilt() -> Callable[..., Result]:
    """Return the same result with some fields replaced."""

    def replace(**changes: object) -> Result:
        return dataclasses.replace(build(), **changes)

    return replace


@pytest.fixture(scope="session")
def written(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the folder of the result, written once; tests must not change it."""
    return write(build(), tmp_path_factory.mktemp("reports") / "toy")


def same(left: object, right: object) -> bool:
    """Whether two records are equal in every value, arrays and their types included."""
    if isinstance(left, np.ndarray) and isinstance(right, np.ndarray):
        return left.dtype == right.dtype and np.array_equal(left, right)
    if dataclasses.is_dataclass(left) and type(left) is type(right):
        names = [field.name for field in dataclasses.fields(left)]
        return all(same(getattr(left, name), getattr(right, name)) for name in names)
    return type(left) is type(right) and left == right


@pytest.fixture
def equal() -> Callable[[object, object], bool]:
    return same
