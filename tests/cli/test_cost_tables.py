"""The operations that spend the most, and the models of converters, as text."""

import dataclasses

import pytest

from pimsim.cli import cost_tables, tables
from pimsim.records import AdcModelCost, CostBreakdown, CostItem, Result


def shown(result: Result, capsys: pytest.CaptureFixture[str]) -> str:
    tables.show(result)
    return capsys.readouterr().out


def rows(text: str, title: str) -> list[list[str]]:
    """Cells of the table under ``title``, its head and rule left out."""
    lines = iter(text.splitlines())
    next(line for line in lines if line.startswith(title))
    next(lines)
    table = []
    for line in lines:
        if not line:
            break
        table.append(line.split())
    return table


def test_operations_are_ranked_with_the_component_that_spends_the_most(
    example_result: Result, capsys: pytest.CaptureFixture[str]
) -> None:
    """0.75 of 1.6 nJ in blocks.0.fc, 0.5 of it in converters; leakage is no operation."""
    table = rows(shown(example_result, capsys), "where the joules go")
    assert table[0] == ["fc", "0.00075", "46.9", "%", "0", "%", "mram.adc"]
    assert table[-1][:3] == ["no", "operation", "(leakage)"]
    assert table[-1][-3:] == ["100", "%", "leakage"]


def test_many_operations_are_summed_up_in_the_last_row(
    example_result: Result, capsys: pytest.CaptureFixture[str]
) -> None:
    items = tuple(
        CostItem("adc", f"op{n}", 100.0 * (n + 1), 0.0, "m", "assumed", "a", 1.0) for n in range(9)
    )
    result = dataclasses.replace(example_result, costs=(CostBreakdown("modelled", items, ()),))
    table = rows(shown(result, capsys), "where the joules go")
    assert len(table) == cost_tables.SHOWN_OPERATIONS + 1
    assert table[-1] == ["4", "more", "0.001", "22.2", "%", "100", "%"]  # 100 + ... + 400 of 4500


def test_models_of_converters_are_listed_with_the_reason_where_one_does_not_apply(
    example_result: Result, capsys: pytest.CaptureFixture[str]
) -> None:
    costs = (
        AdcModelCost("flash_comparators", True, 1.5, 20.0, 3.0),
        AdcModelCost(
            "survey_regression", False, None, None, None, "mram: out of range: 3.17 < 4 bits"
        ),
    )
    text = shown(dataclasses.replace(example_result, adc_models=costs), capsys)
    table = rows(text, "converters costed by")
    assert table[0] == ["flash_comparators", "(this", "run)", "1.5", "20", "3"]
    assert table[1] == ["survey_regression"]
    assert "  survey_regression: mram: out of range: 3.17 < 4 bits" in text.splitlines()


def test_models_of_converters_are_silent_unless_asked_for(
    example_result: Result, capsys: pytest.CaptureFixture[str]
) -> None:
    assert "converters costed by" not in shown(example_result, capsys)
