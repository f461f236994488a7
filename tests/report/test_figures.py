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

from pimsim.report import figures, frames, labels, style


def texts(figure):
    """Every text of a figure, from its SVG."""
    tree = ET.fromstring(style.to_svg(figure))
    return ["".join(node.itertext()) for node in tree.iter("{http://www.w3.org/2000/svg}text")]


def default(result):
    frame = frames.components(result)
    return frame[frame["variant"] == "modelled"]


def test_every_result_gets_its_figures(result, rebuilt):
    names = {
        "energy",
        "joules",
        "area",
        "latency",
        "utilisation",
        "timeline",
        "power",
        "comparison",
    }
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
        "utilisation": "[%]",
        "timeline": "[µs]",
        "power": "[mW]",
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
    moved = labels.spread(np.array(positions), room)
    order = np.argsort(positions, kind="stable")
    assert np.all(np.diff(moved[order]) >= room - 1e-9)
    assert moved.mean() == pytest.approx(np.mean(positions), abs=1e-9)
