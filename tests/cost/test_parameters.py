from importlib.resources import files

import pytest

from pimsim.analog import constants
from pimsim.cost.adc_points import published_converters
from pimsim.cost.citations import known_entries, parse_entries
from pimsim.cost.parameters import COLUMNS, FAMILIES, constant, family, parse
from pimsim.cost.sourced import KINDS_FROM_BEST
from pimsim.errors import InputError, NotFoundError
from pimsim.units import UNIT_SUFFIXES

ROWS = [
    pytest.param(name, parameter, id=f"{name}.{parameter.name}")
    for name in FAMILIES
    for parameter in family(name).values()
]
HEADER = ",".join(COLUMNS)
GOOD = "read_energy_pj,1.5,pj,28,,Someone 2020,Table 1,published,someone2020"


@pytest.mark.parametrize(("name", "parameter"), ROWS)
def test_every_constant_has_a_known_unit_and_a_citable_source(name, parameter):
    source = parameter.source
    assert parameter.unit in UNIT_SUFFIXES
    assert parameter.name.endswith(f"_{parameter.unit}")
    assert source.kind in KINDS_FROM_BEST
    assert source.reference
    assert source.place
    if source.kind != "assumed":
        assert source.citation_key in known_entries()
    elif not source.citation_key:
        assert source.condition, "an assumption must say what it was chosen from"


def test_names_are_unique_over_all_families():
    names = [parameter.values[1].name for parameter in ROWS]
    assert len(names) == len(set(names))


def test_every_reference_is_used():
    used = {parameter.values[1].source.citation_key for parameter in ROWS}
    for name in constants.FAMILIES:
        used |= {row.source.citation_key for row in constants.family(name).values()}
    used |= {row.source.citation_key for row in published_converters()}
    texts = [
        (files(package) / "data" / "references.bib").read_text(encoding="utf-8").strip()
        for package in ("pimsim.cost", "pimsim.analog")
    ]
    assert used - {""} == set(parse_entries("\n\n".join(texts)))


def test_what_was_not_looked_up_is_marked_as_assumed():
    admitted = [
        row
        for name in FAMILIES
        for row in family(name).values()
        if "from memory" in row.source.condition or "not checked" in row.source.condition
    ]
    assert admitted
    assert {row.source.kind for row in admitted} == {"assumed"}


def test_a_constant_carries_its_source():
    energy = constant("digital", "add_int32_energy_pj")
    assert energy.value == 0.1
    assert energy.sources[0].reference == "Horowitz, ISSCC 2014"


def test_unknown_names_suggest_the_nearest():
    with pytest.raises(NotFoundError, match=r"family 'digitl'; did you mean 'digital'\?"):
        family("digitl")
    with pytest.raises(NotFoundError, match="did you mean 'add_int32_energy_pj'"):
        constant("digital", "add_int32_energy_p")


def test_a_good_row_parses():
    parameter = parse(f"{HEADER}\n{GOOD}\n", file="x.csv")["read_energy_pj"]
    assert (parameter.value, parameter.source.node_nm) == (1.5, 28.0)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("name,value\n", "x.csv:1: the header must be name,value,unit"),
        (f"{HEADER}\n{GOOD}\n{GOOD}\n", "x.csv:3: 'read_energy_pj' is given twice"),
        (f"{HEADER}\n{GOOD},more\n", "x.csv:2: a row must have exactly 9 cells"),
        (f"{HEADER}\nshort_pj,1\n", "x.csv:2: a row must have exactly 9 cells"),
        (f"{HEADER}\n{GOOD.replace(',pj,', ',pjs,')}\n", "unknown unit 'pjs'; did you mean"),
        (f"{HEADER}\n{GOOD.replace(',pj,', ',ns,')}\n", "must end in its unit, '_ns'"),
        (f"{HEADER}\n{GOOD.replace('published', 'guessed')}\n", "unknown kind 'guessed'"),
        (f"{HEADER}\n{GOOD.replace('1.5', '1,5')}\n", "exactly 9 cells"),
        (f"{HEADER}\n{GOOD.replace('1.5', 'nan')}\n", "value must be a finite number, got 'nan'"),
        (f"{HEADER}\n{GOOD.replace(',28,', ',old,')}\n", "node_nm must be a finite number"),
        (f"{HEADER}\n{GOOD.replace('someone2020', '')}\n", "needs a citation_key"),
        (f"{HEADER}\n{GOOD.replace('Table 1', '')}\n", "needs a reference and a place"),
    ],
)
def test_a_bad_file_is_refused_with_its_line(text, message):
    with pytest.raises(InputError) as caught:
        parse(text, file="x.csv")
    assert message in str(caught.value)
