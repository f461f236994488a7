import csv
from functools import cache
from importlib.resources import files

import pytest

from pimsim.config import load_architecture
from pimsim.config.bundled import known_architectures
from pimsim.cost.citations import bibtex, known_entries, parse_entries, run_sources
from pimsim.errors import InputError, NotFoundError
from pimsim.records import ActionCounts, UnitCounts
from pimsim.registry import SCHEMES, UNITS, ZERO_SKIPPING


def test_entries_come_sorted_and_once():
    text = bibtex(["yi2024", "horowitz2014", "yi2024", ""])
    assert text.count("@") == 2
    assert text.index("horowitz2014") < text.index("yi2024")


def test_no_key_gives_no_text():
    assert bibtex([]) == ""


def test_an_unknown_key_suggests_the_nearest():
    with pytest.raises(NotFoundError, match="did you mean 'horowitz2014'"):
        bibtex(["horowitz2013"])


@pytest.mark.parametrize("key", sorted(known_entries()))
def test_every_entry_has_balanced_braces_a_title_and_a_year(key):
    entry = known_entries()[key]
    assert entry.count("{") == entry.count("}")
    assert "title = {" in entry
    assert "year = {" in entry


@pytest.mark.parametrize("text", ["@misc one", "@misc{a, year = {1}}\n@misc{a, year = {2}}"])
def test_an_entry_without_a_key_of_its_own_is_refused(text):
    with pytest.raises(InputError, match="unreadable or repeated entry"):
        parse_entries(text, "mine.bib")


def test_entries_beside_a_chip_are_known():
    """arch_configs/published/jia2020/citation.bib."""
    assert "jia2020" in known_entries()


def test_comments_between_entries_are_passed_over():
    text = "% mine\n@misc{a, year = {1}}\n% and\n@misc{b, year = {2}}"
    assert list(parse_entries(text, "mine.bib")) == ["a", "b"]


@cache
def method_rows():
    text = (files("pimsim.cost") / "data" / "methods.csv").read_text(encoding="utf-8")
    return list(csv.DictReader(text.splitlines()))


@pytest.mark.parametrize("row", method_rows(), ids=lambda row: row["name"])
def test_every_method_names_a_model_that_exists_and_a_paper_with_an_entry(row):
    registries = {"units": UNITS, "schemes": SCHEMES, "zero_skipping": ZERO_SKIPPING}
    names = registries.get(row["registry"], known_architectures())
    assert row["name"] in names
    assert row["citation_key"] in known_entries()
    assert row["reference"]
    assert row["place"]


def keys(chip, *functions):
    counts = [ActionCounts("op", 1, units=tuple(UnitCounts(f, {1: 1}) for f in functions))]
    return {source.citation_key for source in run_sources(chip, counts)}


def test_a_unit_that_the_run_never_used_is_not_cited():
    chip = load_architecture("conventional", overrides=["units.softmax.model=ivit_softmax"])
    assert keys(chip, "softmax") - keys(chip) == {"li2023"}
    assert "li2023" not in keys(chip, "gelu")


def test_the_chip_its_numerics_and_its_devices_are_cited():
    assert "yi2024" in keys(load_architecture("rap"))
    assert "kim2021" in keys(load_architecture("rap_int8"))
    hot = load_architecture("rap", overrides=["pvt.temperature_degc=85.0"])
    assert "sakurai1990" in keys(hot)
    assert "sakurai1990" not in keys(load_architecture("rap"))


def test_a_source_is_listed_once():
    found = run_sources(load_architecture("rap"), ())
    assert len(found) == len(set(found))
