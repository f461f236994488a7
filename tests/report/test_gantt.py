"""The timeline figure shows every resource within few rows, with exact numbers beside them."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pimsim.report import frames, gantt, gantt_rows, style, timing_frames


def row_labels(axes):
    """Headings and rows from top to bottom."""
    rows = zip(axes.get_yticks(), axes.get_yticklabels(), strict=True)
    return [label.get_text() for _, label in sorted(rows, key=lambda row: row[0])]


def numbers(figure, column):
    """Numbers right of the rows, from top to bottom: ``busy`` or ``path``."""
    offset = {"busy": gantt._BUSY_AT, "path": gantt._PATH_AT}[column]
    notes = [note for note in figure.axes[0].texts if note.xyann == (offset, 0)]
    notes.sort(key=lambda note: note.xy[1])
    assert notes[0].get_text() == column
    return [note.get_text().replace("\u202f", "") for note in notes[1:]]


def test_each_resource_has_a_row_with_its_busy_share_where_they_are_few(result):
    figure = gantt.timeline(frames.timeline(result))
    assert row_labels(figure.axes[0]) == [
        *("mram macros", "0", "1", "sram macros", "9", "10"),
        *("softmax units, tile 0", "network"),
    ]
    end_ps = result.timeline.latency_ps
    # Each resource works five times for 6 001 ps + 250 ps x its index (sram 10 comes before 9).
    expected = [5 * (6_001 + 250 * index) / end_ps for index in (0, 1, 3, 2, 4, 5)]
    assert numbers(figure, "busy") == [f"{100 * ratio:.0f}%" for ratio in expected]


def test_the_critical_path_is_marked_with_its_shares(result):
    """20 000 ps in the first macro, 15 001 in the unit; the rest is a pure delay."""
    path = timing_frames.path(result)
    end_us = result.latency_us
    assert path["end_us"].iloc[-1] == end_us
    assert path["resource"].dropna().tolist() == ["macro:mram:0", "unit:softmax:0"]
    figure = gantt.timeline(frames.timeline(result), path)
    expected = [f"{100 * part / end_us:.0f}%" for part in (0.02, 0.015001)]
    assert numbers(figure, "path") == expected
    named = [text.get_text() for text in figure.legends[0].get_texts()]
    assert named[-1] == "critical path"
    ink = [patch for patch in figure.axes[0].patches if patch.get_facecolor()[:3] == ink_rgb()]
    spans = sorted(tuple(patch.get_path().vertices[:, 0][[0, 1]]) for patch in ink)
    assert spans == [(0.0, 0.02), (0.02, pytest.approx(0.035001))]


def ink_rgb():
    from matplotlib.colors import to_rgb

    return to_rgb(style.INK)


def chip(layers, operations, tiles):
    """Macros of each operation of each layer, and a unit and a buffer in each tile."""
    names = [f"macro:mram:layer.{n}.{op}" for n in range(layers) for op in operations]
    names += [f"{kind}:{tile}" for kind in ("unit:gelu", "tile_buffer") for tile in range(tiles)]
    names += [f"noc:{tile}>{tile + 1}" for tile in range(tiles)]
    start = np.arange(len(names), dtype=float)
    heads = [name.split(":")[0] for name in names]
    return pd.DataFrame(
        {
            "start_us": start,
            "end_us": start + 1,
            "resource": names,
            "resource_class": ["vector_unit" if head == "unit" else head for head in heads],
            "op": "layer.0.fc",
            "group": [f"layer.{index % layers}" for index in range(len(names))],
            "token": 0,
            "wait_us": 0.0,
            "request": 0,
        }
    )


def test_many_resources_share_rows_by_operation_by_tiles_and_at_last_all():
    figure = gantt.timeline(chip(12, ["q", "fc"], 20), most_rows=11)
    assert row_labels(figure.axes[0]) == [
        *("mram macros", "layer.*.q (12)", "layer.*.fc (12)"),
        *("gelu units", "tiles 0–4", "tiles 5–9", "tiles 10–14", "tiles 15–19"),
        *("tile buffers", "tiles 0–4", "tiles 5–9", "tiles 10–14", "tiles 15–19"),
        "network (20)",
    ]
    # A row of 12 macros works 12 µs of 84, one of 5 tiles 5 µs, the network 20 µs.
    shares = [12 / 84] * 2 + [5 / 84] * 8 + [20 / 84]
    assert numbers(figure, "busy") == [f"{100 * share:.0f}%" for share in shares]


def test_the_fewest_rows_are_one_per_kind():
    labels = row_labels(gantt.timeline(chip(12, ["q", "fc"], 20), most_rows=1).axes[0])
    assert labels == ["mram macros (24)", "gelu units (20)", "tile buffers (20)", "network (20)"]


def test_macros_are_the_last_to_share_one_row():
    labels = row_labels(gantt.timeline(chip(12, ["q", "fc"], 20), most_rows=5).axes[0])
    assert labels[:3] == ["mram macros", "layer.*.q (12)", "layer.*.fc (12)"]
    assert labels[3:] == ["gelu units (20)", "tile buffers (20)", "network (20)"]


@given(
    st.integers(1, 30),
    st.lists(st.sampled_from(["q", "k", "fc.up", "fc.down"]), min_size=1, max_size=4, unique=True),
    st.integers(1, 30),
    st.integers(1, 40),
)
def test_every_resource_is_in_one_row_and_rows_are_as_few_as_asked(layers, operations, tiles, most):
    frame = chip(layers, operations, tiles)
    used = dict(zip(frame["resource"], frame["resource_class"], strict=True))
    rows = gantt_rows.choose_rows(used, most)
    shown = [resource for row in rows for resource in row.resources]
    assert sorted(shown) == sorted(used)
    assert len(rows) <= max(most, 4)
    if len(used) <= most:
        assert len(rows) == len(used)


def test_sparse_work_is_pale_and_dense_work_is_not():
    """Of two uses 1 µs apart on 10 ms, joined, one half works; a long use works all the time."""
    frame = chip(1, ["q"], 1).iloc[[0, 0, 0]].assign(start_us=[0.0, 2.0, 5000.0])
    frame = frame.assign(end_us=[1.0, 3.0, 10_000.0], group=["layer.0", "layer.0", "layer.1"])
    patches = gantt.timeline(frame).axes[0].patches
    assert sorted(patch.get_alpha() for patch in patches) == [0.75, 1.0]


def test_an_empty_timeline_is_drawn(result):
    empty = gantt.timeline(frames.timeline(result).iloc[:0], timing_frames.path(result).iloc[:0])
    assert "<svg" in style.to_svg(empty)


def test_the_title_counts_the_inferences(result):
    frame = frames.timeline(result).assign(request=[0, 1, 2] * 10)
    assert (
        gantt.timeline(frame).axes[0].get_title(loc="left").startswith("Timeline of 3 inferences")
    )


@pytest.mark.parametrize(
    ("resource", "label"),
    [
        ("noc", "network"),
        ("noc:0>global_buffer", "network 0>global_buffer"),
        ("tile_buffer:3", "tile buffers, tile 3"),
        ("write:sram:blocks.0.logits", "sram row writes blocks.0.logits"),
        ("adc:mram:blocks.0.q", "mram converters blocks.0.q"),
        ("clock", "clock"),
    ],
)
def test_resources_of_any_name_have_a_row_under_their_kind(result, resource, label):
    frame = frames.timeline(result).assign(resource=resource, resource_class="other")
    assert row_labels(gantt.timeline(frame).axes[0]) == [label]


def test_rows_named_by_operation_stand_in_order_of_use(result):
    frame = frames.timeline(result).iloc[:3]
    frame = frame.assign(resource=[f"macro:mram:{op}" for op in ("z", "b", "y")])
    assert row_labels(gantt.timeline(frame).axes[0]) == ["mram macros", "z", "b", "y"]


def test_headings_and_rows_do_not_share_a_place(result):
    places = gantt.timeline(frames.timeline(result)).axes[0].get_yticks()
    assert len(set(places)) == len(places)


intervals = st.lists(
    st.tuples(st.integers(0, 50), st.integers(0, 10)).map(lambda p: (p[0], p[0] + p[1])),
    min_size=1,
    max_size=20,
)


@given(intervals)
def test_union_covers_the_same_points_once(pairs):
    union = gantt.union_of(np.array(pairs, dtype=float), gap_us=0.0)
    covered = {point for start, end in pairs for point in range(2 * start, 2 * end)}
    again = [point for start, end in union for point in range(int(2 * start), int(2 * end))]
    assert sorted(covered) == again
    assert np.all(union[1:, 0] > union[:-1, 1])
