"""The floor plan: every macro in use is drawn, and nothing else."""

import re
from pathlib import Path

import pytest

from pimsim.errors import OutputError
from pimsim.mapping import map_workload
from pimsim.report import floor_plan, style
from pimsim.report.layout import fill_ratios, op_rows, sum_moved, totals
from tests.mapping.graphs import MEMORY, REPROGRAM, attention, chip
from tests.mapping.test_capacity import layers


def attention_on(tiles: int, **more):
    return map_workload(attention(5, 8, 2), chip(tiles=tiles, **more), {"batch": 1})


def test_bars_are_as_high_as_macros_are_used():
    """16 static macros on 8 a tile; keys of 6 and values of 4 on 8 a tile."""
    boxes = list(floor_plan._boxes(attention_on(4), 0))
    heights = {(box.tile, box.left): 0.0 for box in boxes}
    for box in boxes:
        heights[box.tile, box.left] += box.high - box.low
        assert box.right - box.left == 0.5
    assert heights == pytest.approx({(0, 0.0): 1, (1, 0.0): 1, (0, 0.5): 1, (1, 0.5): 2 / 8})


def test_the_title_and_the_caption_tell_how_full_it_is():
    text = style.to_svg(floor_plan.draw(attention_on(100))).replace("\u202f", " ")
    assert "by_hand on by_hand: 100 tiles" in text
    assert "mram 16 of 800 macros (2.0 %)" in text
    assert "The last 80 tiles" in text


def test_rounds_have_a_plan_each():
    architecture = chip(macros={"mram": 8}, memory=MEMORY, reprogram=REPROGRAM, time_multiplex=True)
    text = style.to_svg(floor_plan.draw(map_workload(layers(5), architecture, {})))
    assert re.findall(r"round \d of \d", text) == [f"round {n} of 3" for n in (1, 2, 3)]


@pytest.mark.parametrize("tiles", [1, 2, 16, 400])
def test_the_same_mapping_gives_the_same_file(tiles: int, tmp_path: Path):
    for name in ("a.svg", "b.svg"):
        floor_plan.write(attention_on(tiles, macros={"mram": 32, "sram": 32}), tmp_path / name)
    assert (tmp_path / "a.svg").read_bytes() == (tmp_path / "b.svg").read_bytes()


def test_many_layers_have_colours_of_their_own():
    groups = [f"layer.{number}" for number in range(24)] + ["outside the layers"]
    colors = floor_plan._colors(groups)
    assert len(set(colors.values())) == 25
    named = floor_plan._named(colors)
    assert [named[0][0], named[-2][0], named[-1][0]] == ["layer.0", "layer.23", groups[-1]]
    assert len(named) == 12


def test_files_are_checked_before_anything_is_drawn(tmp_path: Path):
    with pytest.raises(OutputError, match=r"ends in \.svg, \.png, \.pdf"):
        floor_plan.check_file(tmp_path / "plan")
    (tmp_path / "folder.svg").mkdir()
    with pytest.raises(OutputError, match="it is a folder; name a file"):
        floor_plan.check_file(tmp_path / "folder.svg")


def test_rows_and_totals_agree():
    mapped = attention_on(4)
    rows = op_rows(mapped)
    assert [row.op for row in rows] == [op.op.name for op in mapped.ops]
    for total in totals(mapped):
        used = sum((row.blocks or 0) * (row.copies or 0) for row in rows
                   if row.hardware == total.kind)  # fmt: skip
        assert used == total.used == mapped.macros_used[total.kind]
        assert total.cells_ratio == mapped.cells_used[total.kind] / (total.present * 64)
    # Projections of 8 x 8 fill rows and columns of their 4 macros.
    query = mapped.op("query").placement
    assert query is not None
    assert fill_ratios(query, mapped) == (1.0, 1.0)
    assert {row.op: row.kept for row in rows}["query"] == "stream"
    assert sum_moved(mapped)["link_bits"] == sum(op.moved.link_bits for op in mapped.ops)
