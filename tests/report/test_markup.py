"""Pieces of HTML: text is escaped, figures are made part of the page."""

import pytest

from pimsim.report import markup, style

SVG = f"""<?xml version="1.0"?>
<!DOCTYPE svg PUBLIC "x" "http://www.w3.org/svg11.dtd">
<svg xmlns:xlink="http://www.w3.org/1999/xlink" xmlns="http://www.w3.org/2000/svg" width="5pt">
 <!-- a comment -->
 <defs><path id="p1" style="fill: {style.INK}"/></defs>
 <g clip-path="url(#p1)"><use xlink:href="#p1" style="fill: {style.BLUE}"/></g>
</svg>
"""


def test_a_drawing_becomes_part_of_the_page():
    text = markup.drawing({"energy": SVG}, "energy", 'bars of "energy" & more', "a <caption>")
    assert "http" not in text
    assert "<!" not in text
    assert "xmlns" not in text
    assert text.count("energy-p1") == 3
    assert 'aria-label="bars of &quot;energy&quot; &amp; more"' in text
    assert "fill: var(--ink)" in text
    assert f"fill: {style.BLUE}" in text
    assert "<figcaption>a &lt;caption&gt;</figcaption>" in text


def test_a_result_without_the_data_has_no_drawing():
    assert markup.drawing({}, "accuracy", "none") == ""


def test_tables_escape_their_cells_and_mark_rows():
    columns = [markup.Column("<a>"), markup.Column("b", number=True)]
    text = markup.table(columns, [("x & y", "1"), ("z", "2")], marked=1, total=("total", "3"))
    assert '<th scope="col">&lt;a&gt;</th><th scope="col" class="right">b</th>' in text
    assert '<tr><th scope="row">x &amp; y</th><td class="right">1</td></tr>' in text
    assert '<tr class="self"><th scope="row">z</th><td class="right">2</td></tr>' in text
    assert '<tfoot><tr><th scope="row">total</th><td class="right">3</td></tr></tfoot>' in text


def test_columns_of_sentences_are_told_from_others():
    columns = [markup.Column("a"), markup.Column("b", prose=True)]
    assert markup.table(columns, [("x", "y")]).count(' class="prose"') == 2


def test_a_row_of_the_wrong_length_is_our_own_bug():
    with pytest.raises(ValueError, match="zip"):
        markup.table([markup.Column("a")], [("x", "y")])


def test_other_pieces_escape_too():
    assert "&lt;" in markup.pairs({"<": "v"})
    assert "&lt;" in markup.tile("n", "<")
    assert "&lt;" in markup.paragraph("<")
    assert "&lt;" in markup.bullets(["<"])
    assert "&lt;" in markup.heading("<")
    assert "&lt;" in markup.section("s", "<").html()


def test_a_section_leaves_empty_parts_out_and_has_a_name_for_the_contents():
    whole = markup.section("s", "The title", "<p>a</p>", "", "<p>b</p>", short="Short")
    assert whole.html() == '<section id="s">\n<h2>The title</h2>\n<p>a</p>\n<p>b</p>\n</section>'
    assert whole.short == "Short"
    assert markup.section("s", "The title").short == "The title"
