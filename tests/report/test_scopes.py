"""Attention alone and the rest of the network add up to the run."""

from dataclasses import replace

import pytest

from pimsim.report.scopes import page_section, scopes


def test_the_parts_add_up_to_the_run(result):
    one = replace(result, attention_ops=result.timeline.ops[:1])
    found = scopes(one)
    assert sum(scope.energy_uj for scope in found) == pytest.approx(
        sum(item.energy_pj for item in one.costs[0].items) / 1e6
    )
    assert sum(scope.latency_us for scope in found) == pytest.approx(
        sum(one.timeline.critical_path_ps.values()) / 1e6
    )
    assert sum(scope.operations for scope in found) == len(one.timeline.ops)


def test_only_the_named_operations_are_attention(result):
    name = result.timeline.ops[0]
    first = scopes(replace(result, attention_ops=(name,)))[0]
    own = [item.energy_pj for item in result.costs[0].items if item.op == name]
    assert first.energy_uj == pytest.approx(sum(own) / 1e6)
    assert first.operations == 1


def test_without_attention_there_is_nothing_to_split(result):
    one = replace(result, attention_ops=())
    assert scopes(one) == ()
    assert page_section(one) is None


def test_what_belongs_to_no_operation_is_called_leakage_only_if_it_is(result):
    (first, *others) = result.costs
    leak = replace(first.items[0], op=None, component="leakage.noc", energy_pj=1.0)
    leaks = (*(item for item in first.items if item.op), leak)
    shared = replace(leak, component="table1.softmax_exponential")
    names = []
    for items in (leaks, (*leaks, shared)):
        costs = (replace(first, items=items), *others)
        found = scopes(replace(result, costs=costs, attention_ops=result.timeline.ops[:1]))
        names.append(found[-1].name)
    assert names == ["no operation (leakage)", "no operation"]


def test_the_page_shows_every_part(result):
    text = page_section(replace(result, attention_ops=result.timeline.ops[:1])).html()
    assert "attention layers only" in text
    assert "all other operations" in text
