"""One look for every figure, and files that are equal byte for byte when their data are.

Which question this module answers: *which colours and sizes do figures use, and how are they
saved?*

Colours are those of Okabe and Ito [1]_, distinct under the common kinds of colour blindness.
Figures are made with matplotlib's object interface: no pyplot, no global figure, no window. Saved
files carry no date and no random identifier.

References
----------
.. [1] M. Okabe, K. Ito, "Color Universal Design: how to make figures and presentations that are
   friendly to colorblind people", 2008.
"""

import io
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final, final

import matplotlib as mpl
from matplotlib import style as mpl_style
from matplotlib.axes import Axes
from matplotlib.figure import Figure

INK: Final = "#1a1f26"
MUTED: Final = "#5b6673"
RULE: Final = "#cfd6dd"
PAPER: Final = "#ffffff"
LIGHT: Final = "#fefefe"
"""Text on a dark fill. Paper follows a page's light or dark scheme; a fill and this do not."""
BLUE: Final = "#0072b2"
ORANGE: Final = "#e08a00"
GREEN: Final = "#009e73"
RED: Final = "#d55e00"
SKY: Final = "#56b4e9"
PINK: Final = "#cc79a7"
GREY: Final = "#8a949e"
SERIES: Final = (BLUE, ORANGE, GREEN, PINK, SKY, RED)

WIDTH_IN: Final = 7.2
"""Width of every figure: a page's text width. [inch]"""
PNG_DOTS_PER_INCH: Final = 160
PICTURE_DOTS_PER_INCH: Final = 150
"""Of what a vector figure holds as a picture, such as ten thousand dots."""

_FONTS: Final = "'DejaVu Sans', Verdana, 'Bitstream Vera Sans', sans-serif"
_SETTINGS: Final[dict[str, Any]] = {
    "font.family": "DejaVu Sans",
    "font.size": 8.5,
    "axes.titlesize": 10,
    "axes.titleweight": "bold",
    "axes.titlelocation": "left",
    "axes.titlepad": 10,
    "axes.labelsize": 8.5,
    "axes.labelcolor": MUTED,
    "axes.edgecolor": RULE,
    "axes.linewidth": 0.8,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.axisbelow": True,
    "grid.color": RULE,
    "grid.linewidth": 0.6,
    "text.color": INK,
    "axes.titlecolor": INK,
    "xtick.color": RULE,
    "ytick.color": RULE,
    "xtick.labelcolor": MUTED,
    "ytick.labelcolor": INK,
    "xtick.labelsize": 8,
    "ytick.labelsize": 8,
    "legend.frameon": False,
    "legend.fontsize": 8,
    "hatch.linewidth": 0.8,
    "figure.facecolor": PAPER,
    "axes.facecolor": "none",
    "svg.fonttype": "none",
    "svg.hashsalt": "pimsim",
    "path.simplify": False,
}


@final
class NotebookFigure(Figure):
    """A figure that Jupyter draws when it is the last expression of a cell.

    Jupyter draws matplotlib's own figures only once pyplot has been imported, which would keep each
    of them and draw it in the user's style. This one hands over the SVG that reports have.
    """

    def _repr_svg_(self) -> str:
        return to_svg(self)


@contextmanager
def applied() -> Iterator[None]:
    """Use pimsim's settings, whatever the user's matplotlibrc says, and put the old ones back."""
    with mpl_style.context(["default", _SETTINGS]):
        yield


def new_figure(height_in: float) -> tuple[Figure, Axes]:
    """Return a figure of the common width with one axes; call inside :func:`applied`."""
    figure = NotebookFigure(figsize=(WIDTH_IN, height_in), layout="constrained")
    return figure, figure.add_subplot()


def to_svg(figure: Figure) -> str:
    """Return a figure as SVG text: text stays text, and the same figure gives the same bytes."""
    buffer = io.StringIO()
    nothing = dict.fromkeys(("Date", "Creator", "Format", "Type"))
    with applied():
        figure.savefig(buffer, format="svg", metadata=nothing, dpi=PICTURE_DOTS_PER_INCH)
    return buffer.getvalue().replace("'DejaVu Sans'", _FONTS)


def save_png(figure: Figure, path: Path) -> None:
    """Write a figure as PNG; the file names matplotlib's version, and no date."""
    software = {"Software": f"matplotlib {mpl.__version__}"}
    with applied():
        figure.savefig(path, format="png", dpi=PNG_DOTS_PER_INCH, metadata=software)
