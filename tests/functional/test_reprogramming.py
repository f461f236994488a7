"""Cells and word lines that are programmed in every inference, counted by hand."""

import numpy as np
import pytest

from pimsim.errors import SimulationError
from pimsim.functional import estimate
from pimsim.functional.reprogramming import with_reprogramming
from pimsim.mapping import MappedWorkload, map_workload
from pimsim.records import MacroCounts
from tests.mapping.graphs import MEMORY, REPROGRAM, Graph, chip


def two_matrices(macros: int, weights: np.ndarray | None = None) -> MappedWorkload:
    """Two matrices of 10 x 2: 2 macros each."""
    graph = Graph()
    for name in ("a", "b"):
        graph.linear(name, graph.input(f"x_{name}", 3, 10), 2, weights=weights)
    architecture = chip(
        macros={"mram": macros}, memory=MEMORY, reprogram=REPROGRAM, time_multiplex=True
    )
    return map_workload(graph.build(), architecture, {})


def test_every_cell_and_word_line_of_every_inference():
    """Weights 5 and -8 in 4 bits of two's complement: 0101 and 1000."""
    weights = np.array([[5, -8]] * 10)
    mapped = two_matrices(2, weights)
    assert mapped.rounds == 2
    before = MacroCounts("mram", reads=7, programmed_ones=1)
    after = with_reprogramming(before, mapped.op("a"), mapped, inferences=3)
    assert (after.programmed_ones, after.programmed_zeros) == (1 + 3 * 30, 3 * 50)
    assert (after.program_pulses, after.row_writes, after.reads) == (3 * 80, 3 * 10, 7)


def test_resident_weights_are_not_programmed():
    mapped = two_matrices(4)
    before = MacroCounts("mram")
    assert with_reprogramming(before, mapped.op("a"), mapped, inferences=3) is before


def test_shapes_alone_take_a_density():
    counts = estimate(two_matrices(2)).counts
    for op in counts:
        (macro,) = op.macros
        assert (macro.programmed_ones, macro.programmed_zeros, macro.row_writes) == (40, 40, 10)
    resident = estimate(two_matrices(4)).counts
    assert all(op.macros[0].row_writes == 0 for op in resident)


def test_without_weights_or_density_nothing_can_be_counted():
    mapped = two_matrices(2)
    with pytest.raises(SimulationError, match="op 'a' has no weights to program"):
        with_reprogramming(MacroCounts("mram"), mapped.op("a"), mapped, inferences=1)
