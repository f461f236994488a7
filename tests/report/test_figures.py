"""Figures show the numbers of their table, and the same table gives the same bytes."""

import itertools
import sys
import xml.etree.ElementTree as ET

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from matplotlib.text import Text

from pimsim.report import figures, frames, gantt, style


def texts(figure):
    """Every text of a figure, from its SVG."""
    tree = ET.fromstring(style.to_svg(figure))
    return ["".join(node.itertext()) for node in tree.iter("{http://www.w3.org/2000/svg}text")]


def default(result):
    frame = frames.components(result)
    return frame[frame["variant"] == "modelled"]


def test_every_result_gets_its_figures(result, rebuilt):
    names = {"energy", "area", "latency", "timeline", "comparison"}
    assert set(figures.draw_all(result)) == names | {"accuracy"}
    assert set(figures.draw_all(rebuilt(accuracy=None))) == names


def test_drawing_leaves_no_global_figure_and_no_settings_behind(result):
    import matplotlib as mpl

    before = dict(mpl.rcParams)
    style.to_svg(figures.energy(default(result)))
    assert dict(mpl.rcParams) == before
    assert (
        "matplotlib.pyplot" not in sys.modules or not sys.modules["matplotlib.pyplot"].get_fignums()
    )


def test_svg_holds_no_date_and_is_the_same_every_time(result):
    first, second = (style.to_svg(figures.energy(default(result))) for _ in range(2))
    assert first == second
    assert "<metadata" not in first


def test_settings_of_the_user_do_not_change_a_figure(result):
    import matplotlib as mpl

    plain = style.to_svg(figures.energy(default(result)))
    with mpl.rc_context({"font.size": 20, "axes.facecolor": "red", "lines.linewidth": 9}):
        assert style.to_svg(figures.energy(default(result))) == plain


def test_energy_bars_are_the_components_and_their_assumed_and_leaking_parts(result):
    axes = figures.energy(default(result)).axes[0]
    widths = {}
    for bar in axes.patches:
        widths[bar.get_facecolor()[3], bar.get_facecolor()[:3], bar.get_y()] = bar.get_width()
    solid = [bar for bar in axes.patches if bar.get_alpha() in (1.0, 0.4)]
    assert sum(bar.get_width() for bar in solid) == pytest.approx(result.energy_uj, rel=1e-12)
    leaking = [bar for bar in solid if bar.get_facecolor()[:3] != solid[0].get_facecolor()[:3]]
    assert sum(bar.get_width() for bar in leaking) == pytest.approx(2_500.0 / 1e6)
    hatched = [bar for bar in axes.patches if bar.get_hatch()]
    # Assumed are the leakage of mram.adc and all of sram.adc.
    assert sum(bar.get_width() for bar in hatched) == pytest.approx((2_500.0 + 0.3) / 1e6)
    assert [label.get_text() for label in axes.get_yticklabels()][:2] == ["mram.adc", "softmax"]


def test_area_bars_sum_to_the_chip(result):
    axes = figures.area(default(result)).axes[0]
    solid = [bar for bar in axes.patches if bar.get_alpha() in (1.0, 0.4)]
    assert sum(bar.get_width() for bar in solid) == pytest.approx(result.area_mm2, rel=1e-12)


def test_many_components_share_a_last_bar_without_loss(result):
    rows = default(result).iloc[:1]
    many = pd.concat([rows.assign(component=f"part {i}", energy_pj=1e6) for i in range(30)])
    axes = figures.energy(many).axes[0]
    labels = [label.get_text() for label in axes.get_yticklabels()]
    assert labels == [*(f"part {i}" for i in range(13)), "17 others"]
    assert sum(bar.get_width() for bar in axes.patches) == pytest.approx(30.0)


def test_axes_name_their_quantity_and_unit(result):
    found = {
        name: figure.axes[0].get_xlabel() + " / " + figure.axes[0].get_ylabel()
        for name, figure in figures.draw_all(result).items()
    }
    for name, unit in {
        "energy": "[µJ]",
        "area": "[mm²]",
        "latency": "[µs]",
        "timeline": "[µs]",
        "accuracy": "[%]",
        "comparison": "[µJ]",
    }.items():
        assert unit in found[name]


def test_accuracy_shows_each_chip_and_both_references(result):
    figure = figures.accuracy(frames.accuracy(result))
    dots = figure.axes[0].lines[-1]
    assert dots.get_ydata().tolist() == [0.75, 0.5]
    shown = " ".join(texts(figure)).replace("\u202f", " ")
    assert "float32: 100.00 %" in shown
    assert "integer, ideal chip: 75.00 %" in shown
    assert "analog, mean: 62.50 %" in shown


def test_accuracy_of_another_metric_is_no_percentage(result):
    frame = frames.accuracy(result).assign(metric="perplexity", value=[20.0, 20.5, 21.0, 22.0])
    figure = figures.accuracy(frame)
    assert figure.axes[0].get_ylabel() == "perplexity"
    assert "float32: 20.00" in texts(figure)


def test_comparison_names_machine_precision_and_batch(result):
    shown = " ".join(texts(figures.comparison(frames.baselines(result))))
    for text in ("rap", "conventional", "NVIDIA A100", "fp16, batch 1", "int8_dqq, batch 1"):
        assert text in shown


def test_comparison_labels_do_not_overlap(result):
    frame = frames.baselines(result)
    close = pd.concat([frame.iloc[:1].assign(energy_uj=1.0 + 0.01 * i) for i in range(9)])
    figure = figures.comparison(close)
    figure.draw_without_rendering()
    boxes = [Text.get_window_extent(label) for label in figure.axes[0].texts]  # without the line
    boxes.sort(key=lambda box: box.y0)
    assert all(low.y1 <= high.y0 for low, high in itertools.pairwise(boxes))
    assert boxes[0].y0 >= 0
    assert boxes[-1].y1 <= figure.bbox.y1


@given(st.lists(st.floats(0, 1), min_size=1, max_size=8), st.floats(0.01, 0.3))
def test_spread_labels_keep_their_order_and_room(positions, room):
    moved = figures.spread(np.array(positions), room)
    order = np.argsort(positions, kind="stable")
    assert np.all(np.diff(moved[order]) >= room - 1e-9)
    assert moved.mean() == pytest.approx(np.mean(positions), abs=1e-9)


def track_labels(axes):
    """Headings and tracks from top to bottom."""
    rows = zip(axes.get_yticks(), axes.get_yticklabels(), strict=True)
    return [label.get_text() for _, label in sorted(rows, key=lambda row: row[0])]


def busy_text(figure):
    return [text.replace("\u202f", "") for text in texts(figure) if text.endswith("%")]


def test_timeline_has_one_track_per_resource_and_its_busy_share(result):
    frame = frames.timeline(result)
    figure = gantt.timeline(frame)
    axes = figure.axes[0]
    assert track_labels(axes) == [
        *("mram macros", "0", "1", "sram macros", "9", "10"),
        *("softmax units", "0", "network", ""),
    ]
    end_ps = result.timeline.latency_ps
    # Each resource works five times for 6 001 ps + 250 ps x its index (sram 10 comes before 9).
    expected = [5 * (6_001 + 250 * index) / end_ps for index in (0, 1, 3, 2, 4, 5)]
    assert busy_text(figure) == [f"{100 * ratio:.0f}%" for ratio in expected]


def many_tracks(tracks):
    start = np.arange(tracks, dtype=float)
    return pd.DataFrame(
        {
            "start_us": start,
            "end_us": start + 1 + 0.01 * np.arange(tracks),
            "resource": [f"macro:mram:{i}" for i in range(tracks)],
            "resource_class": "macro",
            "op": "blocks.0.mlp.up",
            "group": [f"blocks.{i % 24}" for i in range(tracks)],
            "token": 0,
        }
    )


def test_of_many_resources_the_busiest_keep_their_track():
    figure = gantt.timeline(many_tracks(300), most_tracks=20)
    kept = [str(number) for number in range(281, 300)]
    assert track_labels(figure.axes[0]) == ["mram macros", *kept, "281 others"]


def test_an_empty_timeline_is_drawn(result):
    style.to_svg(gantt.timeline(frames.timeline(result).iloc[:0]))


@pytest.mark.parametrize(
    ("resource", "labels"),
    [
        ("noc", ["network", ""]),
        ("noc:0>global_buffer", ["network", "0>global_buffer"]),
        ("tile_buffer:3", ["tile buffers", "3"]),
        ("write:sram:blocks.0.attention.logits", ["sram row writes", "blocks.0.attention.logits"]),
        ("clock", ["clock", ""]),
    ],
)
def test_resources_of_any_name_have_a_track_under_their_kind(result, resource, labels):
    frame = frames.timeline(result).assign(resource=resource, resource_class="other")
    assert track_labels(gantt.timeline(frame).axes[0]) == labels


def test_tracks_named_by_operation_stand_in_order_of_use(result):
    frame = frames.timeline(result).iloc[:3]
    frame = frame.assign(resource=[f"macro:mram:{op}" for op in ("z", "b", "y")])
    assert track_labels(gantt.timeline(frame).axes[0]) == ["mram macros", "z", "b", "y"]


def test_headings_and_tracks_do_not_share_a_place(result):
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


@given(st.lists(st.integers(1, 100), min_size=1, max_size=8), st.integers(1, 100))
def test_places_are_shared_out_without_waste(sizes, most):
    shares = gantt.share_out(sizes, most, fewest=2)
    assert all(min(size, 2) <= share <= size for size, share in zip(sizes, shares, strict=True))
    if sum(sizes) <= most:
        assert shares == sizes
