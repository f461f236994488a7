"""Chromium shows and prints every page whole, reports no trouble with it, and fetches nothing."""

import pytest

from tests.browser import looks
from tests.browser.printed import Box, marked

pytestmark = [pytest.mark.browser, pytest.mark.xdist_group("browser")]

MARGIN_PT = 40.0
"""Least margin of a sheet: 15 mm are 42.5 pt."""
FIGURES = {
    "run": {"accuracy", "area", "comparison", "energy", "joules", "latency", "power", "timeline",
            "utilisation"},
    "run_of_shapes": {"area", "comparison", "energy", "joules", "latency", "power", "timeline",
                      "utilisation"},
}  # fmt: skip


def test_nothing_is_fetched_and_no_trouble_is_reported(page):
    page.evaluate("document.fonts.ready.then(() => 0)")
    assert page.complaints == []
    asked = [address for address in page.requested if not address.startswith("data:")]
    assert asked == [page.address]


def test_every_figure_is_drawn(page):
    figures = page.evaluate(looks.FIGURES)
    assert figures
    for figure in figures:
        assert "figure-" in figure["id"]
        assert figure["width"] > 300
        assert figure["height"] > 80
        assert figure["ink"] > 10


@pytest.mark.parametrize("name", FIGURES)
def test_a_run_has_all_its_figures(browser, request, name):
    folder = request.getfixturevalue(name)
    with browser.open(folder / "report.html") as page:
        shown = {figure["id"].removeprefix("figure-") for figure in page.evaluate(looks.FIGURES)}
    assert shown == FIGURES[name]
    assert shown == {path.stem for path in (folder / "figures").glob("*.svg")}


def test_a_sweep_shows_its_front_its_knobs_and_its_knee(browser, sweep):
    with browser.open(sweep / "report.html") as page:
        shown = {figure["id"] for figure in page.evaluate(looks.FIGURES)}
    assert "figure-front-energy-uj-accuracy" in shown
    assert "figure-knobs-shares" in shown
    assert {f"knee-figure-{name}" for name in FIGURES["run"]} <= shown


def test_a_comparison_shows_every_breakdown(browser, designs):
    with browser.open(designs / "report.html") as page:
        shown = {figure["id"].rpartition("-")[2] for figure in page.evaluate(looks.FIGURES)}
    assert shown == {"accuracy", "energy", "area", "latency"}


def test_links_lead_somewhere_and_names_are_unique(page):
    assert page.evaluate(looks.DEAD_LINKS) == []
    assert page.evaluate(looks.REPEATED_NAMES) == []


def test_every_section_is_in_the_contents_once(page):
    sections, contents = page.evaluate(looks.SECTIONS), page.evaluate(looks.CONTENTS)
    assert len(sections) >= 3
    assert sorted(contents) == sorted(sections)  # a result among others has contents of its own


@pytest.mark.parametrize("width", [1280, 800, 380])
def test_nothing_stands_out_to_the_right(page, width):
    page.resize(width)
    assert page.evaluate(looks.TOO_WIDE) == []


@pytest.mark.parametrize(("scheme", "medium"), [("light", ""), ("dark", ""), ("dark", "print")])
def test_every_text_stands_out_from_its_background(page, scheme, medium):
    page.prefer(scheme, medium)
    assert looks.faint(page) == []


@pytest.mark.parametrize("things", ["figure", "thead tr:first-child th:last-child"])
def test_nothing_is_cut_in_print(page, things):
    count, printed = marked(page, things)
    assert count >= 1
    assert len(printed.sheets) >= 3
    for number in range(count):
        start, end = (printed.corners[f"{number}/{corner}"] for corner in ("start", "end"))
        sheet = printed.sheets[start.sheet]
        inside = Box(
            sheet.sheet,
            sheet.left + MARGIN_PT,
            sheet.bottom + MARGIN_PT,
            sheet.right - MARGIN_PT,
            sheet.top - MARGIN_PT,
        )
        assert inside.holds(start)
        assert inside.holds(end)
