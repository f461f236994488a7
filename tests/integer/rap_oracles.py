"""RAP's arithmetic one value at a time, in unbounded integers and rationals.

Written from the definitions (eMSB-Q, VDR-Softmax, its normalizations), not from the units, with
which it shares no code.
"""

import math
from collections.abc import Sequence
from fractions import Fraction

EXP_LINEAR, EXP_CONSTANT = 0.96963238 / 0.35815147, 1 / 0.35815147
"""I-BERT's polynomial over its leading coefficient: 2.70732 and 2.79211."""


def half_up(exact: Fraction) -> int:
    return math.floor(exact + Fraction(1, 2))


def effective_msb(row: Sequence[int], kept: int = 8) -> tuple[list[int], int]:
    """Sign and ``kept`` bits from the leading one of a row, cut; the shift."""
    occupied = 0
    for x in row:
        occupied |= x if x >= 0 else -x - 1
    shift = max(0, len(f"{occupied:b}" if occupied else "") - kept)
    limit = 2**kept - 1
    return [max(-limit, min(limit, math.floor(Fraction(x, 2**shift)))) for x in row], shift


def fixed_msb(row: Sequence[int], msb: int, bits: int, *, rounds: bool = True) -> list[int]:
    """Codes of ``bits`` cut at a place; its shift is ``max(0, msb + 1 - bits)``."""
    shift, limit = max(0, msb + 1 - bits), 2 ** (bits - 1) - 1
    exact = [Fraction(x, 2**shift) for x in row]
    codes = [half_up(x) if rounds and shift else math.floor(x) for x in exact]
    return [max(-limit, min(limit, code)) for code in codes]


def entry(scale: float, exponent: int) -> tuple[int, int, int, int, int]:
    """Place of the exponent's entry in the table, and l, b, c and output shift of it."""
    first = math.ceil(math.log2(4.1e-4 / scale))
    place = max(0, min(9, exponent - first))
    step = scale * 2.0 ** (first + place)
    largest = round(EXP_CONSTANT / (scale * 2.0**first) ** 2)
    return (
        first + place,
        round(math.log(2) / step),
        round(EXP_LINEAR / step),
        round(EXP_CONSTANT / step**2),
        len(f"{largest:b}") - 8 - 2 * place,
    )


def exponentials(
    logits: Sequence[int], keep: Sequence[bool], exponent: int, scale: float
) -> tuple[list[int], int]:
    """8-bit codes of a row, and how many were limited or lay above the table."""
    kept = [x for x, stays in zip(logits, keep, strict=True) if stays]
    known, l, b, c, shift = entry(scale, exponent)  # noqa: E741  the paper's letter
    codes, limited = [], int(exponent > known)
    for x, stays in zip(logits, keep, strict=True):
        if not stays:
            codes.append(0)
            continue
        distance = math.floor((x - max(kept)) * Fraction(2) ** (exponent - known))
        distance = max(distance, -65535)
        z = -distance // l
        rest = distance + z * l
        assert -l < rest <= 0
        value = (rest * (rest + b) + c) // 2 ** min(z, 16)
        code = half_up(Fraction(value) / Fraction(2) ** shift)
        limited += code > 255
        codes.append(min(code, 255))
    return codes, limited


def normalized(acc: int, total: int, method: str) -> int:
    """P·V over the sum of exponentials, with 8 guard bits."""
    if total == 0:
        return 0
    k = len(f"{total:b}") - 1
    if method == "shift":
        return math.floor(acc * Fraction(2) ** (8 - k))
    following = math.floor(Fraction(total, 2**k) * 256) - 256
    factor = min(255, half_up(Fraction(2**16) / (256 + following + Fraction(1, 2))))
    return math.floor(Fraction(acc * factor, 2 ** (8 + k - 8)))
