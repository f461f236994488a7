"""The bibliography holds exactly what the result names."""

import re

import pytest

from pimsim.cost.citations import known_entries
from pimsim.records import CostBreakdown, Source
from pimsim.report.citations import bibtex_of, text_of, used_sources


def keys(text):
    return re.findall(r"^@\w+\{([^,]+),", text, flags=re.MULTILINE)


def test_every_source_of_costs_and_methods_has_its_entry_once_and_no_other(result):
    expected = {source.citation_key for source in used_sources(result)} - {""}
    assert expected == {"horowitz2014", "kim2021"}
    assert keys(bibtex_of(result)) == ["pimsim", *sorted(expected)]


def test_the_entry_of_pimsim_names_the_version_of_the_run(result):
    assert "version = {0.1.0}" in bibtex_of(result)


def test_an_entry_is_printed_as_it_is_stored(result):
    assert known_entries()["horowitz2014"] in bibtex_of(result)


def test_assumptions_and_machines_are_comments(result):
    lines = bibtex_of(result).splitlines()
    comments = [line for line in lines if line.startswith("%")]
    assert "%   pimsim, no source, 28 nm <guess> & more" in comments
    assert "%   NVIDIA A100: data sheet" in comments
    outside = re.sub(r"^%.*$", "", bibtex_of(result), flags=re.MULTILINE)
    assert "guess" not in outside


def test_a_key_without_an_entry_is_a_comment_not_an_error(rebuilt):
    source = Source("A plug-in's paper", "Table 3", "published", citation_key="nobody1999")
    result = rebuilt(costs=(CostBreakdown("modelled", (), (source,)),), sources=())
    assert keys(bibtex_of(result)) == ["pimsim"]
    assert "nobody1999: A plug-in's paper, Table 3" in bibtex_of(result)


@pytest.mark.parametrize("write", [bibtex_of, text_of])
def test_braces_balance_and_the_text_ends_in_a_line_break(result, write):
    text = write(result)
    assert text.count("{") == text.count("}")
    assert text.endswith("\n")
    assert not text.endswith("\n\n")


def test_the_text_names_each_paper_once_with_what_was_taken(result):
    lines = text_of(result).splitlines()
    assert lines.count("Horowitz, ISSCC 2014") == 1
    place = lines[lines.index("Horowitz, ISSCC 2014") + 1]
    assert place == '  Fig. 1.1.9, "rough" costs (published)'
