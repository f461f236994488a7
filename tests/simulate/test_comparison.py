"""Many chips on one workload: each at its own node, or carried to one."""

import csv
import io
import json

import pytest

from pimsim.comparison import compare
from pimsim.config.bundled import bundled_architectures
from pimsim.cost.technology import area_ratio, energy_ratio
from pimsim.errors import InputError, ModelRangeError
from pimsim.report.comparison import draw, to_csv, to_json, write


@pytest.fixture(scope="module")
def found():
    return compare(["isaac", "jia2020"], "vit_digits", samples=2, chips=1)


def test_chips_come_in_the_order_given_then_gpus(found):
    kinds = [row.kind for row in found.rows]
    assert [row.name for row in found.rows[:2]] == ["isaac", "jia2020"]
    assert kinds[:2] == ["pim", "pim"]
    assert set(kinds[2:]) == {"gpu"}
    assert (found.workload, found.samples, found.chips) == ("vit_digits", 2, 1)


def test_a_chip_that_cannot_run_the_workload_keeps_its_row_with_the_reason(found):
    jia = found.rows[1]
    assert (jia.energy_uj, jia.latency_us, jia.area_mm2, jia.accuracy) == (None,) * 4
    assert "needs 2 'cim' macros" in jia.reason
    assert "raise chip.tiles" in jia.reason


def test_what_was_not_published_is_booked_apart(found):
    isaac = found.rows[0]
    assert 0 < isaac.extension_energy_ratio < 0.5
    assert 0.3 < isaac.extension_area_ratio < 0.7
    assert isaac.area_mm2 * (1 - isaac.extension_area_ratio) == pytest.approx(85.4, rel=0.01)


def test_every_gpu_row_says_what_it_includes(found):
    assert all(row.scope.startswith("gpu") for row in found.rows[2:])
    assert all(row.batch and row.precision for row in found.rows[2:])


def test_energy_and_area_are_carried_to_one_node_and_nothing_else_is(found):
    small = compare(["isaac", "jia2020"], "vit_digits", samples=2, chips=1, node_nm=7.0)
    own, other = found.rows[0], small.rows[0]
    assert other.energy_uj == pytest.approx(own.energy_uj * energy_ratio(32.0, 7.0).value)
    assert other.area_mm2 == pytest.approx(own.area_mm2 * area_ratio(32.0, 7.0).value)
    assert (other.latency_us, other.accuracy) == (own.latency_us, own.accuracy)
    assert small.rows[1].reason == found.rows[1].reason
    assert small.rows[2:] == found.rows[2:]
    assert found.scaling is None
    assert "7 nm" in small.scaling
    assert "Stillmaker" in small.scaling


@pytest.mark.parametrize(
    ("names", "message"), [([], "at least one"), (["isaac", "isaac"], "isaac twice")]
)
def test_nothing_and_twice_the_same_are_refused(names, message):
    with pytest.raises(InputError, match=message):
        compare(names, "vit_digits")


def test_two_chips_of_one_name_are_refused_since_rows_could_not_be_told_apart():
    file = str(bundled_architectures()["isaac"])
    with pytest.raises(InputError, match=r"two architectures are called 'isaac'.*'name'"):
        compare(["isaac", file], "vit_digits")


def test_a_node_outside_the_tables_is_refused_before_anything_runs():
    with pytest.raises(ModelRangeError, match="nm"):
        compare(["isaac"], "vit_digits", node_nm=3.0)


def test_json_and_csv_say_the_same(found):
    rows = json.loads(to_json(found))["rows"]
    table = list(csv.DictReader(io.StringIO(to_csv(found))))
    assert [row["name"] for row in table] == [row["name"] for row in rows]
    assert float(table[0]["energy_uj"]) == rows[0]["energy_uj"]
    assert table[1]["energy_uj"] == ""
    assert rows[1]["energy_uj"] is None


def test_the_figure_has_a_panel_for_each_quantity_and_marks_what_cannot_run(found):
    figure = draw(found)
    energy, accuracy = figure.axes[0], figure.axes[3]
    assert [axis.get_xscale() for axis in figure.axes] == ["log", "log", "log", "linear"]
    marks = [text.get_text() for text in accuracy.texts]
    assert marks.count("×") == 1
    assert marks.count("–") == len(found.rows) - 2
    labels = [text.get_text() for text in energy.get_yticklabels()]
    assert labels[0].startswith("isaac, 32 nm")
    assert len(labels) == len(found.rows)


def test_a_comparison_replaces_only_a_comparison(found, tmp_path):
    from pimsim.errors import OutputError

    folder = write(found, tmp_path / "out")
    assert {file.name for file in folder.iterdir()} == {
        f"comparison.{ending}" for ending in ("json", "csv", "svg", "png")
    }
    first = (folder / "comparison.svg").read_bytes()
    write(found, folder)
    assert (folder / "comparison.svg").read_bytes() == first
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "notes.txt").write_text("mine")
    with pytest.raises(OutputError):
        write(found, tmp_path / "other")
