"""Every stored element has one place, no macro is used twice, and a chip too small says so."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pimsim.errors import MappingError
from pimsim.mapping.mapped import Placement
from pimsim.mapping.placement import place_products
from pimsim.mapping.products import cut, resolve_product
from pimsim.quantization.quantized import QuantizedWorkload
from tests.mapping.graphs import Graph, chip

sizes = st.integers(1, 40)


def rebuilt(placement: Placement, matrices: np.ndarray) -> np.ndarray:
    """Take each block out of the operand, then put it back where its placement says."""
    result = np.zeros_like(matrices)
    for block in placement.blocks:
        rows = slice(block.row_start, block.row_stop)
        cols = slice(block.col_start, block.col_stop)
        result[block.instance, rows, cols] += matrices[block.instance, rows, cols]
    return result


def two_products(rows: int, cols: int, heads: int, vectors: int) -> QuantizedWorkload:
    """A static product, then a dynamic one of as many instances as heads."""
    graph = Graph()
    graph.linear("static", graph.input("x", "batch", vectors, rows), cols)
    a = graph.input("a", "batch", heads, vectors, rows)
    graph.matmul("dynamic", a, graph.input("b", "batch", heads, rows, cols))
    return graph.build()


@settings(max_examples=50)
@given(
    rows=sizes,
    cols=sizes,
    heads=st.integers(1, 4),
    side=st.integers(1, 12),
    batch=st.integers(1, 3),
)
def test_every_element_is_placed_once_in_a_macro_of_its_own(rows, cols, heads, side, batch):
    quantized = two_products(rows, cols, heads, vectors=3)
    architecture = chip(rows=side, cols=4 * side, tiles=7, macros={"mram": 500, "sram": 500})
    placements = place_products(quantized, architecture, {"batch": batch}).placements
    for name, instances in (("static", 1), ("dynamic", heads)):
        placement = placements[name]
        matrices = np.arange(1, instances * rows * cols + 1).reshape(instances, rows, cols)
        assert (rebuilt(placement, matrices) == matrices).all()
        seats = {(block.tile, block.macro) for block in placement.blocks}
        assert len(seats) == len(placement.blocks)
        assert all(tile < 7 and macro < 500 for tile, macro in seats)
        for block in placement.blocks:
            assert 0 < block.row_stop - block.row_start <= side
            assert 0 < block.col_stop - block.col_start <= side  # 4 slices on 4 * side columns
        assert placement.input_vectors == 3 * batch
        order = [(block.instance, block.row_start, block.col_start) for block in placement.blocks]
        assert order == sorted(order)


def test_macros_are_handed_out_in_order_of_operations_tile_by_tile():
    graph = Graph()
    hidden = graph.linear("first", graph.input("x", 1, 16), 4)  # 2 x 2 blocks of 8 rows, 2 columns
    graph.linear("second", graph.unit("q", "requantize", hidden), 3)  # 1 x 2 blocks
    placements = place_products(graph.build(), chip(tiles=2, macros={"mram": 3}), {}).placements
    seats = {
        name: [(block.tile, block.macro) for block in placement.blocks]
        for name, placement in placements.items()
    }
    assert seats == {"first": [(0, 0), (0, 1), (0, 2), (1, 0)], "second": [(1, 1), (1, 2)]}
    first = placements["first"]
    assert first.row_blocks == ((0, 8), (8, 16))
    assert first.col_blocks == ((0, 2), (2, 4))


def test_a_chip_of_writable_macros_only_shares_them_between_both_operands():
    placements = place_products(
        two_products(8, 2, heads=2, vectors=1), chip(macros={"sram": 3}), {"batch": 1}
    ).placements
    assert [placement.macro for placement in placements.values()] == ["sram", "sram"]
    assert [block.macro for p in placements.values() for block in p.blocks] == [0, 1, 2]


def test_a_chip_too_small_says_what_is_needed_and_how_to_get_it():
    graph = Graph()
    hidden = graph.linear("first", graph.input("x", 1, 16), 2)
    graph.linear("second", graph.unit("q", "requantize", hidden), 9)
    with pytest.raises(MappingError) as caught:
        place_products(graph.build(), chip(tiles=2, macros={"mram": 2}), {})
    assert str(caught.value) == (
        "op 'second' needs 5 'mram' macros of 8x8 cells (weights: 2x9, 4 slices)\n"
        "  but 2 are free on architecture 'by_hand' (tiles: 2, 'mram' macros per tile: 2, used: 2)."
        "\n"
        "  The whole workload needs 7, 4 are present: raise chip.tiles to at least 4, or "
        "tile.macros.mram to at least 4; or set mapping.time_multiplex to true (give "
        "macros.mram.reprogram and chip.memory as well): macros are then reprogrammed in rounds."
    )


@pytest.mark.parametrize(
    "remedy", [{"tiles": 4, "macros": {"mram": 2}}, {"tiles": 2, "macros": {"mram": 4}}]
)
def test_either_remedy_of_the_message_is_enough(remedy):
    graph = Graph()
    hidden = graph.linear("first", graph.input("x", 1, 16), 2)
    graph.linear("second", graph.unit("q", "requantize", hidden), 9)
    placements = place_products(graph.build(), chip(**remedy), {}).placements
    assert sum(len(placement.blocks) for placement in placements.values()) == 7


def test_a_dynamic_operand_too_many_names_its_instances():
    message = r"needs 3 'sram' macros .*operand written at run time: 8x2 x 3 instances, 4 slices"
    with pytest.raises(MappingError, match=message):
        place_products(
            two_products(8, 2, heads=3, vectors=1),
            chip(macros={"mram": 9, "sram": 2}),
            {"batch": 1},
        )


def test_operands_without_a_kind_of_macro_are_refused():
    quantized = two_products(8, 2, heads=2, vectors=1)
    with pytest.raises(MappingError, match=r"'dynamic' writes its 8x2 .* has a writable macro"):
        place_products(quantized, chip(macros={"mram": 9}), {"batch": 1})
    with pytest.raises(MappingError, match=r"'static' needs a macro for its 8x2 weights"):
        place_products(quantized, chip(macros={}), {"batch": 1})


@pytest.mark.parametrize(
    ("low", "high", "width"), [(-8, 7, None), (-9, 0, 5), (0, 8, 5), (-16, 15, 5), (0, 31, 6)]
)
def test_weights_must_fit_their_slices(low, high, width):
    graph = Graph()
    graph.linear("fc", graph.input("x", 1, 2), 1, weights=np.array([[low], [high]]))
    if width is None:
        assert place_products(graph.build(), chip(), {})
        return
    with pytest.raises(MappingError) as caught:
        place_products(graph.build(), chip(), {})
    assert str(caught.value) == (
        f"op 'fc': its weights reach from {low} to {high} and need {width} bits, but "
        "macros.mram.weights.bits is 4.\n"
        f"  Raise macros.mram.weights.bits to at least {width}, or choose a narrower "
        "numerics.scheme."
    )


def test_signed_operands_need_signed_bit_planes():
    graph = Graph()
    graph.linear("fc", graph.input("x", 1, 2), 1)
    macros = chip().macros
    inputs = macros["mram"].inputs.model_copy(update={"coding": "unsigned"})
    unsigned = macros["mram"].model_copy(update={"inputs": inputs})
    small = chip().model_copy(update={"macros": {**macros, "mram": unsigned}})
    with pytest.raises(MappingError) as caught:
        place_products(graph.build(), small, {})
    assert str(caught.value) == (
        "op 'fc': the operands of numerics.scheme 'by_hand' are signed, but "
        "macros.mram.inputs.coding is 'unsigned'.\n"
        "  Set macros.mram.inputs.coding to twos_complement."
    )


@pytest.mark.parametrize(
    ("a_bits", "b_bits", "tensor", "key"),
    [(5, 4, "a", "macros.sram.inputs.bits"), (4, 6, "b", "macros.sram.weights.bits")],
)
def test_operands_must_fit_drivers_and_slices(a_bits, b_bits, tensor, key):
    graph = Graph()
    graph.matmul("p", graph.input("a", 2, 3, bits=a_bits), graph.input("b", 3, 2, bits=b_bits))
    with pytest.raises(MappingError) as caught:
        place_products(graph.build(), chip(), {})
    wide = max(a_bits, b_bits)
    assert str(caught.value) == (
        f"op 'p': operand {tensor!r} has {wide} bits, but {key} is 4.\n"
        f"  Raise {key} to at least {wide}, or choose a narrower numerics.scheme."
    )


def test_floating_point_operands_are_refused():
    graph = Graph()
    graph.linear("fc", graph.tensor("x", (1, 2), 4, "float"), 1)
    with pytest.raises(MappingError, match="operand 'x' is floating-point"):
        place_products(graph.build(), chip(), {})


def test_contradicting_sizes_are_refused():
    graph = Graph()
    graph.linear("fc", graph.input("x", 1, 2), 1, weights=np.zeros((3, 1), dtype=np.int64))
    with pytest.raises(MappingError, match=r"'fc' multiplies with a 2x1 matrix, .* shape \(3, 1\)"):
        place_products(graph.build(), chip(), {})
    graph = Graph()
    graph.op("fc", "static_product", [graph.input("x", 1, 2)], (1, 4), 8, cols=4)
    with pytest.raises(MappingError, match="product 'fc' has no 'rows'"):
        place_products(graph.build(), chip(), {})


def test_a_stored_matrix_without_a_batch_is_written_once():
    graph = Graph()
    graph.matmul("p", graph.input("a", "batch", 5, 3), graph.input("b", 3, 2))
    quantized = graph.build()
    product = resolve_product(quantized.ops[0], quantized, {"batch": 4})
    assert (product.instances, product.stored_matrices, product.input_vectors) == (1, 1, 20)


@given(length=st.integers(1, 1000), size=st.integers(1, 1000))
def test_cutting_covers_the_length_without_overlap(length, size):
    pieces = cut(length, size)
    assert [n for start, stop in pieces for n in range(start, stop)] == list(range(length))
    assert all(stop - start == size for start, stop in pieces[:-1])
