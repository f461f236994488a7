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

from tests.integer import oracles, rap_oracles, scales, unit_oracles

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


def elementwise_case(
    unit: str, constants: dict[str, Any], value: Callable[[int], int]
) -> dict[str, Any]:
    constants = {**constants, "input_bits": 16}
    return case(unit, constants, lambda row: [value(code) for code in row], map(value, INT16))


def row_case(
    unit: str, constants: dict[str, Any], codes: Callable[[list[int]], list[int]]
) -> dict[str, Any]:
    return case(unit, {**constants, "input_bits": 16}, codes, None)


def distance_case(
    unit: str, constants: dict[str, Any], codes: Callable[[list[int]], list[int]]
) -> dict[str, Any]:
    """As :func:`softmax_case`."""
    domain = (code for distance in DISTANCES for code in codes([0, -distance]))
    return case(unit, {**constants, "input_bits": 17}, codes, domain)


def activation_cases() -> list[dict[str, Any]]:
    entries = [(2**19 - 1) * (-1) ** i // (i + 1) for i in range(257)]
    silu = {**scales.softmax(1e-3), "sigmoid_bits": 15}
    shift = {"one": 587, "sigmoid_bits": 15}
    table = {"table": entries, "output_bits": 20}
    return [
        elementwise_case("ibert_silu", silu, lambda x: unit_oracles.ibert_silu(x, **silu)),
        *(
            elementwise_case(unit, shift, lambda x: unit_oracles.ivit_activation(x, **shift))
            for unit in ("ivit_gelu", "ivit_silu")
        ),
        *(
            elementwise_case(unit, table, lambda x: unit_oracles.table(x, entries, 16))
            for unit in ("table_gelu", "table_silu")
        ),
        elementwise_case("rectify", {}, lambda x: max(x, 0)),
    ]


def softmax_cases() -> list[dict[str, Any]]:
    every = [True] * len(ROWS[0])
    shiftmax = {"one": 1000, "output_bits": 15, "rounding": "half_up"}
    clipped = {"multiplier": 17895, "shift": 20, "output_bits": 8, "rounding": "truncate"}
    logarithms = scales.softmax(1e-3)
    base_two = {
        "multiplier": 24204,
        "shift": 16,
        "integer_bits": 8,
        "fraction_bits": 8,
        "sum_fraction_bits": 6,
        "reciprocal_bits": 7,
        "window": 4,
        "output_bits": 7,
        "rounding": "half_up",
    }
    cases = (
        ("ivit_softmax", shiftmax, unit_oracles.ivit_softmax),
        ("illm_softmax", clipped, unit_oracles.illm_softmax),
        ("softermax", base_two, unit_oracles.softermax),
    )
    return [
        *(
            distance_case(
                unit, constants, lambda row, f=f, c=constants: f(row, every[: len(row)], **c)[0]
            )
            for unit, constants, f in cases
        ),
        distance_case(
            "fqvit_softmax",
            logarithms,
            lambda row: unit_oracles.fqvit_softmax(row, every[: len(row)], **logarithms),
        ),
        distance_case(
            "vdr_softmax",
            scales.vdr_softmax(1e-3),
            lambda row: rap_oracles.exponentials(row, every[: len(row)], 0, 1e-3)[0],
        ),
    ]


def normalization_cases() -> list[dict[str, Any]]:
    gain = {"gain": [16384, -32768, 32767, 1, 0, 12345]}
    affine = {**gain, "bias": [0, 2**30 - 1, -(2**30), 5, -7, 99]}
    factors = {**affine, "alpha": [0, 1, 2, 3, 0, 1], "epsilon": 25}
    rms = {**gain, "epsilon": 25}
    return [
        row_case("ibert_rms_norm", rms, lambda row: unit_oracles.rms_norm(row, **rms)),
        row_case(
            "ivit_layer_norm", affine, lambda row: unit_oracles.ivit_layer_norm(row, **affine)
        ),
        row_case(
            "fqvit_layer_norm", factors, lambda row: unit_oracles.fqvit_layer_norm(row, **factors)
        ),
    ]


def leading_one_cases() -> list[dict[str, Any]]:
    """Groups of a whole row, or larger than it; the domain: groups of one."""
    named = {
        "emsb_q": (8, "twos_complement", "truncate", "clamp"),
        "qrazor_sdr": (3, "sign_magnitude", "half_up", "floor"),
        "quartz_lzs": (3, "sign_magnitude", "truncate", "floor"),
    }
    cases = []
    for unit, (kept_bits, coding, rounding, overflow) in named.items():

        def codes(
            row: list[int],
            k: int = kept_bits,
            c: str = coding,
            r: str = rounding,
            o: str = overflow,
        ) -> list[int]:
            return unit_oracles.leading_one(
                row, kept_bits=k, coding=c, rounding=r, overflow=o, msb_bits=None
            )[0]

        cases.append(row_case(unit, {}, codes))
    return cases


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
            elementwise_case(
                "shift_requantize",
                {"shift": 9, "output_bits": 8},
                lambda acc: unit_oracles.shift_requantize(acc, 9, 8)[0],
            ),
            *activation_cases(),
            *softmax_cases(),
            *normalization_cases(),
            *leading_one_cases(),
        ],
    }


if __name__ == "__main__":
    PATH.parent.mkdir(exist_ok=True)
    text = json.dumps(tables(), indent=1)
    PATH.write_text(text + "\n")
