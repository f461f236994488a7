"""Placement policies: every block a macro of its own, and work spread over tiles."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pimsim.mapping.placement import place_products
from pimsim.mapping.seats import Group, seat
from tests.mapping.graphs import Graph, chip

POLICIES = ("layer_order", "balanced")


def busiest(seats, groups) -> int:
    """Work of the busiest tile, counted from the seats alone."""
    work: dict[int, int] = {}
    for group in groups:
        for (tile, _), reads in zip(seats[group.name], group.work, strict=True):
            work[tile] = work.get(tile, 0) + reads
    return max(work.values(), default=0)


@st.composite
def crowds(draw):
    """Groups of two kinds that fit into a few tiles, some of them always there."""
    tiles, per_tile = draw(st.integers(1, 5)), draw(st.integers(1, 6))
    free = {"mram": tiles * per_tile, "sram": tiles * per_tile}
    groups = []
    for number in range(draw(st.integers(1, 8))):
        kind = draw(st.sampled_from(["mram", "sram"]))
        count = draw(st.integers(1, 6))
        if count <= free[kind]:
            free[kind] -= count
            work = draw(st.lists(st.integers(0, 9), min_size=count, max_size=count))
            groups.append(Group(f"g{number}", kind, tuple(work)))
    return tiles, per_tile, groups, draw(st.integers(0, len(groups)))


@settings(max_examples=150)
@given(crowds())
def test_no_seat_is_taken_twice_and_balance_is_never_worse(crowd):
    tiles, per_tile, groups, fixed = crowd
    loads = {}
    for policy in POLICIES:
        architecture = chip(tiles=tiles, macros={"mram": per_tile, "sram": per_tile}, policy=policy)
        seats = seat(architecture, groups[:fixed], groups[fixed:])
        taken = [(group.kind, *place) for group in groups for place in seats[group.name]]
        assert len(taken) == len(set(taken)) == sum(len(group.work) for group in groups)
        assert all(tile < tiles and number < per_tile for _, tile, number in taken)
        loads[policy] = busiest(seats, groups)
        again = seat(architecture, groups[:fixed], groups[fixed:])
        assert again == seats
    assert loads["balanced"] <= loads["layer_order"]


def test_what_stays_lies_where_it_lay_whatever_else_there_is():
    architecture = chip(tiles=3, macros={"sram": 2}, policy="balanced")
    stays = [Group("cache", "sram", (5, 5, 5))]
    alone = seat(architecture, stays, [])
    crowded = seat(architecture, stays, [Group("a", "sram", (9,)), Group("b", "sram", (1, 1))])
    assert alone["cache"] == crowded["cache"] == ((0, 0), (0, 1), (1, 0))


@pytest.mark.parametrize(("policy", "tiles"), [("layer_order", [0, 0]), ("balanced", [0, 1])])
def test_two_equal_matrices_share_a_tile_or_not(policy, tiles):
    graph = Graph()
    hidden = graph.linear("first", graph.input("x", 1, 8), 2)
    graph.linear("second", graph.unit("q", "requantize", hidden, shape=(1, 2)), 2)
    found = place_products(graph.build(), chip(tiles=2, policy=policy), {}).placements
    assert [placement.blocks[0].tile for placement in found.values()] == tiles


def test_work_is_reads_times_vectors():
    """3 x 4 planes x 8 rows one at a time for 3 vectors; a matrix alike, of 1 vector, beside."""
    graph = Graph()
    graph.linear("much", graph.input("x", 3, 8), 2)
    graph.linear("little", graph.input("y", 1, 8), 2)
    graph.linear("less", graph.input("z", 1, 4), 2)
    found = place_products(graph.build(), chip(tiles=2, policy="balanced"), {}).placements
    assert {name: p.blocks[0].tile for name, p in found.items()} == {
        "much": 0,
        "little": 1,
        "less": 1,
    }
