"""Packed reads as lists of their rows."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pimsim.analog import mvm, program, read_lists, zero_skipping
from pimsim.analog.bitsift import PACKINGS, PackedReads, pack_reads
from pimsim.analog.packed_inputs import PackedInputs, packed_inputs
from pimsim.analog.read_lists import ReadLists, list_reads, lists_of
from pimsim.analog.zero_skipping import PackingScheme
from pimsim.errors import ModelRangeError, NotFoundError
from pimsim.registry import ZERO_SKIPPING
from tests.analog.test_engine import MACROS, changed, fitting, macro_of


def rows_by_read(packed: PackedReads, plane: int, vector: int) -> list[list[int]]:
    numbers = packed.read_of[plane, vector]
    reads = range(int(packed.reads[plane, vector]))
    return [np.flatnonzero(numbers == read).tolist() for read in reads]


def listed(lists: ReadLists, vector: int, rows: int) -> list[list[int]]:
    """Rows of all reads of a vector, plane after plane, without those that only fill up."""
    own = lists.rows_of[lists.starts[vector] : lists.stops[vector]].tolist()
    return [[row for row in read if row < rows] for read in own]


@settings(max_examples=150, deadline=None)
@given(st.data())
def test_lists_are_the_packed_reads_under_the_same_numbers(data):
    """Of every packing, ragged slices, and one parallel job after another included."""
    draw = data.draw
    rows, active, size = (
        draw(st.integers(1, 700)),
        draw(st.integers(1, 8)),
        draw(st.integers(1, 70)),
    )
    density = draw(st.sampled_from([0.0, 0.05, 0.3, 0.6, 1.0]))
    generator = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    batch = draw(st.sampled_from([0, 1, 3, 5 if rows > 100 else 150]))
    bits = (generator.random((3, batch, rows)) < density).astype(np.uint8)
    packing = draw(st.sampled_from(PACKINGS))
    options = {"active_rows": active, "slice_rows": size, "packing": packing}
    packed, lists = pack_reads(bits, **options), list_reads(bits, **options)
    made = lists_of(packed)
    for found in (lists, made):
        assert np.array_equal(found.reads, packed.reads)
        assert np.array_equal(found.stops - found.starts, packed.reads.sum(axis=0))
    for vector in range(batch):
        expected = [read for plane in range(3) for read in rows_by_read(packed, plane, vector)]
        assert listed(lists, vector, rows) == expected
        assert listed(made, vector, rows) == expected


def test_rows_that_fill_up_a_list_are_the_one_beyond_the_last():
    bits = np.zeros((1, 1, 40), np.uint8)
    bits[0, 0, [3, 35]] = 1
    assert list_reads(bits, active_rows=8).rows_of[0].tolist() == [3, 35] + [40] * 6


def test_jobs_move_no_list(monkeypatch):
    bits = (np.random.default_rng(0).random((4, 50, 60)) < 0.4).astype(np.uint8)
    whole = list_reads(bits, active_rows=5)
    monkeypatch.setattr(read_lists, "_JOB_VECTORS", 3)
    parts = list_reads(bits, active_rows=5)
    for vector in range(50):
        assert listed(whole, vector, 60) == listed(parts, vector, 60)
    few = parts.of(slice(7, 9))
    assert np.array_equal(few.reads, parts.reads[:, 7:9])
    assert listed(few, 1, 60) == listed(parts, 8, 60)


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"packing": "first"}, NotFoundError, "unknown packing 'first'"),
        ({"active_rows": 0}, ModelRangeError, "active_rows must be 1 or more, got 0"),
        ({"slice_rows": 0}, ModelRangeError, "slice_rows must be 1 or more, got 0"),
        ({"active_rows": 9}, ModelRangeError, "a list holds 8 rows, and active_rows is 9"),
    ],
)
def test_nonsense_is_an_error(options, error, message):
    with pytest.raises(error, match=message):
        list_reads(np.zeros((1, 1, 8), np.uint8), **{"active_rows": 8, **options})


def test_more_rows_than_a_list_can_number_are_an_error():
    with pytest.raises(ModelRangeError, match="lists number 65535 rows at most, got 65536"):
        list_reads(np.zeros((1, 1, 65_536), np.uint8), active_rows=8)


def test_inputs_are_packed_once_for_each_form(monkeypatch):
    """Reads are counted from whatever form there is."""
    macro = MACROS["packed, screened"]
    bits = (np.random.default_rng(0).random((4, 5, 60)) < 0.4).astype(np.uint8)
    calls = []

    def counting(name, function):
        return lambda *args, **options: calls.append(name) or function(*args, **options)

    scheme = PackingScheme(counting("rows", pack_reads), counting("lists", list_reads))
    packed = PackedInputs(bits, macro, scheme)
    by_lists = packed.lists.reads
    assert np.array_equal(packed.reads, by_lists)
    assert packed.lists is packed.lists
    assert calls == ["lists"]
    assert np.array_equal(packed.by_row.reads, by_lists)
    assert calls == ["lists", "rows"]
    assert packed_inputs(bits, MACROS["lossless"]) is None


def test_a_scheme_of_ones_own_needs_no_lists(monkeypatch):
    """Lists are made from the reads of rows that it yields."""
    macro = MACROS["packed, screened"]
    weights, inputs = fitting(macro, np.random.default_rng(1), 20, 90, 23)
    programmed = program(weights, macro, 5)
    expected = mvm(programmed, inputs, 3)
    plain = PackingScheme(pack_reads)
    monkeypatch.setattr(
        "pimsim.analog.packed_inputs.scheme_of", lambda name: plain if name == "bitsift" else None
    )
    found = mvm(programmed, inputs, 3)
    assert np.array_equal(found.values, expected.values)
    assert found.counts == expected.counts
    assert ZERO_SKIPPING["bitsift"] is zero_skipping.BITSIFT


@pytest.mark.parametrize(("rows", "listed_at_all"), [(65_535, True), (65_536, False)])
def test_more_rows_than_16_bits_number_are_not_listed(rows, listed_at_all):
    macro = changed(macro_of(rows=65_536, cols=8, bits=2), zero_skipping={"model": "bitsift"})
    block = program(np.ones((rows, 1), np.int64), macro, 1).blocks[0]
    assert (block.screen is not None) == listed_at_all
    inputs = np.zeros((1, rows), np.int64)
    inputs[0, [0, rows - 1]] = 1
    assert mvm(program(np.ones((rows, 1), np.int64), macro, 1), inputs, 2).values == 2
