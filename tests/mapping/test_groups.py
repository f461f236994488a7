"""Operands whose rows share shifts: blocks of whole groups, shifts that travel, refusals."""

from dataclasses import replace

import numpy as np
import pytest

from pimsim.config.architecture import Numerics
from pimsim.errors import MappingError
from pimsim.mapping import map_workload
from pimsim.mapping.movement import traffic_of
from pimsim.mapping.placement import place_products
from pimsim.quantization import quantize
from pimsim.quantization.quantized import Groups
from tests.mapping.graphs import Graph, chip
from tests.quantization.traced import RAP, shapes_only, transformer_block


def linear(rows: int, cols: int, group: int | None, bits: int | None = 4):
    """One product of 3 vectors; with groups, their shifts come from the unit that codes them."""
    graph = Graph()
    x = graph.input("x", 3, rows)
    more = {}
    if group is not None:
        groups = Groups(group, driven="x.shifts", driven_max=4, stored_max=4)
        graph.tensor("x.shifts", (3, -(-rows // group)), 3)
        graph.inputs.append("x.shifts")
        more = {"groups": groups}
    inputs = [x] if group is None else [x, "x.shifts"]
    out = graph.op(
        "p", "static_product", inputs, (3, cols), 16, rows=rows, cols=cols, weight_bits=bits, **more
    )
    return graph.build(out)


@pytest.mark.parametrize(
    ("group", "blocks"),
    [
        (None, [(0, 8), (8, 16), (16, 20)]),
        (3, [(0, 6), (6, 12), (12, 18), (18, 20)]),  # two whole groups a macro
        (8, [(0, 8), (8, 16), (16, 20)]),
        (12, [(0, 8), (8, 16), (16, 20)]),  # no group fits: macros are filled
    ],
)
def test_a_macro_holds_whole_groups_where_one_fits(group, blocks):
    placement = place_products(linear(20, 2, group), chip(rows=8), {}).placements["p"]
    assert list(placement.row_blocks) == blocks
    pieces = placement.pieces
    assert [row for piece in pieces for row in range(piece.start, piece.stop)] == list(range(20))
    for piece in pieces:
        start, stop = placement.row_blocks[piece.row_block]
        assert start <= piece.start < piece.stop <= stop


@pytest.mark.parametrize("bits", [None, 2, 4])
def test_narrow_weights_take_as_many_columns_as_they_have_bits(bits):
    """16 columns of 8-bit macros: 2 weights of 8 bits, 8 of 2 bits."""
    placement = place_products(
        linear(8, 8, None, bits), chip(rows=8, cols=16, bits=8), {}
    ).placements["p"]
    assert len(placement.col_blocks) == {None: 4, 2: 1, 4: 2}[bits]


def test_weights_wider_than_the_cells_are_told_without_values():
    with pytest.raises(MappingError, match=r"its weights have 6 bits, but macros\.mram\.weights"):
        place_products(linear(8, 8, None, 6), chip(rows=8, cols=16, bits=4), {})


def test_shifts_travel_beside_their_codes():
    """3 vectors of 20 codes of 4 bits, and of 7 shifts of 3 bits, from the global buffer."""
    mapped = map_workload(linear(20, 2, 3), chip(rows=8), {})
    plain = map_workload(linear(20, 2, None), chip(rows=8), {})
    moved, before = (one.op("p").moved.global_buffer_read_bits for one in (mapped, plain))
    assert before == 3 * 20 * 4
    assert moved == before + 3 * 7 * 3


def test_shifts_of_what_is_written_travel_once_per_matrix():
    """Keys of 6 tokens and 2 heads: 4 channels in one group of 16, one shift of 3 bits a token."""
    workload = shapes_only(transformer_block(tokens=5, width=8, heads=2))
    stored = {}
    for scheme in ("qrazor_w4a4", "qrazor_w4a4kv4"):
        architecture = RAP.model_copy(update={"numerics": Numerics(scheme=scheme)})
        mapped = map_workload(quantize(workload, architecture), architecture, {"batch": 1})
        stored[scheme] = sum(fetch.bits for fetch in traffic_of(mapped)["attn.logits"].stored)
    assert stored["qrazor_w4a4"] == 6 * 2 * 4 * 8
    assert stored["qrazor_w4a4kv4"] == 6 * 2 * (4 * 4 + 3)


def test_partial_sums_of_groups_are_wide():
    wide = chip(rows=8, tiles=3, macros={"mram": 1, "sram": 8})
    grouped, plain = (map_workload(linear(20, 2, group), wide, {}) for group in (8, None))
    bits = [
        sum(part.bits for part in traffic_of(one)["p"].partial_sums) for one in (grouped, plain)
    ]
    assert bits[1] == 3 * 2 * 2 * (4 + 4 + 5)
    assert bits[0] == 3 * 2 * 2 * (4 + 4 + 5 + 8)


def test_an_output_is_written_with_its_shifts():
    workload = shapes_only(transformer_block(tokens=5, width=32, heads=2))
    architecture = RAP.model_copy(update={"numerics": Numerics(scheme="qrazor_w4a4", group=8)})
    mapped = map_workload(quantize(workload, architecture), architecture, {"batch": 1})
    moved = mapped.op("norm1:out.compressed").moved
    assert moved.tile_buffer_write_bits == 6 * (32 * 4 + 32 // 8 * 4)
    assert mapped.op("norm1:out.compressed").unit.length == 32


def test_rows_of_a_compression_lie_along_the_groups():
    """The transposed keys (channels, tokens) are coded channel by channel of each token."""
    workload = shapes_only(transformer_block(tokens=5, width=32, heads=2))
    architecture = RAP.model_copy(update={"numerics": Numerics(scheme="qrazor_w4a4kv4")})
    mapped = map_workload(quantize(workload, architecture), architecture, {"batch": 1})
    unit = mapped.op("attn.k.heads:out.compressed_rows").unit
    assert (unit.length, unit.rows) == (16, 2 * 6)


def test_cells_in_use_follow_the_width():
    used = {
        bits: map_workload(linear(8, 4, None, bits), chip(rows=8, cols=16, bits=8), {}).cells_used
        for bits in (2, 8)
    }
    assert (used[2]["mram"], used[8]["mram"]) == (8 * 4 * 2, 8 * 4 * 8)


def test_static_weights_still_have_to_fit():
    product = linear(4, 2, None)
    op = replace(product.ops[0], weights=np.full((4, 2), 9), weight_bits=4)
    with pytest.raises(MappingError, match="weights reach from 9 to 9 and need 5 bits"):
        place_products(replace(product, ops=(op,)), chip(rows=8, bits=4), {})
