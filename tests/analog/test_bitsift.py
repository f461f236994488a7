"""Reads that a controller packs from the ones of a bit-vector."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pimsim.analog.bitsift import PACKINGS, PackedReads, pack_reads, reads_max
from pimsim.analog.zero_skipping import dense_read_cycles, expected_reads, read_cycles
from pimsim.config import load_architecture
from pimsim.errors import ModelRangeError, NotFoundError

BUILDABLE = tuple(name for name in PACKINGS if name != "bound")


def by_hand(bits: list[int], active: int, size: int, packing: str) -> list[list[int]]:
    """Rows of each read, from the rules as lists; nothing shared with the compiled code."""
    slices = [
        [row for row in range(start, min(start + size, len(bits))) if bits[row]]
        for start in range(0, len(bits), size)
    ]
    if packing == "bound":
        ones = [row for rows in slices for row in rows]
        return [ones[i : i + active] for i in range(0, len(ones), active)]
    full = [len(rows) - len(rows) % active for rows in slices]
    reads = [
        rows[i : i + active]
        for rows, end in zip(slices, full, strict=True)
        for i in range(0, end, active)
    ]
    pending = [rows[end:] for rows, end in zip(slices, full, strict=True) if len(rows) > end]
    if packing == "best_fit_decreasing":
        return reads + best_fit_decreasing(pending, active)
    return reads + scanned(pending, active, stop_early=packing == "consecutive")


def best_fit_decreasing(pending: list[list[int]], active: int) -> list[list[int]]:
    bins: list[list[int]] = []
    for rows in sorted(pending, key=len, reverse=True):
        fitting = [one for one in bins if len(one) + len(rows) <= active]
        if fitting:
            max(fitting, key=len).extend(rows)
        else:
            bins.append(list(rows))
    return bins


def scanned(pending: list[list[int]], active: int, *, stop_early: bool) -> list[list[int]]:
    reads = []
    while pending:
        read: list[int] = []
        for rows in list(pending):
            if len(read) + len(rows) <= active:
                read += rows
                pending.remove(rows)
            elif stop_early:
                break
        reads.append(read)
    return reads


def as_lists(packed: PackedReads, plane: int = 0, vector: int = 0) -> list[list[int]]:
    numbers = packed.read_of[plane, vector]
    reads = int(packed.reads[plane, vector])
    return [np.flatnonzero(numbers == read).tolist() for read in range(reads)]


@settings(max_examples=200, deadline=None)
@given(st.data())
def test_packing_follows_its_rule_row_by_row(data):
    draw = data.draw
    rows, active, size = (
        draw(st.integers(1, 90)),
        draw(st.integers(1, 12)),
        draw(st.integers(1, 40)),
    )
    density = draw(st.sampled_from([0.05, 0.3, 0.6, 1.0]))
    generator = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    bits = (generator.random((2, 3, rows)) < density).astype(np.uint8)
    packing = draw(st.sampled_from(PACKINGS))
    packed = pack_reads(bits, active_rows=active, slice_rows=size, packing=packing)
    for plane in range(2):
        for vector in range(3):
            expected = by_hand(bits[plane, vector].tolist(), active, size, packing)
            assert as_lists(packed, plane, vector) == [sorted(read) for read in expected]


@settings(max_examples=100, deadline=None)
@given(st.integers(1, 300), st.integers(1, 40), st.integers(1, 64), st.integers(0, 2**32 - 1))
def test_no_packing_beats_the_bound_nor_exceeds_the_most(rows, active, size, seed):
    """Each one is driven exactly once, no read drives too many, and bound <= reads <= most."""
    generator = np.random.default_rng(seed)
    bits = (generator.random((1, 4, rows)) < generator.random()).astype(np.uint8)
    bound = -(-bits.sum(axis=2, dtype=np.int64) // active)
    most = reads_max(rows, active_rows=active, slice_rows=size)
    for packing in PACKINGS:
        packed = pack_reads(bits, active_rows=active, slice_rows=size, packing=packing)
        assert np.array_equal(packed.read_of >= 0, bits == 1)
        assert (bound <= packed.reads).all()
        assert (packed.reads <= most).all()
        for vector in range(4):
            sizes = [len(read) for read in as_lists(packed, 0, vector)]
            assert all(1 <= one <= active for one in sizes)


def test_residues_that_do_not_combine_exceed_the_bound():
    """Residues 5, 5, 5, 5 need four reads of 8; the bound says three."""
    bits = np.zeros((1, 1, 128), np.uint8)
    for start in range(0, 128, 32):
        bits[0, 0, start : start + 5] = 1
    reads = {name: pack_reads(bits, active_rows=8, packing=name).reads.item() for name in PACKINGS}
    assert reads == {**dict.fromkeys(BUILDABLE, 4), "bound": 3}


def test_the_cycles_of_the_paper():
    """arXiv 2411.14733: 128 dense cycles per bit-vector of 1,024 rows at 8 active rows, 4,096
    bit-vectors of 512 tokens of 8 bits, 524,288 cycles per projection; full vectors pack alike."""
    dense = dense_read_cycles(1024, active_rows=8)
    vectors = 512 * 8
    assert (dense, vectors, dense * vectors) == (128, 4096, 524_288)
    ones = np.ones((1, 1024), bool)
    for packing in PACKINGS:
        assert read_cycles(ones, scheme="bitsift", active_rows=8, packing=packing) == 128


def test_figure_7_bit_by_bit():
    """arXiv 2411.14733, Fig. 7: 61 of 72 bits are skipped, so one row at a time takes 11 reads."""
    rows = ("11001000", "00000010", "00000100", "00000001", "00000000", "00010101", "00000010",
            "00000000", "00010000")  # fmt: skip
    planes = np.array([[int(bit) for bit in row] for row in rows], bool).T
    assert int(read_cycles(planes, scheme="bitsift", active_rows=1).sum()) == 72 - 61


def test_an_empty_vector_costs_nothing_and_one_read_takes_all_rows_at_once():
    bits = np.zeros((3, 64), bool)
    bits[1, 63] = True
    bits[2] = True
    assert read_cycles(bits, scheme="bitsift", active_rows=64).tolist() == [0, 1, 1]


def test_expected_reads_lie_between_bound_and_dense():
    architecture = load_architecture(
        "rap",
        overrides=[
            "macros.mram.zero_skipping={model: bitsift}",
            "macros.mram.inputs.coding=twos_complement",
        ],
    )
    macro = architecture.macros["mram"]
    for density in (0.1, 0.3, 0.5):
        expected = expected_reads(1024, macro, density) / macro.planes
        assert density * 128 <= expected < 128


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"packing": "first"}, NotFoundError, "unknown packing 'first'"),
        ({"active_rows": 0}, ModelRangeError, "active_rows must be 1 or more, got 0"),
        ({"slice_rows": 0}, ModelRangeError, "slice_rows must be 1 or more, got 0"),
    ],
)
def test_nonsense_is_an_error(options, error, message):
    with pytest.raises(error, match=message):
        pack_reads(np.zeros((1, 1, 8), np.uint8), **{"active_rows": 8, **options})


def test_more_reads_than_are_numbered_are_an_error():
    with pytest.raises(ModelRangeError, match=r"may take 65536 reads, more than the 32767"):
        reads_max(65536, active_rows=1)
