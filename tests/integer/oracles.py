"""The units once more, one value at a time, in unbounded integers and rationals.

Written from the formulas of the units' descriptions; shares no code with the units.
"""

import math
from collections.abc import Sequence
from fractions import Fraction


def round_half_away(exact: Fraction) -> int:
    magnitude = math.floor(abs(exact) + Fraction(1, 2))
    return magnitude if exact >= 0 else -magnitude


def saturate(exact: int, bits: int, symmetric: bool = False) -> tuple[int, bool]:
    largest = 2 ** (bits - 1) - 1
    smallest = -largest if symmetric else -(2 ** (bits - 1))
    code = min(max(exact, smallest), largest)
    return code, code != exact


def requantize(
    acc: int, multiplier: int, shift: int, *, bits: int, symmetric: bool = False
) -> tuple[int, bool]:
    return saturate(round_half_away(Fraction(acc * multiplier, 2**shift)), bits, symmetric)


def add_requantized(
    a: int, b: int, multipliers: tuple[int, int], shifts: tuple[int, int], *, bits: int
) -> tuple[int, bool]:
    exact = Fraction(a * multipliers[0], 2 ** shifts[0]) + Fraction(
        b * multipliers[1], 2 ** shifts[1]
    )
    return saturate(round_half_away(exact), bits)


def exponential(distance: int, *, q_ln2: int, q_b: int, q_c: int) -> int:
    """16-bit exponential of minus the distance to the row's maximum."""
    distance = min(distance, 30 * q_ln2)
    z, remainder = divmod(distance, q_ln2)
    polynomial = -remainder * (q_b - remainder) + q_c
    to_16_bits = Fraction(2) ** (16 - len(f"{q_c:b}"))
    return math.floor(polynomial * to_16_bits / 2**z)


def softmax(
    logits: Sequence[int],
    keep: Sequence[bool] | None = None,
    *,
    q_ln2: int,
    q_b: int,
    q_c: int,
    output_bits: int,
    rounding: str,
) -> tuple[list[int], int]:
    """Codes of one row, and how many saturated."""
    kept = [True] * len(logits) if keep is None else list(keep)
    if not any(kept):
        return [0] * len(logits), 0
    maximum = max(logit for logit, kept_one in zip(logits, kept, strict=True) if kept_one)
    exponentials = [
        exponential(maximum - logit, q_ln2=q_ln2, q_b=q_b, q_c=q_c) if kept_one else 0
        for logit, kept_one in zip(logits, kept, strict=True)
    ]
    factor = 2**32 // sum(exponentials)
    half = Fraction(1, 2) if rounding == "half_up" else Fraction(0)
    codes = [math.floor(Fraction(e * factor, 2 ** (32 - output_bits)) + half) for e in exponentials]
    largest = 2**output_bits - 1
    return [min(code, largest) for code in codes], sum(code > largest for code in codes)


def gelu(x: int, *, q_clip: int, q_c: int) -> int:
    cut = 2 ** max(0, len(f"{q_c:b}") - 15)
    one = q_c // cut
    parabola = (q_c - (min(abs(x), q_clip) - q_clip) ** 2) // cut
    return x * (one + parabola) if x >= 0 else x * (one - parabola)


def layer_norm(
    row: Sequence[int], *, gain: Sequence[int], bias: Sequence[int], epsilon: int
) -> list[int]:
    length = len(row)
    mean = math.floor(Fraction(sum(row) + length // 2, length))
    centred = [value - mean for value in row]
    root = math.isqrt(sum(value**2 for value in centred) + epsilon)
    factor = math.floor(Fraction(2**31, root))
    normal = [math.floor(Fraction(value * factor, 2**16) + Fraction(1, 2)) for value in centred]
    return [n * g + b for n, g, b in zip(normal, gain, bias, strict=True)]
