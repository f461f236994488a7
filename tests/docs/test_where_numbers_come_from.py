"""The page on explain, describe, cite and recost says what these verbs do."""

import doctest
import re
from pathlib import Path

from pimsim.config import load_architecture
from pimsim.cost.describe import describe, to_document

PAGE = Path(__file__).resolve().parents[2] / "docs" / "where_numbers_come_from.md"
TEXT = PAGE.read_text(encoding="utf-8")


def test_its_examples_run():
    assert doctest.testfile(str(PAGE), module_relative=False).failed == 0


def test_its_table_names_every_key_of_the_description():
    rows = [row for row in TEXT.splitlines() if row.startswith("| `")]
    named = {key for row in rows for key in re.findall(r"`(\w+)`", row)}
    document = to_document(describe(load_architecture("rap")))
    plain = {"architecture", "cost_variant", "node_nm", "supply_v"}
    assert set(document) - plain <= named
    assert set(document["breakdowns"]) <= named


def test_its_sample_is_what_is_printed():
    from pimsim.cli.explain import _component
    from pimsim.cost.explain import components, matching, with_action

    found = components(load_architecture("rap"))
    lines = [
        line
        for one in with_action(matching(found, "mram.adc"), "convert")
        for line in _component(one)
    ]
    sample = re.search(r"```\n(mram\.adc: .*?)```", TEXT, flags=re.DOTALL)
    assert sample is not None
    shown = sample[1].splitlines()
    assert lines[: len(shown)] == shown
