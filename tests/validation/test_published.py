"""Every published number of every chip stays where its file says: within tolerance, or outside."""

import pytest

from pimsim.config import load_architecture
from pimsim.cost import bibtex
from pimsim.cost.citations import known_entries, parse_entries
from pimsim.errors import ConfigError, NotFoundError
from pimsim.validation import Published, load_published, published_chips, validate

CHIPS = tuple(published_chips())
FIRST = {"isaac", "jia2020", "neurram", "puma", "rap_table1"}


def numbers():
    return [(chip, index) for chip in CHIPS for index in range(len(load_published(chip).rows))]


@pytest.fixture(scope="module")
def rows():
    return {chip: validate([chip]) for chip in CHIPS}


def test_the_chips_that_must_be_there_are():
    assert set(CHIPS) >= FIRST


@pytest.mark.parametrize(("chip", "index"), numbers())
def test_every_number_is_met_or_said_to_be_missed(rows, chip, index):
    row = rows[chip][index]
    assert row.deviation_ratio == pytest.approx(row.simulated / row.published - 1.0)
    if row.outside is None:
        assert abs(row.deviation_ratio) <= row.tolerance_ratio, row
    else:
        assert abs(row.deviation_ratio) > row.tolerance_ratio, "now met: remove 'outside'"


@pytest.mark.parametrize("chip", CHIPS)
def test_calibrated_numbers_are_hit_closely(rows, chip):
    """What a constant was fitted to proves nothing, but must at least come out."""
    assert all(abs(row.deviation_ratio) <= 0.02 for row in rows[chip] if row.calibrated)


@pytest.mark.parametrize("chip", CHIPS)
def test_most_numbers_of_a_chip_are_predictions(rows, chip):
    assert sum(not row.calibrated for row in rows[chip]) >= len(rows[chip]) / 3


@pytest.mark.parametrize("chip", CHIPS)
def test_every_row_of_a_component_table_can_be_cited(chip):
    architecture = load_architecture(chip)
    variant = architecture.cost.variants[architecture.cost.default]
    for name in () if variant.table is None else variant.table.components:
        source = variant.table.source_of(name)
        assert source.kind == "assumed" or bibtex([source.citation_key]).startswith("@")


def test_an_unknown_chip_is_refused_by_name():
    with pytest.raises(NotFoundError, match=r"isac.*did you mean 'isaac'"):
        load_published("isac")


def test_a_file_that_predicts_nothing_is_refused(tmp_path):
    from pimsim.config import yaml_loader

    row = "{metric: area_mm2, published: 1.0, place: p, tolerance_ratio: 0.1, reason: r"
    row += ", calibrated: true}"
    file = tmp_path / "published.yaml"
    file.write_text(
        "schema_version: 1\ntitle: t\nreference: r\nops_per_mac: 2\ncalibration: [all of it]\n"
        f"rows:\n  - {row}\n",
        encoding="utf-8",
    )
    with pytest.raises(ConfigError, match="nothing is predicted"):
        yaml_loader.validate(yaml_loader.read(file), Published)


def test_an_unknown_metric_names_the_nearest(tmp_path):
    from pimsim.config import yaml_loader

    row = "{metric: area_mm3, published: 1.0, place: p, tolerance_ratio: 0.1, reason: r}"
    file = tmp_path / "published.yaml"
    file.write_text(
        "schema_version: 1\ntitle: t\nreference: r\nops_per_mac: 2\ncalibration: [nothing]\n"
        f"rows:\n  - {row}\n",
        encoding="utf-8",
    )
    with pytest.raises(ConfigError, match=r"published.yaml:7.*did you mean 'area_mm2'"):
        yaml_loader.validate(yaml_loader.read(file), Published)


@pytest.mark.parametrize("chip", CHIPS)
def test_the_folder_of_a_chip_has_its_citations_and_contradicts_no_others(chip):
    file = published_chips()[chip].with_name("citation.bib")
    entries = parse_entries(file.read_text(encoding="utf-8"))
    assert entries
    assert all(known_entries()[key] == text for key, text in entries.items())
