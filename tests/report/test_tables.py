"""actions.csv, components.csv and sources.csv hold everything, exactly."""

import shutil

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pimsim.errors import InputError
from pimsim.records import ActionCounts, MacroCounts, MovedBits, UnitCounts
from pimsim.report import counted, frames, tables

count = st.integers(0, 2**62)
name = st.text(st.characters(codec="utf-8", exclude_categories=["Cs", "Cc"]), min_size=1)
histogram = st.lists(count, max_size=5).map(tuple)
by_key = st.dictionaries(st.integers(1, 64), count, max_size=3)
macro = st.builds(
    MacroCounts,
    macro=name,
    column_sum_histogram=histogram,
    shift_adds=by_key,
    **dict.fromkeys(counted.MACRO_ACTIONS, count),
)
unit = st.builds(UnitCounts, function=name, invocations_by_length=by_key, saturations=count)
moved = st.builds(MovedBits, **dict.fromkeys(counted.MOVEMENT_ACTIONS, count))
action_counts = st.builds(
    ActionCounts,
    op=name,
    inferences=st.integers(1, 10**6),
    macros=st.lists(macro, max_size=2).map(tuple),
    units=st.lists(unit, max_size=2).map(tuple),
    moved=moved,
)


@pytest.fixture
def copy(written, tmp_path):
    return shutil.copytree(written, tmp_path / "copy")


def test_counts_and_costs_come_back_equal(written, result, equal):
    assert equal(tables.read_counts(written / "actions.csv"), result.counts)
    costs = tables.read_costs(written / "components.csv", written / "sources.csv")
    assert equal(costs, result.costs)


@settings(max_examples=50)
@given(counts=st.lists(action_counts, max_size=3).map(tuple))
def test_any_counts_come_back_equal(rebuilt_once, counts):
    make, path = rebuilt_once
    frames.actions(make(counts=counts)).to_csv(path, index=False, lineterminator="\n")
    assert tables.read_counts(path) == counts


@pytest.fixture(scope="module")
def rebuilt_once(tmp_path_factory):
    import dataclasses

    from pimsim.records import Result

    blank = {field.name: None for field in dataclasses.fields(Result)}
    path = tmp_path_factory.mktemp("counts") / "actions.csv"
    return lambda **changes: Result(**{**blank, **changes}), path


def test_actions_are_tidy_and_add_up(written, result):
    frame = pd.read_csv(written / "actions.csv")
    reads = frame[frame["action"] == "reads"].groupby("op")["count"].sum()
    assert reads.to_dict() == {
        counts.op: sum(macro.reads for macro in counts.macros)
        for counts in result.counts
        if counts.macros
    }


def test_checksums_are_those_of_sha256sum(written):
    import hashlib

    for line in (written / tables.CHECKSUMS).read_text().splitlines():
        digest, file = line.split("  ")
        assert digest == hashlib.sha256((written / file).read_bytes()).hexdigest()


@pytest.mark.parametrize("file", tables.CHECKED_FILES)
def test_a_cut_or_changed_file_is_named(copy, file):
    path = copy / file
    path.write_bytes(path.read_bytes()[:-40])
    with pytest.raises(InputError, match=f"{file}: cut short or changed"):
        tables.check_complete(copy)


@pytest.mark.parametrize("file", [*tables.CHECKED_FILES, tables.CHECKSUMS])
def test_a_missing_file_is_named(copy, file):
    (copy / file).unlink()
    with pytest.raises(InputError, match=f"{file} is missing"):
        tables.check_complete(copy)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        (",reads,,640", ",reads,,many", r"actions\.csv:2: invalid literal"),
        (",reads,,640", ",jumps,,640", r"actions\.csv:2: no action 'jumps' at place 'macro'"),
        (",reads,,640", "", r"actions\.csv:2: expected 7 columns"),
        ("op,inferences", "operation,inferences", r"actions\.csv:2: no column 'op'"),
        ("blocks.1.attention.logits,4,movement,,link_bits,,0\n", "", "are cut short"),
    ],
)
def test_unreadable_counts_name_file_and_line(copy, old, new, message):
    path = copy / "actions.csv"
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new, 1))
    with pytest.raises(InputError, match=message):
        tables.read_counts(path)


def test_counts_of_before_memory_and_pins_were_counted_are_read(copy, result):
    path = copy / "actions.csv"
    later = ("memory_read_bits", "memory_write_bits", "io_bits")
    lines = path.read_text().splitlines(keepends=True)
    path.write_text("".join(line for line in lines if line.split(",")[4] not in later))
    assert tables.read_counts(path) == result.counts


def test_a_record_that_opens_wrongly_is_refused(copy):
    path = copy / "actions.csv"
    lines = path.read_text().splitlines(keepends=True)
    path.write_text("".join([lines[0], *lines[2:]]))
    with pytest.raises(InputError, match="do not open with 'reads'"):
        tables.read_counts(path)


def test_an_unknown_kind_of_source_is_refused(copy):
    path = copy / "components.csv"
    path.write_text(path.read_text().replace("fitted", "guessed", 1))
    with pytest.raises(InputError, match=r"components\.csv:2: unknown kind 'guessed'; known: meas"):
        tables.read_costs(path, copy / "sources.csv")
