"""Movements are looked through, exactly, also where several tensors were joined and cut again."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pimsim.errors import MappingError
from pimsim.integer.units import UnitOutput
from pimsim.mapping.origins import Origin, trace_origins
from pimsim.quantization.quantized import QuantizedOp, QuantizedWorkload
from tests.mapping.graphs import Graph


def joined(graph: Graph) -> str:
    """A constant of 1 row and a computed tensor of 4 rows, joined to 5 rows of 3."""
    computed = graph.unit("u", "gelu", graph.input("x", "batch", 4, 3))
    constant = graph.tensor("constant", (1, 1, 3), 8)
    wide = graph.move("wide", "expand", [constant], ("batch", 1, 3), shape=("batch", 1, 3))
    return graph.move("join", "cat", [wide, computed], ("batch", 5, 3), axis=1)


def origins_of(graph: Graph, tensor: str, batch: int = 2) -> tuple[Origin, ...]:
    return trace_origins(graph.build(tensor), {"batch": batch})[tensor]


def test_movements_lead_to_the_operation_behind_them():
    graph = Graph()
    y = graph.unit("u", "gelu", graph.input("x", "batch", 4, 3))
    seen = graph.move("v", "view", [y], ("batch", 12), shape=("batch", 12))
    assert origins_of(graph, graph.move("p", "permute", [seen], (12, "batch"), axes=(1, 0))) == (
        Origin("u", "u:out", 24),
    )


def test_a_movement_of_one_origin_needs_no_attributes():
    graph = Graph()
    y = graph.unit("u", "gelu", graph.input("x", "batch", 4, 3))
    assert origins_of(graph, graph.move("s", "slice", [y], ("batch", 2, 3)))[0].elements == 12


def test_a_joined_tensor_counts_the_elements_of_each_part():
    graph = Graph()
    assert origins_of(graph, joined(graph)) == (
        Origin(None, "constant", 6),
        Origin("u", "u:out", 24),
    )


@pytest.mark.parametrize(
    ("index", "expected"),
    [(0, Origin(None, "constant", 6)), (1, Origin("u", "u:out", 6)), (-1, Origin("u", "u:out", 6))],
)
def test_selecting_one_row_of_a_joined_tensor_finds_whose_it_is(index, expected):
    graph = Graph()
    row = graph.move("row", "select", [joined(graph)], ("batch", 3), axis=1, index=index)
    assert origins_of(graph, row) == (expected,)


@given(start=st.integers(0, 3), length=st.integers(1, 5))
def test_a_slice_of_a_turned_joined_tensor_is_exact(start, length):
    stop = min(start + length, 5)
    graph = Graph()
    turned = graph.move("t", "permute", [joined(graph)], ("batch", 3, 5), axes=(0, 2, 1))
    part = graph.move(
        "s", "slice", [turned], ("batch", 3, stop - start), axis=2, start=start, stop=stop, step=1
    )
    found = {origin.producer: origin.elements for origin in origins_of(graph, part)}
    assert found.get(None, 0) == (6 if start == 0 else 0)
    assert found.get("u", 0) == 6 * (stop - max(start, 1))


def test_a_boundary_names_the_integers_on_the_chip_at_either_end():
    graph = Graph()
    inside = graph.boundary("enter", graph.input("x", 2, 3, bits=32), 8)
    y = graph.unit("u", "gelu", inside)
    outside = graph.boundary("leave", y, 32)
    found = trace_origins(graph.build(outside), {})
    assert found[inside] == (Origin(None, "enter:out", 6),)
    assert found[outside] == (Origin("u", "u:out", 6),)


def test_a_boundary_keeps_several_origins_apart():
    graph = Graph()
    assert [
        origin.elements for origin in origins_of(graph, graph.boundary("b", joined(graph), 32))
    ] == [
        6,
        24,
    ]


def test_an_output_that_is_an_input_has_no_producer():
    graph = Graph()
    assert origins_of(graph, graph.input("x", 2, 3)) == (Origin(None, "x", 6),)


def test_kinds_of_a_scheme_are_followed_by_running_them():
    graph = Graph()
    joint = joined(graph)
    output = graph.op(
        "reverse",
        "movement",
        [joint],
        ("batch", 5, 3),
        8,
        function="reverse",
        execute=lambda arrays, dims: UnitOutput(arrays[0][:, ::-1], 0),
    )
    last = graph.move("row", "select", [output], ("batch", 3), axis=1, index=4)
    assert origins_of(graph, last) == (Origin(None, "constant", 6),)


@pytest.mark.parametrize(
    ("kind", "attributes", "shape", "message"),
    [
        ("roll", {}, (2, 5, 3), "movement 'roll' has neither a known kind nor an executable"),
        ("slice", {"axis": 1}, (2, 5, 3), r"'m' \(slice\) has no attribute 'start'"),
        ("permute", {"axes": (0, 1)}, (2, 5), r"cannot move tensors of shape \(2, 5, 3\)"),
        (
            "permute",
            {"axes": (0, 2, 1)},
            (2, 5, 3),
            r"give shape \(2, 3, 5\), tensor 'm:out' is declared as \(2, 5, 3\)",
        ),
    ],
)
def test_a_movement_that_cannot_be_followed_is_refused(kind, attributes, shape, message):
    graph = Graph()
    output = graph.move("m", kind, [joined(graph)], shape, **attributes)
    with pytest.raises(MappingError, match=message):
        origins_of(graph, output)


@pytest.mark.parametrize("kind", ["gather", "index"])
def test_indices_say_which_elements_and_are_none_of_them(kind):
    graph = Graph()
    values = graph.unit("gelu", "gelu", graph.input("x", 5, 3))
    picked = graph.op(
        "pick", "movement", [values, graph.input("ids", 1, 3)], ("batch", 1, 3), 8, function=kind
    )
    assert origins_of(graph, picked) == (Origin("gelu", values, 6),)


def test_elements_picked_by_computed_indices_must_have_one_origin():
    graph = Graph()
    picked = graph.op(
        "pick",
        "movement",
        [joined(graph), graph.input("ids", 1, 3)],
        ("batch", 1, 3),
        8,
        function="gather",
    )
    with pytest.raises(MappingError, match="'pick' picks elements of a tensor of several origins"):
        origins_of(graph, picked)


def test_what_the_host_makes_from_nothing_lies_in_the_global_buffer():
    graph = Graph()
    positions = graph.op("arange", "boundary", [], (5,), 32)
    assert origins_of(graph, positions) == (Origin(None, positions, 5),)


def test_operations_out_of_order_are_refused():
    graph = Graph()
    graph.unit("late", "gelu", graph.unit("early", "gelu", graph.input("x", 2)))
    quantized = graph.build()
    swapped = QuantizedWorkload(
        quantized.workload, "by_hand", quantized.inputs, (), quantized.tensors, quantized.ops[::-1]
    )
    with pytest.raises(MappingError, match="'late' uses tensor 'early:out' before it is computed"):
        trace_origins(swapped, {})


def test_elements_of_all_origins_sum_to_the_tensor():
    graph = Graph()
    tensor = joined(graph)
    found = origins_of(graph, tensor, batch=7)
    assert sum(origin.elements for origin in found) == np.prod((7, 5, 3))
    assert isinstance(graph.ops[0], QuantizedOp)
