"""What the tests of pages look for is found where it is, so that finding nothing says something."""

from contextlib import ExitStack

import pytest

from tests.browser import devtools, looks
from tests.browser.printed import Box, marked

pytestmark = [pytest.mark.browser, pytest.mark.xdist_group("browser")]


@pytest.fixture
def opened(browser, tmp_path):
    """Open a page with this body."""
    with ExitStack() as stack:

        def show(body):
            path = tmp_path / "page.html"
            path.write_text(f"<!DOCTYPE html>\n<meta charset='utf-8'>\n{body}", encoding="utf-8")
            return stack.enter_context(browser.open(path))

        yield show


def test_a_missing_browser_is_an_error_that_says_so(monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(devtools.BrowserError, match="install one"):
        devtools.find()
    with pytest.raises(devtools.BrowserError, match="install one"), devtools.launched():
        pass


def test_a_browser_that_ends_is_told_with_its_last_words(monkeypatch, tmp_path):
    program = tmp_path / "chromium"
    program.write_text("#!/bin/sh\necho no display >&2\nexit 1\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    with pytest.raises(devtools.BrowserError, match="no display"), devtools.launched() as browser:
        browser.send("Browser.getVersion")


@pytest.mark.parametrize(
    "body",
    [
        "<script>console.error('no')</script>",
        "<script>console.warn('no')</script>",
        "<script>console.assert(false, 'no')</script>",
        "<script>throw new Error('no')</script>",
        "<img src='missing.png'>",
    ],
)
def test_trouble_is_reported(opened, body):
    assert opened(body).complaints


def test_a_request_is_seen(opened):
    page = opened("<style>@import 'missing.css';</style>")
    assert [address.rpartition("/")[2] for address in page.requested] == [
        "page.html",
        "missing.css",
    ]


def test_what_is_quiet_is_quiet(opened):
    page = opened("<script>console.log('yes'); console.info('yes')</script><p>text</p>")
    assert page.complaints == []
    assert page.requested == [page.address]


def test_an_expression_that_fails_raises(opened):
    with pytest.raises(devtools.BrowserError, match="nothing_of_that_name"):
        opened("<p>text</p>").evaluate("nothing_of_that_name")


@pytest.mark.parametrize(
    "body",
    [
        "<div style='width: 2000px'>wide</div>",
        f"<p>{'long' * 200}</p>",
        "<div style='position: absolute; left: 1275px; width: 30px'>over</div>",
    ],
)
def test_what_stands_out_to_the_right_is_found(opened, body):
    assert opened(body).evaluate(looks.TOO_WIDE)


def test_what_scrolls_by_itself_does_not_stand_out(opened):
    body = "<div class='scroll' style='overflow-x: auto'><p style='width: 2000px'>wide</p></div>"
    assert opened(body).evaluate(looks.TOO_WIDE) == []


@pytest.mark.parametrize(
    ("look", "faint"),
    [
        ("color: #777", True),  # 4.48 on white
        ("color: #767676", False),  # 4.54
        ("color: rgba(0, 0, 0, 0.5)", True),  # as #808080: 3.95
        ("color: black; background: #666", True),  # 3.66
        ("color: white; background: color-mix(in srgb, black 60%, transparent)", False),
    ],
)
def test_faint_text_is_found(opened, look, faint):
    assert bool(looks.faint(opened(f"<p style='{look}'>text of a paragraph</p>"))) is faint


def test_text_in_a_figure_is_judged_by_what_is_drawn_behind_it(opened):
    drawn = (
        "<svg width='200' height='100'><rect width='200' height='50' fill='#222'/>"
        "<text y='30' fill='#333'>dark on dark</text><text y='80' fill='#333'>dark on white</text>"
    )
    assert [text.partition(": ")[2] for text in looks.faint(opened(drawn))] == ["dark on dark"]


def test_links_and_names_are_followed(opened):
    page = opened("<p id='a'></p><p id='a'></p><a href='#a'>x</a><a href='#b'>y</a>")
    assert page.evaluate(looks.DEAD_LINKS) == ["#b"]
    assert page.evaluate(looks.REPEATED_NAMES) == ["a"]


def test_an_empty_figure_is_seen(opened):
    body = "<figure id='figure-a'><svg width='400' height='0'><path d=''/></svg></figure>"
    (figure,) = opened(body).evaluate(looks.FIGURES)
    assert (figure["width"], figure["height"], figure["ink"]) == (400, 0, 0)


def test_sheets_and_corners_are_those_of_the_print(opened):
    # A4 is 595 by 842 pt; 20 mm are 56.7 pt, and 96 CSS pixels 72 pt.
    page = opened(
        "<style>@page { size: A4; margin: 20mm } body { margin: 0 } div { width: 96px }"
        " .tall { height: 384px } .next { break-before: page; height: 96px }</style>"
        "<div class='tall'></div><div class='next'></div>"
    )
    count, printed = marked(page, "div")
    assert count == 2
    assert len(printed.sheets) == 2
    assert printed.sheets[0].right == pytest.approx(595, abs=1)
    assert printed.sheets[0].top == pytest.approx(842, abs=1)
    tall, below = printed.corners["0/start"], printed.corners["0/end"]
    assert (tall.sheet, tall.left) == (0, pytest.approx(56.7, abs=1))
    assert tall.top == pytest.approx(printed.sheets[0].top - 56.7, abs=1)
    assert tall.top - below.bottom == pytest.approx(288, abs=1)
    assert below.right - tall.left == pytest.approx(72, abs=1)
    assert printed.corners["1/start"].sheet == printed.corners["1/end"].sheet == 1


def test_what_is_cut_does_not_lie_on_one_sheet(opened):
    _, printed = marked(opened("<div style='height: 3000px'>tall</div>"), "div")
    start, end = printed.corners["0/start"], printed.corners["0/end"]
    assert start.sheet == 0
    assert end.sheet > 0
    assert not Box(0, 0.0, 0.0, 1e6, 1e6).holds(end)
