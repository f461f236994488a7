"""Results stored once, from the oracles, still come out of the units bit for bit."""

import json

import numpy as np
import pytest

from pimsim.registry import UNITS
from tests.integer import make_golden

STORED = json.loads(make_golden.PATH.read_text())
EVERY_INT16 = np.arange(-(2**15), 2**15, dtype=np.int16)


def domain(name):
    if name.endswith("softmax") or name == "softermax":
        distances = np.arange(2**16, dtype=np.int32)
        return np.stack([np.zeros_like(distances), -distances], axis=-1)
    return EVERY_INT16


@pytest.mark.parametrize("case", STORED["cases"], ids=lambda case: case["unit"])
def test_stored_tables_hold(case):
    constants = {
        key: tuple(value) if isinstance(value, list) else value
        for key, value in case["constants"].items()
    }
    unit = UNITS[case["unit"]](**constants)
    assert unit(np.array(STORED["inputs"], dtype=np.int16)).values.tolist() == case["rows"]
    if case["sha256"] is not None:
        values = unit(domain(case["unit"])).values
        assert make_golden.digest(values.ravel().tolist()) == case["sha256"]


def test_every_unit_of_one_operand_is_stored():
    assert {case["unit"] for case in STORED["cases"]} == {
        name for name in UNITS.names() if not name.startswith(("fp16_", "fp32_"))
    } - {"digital_mac", "dyadic_add", "dyadic_multiply", "table_rotary"}
