"""Totals are spread over tokens without loss, and missing numbers are named."""

from collections.abc import Mapping
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pimsim.errors import SimulationError
from pimsim.integer.hardware import Operation, UnitHardware
from pimsim.mapping import MappedWorkload, map_workload
from pimsim.records import ServiceTimes
from pimsim.timing.grouping import split
from pimsim.timing.plan import OpPlan, UnitCycles, UnitTiming, declared_unit_cycles
from pimsim.timing.planning import Given, plan_replay
from pimsim.timing.service import transfer_ps
from tests.mapping.graphs import Graph, chip
from tests.timing.chips import cycles_of, times


@given(total=st.integers(0, 10**6), parts=st.integers(1, 100))
def test_a_split_is_even_and_loses_nothing(total, parts):
    found = split(total, parts)
    assert sum(found) == total
    assert len(found) == parts
    assert max(found) - min(found) <= 1


@given(bits=st.integers(0, 10**6), rate=st.fractions(Fraction(1, 100), 10_000))
def test_transfer_times_are_the_smallest_whole_ones_that_suffice(bits, rate):
    time_ps = transfer_ps(bits, rate)
    assert time_ps * rate >= 1000 * bits
    assert bits == 0 or (time_ps - 1) * rate < 1000 * bits


def plans_of(
    mapped: MappedWorkload,
    service: ServiceTimes,
    cycles: Mapping[str, np.ndarray],
    unit_cycles: UnitTiming = lambda op: UnitCycles(1, 0),
    *,
    token_reads: Mapping[str, np.ndarray] | None = None,
    token_group: int = 1,
) -> tuple[OpPlan, ...]:
    return plan_replay(Given(mapped, service, cycles, token_reads or {}, unit_cycles), token_group)


def one_product(rows: int = 20, tokens: int = 3):
    graph = Graph()
    graph.linear("fc", graph.input("x", tokens, rows), 5)
    return map_workload(graph.build(), chip(macros={"mram": 9}), {})


def test_a_token_takes_its_slowest_row_block_and_counts_all_reads():
    mapped = one_product()  # 3 row blocks, 3 column blocks
    cycles = {"fc": np.array([[1, 2, 3], [6, 5, 4], [0, 0, 0]], dtype=np.int32)}
    (plan,) = plans_of(mapped, times(read_ps=10), cycles)
    assert plan.macros is not None
    assert plan.macros.reads == (3, 6, 0)
    assert plan.macros.counted_reads == (3 * 6, 3 * 15, 0)


@pytest.mark.parametrize(
    ("cycles", "message"),
    [
        ({}, r"'fc' has no service cycles; an array of shape \(3, 3\)"),
        (
            {"fc": np.ones((3, 2), np.int32)},
            r"are int32 of shape \(3, 2\); integers of shape \(3, 3\)",
        ),
        ({"fc": np.ones((3, 3))}, r"service cycles are float64"),
        ({"fc": np.full((3, 3), -1, np.int32)}, r"must not be negative"),
    ],
)
def test_missing_or_misshapen_cycles_are_refused(cycles, message):
    with pytest.raises(SimulationError, match=message):
        plans_of(one_product(), times(), cycles)


def unit_with(hardware: UnitHardware | None):
    graph = Graph()
    y = graph.op(
        "u", "unit", [graph.input("x", 2, 10)], (2, 10), 4, function="gelu", hardware=hardware
    )
    return map_workload(graph.build(y), chip(), {})


def test_units_take_the_cycles_of_their_declared_hardware():
    hardware = UnitHardware(
        passes=2,
        per_element=((Operation("add", 8), 1),),
        per_row=(),
        serial_cycles_per_row=5,
        pipeline_depth_cycles=7,
        table_bits=0,
        maximum_row_length=None,
    )
    mapped = unit_with(hardware)
    # 2 passes of ceil(10 / 4 lanes) and 5 serial cycles
    assert declared_unit_cycles(mapped.op("u"), mapped.architecture) == (2 * 3 + 5, 7, 1)


def test_a_unit_without_hardware_is_refused():
    mapped = unit_with(None)
    with pytest.raises(SimulationError, match="'u' declares no hardware"):
        declared_unit_cycles(mapped.op("u"), mapped.architecture)


def test_several_rows_of_one_token_take_their_turns():
    graph = Graph()
    graph.unit("s", "softmax", graph.input("x", 2, 3, 4, 5))
    mapped = map_workload(graph.build(), chip(), {})
    (plan,) = plans_of(mapped, times(unit_cycle_ps=10), {}, lambda op: UnitCycles(6, 2))
    assert plan.unit is not None
    assert plan.unit.step_ps == (3 * 6 * 10,) * 8
    assert plan.unit.fill_ps == 20


def test_a_stored_operand_takes_the_rows_of_its_longest_block():
    graph = Graph()
    graph.matmul("p", graph.input("a", 2, 20), graph.input("b", 20, 5))  # row blocks 8, 8, 4
    mapped = map_workload(graph.build(), chip(macros={"sram": 9}), {})
    (plan,) = plans_of(mapped, times(row_write_ps=7), cycles_of(mapped))
    assert plan.macros is not None
    assert plan.macros.stored is not None
    assert (plan.macros.stored.matrices, plan.macros.stored.write_ps) == (1, (8 * 7,))
