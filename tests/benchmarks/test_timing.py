"""Speed of the replay: ``pytest tests/benchmarks/test_timing.py --benchmark-only -n 0``.

Each benchmark records events per run, so that events per second follow; it asserts their number,
never a time. ``python -m tests.benchmarks.test_timing`` prints how events and time grow from 64 to
2,048 tokens, and the exponents.
"""

import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
import pytest

from pimsim.config import load_architecture, workload_path
from pimsim.cost import service_times
from pimsim.functional import estimate
from pimsim.mapping import MappedWorkload, map_workload
from pimsim.quantization import quantize
from pimsim.records import ServiceTimes, Timeline
from pimsim.timing.plan import UnitCycles
from pimsim.timing.replay import replay
from pimsim.workload.files import load
from pimsim.workload.runs import Wanted, at_sizes, in_phase
from tests.mapping.graphs import chip
from tests.timing.chips import changed, cycles_of, times
from tests.timing.layers import layer

LENGTHS = (64, 128, 256, 512, 1024, 2048)
LINEAR = 1.02
"""Largest exponent that still counts as linear."""


@dataclass(frozen=True)
class Run:
    """Everything that a replay takes."""

    mapped: MappedWorkload
    times: ServiceTimes
    cycles: dict[str, np.ndarray]
    options: dict[str, Any]

    def __call__(self) -> Timeline:
        return replay(self.mapped, self.times, self.cycles, **self.options)

    @property
    def token_ops(self) -> int:
        """Tokens, summed over operations."""
        return sum(op.tokens for op in self.mapped.ops)


@cache
def one_layer(tokens: int, dataflow: str = "layer_by_layer") -> Run:
    """An attention layer of four heads on a chip whose macros hold any sequence."""
    architecture = chip(
        rows=2048, cols=8192, tiles=1, macros={"mram": 8, "sram": 8}, buffer_bytes=1 << 24,
        global_bytes=1 << 24,
    )  # fmt: skip
    mapped = map_workload(layer(tokens, width=64, heads=4), architecture, {"batch": 1})
    return Run(
        changed(mapped, {"mapping.dataflow": dataflow}),
        times(read_ps=10_000, unit_cycle_ps=1000, tile_rate=512.0, link_rate=128.0),
        cycles_of(mapped, 64),
        {"unit_cycles": lambda _: UnitCycles(12, 4)},
    )


@cache
def bundled(name: str, tiles: int, *overrides: str, **sizes: Any) -> Run:
    """A shape-only workload on rap, made large enough for it."""
    buffers = ("tile.buffer.capacity_bytes=67108864", "chip.global_buffer.capacity_bytes=671088640")
    architecture = load_architecture("rap", overrides=[f"chip.tiles={tiles}", *buffers, *overrides])
    phase, context = sizes.pop("phase", None), sizes.pop("context", None)
    workload = in_phase(load(workload_path(name), values=False), Wanted(phase, context, None, None))
    dims = {"batch": 1, **workload.bind(**sizes)}
    workload = at_sizes(workload, dims)
    mapped = map_workload(quantize(workload, architecture, None), architecture, dims)
    cycles = dict(estimate(mapped).service_cycles)
    return Run(mapped, service_times(architecture), cycles, {})


def measured(benchmark: Any, run: Run, **options: Any) -> Timeline:
    made = Run(run.mapped, run.times, run.cycles, {**run.options, **options})
    timeline = benchmark.pedantic(made, rounds=3, warmup_rounds=1)
    benchmark.extra_info["events"] = timeline.events
    benchmark.extra_info["token_ops"] = run.token_ops
    if benchmark.stats is not None:
        benchmark.extra_info["events_per_s"] = timeline.events / benchmark.stats.stats.min
    return timeline


@pytest.mark.parametrize(
    ("dataflow", "events"),
    [("layer_by_layer", 22559), ("token_streaming", 25114), ("rap_fused", 24094)],
)
def test_an_attention_layer_of_512_tokens(benchmark, dataflow, events):
    assert measured(benchmark, one_layer(512, dataflow)).events == events


@pytest.mark.parametrize("tokens", [128, 512])
def test_bert_base(benchmark, tokens):
    run = bundled("bert_base", 64, seq=tokens)
    assert 3 < measured(benchmark, run).events / run.token_ops < 7


@pytest.mark.parametrize("token_group", [4, 8])
def test_bert_base_of_512_tokens_in_groups_is_less_than_1_percent_off(benchmark, token_group):
    run = bundled("bert_base", 64, seq=512)
    exact = run()
    grouped = measured(benchmark, run, token_group=token_group)
    benchmark.extra_info["error"] = grouped.latency_ps / exact.latency_ps - 1
    assert abs(grouped.latency_ps / exact.latency_ps - 1) < 0.01
    assert grouped.events < 1.1 * exact.events / token_group


def test_one_token_of_llama2_7b(benchmark):
    units = [
        "units.rms_norm={model: ibert_rms_norm, lanes: 64}",
        "units.silu={model: ibert_silu, lanes: 64}",
        "units.rotary={model: table_rotary, lanes: 64}",
    ]
    run = bundled("llama2_7b", 1024, *units, phase="decode", context=512)
    assert measured(benchmark, run).events < 60 * run.token_ops


@pytest.mark.parametrize("dataflow", ["layer_by_layer", "token_streaming", "rap_fused"])
def test_events_grow_with_the_number_of_tokens(dataflow):
    events = [one_layer(tokens, dataflow)().events for tokens in LENGTHS]
    assert exponent(LENGTHS, events) < LINEAR


def exponent(sizes: Sequence[int], costs: Sequence[float]) -> float:
    """Slope of log(cost) over log(size), by least squares."""
    return float(np.polyfit(np.log(sizes), np.log(costs), 1)[0])


def main() -> None:
    """Print how events and processor time grow with the tokens of a layer."""
    for dataflow in ("layer_by_layer", "token_streaming", "rap_fused"):
        events, seconds = [], []
        for tokens in LENGTHS:
            run = one_layer(tokens, dataflow)
            spent = []
            for _ in range(3):
                started = time.process_time()
                timeline = run()
                spent.append(time.process_time() - started)
            events.append(float(timeline.events))
            seconds.append(min(spent))
            sys.stdout.write(
                f"{dataflow:<16}{tokens:>6} tokens{timeline.events:>9} events"
                f"{min(spent) * 1e3:>9.1f} ms"
                f"{timeline.events / min(spent) / 1e6:>7.2f} M events/s\n"
            )
        sys.stdout.write(
            f"{dataflow:<16} exponent of events {exponent(LENGTHS, events):.3f}, "
            f"of time {exponent(LENGTHS, seconds):.3f}\n"
        )


if __name__ == "__main__":
    main()
