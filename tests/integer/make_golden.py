"""Stored tables of the units' results: the cases, and the script that regenerates them.

``python -m tests.integer.make_golden`` (from the root of the repository) writes
``golden/units.json`` from the oracles, not from the units: a few rows in full, and the SHA-256 of
the results over a whole 16-bit domain as little-endian int32.
"""

import hashlib
import json
from array import array
from collections.abc import Callable, Iterable
from pathlib import Path
from sys import byteorder
from typing import Any

from tests.integer import oracles, scales

PATH = Path(__file__).parent / "golden" / "units.json"

INT16 = range(-(2**15), 2**15)
DISTANCES = range(2**16)
ROWS = [
    [0, 0, 0, 0, 0, 0],
    [32767, -32768, 0, 1, -1, 12345],
    [-32768, -32768, -32768, -32768, -32768, -32768],
    [100, 200, 300, 400, 500, 600],
    [-5000, 4000, -3000, 2000, -1000, 0],
]


def digest(values: Iterable[int]) -> str:
    words = array("i", values)
    if byteorder == "big":
        words.byteswap()
    return hashlib.sha256(words.tobytes()).hexdigest()


def case(
    unit: str,
    constants: dict[str, Any],
    row_oracle: Callable[[list[int]], list[int]],
    domain: Iterable[int] | None,
) -> dict[str, Any]:
    return {
        "unit": unit,
        "constants": constants,
        "rows": [row_oracle(row) for row in ROWS],
        "sha256": None if domain is None else digest(domain),
    }


def requantize_case(multiplier: int, shift: int, bits: int) -> dict[str, Any]:
    def code(acc: int) -> int:
        return oracles.requantize(acc, multiplier, shift, bits=bits)[0]

    constants = {"multiplier": multiplier, "shift": shift, "input_bits": 16, "output_bits": bits}
    return case(
        "dyadic_requantize", constants, lambda row: [code(acc) for acc in row], map(code, INT16)
    )


def gelu_case(scale: float) -> dict[str, Any]:
    constants = scales.gelu(scale)

    def value(code: int) -> int:
        return oracles.gelu(code, **constants)

    return case(
        "ibert_gelu",
        {**constants, "input_bits": 16},
        lambda row: [value(code) for code in row],
        map(value, INT16),
    )


def softmax_case(scale: float, output_bits: int, rounding: str) -> dict[str, Any]:
    """The domain: pairs of a maximum and a logit at each 16-bit distance below it."""
    constants = scales.softmax(scale)

    def codes(row: list[int]) -> list[int]:
        return oracles.softmax(row, **constants, output_bits=output_bits, rounding=rounding)[0]

    return case(
        "ibert_softmax",
        {**constants, "input_bits": 17, "output_bits": output_bits, "rounding": rounding},
        codes,
        (code for distance in DISTANCES for code in codes([0, -distance])),
    )


def layer_norm_case() -> dict[str, Any]:
    constants = {
        "gain": [16384, -32768, 32767, 1, 0, 12345],
        "bias": [0, 2**30 - 1, -(2**30), 5, -7, 99],
        "epsilon": 25,
    }
    return case(
        "ibert_layer_norm",
        {**constants, "input_bits": 16},
        lambda row: oracles.layer_norm(row, **constants),
        None,
    )


def tables() -> dict[str, Any]:
    return {
        "_meta": {"format_version": 1, "regenerate": "python -m tests.integer.make_golden"},
        "inputs": ROWS,
        "cases": [
            requantize_case(20011, 22, 8),
            requantize_case(32767, 16, 16),
            gelu_case(2e-4),
            gelu_case(1e-3),
            gelu_case(0.05),
            softmax_case(1e-3, 8, "truncate"),
            softmax_case(1e-3, 7, "half_up"),
            softmax_case(0.02, 8, "truncate"),
            layer_norm_case(),
        ],
    }


if __name__ == "__main__":
    PATH.parent.mkdir(exist_ok=True)
    text = json.dumps(tables(), indent=1)
    PATH.write_text(text + "\n")
