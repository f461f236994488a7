"""Routes are the shortest, XY, and made of links between neighbours."""

from itertools import pairwise

import pytest

from pimsim.registry import TIMING_UNITS
from pimsim.timing.noc import Bus, Mesh


@pytest.mark.parametrize("tiles", [1, 2, 3, 4, 7, 9, 12])
def test_a_mesh_route_is_as_long_as_the_manhattan_distance_and_turns_once(tiles):
    mesh = Mesh(tiles)
    width = mesh.width
    assert (width - 1) ** 2 < tiles <= width**2
    for source in range(tiles):
        for destination in range(tiles):
            links = [tuple(map(int, link.split(">"))) for link in mesh.route(source, destination)]
            distance = abs(source % width - destination % width)
            distance += abs(source // width - destination // width)
            assert len(links) == distance
            assert all(before[1] == after[0] for before, after in pairwise(links))
            steps = [abs(stop - start) for start, stop in links]
            along_x = [
                step == 1 and start // width == stop // width
                for step, (start, stop) in zip(steps, links, strict=True)
            ]
            assert all(step in (1, width) for step in steps)
            assert along_x == sorted(along_x, reverse=True)  # x first, then y
            if links:
                assert (links[0][0], links[-1][1]) == (source, destination)


def test_the_global_buffer_hangs_on_the_router_of_tile_0():
    mesh = Mesh(4)
    assert mesh.route(None, 0) == ("global_buffer>0",)
    assert mesh.route(None, 3) == ("global_buffer>0", *mesh.route(0, 3))
    assert mesh.route(3, None) == (*mesh.route(3, 0), "0>global_buffer")
    assert mesh.route(None, None) == ()


def test_the_two_directions_of_a_mesh_are_different_links():
    mesh = Mesh(9)
    assert not set(mesh.route(0, 8)) & set(mesh.route(8, 0))


def test_a_bus_is_one_link_for_all():
    bus = Bus(5)
    assert bus.route(0, 4) == bus.route(None, 0) == bus.route(3, None) == ("bus",)
    assert bus.route(2, 2) == bus.route(None, None) == ()


def test_both_are_found_by_name():
    assert TIMING_UNITS["mesh"] is Mesh
    assert TIMING_UNITS["bus"] is Bus
