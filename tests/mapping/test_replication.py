"""Copies of the busiest matrices, within an area and the macros that are free."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pimsim.config import load_architecture
from pimsim.errors import ConfigError, MappingError
from pimsim.mapping import map_workload
from pimsim.mapping.mapped import dealt
from pimsim.mapping.movement import traffic_of
from pimsim.mapping.placement import place_products
from pimsim.mapping.replication import Candidate, copies_of
from tests.mapping.graphs import Graph, chip

AREA_MM2 = {"mram": 1.0}


def chosen(budget_mm2: float, free: int, *candidates: tuple[str, int, int, int]) -> dict[str, int]:
    """Copies of candidates given as name, blocks, vectors, reads."""
    made = [Candidate(name, "mram", *numbers) for name, *numbers in candidates]
    return copies_of(made, chip(replication_mm2=budget_mm2), AREA_MM2, {"mram": free})


def test_the_slowest_per_area_comes_first():
    """Reads per copy and block: a has 80, 40, 30, 20 with 1 to 4 copies, b 40 and 20."""
    assert chosen(1.0, 9, ("a", 1, 8, 10), ("b", 2, 8, 10)) == {"a": 2, "b": 1}
    assert chosen(2.0, 9, ("a", 1, 8, 10), ("b", 2, 8, 10)) == {"a": 3, "b": 1}  # first of equals
    assert chosen(4.0, 9, ("a", 1, 8, 10), ("b", 2, 8, 10)) == {"a": 3, "b": 2}
    assert chosen(5.0, 9, ("a", 1, 8, 10), ("b", 2, 8, 10)) == {"a": 4, "b": 2}


def test_free_macros_bound_the_copies_too():
    assert chosen(9.0, 2, ("a", 1, 8, 10), ("b", 2, 8, 9)) == {"a": 3, "b": 1}


def test_no_more_copies_than_vectors():
    assert chosen(9.0, 9, ("a", 1, 3, 10)) == {"a": 3}


def test_what_does_not_fit_leaves_room_for_what_does():
    assert chosen(2.0, 9, ("large", 3, 8, 90), ("small", 1, 8, 1)) == {"large": 1, "small": 3}


def test_without_a_budget_nothing_is_copied():
    found = copies_of([Candidate("a", "mram", 1, 8, 10)], chip(), None, {"mram": 9})
    assert found == {"a": 1}


def same_for_all(copies: int, free: int, *candidates: tuple[str, int, int, int]) -> dict[str, int]:
    """Copies where every matrix has the same number, up to its vectors."""
    made = [Candidate(name, "mram", *numbers) for name, *numbers in candidates]
    return copies_of(made, chip(copies=copies), None, {"mram": free})


def test_all_matrices_may_have_as_many_copies():
    assert same_for_all(3, 6, ("a", 1, 8, 10), ("b", 2, 8, 1)) == {"a": 3, "b": 3}
    assert same_for_all(3, 6, ("a", 1, 8, 10), ("b", 2, 2, 1)) == {"a": 3, "b": 2}
    assert same_for_all(1, 0, ("a", 1, 8, 10)) == {"a": 1}


def test_copies_that_the_chip_cannot_hold_are_refused_with_their_number():
    with pytest.raises(
        MappingError, match=r"copies is 3: the further copies need 6 'mram' .* 5 are"
    ):
        same_for_all(3, 5, ("a", 1, 8, 10), ("b", 2, 8, 1))


def test_copies_are_asked_for_in_one_way():
    with pytest.raises(ConfigError, match="give copies or replication_mm2, not both"):
        load_architecture("rap", overrides=["mapping.copies=2", "mapping.replication_mm2=10.0"])


def test_a_budget_needs_areas():
    with pytest.raises(MappingError, match="replication_mm2 is 2, but the area of a macro is not"):
        copies_of([], chip(replication_mm2=2.0), None, {})
    with pytest.raises(MappingError, match="do not tell the area of one 'mram' macro"):
        copies_of([Candidate("a", "mram", 1, 8, 1)], chip(replication_mm2=2.0), {}, {"mram": 9})


@given(vectors=st.integers(1, 50), copies=st.integers(1, 9))
def test_every_vector_is_dealt_once(vectors, copies):
    hands = [dealt(vectors, copies, copy) for copy in range(copies)]
    assert hands == [len(range(copy, vectors, copies)) for copy in range(copies)]
    assert sum(hands) == vectors


@settings(max_examples=40)
@given(
    rows=st.integers(1, 20), cols=st.integers(1, 6), budget_mm2=st.integers(1, 30),
    policy=st.sampled_from(["layer_order", "balanced"]),
)  # fmt: skip
def test_every_copy_holds_every_element_once_and_no_macro_holds_two(rows, cols, budget_mm2, policy):
    graph = Graph()
    hidden = graph.linear("first", graph.input("x", 7, rows), cols)
    graph.linear("second", graph.unit("q", "requantize", hidden), 3)
    architecture = chip(tiles=4, replication_mm2=float(budget_mm2), policy=policy)
    found = place_products(graph.build(), architecture, {}, macro_area_mm2=AREA_MM2).placements
    seats = [(b.tile, b.macro) for p in found.values() for b in p.all_blocks]
    assert len(seats) == len(set(seats)) <= 4 * 8
    for placement in found.values():
        assert len(placement.replicas) == placement.copies - 1
        for blocks in (placement.blocks, *placement.replicas):
            held = np.zeros((placement.rows, placement.cols), int)
            for block in blocks:
                held[block.row_start : block.row_stop, block.col_start : block.col_stop] += 1
            assert (held == 1).all()
    extra = sum(p.macros_used - len(p.blocks) for p in found.values())
    assert extra <= budget_mm2
    assert sum(p.macros_used for p in found.values()) == len(seats)


def test_copies_count_as_used_and_share_the_vectors():
    """A matrix on two tiles: 5 vectors of 8 codes of 4 bits, 3 of them to the first copy."""
    graph = Graph()
    graph.linear("fc", graph.input("x", 5, 8), 2)
    architecture = chip(tiles=2, macros={"mram": 1, "sram": 0}, replication_mm2=1.0)
    mapped = map_workload(graph.build(), architecture, {}, macro_area_mm2=AREA_MM2)
    placement = mapped.op("fc").placement
    assert placement is not None
    assert (placement.copies, [placement.vectors_of(copy) for copy in range(2)]) == (2, [3, 2])
    assert mapped.macros_used == {"mram": 2, "sram": 0}
    assert mapped.cells_used["mram"] == 2 * 8 * 2 * 4
    (fetch,) = traffic_of(mapped)["fc"].inputs
    assert fetch.bits == 5 * 8 * 4  # every vector is read once
    assert {d.tile: d.bits for d in fetch.deliveries} == {0: 3 * 8 * 4, 1: 2 * 8 * 4}
    (sums,) = traffic_of(mapped)["fc"].partial_sums
    # Accumulators of 4 + 4 + 3 bits, of 2 columns and the 2 vectors of the second copy.
    assert (sums.tile, sums.bits) == (1, 2 * 2 * 11)
