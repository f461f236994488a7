"""``pimsim validate`` prints every published number beside the simulated one."""

import json
from collections.abc import Callable

from typer.testing import Result

Invoke = Callable[..., Result]

KEYS = {
    "chip",
    "metric",
    "conditions",
    "published",
    "simulated",
    "deviation_ratio",
    "tolerance_ratio",
    "calibrated",
}


def test_json_has_a_row_for_every_number(invoke: Invoke) -> None:
    result = invoke("validate", "isaac", "rap_table1", "--format", "json")
    assert result.exit_code == 0
    rows = json.loads(result.stdout)
    assert {row["chip"] for row in rows} == {"isaac", "rap_table1"}
    assert all(set(row) >= KEYS for row in rows)
    area = next(row for row in rows if row["metric"] == "area_mm2" and not row["conditions"])
    assert abs(area["simulated"] / 85.4 - 1) < 0.02


def test_the_table_marks_what_lies_outside(invoke: Invoke) -> None:
    result = invoke("validate", "rap_table1")
    assert result.exit_code == 0
    assert result.stdout.count("OUTSIDE") == 1
    assert "4 numbers, 4 of them predicted; 1 outside their tolerance" in result.stdout


def test_an_unknown_chip_is_named(invoke: Invoke) -> None:
    result = invoke("validate", "neuram")
    assert result.exit_code == 1
    assert "did you mean 'neurram'" in result.stderr
