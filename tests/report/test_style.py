"""Figures show themselves in notebooks as reports show them."""

import sys
from xml.etree import ElementTree as ET

from matplotlib.figure import Figure

from pimsim.report import style


def drawn() -> Figure:
    with style.applied():
        figure, axes = style.new_figure(2.0)
        axes.plot([0, 1], [1, 0])
    return figure


def test_a_notebook_gets_the_svg_that_reports_have():
    figure = drawn()
    assert isinstance(figure, style.NotebookFigure)
    assert figure._repr_svg_() == style.to_svg(drawn())
    assert ET.fromstring(figure._repr_svg_()).tag == "{http://www.w3.org/2000/svg}svg"


def test_a_figure_has_the_width_of_the_page():
    assert drawn().get_size_inches().tolist() == [style.WIDTH_IN, 2.0]


def test_no_figure_is_kept_behind_the_callers_back():
    drawn()
    pyplot = sys.modules.get("matplotlib.pyplot")
    assert pyplot is None or not pyplot.get_fignums()
