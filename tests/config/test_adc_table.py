import pytest

from pimsim.config import load_architecture
from pimsim.config.adc_table import COLUMNS, read_adc_table
from pimsim.cost.chip import chip_cost
from pimsim.errors import ConfigError

HEADER = ",".join(COLUMNS)
GOOD = "8,1.5,28,0.4,700,own silicon"


def written(tmp_path, text):
    path = tmp_path / "adc.csv"
    path.write_text(text, encoding="utf-8")
    return path


def test_a_table_is_read_row_by_row(tmp_path):
    points = read_adc_table(
        written(tmp_path, f"{HEADER}\n{GOOD}\n\n{GOOD.replace('8,', '9,', 1)}\n")
    )
    assert [point.enob_bits for point in points] == [8.0, 9.0]
    assert points[0].reference == "own silicon"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("bits\n", "adc.csv:1: the header must be enob_bits,rate_ghz"),
        (f"{HEADER}\n", "no rows below the header"),
        (f"{HEADER}\n8,1\n", "adc.csv:2: a row must have 6 cells, found 2"),
        (f"{HEADER}\n{GOOD}\n8,fast,28,0.4,700,me\n", "adc.csv:3: cells must be numbers"),
        (f"{HEADER}\n8,1,28,-0.4,700,me\n", "adc.csv:2: energy_pj: Input should be greater than 0"),
        (f"{HEADER}\n8,1,28,0,700,me\n", "adc.csv:2: energy_pj"),
        (f"{HEADER}\n80,1,28,0.4,700,me\n", "adc.csv:2: enob_bits: Input should be less"),
        (f"{HEADER}\n8,1,3,0.4,700,me\n", "adc.csv:2: node_nm"),
        (f"{HEADER}\n8,1,nan,0.4,700,me\n", "adc.csv:2: node_nm"),
        (f"{HEADER}\n8,1,28,0.4,700,\n", "adc.csv:2: reference"),
    ],
)
def test_a_bad_table_is_refused_with_its_line(tmp_path, text, message):
    with pytest.raises(ValueError, match=r"adc\.csv") as caught:
        read_adc_table(written(tmp_path, text))
    assert message in str(caught.value)


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(ValueError, match="cannot read"):
        read_adc_table(tmp_path / "nowhere.csv")


def test_a_cost_variant_takes_a_path_or_rows(tmp_path):
    path = written(tmp_path, f"{HEADER}\n4,2.0,28,0.5,100,me\n")
    row = (
        "{enob_bits: 4, rate_ghz: 2.0, node_nm: 28.0, energy_pj: 0.5, area_um2: 100.0, "
        "reference: me}"
    )
    variant = "cost.variants.modelled={flash_adc: user_table, adc_table: %s}"
    from_path, from_rows = (
        load_architecture("rap", overrides=[variant % table]) for table in (path, f"[{row}]")
    )
    assert from_path.cost == from_rows.cost  # the content counts, not the path
    converter = chip_cost(from_path, "modelled").macros["mram"].converter
    assert converter.energy_per_conversion_pj.value == 0.5


@pytest.mark.parametrize(
    ("models", "message"),
    [
        ("{flash_adc: user_table}", "go together"),
        ("{adc_table: []}", "go together"),
        ("{flash_adc: user_table, adc_table: nowhere.csv}", "cannot read 'nowhere.csv'"),
        ("{flash_adc: flash_comparator}", "did you mean 'flash_comparators'"),
        ("{buffer: mesh_router}", "'mesh_router' is no cost model for buffers"),
        ("{overheads: none}", "unknown key 'overheads'; did you mean 'overhead'"),
        ("{memory: serial_link}", "is no cost model for off-chip memory"),
    ],
)
def test_a_variant_that_does_not_hold_together_is_refused(models, message):
    with pytest.raises(ConfigError) as caught:
        load_architecture("rap", overrides=[f"cost.variants.modelled={models}"])
    assert message in str(caught.value)
