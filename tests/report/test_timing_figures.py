"""Figures of utilisation and power show the numbers of their tables."""

import dataclasses

import numpy as np
import pandas as pd
import pytest

from pimsim.report import style, timing_figures, timing_frames
from pimsim.report.timing_frames import EVERYWHERE


def test_utilisation_bars_and_marks_are_the_table(result):
    frame = timing_frames.classes(result)
    used, queued = timing_figures.utilisation(frame).axes
    widths = [bar.get_width() for bar in used.patches]
    assert widths == [*frame["active_ratio"], *frame["utilisation_ratio"]]
    assert used.lines[0].get_xdata().tolist() == frame["busiest_ratio"].tolist()
    mean, longest = (line.get_xdata().tolist() for line in queued.lines)
    assert (mean, longest) == (frame["mean_wait_us"].tolist(), frame["longest_wait_us"].tolist())
    low, high = queued.get_xlim()
    assert low <= min(mean)
    assert max(longest) <= high
    labels = [label.get_text() for label in used.get_yticklabels()]
    assert labels == ["macros (4)", "vector units (1)", "network links (1)"]


@pytest.mark.parametrize(("known", "text"), [(True, "nothing queued"), (False, "unknown")])
def test_runs_without_queueing_say_so(rebuilt, result, known, text):
    line = result.timeline
    waits = np.zeros_like(line.wait_ps) if known else line.wait_ps[:0]
    calm = dataclasses.replace(line, wait_ps=waits)
    figure = timing_figures.utilisation(timing_frames.classes(rebuilt(timeline=calm)))
    assert [note.get_text() for note in figure.axes[1].texts] == [text]
    assert "<svg" in style.to_svg(figure)


def table(**parts):
    """Power of each part in bins of 1 µs."""
    frames = [
        pd.DataFrame(
            {
                "start_us": np.arange(len(values), dtype=float),
                "end_us": np.arange(1.0, len(values) + 1),
                "part": name,
                "power_mw": np.array(values, dtype=float),
            }
        )
        for name, values in parts.items()
    ]
    return pd.concat(frames, ignore_index=True)


def test_power_is_stacked_on_what_always_draws():
    figure = timing_figures.power(table(macro=[4, 0, 2], noc=[0, 3, 0], leakage=[1, 1, 1]))
    axes = figure.axes[0]
    stairs = [patch.get_data() for patch in axes.patches]
    assert [step.baseline.tolist() for step in stairs] == [[0, 0, 0], [1, 1, 1], [5, 1, 3]]
    assert stairs[-1].values.tolist() == [5, 4, 3]
    assert axes.lines[0].get_ydata()[0] == 4.0  # mean of 5, 4 and 3
    assert axes.get_title(loc="left") == "Power: 4.00 mW on average, 5.00 mW at most over 1.00 µs"
    named = [text.get_text() for text in figure.legends[0].get_texts()]
    assert named == ["leakage", "macros", "network links", "average"]


def test_no_two_parts_of_the_power_share_a_colour():
    parts = ["macro", "adc", "tile_buffer", EVERYWHERE, "vector_unit", "noc", "leakage"]
    figure = timing_figures.power(
        table(**{part: [10.0 - index, 1.0] for index, part in enumerate(parts)})
    )
    colors = [patch.get_facecolor() for patch in figure.axes[0].patches]
    assert len(colors) == len(set(colors)) == 6
    named = [text.get_text() for text in figure.legends[0].get_texts()]
    assert {"clock and control", "others"} <= set(named)


def test_many_parts_are_joined_without_loss():
    many = table(**{f"part_{index}": [index + 1.0, 0.0] for index in range(9)})
    figure = timing_figures.power(many)
    assert len(figure.axes[0].patches) == 6
    assert figure.axes[0].patches[-1].get_data().values.tolist() == [45.0, 0.0]
    assert "others" in [text.get_text() for text in figure.legends[0].get_texts()]
