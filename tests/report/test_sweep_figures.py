"""Figures of sweeps show every design where it belongs, and stay small however many there are."""

import itertools
import math
import re

import matplotlib as mpl
import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from matplotlib.collections import PathCollection
from matplotlib.text import Annotation

from pimsim.dse.pareto import front
from pimsim.dse.sensitivity import sensitivity
from pimsim.errors import InputError
from pimsim.report import figures, labels, style
from pimsim.report.pareto_figures import DRAWN_ONE_BY_ONE

LEVELS, ROWS = "macros.mram.adc.levels", "macros.mram.crossbar.active_rows"


def grid():
    """Sixteen designs: accuracy up with levels over rows, energy up with levels."""
    frame = pd.DataFrame(itertools.product((3, 5, 9, 17), (2, 4, 8, 16)), columns=[LEVELS, ROWS])
    return frame.assign(
        workload="vit_digits",
        accuracy=np.minimum(0.97, frame[LEVELS] / (frame[ROWS] + 1.0)),
        accuracy_sigma=0.01,
        energy_uj=4.0 + frame[LEVELS] * 8.0 / frame[ROWS],
        latency_us=900.0 / frame[ROWS] + frame[LEVELS],
        feasible=frame[LEVELS] > 3,
        **{"energy.mram.adc_uj": frame[LEVELS] * 8.0 / frame[ROWS], "energy.noc_uj": 4.0},
    )


def dots(figure):
    """Kind of designs → their places, from the figure's legend entries."""
    found = {}
    for drawn in figure.axes[0].collections:
        if isinstance(drawn, PathCollection):
            name, count = re.fullmatch(r"(.+) \(([\d\u202f]+)\)", drawn.get_label()).groups()
            assert int(count.replace("\u202f", "")) == len(drawn.get_offsets())
            found[name] = sorted(map(tuple, drawn.get_offsets().tolist()))
    return found


def line(figure, label):
    return next(drawn for drawn in figure.axes[0].lines if drawn.get_label() == label)


def test_pareto_puts_every_design_into_its_kind():
    frame = grid()
    shown = dots(figures.pareto(frame, "energy_uj", "accuracy"))
    places = {
        kind: sorted(zip(rows["energy_uj"], rows["accuracy"], strict=True))
        for kind, rows in (
            ("infeasible", frame[~frame["feasible"]]),
            ("all", frame[frame["feasible"]]),
        )
    }
    assert shown["infeasible"] == places["infeasible"]
    assert sorted(shown["dominated"] + shown["front"]) == places["all"]
    values = frame.loc[frame["feasible"], ["energy_uj", "accuracy"]].to_numpy()
    best = values[front(values, ("minimize", "maximize"))]
    assert shown["front"] == sorted(map(tuple, best.tolist()))


def test_failed_designs_are_left_out():
    frame = grid()
    frame.loc[5, ["energy_uj", "accuracy"]] = np.nan
    assert sum(map(len, dots(figures.pareto(frame, "energy_uj", "accuracy")).values())) == 15


@given(
    st.lists(st.tuples(st.integers(0, 9), st.integers(0, 9)), min_size=1, max_size=12),
    st.sampled_from(["minimize", "maximize"]),
    st.sampled_from(["minimize", "maximize"]),
)
def test_no_design_is_beyond_the_edge(points, one, other):
    frame = pd.DataFrame(points, columns=["a", "b"], dtype=float)
    figure = figures.pareto(frame, "a", "b", objectives={"a": one, "b": other})
    edge = line(figure, "edge of what is reached")
    across, up = edge.get_data()
    assert edge.get_drawstyle() == ("steps-post" if one == "minimize" else "steps-pre")
    side = "right" if one == "minimize" else "left"
    for a, b in points:  # the height of the stairs at a design
        place = np.searchsorted(across, a, side=side) - (1 if one == "minimize" else 0)
        height = up[place]
        assert b >= height if other == "minimize" else b <= height


def test_the_front_of_three_objectives_keeps_what_two_of_them_hide():
    goals = {"accuracy": "maximize", "energy_uj": "minimize", "latency_us": "minimize"}
    frame = grid().drop(columns="feasible")
    two = dots(figures.pareto(frame, "energy_uj", "latency_us"))
    three = dots(figures.pareto(frame, "energy_uj", "latency_us", objectives=goals))
    assert len(three["front of all objectives"]) > len(two["front"])


def test_the_knee_is_starred_and_its_label_bold():
    table = pd.DataFrame(
        {"n": [7, 8, 9], "energy_uj": [1.0, 2.0, 9.0], "area_mm2": [9.0, 2.0, 1.0]}
    )
    figure = figures.pareto(table, "energy_uj", "area_mm2", label="n")
    assert [
        *map(float, (*line(figure, "knee").get_xdata(), *line(figure, "knee").get_ydata()))
    ] == [
        2.0,
        2.0,
    ]
    names = [text for text in figure.axes[0].texts if isinstance(text, Annotation)]
    bold = [text.get_text() for text in names if text.get_fontweight() == "bold"]
    assert bold == ["8"]
    assert {"7", "8", "9", "n"} == {text.get_text() for text in names}


def test_labels_of_a_long_front_are_few_and_apart():
    many = np.linspace(0, 1, 200)
    table = pd.DataFrame({"n": range(200), "energy_uj": 1 + many, "area_mm2": (1 - many) ** 2 + 1})
    figure = figures.pareto(table, "energy_uj", "area_mm2", label="n")
    names = [text for text in figure.axes[0].texts if text.get_text().isdigit()]
    heights = sorted(text.get_position()[1] for text in names)
    assert 2 <= len(names) <= 11
    assert min(np.diff(heights)) > 0.05
    assert heights[0] >= 0.0
    assert heights[-1] <= 1.0 + 1e-9


def test_ten_thousand_designs_make_a_small_file():
    generator = np.random.default_rng(0)
    values = generator.random((10_000, 3))
    frame = pd.DataFrame(values, columns=["energy_uj", "latency_us", "area_mm2"])
    frame["feasible"] = generator.random(10_000) > 0.3
    goals = dict.fromkeys(frame.columns[:3], "minimize")
    svg = style.to_svg(figures.pareto(frame, "energy_uj", "latency_us", objectives=goals))
    assert sum(map(len, dots(figures.pareto(frame, "energy_uj", "latency_us")).values())) == 10_000
    assert svg.count("<use") < DRAWN_ONE_BY_ONE + 100
    assert svg.count("<image") == 1  # dominated and infeasible
    assert len(svg) < 500_000
    assert svg == style.to_svg(figures.pareto(frame, "energy_uj", "latency_us", objectives=goals))


def test_axes_are_named_with_unit_and_ratios_are_per_cent():
    axes = figures.pareto(grid(), "energy_uj", "accuracy").axes[0]
    assert (axes.get_xlabel(), axes.get_ylabel()) == ("energy per inference [µJ]", "accuracy [%]")
    assert axes.yaxis.get_major_formatter()(0.25) == "25"
    nats = grid().assign(accuracy=3.5)
    assert figures.pareto(nats, "energy_uj", "accuracy").axes[0].get_ylabel() == "accuracy"


def test_wide_metrics_are_logarithmic():
    table = pd.DataFrame({"energy_uj": [1.0, 500.0], "latency_us": [9.0, 1.0]})
    axes = figures.pareto(table, "energy_uj", "latency_us").axes[0]
    assert (axes.get_xscale(), axes.get_yscale()) == ("log", "linear")


@pytest.mark.parametrize(
    ("change", "columns", "objectives", "message"),
    [
        ({}, (LEVELS, "accuracy"), None, f"which way is '{LEVELS}' better"),
        ({}, ("enrgy_uj", "accuracy"), {"enrgy_uj": "minimize"}, "did you mean 'energy_uj'"),
        ({"energy_uj": "?"}, ("energy_uj", "accuracy"), None, "'energy_uj' holds no numbers"),
        ({"workload": list("ab") * 8}, ("energy_uj", "accuracy"), None, "several workloads"),
    ],
)
def test_mistakes_of_a_pareto_figure_are_named(change, columns, objectives, message):
    with pytest.raises(InputError, match=message):
        figures.pareto(grid().assign(**change), *columns, objectives=objectives)


def test_an_axis_of_unknown_direction_has_no_edge():
    figure = figures.pareto(
        grid(), LEVELS, "energy_uj", objectives={"energy_uj": "minimize", "accuracy": "maximize"}
    )
    assert "edge of what is reached" not in [drawn.get_label() for drawn in figure.axes[0].lines]


def test_curves_draw_one_line_for_each_value():
    frame = grid()
    figure = figures.curves(frame, LEVELS, "accuracy", by=ROWS, error="accuracy_sigma", log_x=True)
    axes = figure.axes[0]
    named = {drawn.get_label(): drawn for drawn in axes.lines if drawn.get_label()[0] != "_"}
    assert list(named) == ["2", "4", "8", "16"]
    part = frame[frame[ROWS] == 8]
    assert named["8"].get_ydata().tolist() == part["accuracy"].tolist()
    assert named["8"].get_xdata().tolist() == part[LEVELS].tolist()
    assert axes.get_xscale() == "log"
    assert axes.get_xticks().tolist() == [3, 5, 9, 17]
    assert axes.get_legend().get_title().get_text() == "crossbar.active_rows"


def test_curves_average_equal_places_and_span_them():
    frame = pd.DataFrame({"bits": [4, 4, 8], "energy_uj": [1.0, 3.0, 5.0], "s": [3.0, 4.0, 1.0]})
    figure = figures.curves(frame, "bits", "energy_uj", error="s")
    axes = figure.axes[0]
    assert axes.lines[0].get_ydata().tolist() == [2.0, 5.0]
    assert min(axes.collections[0].get_paths()[0].vertices[:, 1]) == 1.0
    ends = axes.collections[-1].get_segments()[0][:, 1]
    assert ends.tolist() == pytest.approx([2 - 12.5**0.5, 2 + 12.5**0.5])


def test_curves_take_texts_in_their_order():
    frame = pd.DataFrame({"softmax": ["vdr", "ibert"], "energy_uj": [1.0, 3.0]})
    axes = figures.curves(frame, "softmax", "energy_uj").axes[0]
    assert [text.get_text() for text in axes.get_xticklabels()] == ["vdr", "ibert"]


@pytest.mark.parametrize(
    ("kwargs", "message"),
    [
        ({"by": "n"}, "'n' has 16 values, more than the 12 lines"),
        ({"by": "rows"}, "no column 'rows'"),
        ({"log_y": True}, "'accuracy' cannot be logarithmic"),
        ({"error": "feasible"}, "'feasible' holds no numbers"),
    ],
)
def test_mistakes_of_curves_are_named(kwargs, message):
    frame = grid().assign(n=range(16))
    frame.loc[0, "accuracy"] = 0.0
    with pytest.raises(InputError, match=message):
        figures.curves(frame, LEVELS, "accuracy", **kwargs)


def test_a_map_shades_means_and_crosses_failures():
    frame = grid()
    frame.loc[(frame[LEVELS] == 3) & (frame[ROWS] == 2), "energy_uj"] = np.nan
    axes = figures.heatmap(frame, LEVELS, ROWS, "energy_uj").axes[0]
    values = axes.collections[0].get_array()
    assert values.shape == (4, 4)
    assert values.mask.sum() == 1
    assert values[1, 3] == pytest.approx(4.0 + 17 * 8 / 4)
    crosses = [drawn for drawn in axes.lines if drawn.get_marker() == "x"]
    assert [(*drawn.get_xdata(), *drawn.get_ydata()) for drawn in crosses] == [(0.5, 0.5)]
    assert {text.get_text() for text in axes.texts} >= {"38.0"}
    assert len(axes.texts) == 15


def test_a_map_of_many_numbers_is_cut_into_parts():
    generator = np.random.default_rng(1)
    frame = pd.DataFrame(generator.random((10_000, 3)), columns=["a", "b", "energy_uj"])
    figure = figures.heatmap(frame, "a", "b", "energy_uj")
    values = figure.axes[0].collections[0].get_array()
    assert values.shape == (24, 24)
    assert float(values.mean()) == pytest.approx(0.5, abs=0.02)
    assert len(style.to_svg(figure)) < 400_000


def test_a_map_of_too_many_texts_is_refused():
    frame = pd.DataFrame({"a": [f"t{i}" for i in range(30)], "b": 1, "energy_uj": 1.0})
    with pytest.raises(InputError, match="30 texts"):
        figures.heatmap(frame, "a", "b", "energy_uj")


def test_bars_sum_to_the_design_and_name_it():
    frame = grid()
    axes = figures.breakdown(frame, "energy", label=[LEVELS, ROWS]).axes[0]
    widths = {}
    for bar in axes.patches:
        row = round(bar.get_y() + bar.get_height() / 2)
        widths[row] = widths.get(row, 0.0) + bar.get_width()
    assert list(widths.values()) == pytest.approx(frame["energy_uj"].tolist())
    assert [text.get_text() for text in axes.get_yticklabels()][:2] == ["3, 2", "3, 4"]
    assert axes.get_xlabel() == "energy [µJ]"


def test_many_parts_are_summed_up_and_leakage_is_one():
    parts = {f"energy.part{i}_uj": float(20 - i) for i in range(12)}
    leaks = {"energy.leakage.noc_uj": 100.0, "energy.leakage.adc_uj": 50.0}
    frame = pd.DataFrame([{"n": 1, **parts, **leaks}])
    figure = figures.breakdown(frame, "energy", label="n")
    names = [text.get_text() for text in figure.legends[0].get_texts()]
    assert names == ["leakage", *(f"part{i}" for i in range(5)), "7 others"]
    assert figure.axes[0].patches[0].get_width() == 150.0
    assert sum(bar.get_width() for bar in figure.axes[0].patches) == pytest.approx(
        150.0 + sum(parts.values())
    )


@pytest.mark.parametrize(
    ("frame", "quantity", "message"),
    [
        (pd.DataFrame({"n": [1]}), "energy", "no columns energy"),
        (pd.DataFrame({"n": [1]}), "power", "must be energy, area or latency"),
        (pd.DataFrame({"n": range(99), "energy.a_uj": 1.0}), "energy", "at most 40 rows"),
    ],
)
def test_mistakes_of_a_breakdown_are_named(frame, quantity, message):
    with pytest.raises(InputError, match=message):
        figures.breakdown(frame, quantity, label="n")


def test_sensitivity_draws_shares_to_scale_and_tells_swings():
    table = sensitivity(grid(), [LEVELS, ROWS], ["energy_uj", "accuracy"])
    axes = figures.sensitivity(table).axes[0]
    tracks = [patch for patch in axes.patches if patch.get_alpha() == 0.6]
    bars = [patch for patch in axes.patches if patch.get_alpha() is None]
    shares = sorted(bar.get_width() / tracks[0].get_width() for bar in bars)
    assert shares == pytest.approx(sorted(table["explained_ratio"]))
    texts = [text.get_text().replace("\u202f", " ") for text in axes.texts]
    swing = table[(table["axis"] == ROWS) & (table["metric"] == "energy_uj")]["swing"].item()
    assert any(text.startswith(f"{swing:.1f} µJ (") for text in texts)
    assert any(text.endswith(" points") for text in texts)


def test_sensitivity_marks_chance_only_where_there_is_any():
    generator = np.random.default_rng(0)
    drawn = pd.DataFrame(generator.random((40, 3)), columns=["a", "b", "energy_uj"])
    random = figures.sensitivity(sensitivity(drawn, ["a", "b"], ["energy_uj"])).axes[0]
    balanced = figures.sensitivity(sensitivity(grid(), [LEVELS, ROWS], ["energy_uj"])).axes[0]
    assert len(random.lines) == 2
    assert len(balanced.lines) == 0


@given(st.lists(st.floats(-0.3, 1.3), min_size=1, max_size=12), st.floats(0.01, 0.08))
def test_confined_labels_keep_room_inside_the_axes(places, room):
    moved = labels.confined(labels.spread(np.array(places), room), room)
    assert moved.min() >= -1e-9
    assert moved.max() <= 1 + 1e-9
    assert np.diff(np.sort(moved)).min(initial=room) >= room - 1e-9
    order = np.argsort(labels.spread(np.array(places), room), kind="stable")
    assert np.all(np.diff(moved[order]) >= -1e-12)


def test_drawing_leaves_the_users_settings_as_they_were():
    before = dict(mpl.rcParams)
    for figure in (
        figures.pareto(grid(), "energy_uj", "accuracy"),
        figures.curves(grid(), LEVELS, "accuracy", by=ROWS),
        figures.heatmap(grid(), LEVELS, ROWS, "accuracy"),
        figures.breakdown(grid(), "energy", label=LEVELS),
    ):
        assert "http" not in re.sub(r"(xmlns(:\w+)?|DOCTYPE)[^>]*", "", style.to_svg(figure))
    assert dict(mpl.rcParams) == before


def test_nothing_is_not_drawn():
    nothing = grid().assign(
        accuracy=np.nan, **{"energy.noc_uj": np.nan, "energy.mram.adc_uj": np.nan}
    )
    for draw in (
        lambda: figures.pareto(nothing, "energy_uj", "accuracy"),
        lambda: figures.curves(nothing, LEVELS, "accuracy"),
        lambda: figures.heatmap(nothing, LEVELS, ROWS, "accuracy"),
        lambda: figures.breakdown(nothing, "energy", label=LEVELS),
        lambda: figures.sensitivity(sensitivity(grid(), [], ["energy_uj"])),
    ):
        with pytest.raises(InputError, match="nothing to draw"):
            draw()


@pytest.mark.parametrize("worst", [-math.inf, math.inf, math.nan])
def test_a_value_that_no_axis_can_show_is_left_out(worst):
    frame = pd.DataFrame({
        "bits": [4, 6, 8], "rows": [1, 1, 2], "energy_uj": [1.0, 2.0, 3.0],
        "logit_snr_db": [10.0, worst, 20.0],
    })  # fmt: skip
    offsets = figures.pareto(frame, "energy_uj", "logit_snr_db").axes[0].collections[0]
    assert len(offsets.get_offsets()) == 2
    line = figures.curves(frame, "bits", "logit_snr_db").axes[0].lines[0]
    assert list(line.get_xdata()) == [4, 8]
    cells = figures.heatmap(frame, "bits", "rows", "logit_snr_db").axes[0].texts
    assert {float(cell.get_text()) for cell in cells} == {10.0, 20.0}
    table = sensitivity(frame, ["bits"], ["logit_snr_db"])
    assert table["points"].tolist() == [2]
    with pytest.raises(InputError, match="nothing to draw"):
        figures.pareto(frame.assign(logit_snr_db=worst), "energy_uj", "logit_snr_db")


def test_a_column_that_is_not_there_is_told_before_its_direction():
    frame = pd.DataFrame({"energy_uj": [1.0], "accuracy": [0.5]})
    with pytest.raises(InputError, match="no column 'energy'; did you mean 'energy_uj'"):
        figures.pareto(frame, "energy", "accuracy")


def test_curves_do_not_average_over_workloads():
    frame = pd.concat([grid().assign(workload=name) for name in ("a", "b")])
    with pytest.raises(InputError, match=r"the frame holds several workloads \(a, b\)"):
        figures.curves(frame, LEVELS, "energy_uj")
    assert len(figures.curves(frame, LEVELS, "energy_uj", by="workload").axes[0].lines) >= 2
