"""Energy by operation and component adds up to the run's, whatever is summed up on the way."""

import pandas as pd
import pytest

from pimsim.records import CostBreakdown, CostItem
from pimsim.report import joules


def item(op, component, energy_pj, kind="published"):
    return CostItem(component, op, energy_pj, 0.0, "model", kind, "act", 1.0)


@pytest.fixture
def spent(rebuilt):
    def build(*items):
        return rebuilt(costs=(CostBreakdown("modelled", items, ()),))

    return build


def test_rows_add_up_to_the_energy_of_the_run(result):
    table = joules.joules(result)
    assert table["energy_uj"].sum() == pytest.approx(result.energy_uj, rel=1e-12)


def test_layers_are_summed_and_leakage_has_a_row_of_its_own(spent):
    table = joules.joules(
        spent(
            item("blocks.0.mlp.up", "mram.adc", 1e6),
            item("blocks.1.mlp.up", "mram.adc", 2e6, "assumed"),
            item("blocks.1.mlp.up", "noc", 4e6),
            item("head", "noc", 5e5, "assumed"),
            item(None, "leakage.noc", 9e6),
        )
    )
    assert table.values.tolist() == [
        [joules.NO_OPERATION, "leakage.noc", 9.0, 0.0],
        ["mlp.up", "noc", 4.0, 0.0],
        ["mlp.up", "mram.adc", 3.0, 2.0],
        ["head", "noc", 0.5, 0.5],
    ]
    rows = joules.by_operation(table)
    assert rows["operation"].tolist() == [joules.NO_OPERATION, "mlp.up", "head"]
    assert rows["component"].tolist() == ["leakage.noc", "noc", "noc"]
    assert rows["assumed_ratio"].tolist() == pytest.approx([0.0, 2 / 7, 1.0])
    assert rows["energy_ratio"].sum() == pytest.approx(1.0)


def test_only_the_default_variant_counts_and_area_does_not(result):
    table = joules.joules(result)
    parts = [part for part in result.costs[0].items if part.energy_pj]
    assert set(table["component"]) == {part.component for part in parts}
    assert "upper_bound" in {cost.variant for cost in result.costs}


def test_many_operations_and_components_are_lumped_without_losing_energy(spent):
    many = [
        item(f"op{row}", f"part{column}", 1e6 * (row + 1) * (column + 1))
        for row in range(40)
        for column in range(20)
    ]
    result = spent(*many, item(None, "leakage", 1.0))
    table = joules.joules(result)
    page = joules.page_section(result, {}).html()
    assert page.count("<tbody>") == 1
    body = page[page.index("<tbody>") : page.index("</tbody>")]
    assert body.count("<tr>") == joules.SHOWN_OPERATIONS + 1  # leakage is never lumped
    assert joules.NO_OPERATION in body
    assert f"{40 - joules.SHOWN_OPERATIONS + 1} other operations" in body
    assert f"{21 - joules.SHOWN_COMPONENTS + 1} other<wbr> components" in page.replace(
        "other ", "other<wbr> "
    )
    assert table["energy_uj"].sum() == pytest.approx(sum(part.energy_pj for part in many) * 1e-6)


def test_the_page_escapes_names_and_states_the_assumed_share(spent):
    page = joules.page_section(spent(item("a<b", "c&d", 1e6, "assumed")), {}).html()
    assert "a&lt;b" in page
    assert "c&amp;d" in page
    assert "<script" not in page
    assert "100\u202f% of it rests on assumed numbers" in page


def test_a_result_that_spent_nothing_has_no_section(spent):
    assert joules.page_section(spent(), {}) is None


def test_the_figure_stacks_every_part(result):
    table = joules.joules(result)
    figure = joules.figure(table)
    axes = figure.axes[0]
    widths = [bar.get_width() for bar in axes.patches if bar.get_hatch() is None]
    assert sum(widths) == pytest.approx(float(table["energy_uj"].sum()))
    hatched = [bar.get_width() for bar in axes.patches if bar.get_hatch() is not None]
    assert sum(hatched) == pytest.approx(float(table["assumed_uj"].sum()))
    labels = [label.get_text() for label in axes.get_yticklabels()]
    assert labels == list(dict.fromkeys(table["operation"]))


def test_the_legend_is_outside_the_bars(result):
    figure = joules.figure(joules.joules(result))
    assert figure.axes[0].get_legend() is None
    (legend,) = figure.legends
    figure.draw_without_rendering()
    extent = legend.get_window_extent()
    assert extent.y1 <= figure.axes[0].get_window_extent().y0
    assert 0.0 <= extent.x0 < extent.x1 <= figure.bbox.x1


def test_power_by_time_is_not_called_leakage(spent):
    table = joules.joules(spent(item(None, "table1.softmax", 2.0), item(None, "leakage.noc", 1.0)))
    assert table["operation"].tolist() == [joules.WHILE_BUSY, joules.NO_OPERATION]


def test_tables_are_tidy(result):
    table = joules.joules(result)
    assert list(table.columns) == ["operation", "component", "energy_uj", "assumed_uj"]
    assert isinstance(table, pd.DataFrame)
    assert not table.isna().any().any()
