"""Every page has one frame; its contents name every section, and nothing else."""

import re

import pytest

from pimsim.report import page_frame
from pimsim.report.markup import section


def frame(*sections, **changes):
    texts = {"title": "a title", "eyebrow": "what this is", "lead": "The answer."}
    return page_frame.page(**{**texts, **changes}, sections=sections)


def test_the_contents_are_the_sections_in_their_order():
    text = frame(section("a", "The first"), None, section("b", "The last", short="Last"))
    assert re.findall(r'<a href="#(\w+)">([^<]*)</a>', text) == [("a", "The first"), ("b", "Last")]
    assert re.findall(r'<section id="(\w+)">\n<h2>([^<]*)</h2>', text) == [
        ("a", "The first"),
        ("b", "The last"),
    ]


def test_what_stands_in_front_comes_between_header_and_sections():
    text = frame(section("a", "A"), front=["<p>in front</p>", ""])
    order = [text.index(part) for part in ("</header>", "<p>in front</p>", '<section id="a">')]
    assert order == sorted(order)


def test_titles_are_escaped():
    text = frame(section("a", "<b>", short="<i>"), title="<u>", eyebrow="<s>", lead="<q>")
    assert not re.search(r"<[busiq]>", text)
    assert "<title>&lt;u&gt;: pimsim report</title>" in text


def test_two_sections_of_one_name_are_our_own_bug():
    with pytest.raises(AssertionError, match="one name"):
        frame(section("a", "A"), section("a", "B"))
