"""The pages in reports/ and those that a run writes fetch nothing and run nothing.

A page is read as text here; what a browser makes of it is in tests/browser.
"""

from pathlib import Path

import pytest

from tests.report.reading import Reader, external

REPORTS = Path(__file__).resolve().parents[2] / "reports"
PAGES = sorted(path.name for path in REPORTS.glob("*.html"))


def check(text):
    reader = Reader(text)
    assert external(text) == []
    assert len(reader.identifiers) == len(set(reader.identifiers))
    assert reader.targets <= set(reader.identifiers)
    assert reader.tags.count("figure") >= 1


def test_there_are_pages_in_reports():
    assert PAGES


@pytest.mark.parametrize("name", PAGES)
def test_pages_in_reports_stand_alone(name):
    check((REPORTS / name).read_text(encoding="utf-8"))


def test_the_page_of_a_run_stands_alone(written):
    check((written / "report.html").read_text(encoding="utf-8"))


@pytest.mark.parametrize(
    "text",
    [
        "<script>1</script>",
        "<link rel='icon'>",
        "<iframe></iframe>",
        "<a href='https://example.org'>x</a>",
        "<a href='//example.org'>x</a>",
        "<a href='other.html'>x</a>",
        "<a href='javascript:x()'>x</a>",
        "<p onclick='x()'>x</p>",
        "<img src='a.png'/>",
        "<img srcset='a.png 2x'/>",
        "<image xlink:href='http://example.org/a.png'/>",
        "<image href='data:text/html,x'/>",
        "<style>@import 'a.css';</style>",
        "<style>p { background: url(a.png) }</style>",
        "<style>p { background: URL( 'http://example.org' ) }</style>",
        "<p style='background: url(a.png)'>x</p>",
        "<path fill='url(other.svg#a)'/>",
        "<meta http-equiv='refresh'>",
    ],
)
def test_whatever_leaves_the_file_is_found(text):
    assert external(text)


@pytest.mark.parametrize(
    "text",
    [
        "<svg xmlns='http://www.w3.org/2000/svg'></svg>",
        "<a href='#here'>x</a>",
        "<path fill='url(#pattern)'/>",
        "<image xlink:href='data:image/png;base64,AA=='/>",
        "<meta name='viewport' content='width=device-width'>",
        "<p>see https://example.org</p>",
    ],
)
def test_what_stays_inside_is_not(text):
    assert external(text) == []
