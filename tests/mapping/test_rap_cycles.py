"""Reads of one attention layer on RAP's arrays, and what its cells may hold, against the paper.

arXiv 2411.14733 counts dense reads of 8 rows: 128 per bit-vector at a hidden size of 1,024, and so
524,288 per projection of 512 tokens of 8 bits. The other numbers follow from its array rules: as
many word lines as the hidden size, the channels of a head (Q·K^T) or the tokens (P·V), heads side
by side.
"""

from dataclasses import replace

import pytest

from pimsim.config import load_architecture
from pimsim.functional import estimate
from pimsim.mapping import map_workload
from tests.mapping.graphs import Graph

TOKENS, HEAD_CHANNELS, BERT_LARGE_HEADS = 512, 64, 16
ROOM = ("tile.buffer.capacity_bytes=16777216", "chip.global_buffer.capacity_bytes=16777216")


def dense(kind, *overrides):
    """RAP with every row group of every bit-plane read."""
    skipping = f"macros.{kind}.zero_skipping={{model: none}}"
    return load_architecture("rap", overrides=[skipping, *ROOM, *overrides])


def driven(graph, name, width, *, bits, signed):
    """An input of the graph that goes onto word lines."""
    made = graph.input(name, TOKENS, width, bits=bits)
    tensor = graph.tensors[made]
    graph.tensors[made] = replace(tensor, encoding=replace(tensor.encoding, signed=signed))
    return made


def projection_reads(hidden, *overrides, bits, signed=False):
    graph = Graph()
    x = driven(graph, "x", hidden, bits=bits, signed=signed)
    mapped = map_workload(graph.build(graph.linear("p", x, hidden)), dense("mram", *overrides), {})
    return int(estimate(mapped).service_cycles["p"].sum())


def head_reads(rows, cols, *overrides):
    graph = Graph()
    a, b = driven(graph, "a", rows, bits=8, signed=False), graph.input("b", rows, cols, bits=8)
    mapped = map_workload(graph.build(graph.matmul("p", a, b)), dense("sram", *overrides), {})
    return int(estimate(mapped).service_cycles["p"].sum())


def inputs(kind, coding, bits):
    return f"macros.{kind}.inputs.coding={coding}", f"macros.{kind}.inputs.bits={bits}"


@pytest.mark.parametrize(("hidden", "reads"), [(768, 393_216), (1024, 524_288)])
def test_dense_reads_of_a_projection(hidden, reads):
    """Each of Q, K, V and O of BERT-base and BERT-large, 8 bits without sign, one copy."""
    assert projection_reads(hidden, *inputs("mram", "unsigned", 8), bits=8) == reads


@pytest.mark.parametrize(
    ("coding", "reads"), [("twos_complement", 589_824), ("sign_magnitude", 1_048_576)]
)
def test_dense_reads_of_sign_and_eight_bits(coding, reads):
    """Nine planes in one pass, or eight planes of positive and eight of negative inputs."""
    found = projection_reads(1024, *inputs("mram", coding, 9), bits=9, signed=True)
    assert found == reads


def test_dense_reads_of_the_two_products_of_activations():
    """Q·K^T has the 64 channels of a head along the word lines, P·V the 512 tokens."""
    unsigned = inputs("sram", "unsigned", 8)
    assert head_reads(HEAD_CHANNELS, TOKENS, *unsigned) == 32_768
    tall = f"macros.sram.crossbar.rows={TOKENS}"
    assert head_reads(TOKENS, HEAD_CHANNELS, *unsigned, tall) == 262_144


def test_the_cells_of_table_1_are_two_copies_of_one_layer():
    """72 x 1024 x 1024 and 512 x 64 x 1024 cells: one of the readings that fit (docs/rap.md)."""
    rap, copies, hidden = load_architecture("rap"), 2, 1024
    cells = {
        kind: rap.tile.macros[kind] * macro.crossbar.rows * macro.crossbar.cols
        for kind, macro in rap.macros.items()
    }
    assert cells == {"mram": 72 * 1024 * 1024, "sram": 512 * 64 * 1024}
    matrices, stored = 4, 2  # Q, K, V and O; keys and values
    bits = {kind: macro.weights.bits for kind, macro in rap.macros.items()}
    assert cells["mram"] == copies * matrices * hidden * hidden * bits["mram"]
    assert hidden == BERT_LARGE_HEADS * HEAD_CHANNELS
    assert cells["sram"] == copies * stored * hidden * TOKENS * bits["sram"]
