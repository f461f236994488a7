"""Write cycles of operands that are computed at run time, by dataflow, port and orientation."""

import numpy as np
import pytest

from pimsim.functional import estimate
from pimsim.mapping import MappedWorkload, map_workload
from pimsim.mapping.mapped import Block
from pimsim.mapping.writing import TokenLayout, writings_of
from tests.mapping.graphs import Graph, chip
from tests.timing.chips import changed
from tests.timing.layers import bare_attention, layer

DATAFLOWS = ("layer_by_layer", "token_streaming", "rap_fused")


def attention_on(
    dataflow: str, port: str, *, tokens: int = 10, depth: int = 6, batch: int = 1, **sizes: int
) -> MappedWorkload:
    architecture = chip(**{"rows": 4, "cols": 16, "tiles": 8, **sizes})
    mapped = map_workload(bare_attention(tokens, depth), architecture, {"batch": batch})
    return changed(mapped, {"mapping.dataflow": dataflow, "macros.sram.write.port": port})


def cycles_of_token(block: Block, token: int, side: str, port: str) -> int:
    """Of one macro for one token, cell by cell: lines of the port that hold cells of the token."""
    cells = np.zeros((block.row_stop - block.row_start, block.col_stop - block.col_start), bool)
    at = token - (block.row_start if side == "rows" else block.col_start)
    if 0 <= at < cells.shape[0 if side == "rows" else 1]:
        cells[(at,) if side == "rows" else (slice(None), at)] = True
    through_column = port == "column" and side == "cols"
    return int(cells.any(axis=0 if through_column else 1).sum())


@pytest.mark.parametrize("dataflow", ["token_streaming", "rap_fused"])
@pytest.mark.parametrize("port", ["row", "column"])
@pytest.mark.parametrize(("product", "side"), [("logits", "cols"), ("context", "rows")])
@pytest.mark.parametrize("batch", [1, 3])
def test_streamed_operands_take_the_cycles_of_each_token_in_each_macro(
    dataflow: str, port: str, product: str, side: str, batch: int
) -> None:
    mapped = attention_on(dataflow, port, batch=batch)
    placement = mapped.op(product).placement
    assert placement is not None
    assert len(placement.row_blocks) > 1
    assert len(placement.col_blocks) > 1
    by_token = [
        [cycles_of_token(block, token, side, port) for block in placement.blocks]
        for token in range(10)
    ]
    writing = writings_of(mapped)[product]
    producer = {"logits": "key", "context": "value"}[product]
    assert writing.layout == TokenLayout(producer, side, 10)
    assert writing.cycles == max(map(max, by_token))
    assert {writing.counted} == set(map(sum, by_token))
    assert writing.total == batch * sum(map(sum, by_token))


@pytest.mark.parametrize("port", ["row", "column"])
@pytest.mark.parametrize(("product", "rows", "cols"), [("logits", 6, 10), ("context", 10, 6)])
def test_gathered_operands_are_written_line_by_line(
    port: str, product: str, rows: int, cols: int
) -> None:
    """In macros of 4 rows and 4 columns of 4 slices, and in ones that hold the operand whole."""
    for sizes, row_blocks, col_blocks in [
        ({}, -(-rows // 4), -(-cols // 4)),
        ({"rows": 16, "cols": 64}, 1, 1),
    ]:
        mapped = attention_on("layer_by_layer", port, **sizes)
        writing = writings_of(mapped)[product]
        by_columns = port == "column" and min(cols, 64) < rows and col_blocks == 1
        assert writing.layout is None
        assert writing.port == ("column" if by_columns else "row")
        assert writing.total == (cols * row_blocks if by_columns else rows * col_blocks)


def test_keys_of_rap_are_masked_writes_of_every_word_line() -> None:
    """64 word lines for each of 512 tokens (arXiv 2411.14733 has heads of 64)."""
    sizes = {"tokens": 512, "depth": 64, "rows": 64, "cols": 4096}
    rows = writings_of(attention_on("rap_fused", "row", **sizes))
    columns = writings_of(attention_on("rap_fused", "column", **sizes))
    gathered = writings_of(attention_on("layer_by_layer", "row", **sizes))
    assert rows["logits"].total == 64 * 512 == 32_768
    assert columns["logits"].total == 512
    assert gathered["logits"].total == 64
    assert rows["context"].total == gathered["context"].total == 512


@pytest.mark.parametrize("dataflow", DATAFLOWS)
@pytest.mark.parametrize("port", ["row", "column"])
def test_heads_and_samples_write_as_often_as_one(dataflow: str, port: str) -> None:
    def total(heads: int, batch: int) -> int:
        architecture = chip(rows=16, cols=64, tiles=8)
        mapped = map_workload(layer(5, 4 * heads, heads), architecture, {"batch": batch})
        settings = {"mapping.dataflow": dataflow, "macros.sram.write.port": port}
        writings = writings_of(changed(mapped, settings))
        return sum(writing.total for writing in writings.values())

    assert total(2, 3) == 6 * total(1, 1)


@pytest.mark.parametrize("dataflow", DATAFLOWS)
def test_counts_without_values_have_these_cycles(dataflow: str) -> None:
    mapped = attention_on(dataflow, "row", batch=2)
    counted = {counts.op: counts.macros for counts in estimate(mapped).counts}
    for product, writing in writings_of(mapped).items():
        assert counted[product][0].row_writes == writing.total


def test_an_operand_of_the_input_has_no_tokens_to_wait_for() -> None:
    graph = Graph()
    graph.matmul("p", graph.input("a", 2, 5, 4), graph.input("b", 2, 4, 6))
    mapped = map_workload(graph.build(), chip(rows=16, cols=64), {"batch": 2})
    writing = writings_of(changed(mapped, {"mapping.dataflow": "token_streaming"}))["p"]
    assert (writing.layout, writing.cycles, writing.total) == (None, 4, 2 * 4)
