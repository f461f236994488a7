"""The last sections name each place once, and give no path of the machine away."""

import dataclasses
import html
import re

import pytest

from pimsim.records import Source
from pimsim.report import page_sources


def lines_of(result):
    text = page_sources.sources(result).html()
    body = text[text.index("<tbody>") : text.index("</tbody>")]
    rows = re.findall(r"<tr>(.*?)</tr>", body, flags=re.DOTALL)
    return [
        re.findall(r"<t[hd][^>]*>(.*?)</t[hd]>", html.unescape(row), flags=re.DOTALL)
        for row in rows
    ]


def test_a_place_has_one_row_and_each_condition_a_line(rebuilt, result):
    some = Source("Somebody, 2020", "Table 1", "published", 28.0, "0.9 V")
    sources = (
        some,
        dataclasses.replace(some, condition="at 25 degC"),
        dataclasses.replace(some, condition=""),
        dataclasses.replace(some, place="Table 2"),
        dataclasses.replace(some, reference="A choice", kind="assumed", node_nm=None),
    )
    costs = (dataclasses.replace(result.costs[0], sources=sources),)
    assert lines_of(rebuilt(costs=costs, sources=())) == [
        ["Somebody, 2020", "Table 1", "published", "28", "– 0.9 V\n– at 25 degC"],
        ["Somebody, 2020", "Table 2", "published", "28", "0.9 V"],
        ["A choice", "Table 1", "assumed", "", "0.9 V"],
    ]


@pytest.mark.parametrize(
    ("command", "shown"),
    [
        ("/home/me/.venv/bin/pimsim run", "pimsim run"),
        ("pimsim run --arch /secret/my chip.yaml", "pimsim run --arch my chip.yaml"),
        ("pimsim run --arch=/a/b.yaml --set x.y=1/2", "pimsim run --arch=b.yaml --set x.y=1/2"),
        ("pimsim run --output out/here", "pimsim run --output out/here"),
    ],
)
def test_a_command_keeps_no_absolute_folder(command, shown):
    assert page_sources.without_folders(command) == shown


def test_the_manifest_keeps_none_either(rebuilt, result):
    manifest = dataclasses.replace(result.manifest, command="/secret/bin/pimsim run")
    text = page_sources.manifest(rebuilt(manifest=manifest)).html()
    assert "secret" not in text
    assert "<td>pimsim run</td>" in text
