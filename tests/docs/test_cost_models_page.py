"""The numbers on the page of cost models are those of the models."""

import re
from pathlib import Path

import pytest

from pimsim.config.architecture import Adc, CostModels
from pimsim.cost.adc import adc_models
from pimsim.cost.memory import sram
from pimsim.cost.technology import OperatingPoint, leakage_ratio
from pimsim.registry import COST_MODELS

PAGE = (Path(__file__).resolve().parents[2] / "docs" / "cost_models.md").read_text()
AT_28 = OperatingPoint(28.0)


def _rows(header):
    lines = PAGE[PAGE.index(header) :].splitlines()
    table = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]
    end = lines.index("") if "" in lines else len(lines)
    return table[0], table[2:end]


def test_every_model_of_every_role_is_on_the_page():
    for name in COST_MODELS:
        assert f"`{name}`" in PAGE, name
    for key in CostModels.model_fields:
        assert f"`{key}`" in PAGE or key == "adc_table", key


def test_the_table_of_converters_is_computed():
    header, rows = _rows("| codes | time [ns]")
    assert len(rows) == 5
    for levels, time, *cells in rows:
        adc = Adc(
            model="flash" if int(levels) <= 16 else "sar", levels=int(levels), columns_per_adc=1,
            conversion_time_ns=float(time), reference="fixed", trim="none",
        )  # fmt: skip
        costs = adc_models(adc, AT_28)
        for name, cell in zip(header[2:], cells, strict=True):
            cost = costs[name.strip("`")]
            if isinstance(cost, str):
                assert cell == ""
            else:
                energy, area = cost.energy_per_conversion_pj.value, cost.area_um2.value
                assert cell == f"{energy:.3f} / {area:.0f}"


def test_the_numbers_in_the_text_are_the_models():
    assert f"{sram(65536, AT_28).energy_per_bit_pj.value:.3f} pJ per bit read at 64 KiB" in PAGE
    assert f"{sram(1 << 20, AT_28).energy_per_bit_pj.value:.3f} pJ at 1 MiB" in PAGE
    hot = leakage_ratio(OperatingPoint(28.0, temperature_degc=85.0)).value
    fast = leakage_ratio(OperatingPoint(28.0, process="ff")).value
    found = re.search(r"law[^:]*: (\d+) times at 85 °C, ([\d.]+) times", PAGE)
    assert found is not None
    assert float(found[1]) == pytest.approx(hot, abs=0.5)
    assert float(found[2]) == pytest.approx(fast, abs=0.05)
