"""More units one value at a time, in unbounded integers and rationals.

Written from the formulas of the units' descriptions; shares no code with the units.
"""

import functools
import math
from collections.abc import Sequence
from fractions import Fraction

from tests.integer.oracles import exponential, round_half_away, saturate

polynomial_exponential = functools.cache(exponential)


def half_up(exact: Fraction) -> int:
    return math.floor(exact + Fraction(1, 2))


@functools.cache
def shift_exponential(distance: int, *, one: int, halvings: int) -> int:
    """(one - r/2) * 2**(halvings - z) of the paper, over the power of two in ``one``."""
    exponent = distance + math.ceil(Fraction(distance, 2)) - math.ceil(Fraction(distance, 16))
    z, rest = divmod(min(exponent, halvings * one), one)
    published = (one - Fraction(rest, 2)) * Fraction(2) ** (halvings - z)
    return math.floor(published / 2 ** (len(f"{one:b}") - 1))


def times_sigmoid(x: int, exponential_code: int, at_zero: int, sigmoid_bits: int) -> int:
    below = Fraction(exponential_code, at_zero + exponential_code)
    small = half_up(below * 2**sigmoid_bits)
    return x * small if x < 0 else x * (2**sigmoid_bits - small)


def ivit_activation(x: int, *, one: int, sigmoid_bits: int) -> int:
    exponentials = [shift_exponential(d, one=one, halvings=23) for d in (abs(x), 0)]
    return times_sigmoid(x, *exponentials, sigmoid_bits)


def ibert_silu(x: int, *, q_ln2: int, q_b: int, q_c: int, sigmoid_bits: int) -> int:
    exponentials = [exponential(d, q_ln2=q_ln2, q_b=q_b, q_c=q_c) for d in (abs(x), 0)]
    return times_sigmoid(x, *exponentials, sigmoid_bits)


def table(x: int, entries: Sequence[int], input_bits: int) -> int:
    place = Fraction(x + 2 ** (input_bits - 1), 2**input_bits) * (len(entries) - 1)
    index = math.floor(place)
    return entries[index] + half_up((entries[index + 1] - entries[index]) * (place - index))


def rms_norm(row: Sequence[int], *, gain: Sequence[int], epsilon: int) -> list[int]:
    factor = 2**31 // math.isqrt(sum(value**2 for value in row) + epsilon)
    return [
        half_up(Fraction(value * factor, 2**16)) * g for value, g in zip(row, gain, strict=True)
    ]


def fixed_start_root(radicand: int) -> int:
    root = 2**16
    for _ in range(10):
        root = math.floor(Fraction(root + radicand // root, 2))
    return root


def centred(row: Sequence[int]) -> list[int]:
    mean = math.floor(Fraction(sum(row) + len(row) // 2, len(row)))
    return [value - mean for value in row]


def ivit_layer_norm(row: Sequence[int], *, gain: Sequence[int], bias: Sequence[int]) -> list[int]:
    deviations = centred(row)
    factor = (2**31 - 1) // fixed_start_root(sum(value**2 for value in deviations))
    return [
        half_up(Fraction(value * factor, 2**16)) * g + b
        for value, g, b in zip(deviations, gain, bias, strict=True)
    ]


def fqvit_layer_norm(
    row: Sequence[int],
    *,
    alpha: Sequence[int],
    gain: Sequence[int],
    bias: Sequence[int],
    epsilon: int,
) -> list[int]:
    scaled = [value * 2**exponent for value, exponent in zip(row, alpha, strict=True)]
    radicand = len(row) * sum(value**2 for value in scaled) - sum(scaled) ** 2 + epsilon
    factor = 2**44 // math.isqrt(radicand)
    outputs = []
    for deviation, g, b in zip(centred(scaled), gain, bias, strict=True):
        exact = abs(g) * factor
        dropped = max(0, len(f"{exact:b}") - 8)
        kept = exact // 2**dropped * 2**dropped
        product = half_up(Fraction(deviation * kept, 2**29))
        outputs.append((product if g > 0 else -product if g < 0 else 0) + b)
    return outputs


def rotary(
    row: Sequence[int],
    cosine: Sequence[int],
    sine: Sequence[int],
    *,
    fraction_bits: int,
    output_bits: int,
    pairing: str,
) -> tuple[list[int], int]:
    length = len(row)
    outputs = []
    for i in range(length):
        if pairing == "halves":
            partner = -row[i + length // 2] if i < length // 2 else row[i - length // 2]
        else:
            partner = row[i - 1] if i % 2 else -row[i + 1]
        exact = Fraction(row[i] * cosine[i] + partner * sine[i], 2**fraction_bits)
        outputs.append(saturate(half_up(exact), output_bits))
    return [code for code, _ in outputs], sum(saturated for _, saturated in outputs)


def normalized(
    exponentials: Sequence[int],
    *,
    numerator: int,
    factor_exponent: int,
    output_bits: int,
    rounding: str,
) -> tuple[list[int], int]:
    total = sum(exponentials)
    if not total:
        return [0] * len(exponentials), 0
    half = Fraction(1, 2) if rounding == "half_up" else Fraction(0)
    scale = Fraction(numerator // total, 2 ** (factor_exponent - output_bits))
    codes = [math.floor(e * scale + half) for e in exponentials]
    largest = 2**output_bits - 1
    return [min(code, largest) for code in codes], sum(code > largest for code in codes)


def kept_distances(logits: Sequence[int], keep: Sequence[bool]) -> list[int | None]:
    """Distances to the maximum of the kept; ``None`` where masked."""
    kept = [logit for logit, kept_one in zip(logits, keep, strict=True) if kept_one]
    top = max(kept)
    return [top - x if kept_one else None for x, kept_one in zip(logits, keep, strict=True)]


def ivit_softmax(
    logits: Sequence[int], keep: Sequence[bool], *, one: int, output_bits: int, rounding: str
) -> tuple[list[int], int]:
    exponentials = [
        0 if d is None else shift_exponential(d, one=one, halvings=15)
        for d in kept_distances(logits, keep)
    ]
    return normalized(
        exponentials,
        numerator=2**31 - 1,
        factor_exponent=31,
        output_bits=output_bits,
        rounding=rounding,
    )


@functools.cache
def illm_exponential(distance: int, *, multiplier: int, shift: int) -> int:
    code = min(255, half_up(Fraction(distance * multiplier, 2**shift)))
    exponent = Fraction(code * 15 * 369, 2**16)
    z = math.floor(exponent)
    return math.floor((1 - (exponent - z) / 2) * 2**16 / 2**z)


def illm_softmax(
    logits: Sequence[int],
    keep: Sequence[bool],
    *,
    multiplier: int,
    shift: int,
    output_bits: int,
    rounding: str,
) -> tuple[list[int], int]:
    exponentials = [
        0 if d is None else illm_exponential(d, multiplier=multiplier, shift=shift)
        for d in kept_distances(logits, keep)
    ]
    return normalized(
        exponentials,
        numerator=2**32,
        factor_exponent=32,
        output_bits=output_bits,
        rounding=rounding,
    )


@functools.cache
def logarithm(total: int, exponential_code: int) -> int:
    """4-bit logarithm of a quotient, by division, as published; -1 for nothing."""
    if exponential_code == 0:
        return -1
    quotient = half_up(Fraction(total, exponential_code))
    floor = len(f"{quotient:b}") - 1
    k = floor + (1 if 2 * quotient >= 3 * 2**floor else 0)
    return k if k <= 15 else -1


def fqvit_softmax(
    logits: Sequence[int], keep: Sequence[bool], *, q_ln2: int, q_b: int, q_c: int
) -> list[int]:
    exponentials = [
        0 if d is None else polynomial_exponential(d, q_ln2=q_ln2, q_b=q_b, q_c=q_c)
        for d in kept_distances(logits, keep)
    ]
    total = sum(exponentials)
    return [logarithm(total, e) for e in exponentials]


def chord(ends: Sequence[int], place: Fraction) -> int:
    """Value at ``place`` segments from the first end, its rise truncated towards the start."""
    index = math.floor(place)
    start, end = ends[index], ends[index + 1]
    rise = (end - start) * (place - index)
    return start + (math.floor(rise) if end >= start else -math.floor(-rise))


@functools.cache
def softermax_power(distance: Fraction) -> int:
    """``2**-distance`` in units of 2**-15, truncated."""
    ends = [math.isqrt(math.isqrt(2 ** (60 + 4 * 4 + j))) for j in range(5)]  # 2**(19 + j/4)
    rounded = [half_up(Fraction(end, 16)) for end in ends]
    z = math.ceil(distance)
    return math.floor(Fraction(chord(rounded, 4 * (z - distance)), 2**z))


def softermax_reciprocal(total: int, bits: int) -> tuple[int, int]:
    exponent = len(f"{total:b}") - 1
    ends = [half_up(Fraction(2**bits * 8, 8 + j)) for j in range(9)]
    return chord(ends, 8 * (Fraction(total, 2**exponent) - 1)), exponent


def softermax(
    logits: Sequence[int],
    keep: Sequence[bool],
    *,
    multiplier: int,
    shift: int,
    integer_bits: int,
    fraction_bits: int,
    sum_fraction_bits: int,
    reciprocal_bits: int,
    window: int,
    output_bits: int,
    rounding: str,
) -> tuple[list[int], int]:
    """Window by window, as the hardware sees the row."""
    pairs = [
        saturate(half_up(Fraction(x * multiplier, 2**shift)), integer_bits + fraction_bits)
        for x in logits
    ]
    exponents = [Fraction(code, 2**fraction_bits) for code, _ in pairs]
    maximum = -(2 ** (integer_bits - 1))
    total, powers, known = 0, [], []
    for start in range(0, len(logits), window):
        members = range(start, min(start + window, len(logits)))
        now = max([maximum, *(math.ceil(exponents[i]) for i in members if keep[i])])
        here = [softermax_power(now - exponents[i]) if keep[i] else 0 for i in members]
        total = math.floor(Fraction(total, 2 ** (now - maximum)))
        total += math.floor(Fraction(sum(here), 2 ** (15 - sum_fraction_bits)))
        powers += here
        known += [now] * len(here)
        maximum = now
    saturated = [kept and cut for kept, (_, cut) in zip(keep, pairs, strict=True)]
    if not any(keep):
        return [0] * len(logits), 0
    reciprocal, exponent = softermax_reciprocal(total, reciprocal_bits)
    unit = Fraction(2) ** (output_bits - 15 - reciprocal_bits - exponent + sum_fraction_bits)
    half = Fraction(1, 2) if rounding == "half_up" else Fraction(0)
    codes = []
    for power, at in zip(powers, known, strict=True):
        final = math.floor(Fraction(power, 2 ** (maximum - at)))
        codes.append(math.floor(final * reciprocal * unit + half))
    largest = 2**output_bits - 1
    over = [code > largest or cut for code, cut in zip(codes, saturated, strict=True)]
    return [min(code, largest) for code in codes], sum(over)


def leading_one(
    group: Sequence[int],
    *,
    kept_bits: int,
    coding: str,
    rounding: str,
    overflow: str,
    msb_bits: int | None,
) -> tuple[list[int], int, int]:
    """Codes of one group, its shift, and how many saturated."""
    if coding == "sign_magnitude":
        occupied = max((abs(x) for x in group), default=0)
    else:
        occupied = max((x if x >= 0 else -x - 1 for x in group), default=0)
    length = 0
    while 2**length <= occupied:
        length += 1
    shift = max(0, (length if msb_bits is None else msb_bits) - kept_bits)
    half = Fraction(1, 2) if rounding == "half_up" else Fraction(0)
    top = 2**kept_bits - 1
    codes, saturations = [], 0
    for x in group:
        negative = coding == "sign_magnitude" and x < 0
        exact = Fraction(abs(x) if negative else x, 2**shift)
        rounded = math.floor(exact + (half if shift else 0))
        bottom = -top - 1 if overflow == "floor" and coding == "twos_complement" else -top
        code = min(max(rounded, bottom), top)
        saturations += code != rounded
        codes.append(-code if negative else code)
    return codes, shift, saturations


def shift_requantize(acc: int, shift: int, bits: int, symmetric: bool = False) -> tuple[int, bool]:
    return saturate(round_half_away(Fraction(acc, 2**shift)), bits, symmetric)
